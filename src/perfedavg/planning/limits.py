"""What a job asks a cluster for: minutes and memory that follow from its work, and a GPU where the
config computes on one.

These are limits, not estimates (``plan`` estimates): a job that needs more is ended, and started
again with more."""

from __future__ import annotations

import math
from typing import NamedTuple

from perfedavg.models import num_parameters
from perfedavg.planning.workload import Activity, Counting, runs_of

# Milliseconds of one core an example, measured by ``calibration`` on an AMD EPYC with AVX-512 and
# rounded up. The batch size and the optimizer matter less than what LIMIT allows for.
_MILLISECONDS = {
    "cnn_small": {
        "train": 0.05,
        "maml": 0.12,
        "fine-tune": 0.07,
        "evaluate": 0.1,
        "centralized": 0.06,
        "theory": 10,
    },
    "cnn_emnist": {
        "train": 0.9,
        "maml": 3,
        "fine-tune": 1.2,
        "evaluate": 0.4,
        "centralized": 0.9,
        "theory": 600,
    },
}
_LIKE = "cnn_emnist"  # whose costs networks that were not measured are given
_DATA_MILLISECONDS = {"draw": 0.07, "convert": 0.2}
START_UP_SECONDS = 5.0
LIMIT = 4
"""A job's limit in multiples of what its work took there: cores are slower elsewhere, and
shared."""
SHORTEST_MINUTES = 10

# Megabytes, measured as the peak of the default and the tiny experiment's jobs and rounded up.
BASE_MB, TABLES_MB, WORKER_MB = 1000, 600, 450
ON_BACK_END = (
    "train_fedavg",
    "train_stage2",
    "train_algorithms",
    "personalize",
    "personalize_stage2",
    "personalize_strategies",
)
ON_BACK_END += ("validate_algorithms", "evaluate_algorithms")
"""The rules whose jobs compute on the config's back end."""
BATCHED_CLIENTS = 64
"""Clients that the batched back end fine-tunes at once; of a cohort it trains all."""
PREPARED_BYTES = {"cnn_small": 4 * 144 * 25}
"""Of an example as the network takes it, where that is not its values in float32."""
ROW_BYTES = 20
"""Of a client and epoch, in Parquet."""


class Needs(NamedTuple):
    """Limits of one job."""

    mem_mb: int
    runtime: int
    """minutes"""
    gpu: int


def needs(counting: Counting, rule: str, wildcards: dict[str, str]) -> Needs:
    """The limits of a rule's job at its first attempt."""
    config, work = counting.config, counting.of_job(rule, wildcards)
    kinds = {activity.kind for activity in work}
    seconds = START_UP_SECONDS + sum(
        n * reference_seconds(config.model, activity) for activity, n in work.items()
    )
    batched = config.backend.kind == "batched" and rule in ON_BACK_END
    workers = config.workers if kinds & {"train", "fine-tune"} and not batched else 1
    minutes = max(SHORTEST_MINUTES, math.ceil(LIMIT * seconds / workers / 60))
    on_gpu = config.backend.device == "cuda" and rule in ON_BACK_END
    return Needs(_memory(counting, work, workers), minutes, int(on_gpu))


def reference_seconds(model: str, activity: Activity) -> float:
    """Seconds an example, on the machine of reference."""
    costs = _MILLISECONDS.get(model, _MILLISECONDS[_LIKE]) | _DATA_MILLISECONDS
    return costs["maml" if activity.variant.startswith("maml") else activity.kind] / 1000


def model_megabytes(model: str) -> float:
    """Size of a network's parameters."""
    return 4e-6 * num_parameters(model)


def _memory(counting: Counting, work: dict[Activity, int], workers: int) -> int:
    config, model = counting.config, model_megabytes(counting.config.model)
    if not work:
        return TABLES_MB
    cohorts = [
        *config.federated.clients_per_round,
        *([config.algorithms.clients_per_round] if config.algorithms else []),
    ]
    steps = config.algorithms.local_steps if config.algorithms else 0
    values = math.prod(config.data.example_shape)
    kinds, megabytes = {activity.kind for activity in work}, BASE_MB + 10 * model
    if (
        "train" in kinds
    ):  # a round's deltas are kept until they are averaged; MAML keeps the walk's models
        megabytes += model * (max(cohorts) + steps)
    if "centralized" in kinds:  # the pooled examples
        megabytes += 2 * config.split.training_clients * counting.data.train * values / 1e6
    if "theory" in kinds:  # in float64, an update a client and algorithm
        megabytes += 2 * model * config.theory.clients * (config.theory.max_steps + 1)
    if config.backend.kind == "batched" and kinds & {"train", "fine-tune"}:
        megabytes += (
            4
            * max(BATCHED_CLIENTS, *cohorts)
            * (model * (1 + steps) + config.personalization.batch_size * 0.3)
        )
    if (
        kinds & {"fine-tune", "evaluate"} and workers == 1
    ):  # the held-out clients, as the network takes them
        images = (counting.validation_clients + counting.evaluation_clients) * (
            counting.data.train + counting.data.test
        )
        megabytes += images * PREPARED_BYTES.get(config.model, 4 * values) / 1e6
    if workers > 1:
        megabytes += workers * (WORKER_MB + 10 * model)
    return 10 * math.ceil(megabytes / 10)


def written_megabytes(counting: Counting, rule: str, wildcards: dict[str, str]) -> float:
    """What a job leaves on disk: models and checkpoints, the client store, rows of personalized
    clients."""
    model = model_megabytes(counting.config.model)
    trained = {
        "train_fedavg": counting.stage1,
        "train_stage2": counting.stage2,
        "train_algorithms": counting.entries,
    }
    if rule in trained:  # the checkpoints, the last model, the server optimizer's state
        return sum(
            model * (len(run.evaluated_rounds) + 2) for run in runs_of(trained[rule], wildcards)
        )
    if rule == "train_centralized":
        return model * counting.config.centralized.passes
    work = counting.of_job(rule, wildcards)
    if rule == "build_store":
        return sum(work.values()) * (math.prod(counting.config.data.example_shape) + 4) / 1e6
    return (
        sum(n for activity, n in work.items() if activity.kind == "fine-tune")
        / counting.data.train
        * ROW_BYTES
        / 1e6
    )
