"""What a job asks a cluster for: minutes and memory that follow from its work, and a GPU where the
config computes on one.

These are limits, not estimates (``plan`` estimates): a job that needs more is ended, and started
again with more."""

from __future__ import annotations

import math
from typing import NamedTuple

from perfedavg.models import num_parameters
from perfedavg.planning.workload import Activity, Runs, Work, Workload

# Milliseconds of one core per example, measured by ``calibration`` on an AMD EPYC with AVX-512 and
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
    "lstm_shakespeare": {
        "train": 6,
        "maml": 60,
        "fine-tune": 8,
        "evaluate": 2,
        "centralized": 6,
        "theory": 5000,
    },
}
# Other networks, bfloat16's among them, which takes less where the processor has it.
_OTHERS = _MILLISECONDS["cnn_emnist"]
_DATA_MILLISECONDS = {"draw": 0.07, "convert": 0.2}
START_UP_SECONDS = 5.0
LIMIT = 4
"""A job's limit in multiples of what its work took there: cores are slower elsewhere, and
shared."""
SHORTEST_MINUTES = 10

# Megabytes, measured as the peak of the default and the tiny experiment's jobs and rounded up.
BASE_MB, TABLES_MB, WORKER_MB = 1000, 600, 450
BATCHED_CLIENTS = 64
"""Clients that the batched back end fine-tunes at once; of a cohort it trains all."""
PREPARED_BYTES = {"cnn_small": 4 * 144 * 25}
"""Bytes per example as the network takes it, where that is not its values in float32."""
ROW_BYTES = 20
"""Bytes per client and epoch, in Parquet."""


class Limits(NamedTuple):
    """Limits of one job at its first attempt."""

    mem_mb: int
    runtime: int
    """minutes"""


def limits(workload: Workload, rule: str, runs: Runs, on_back_end: bool) -> Limits:
    """The limits of a job with these runs, which computes on the config's back end or not."""
    config, work = workload.config, workload.of_job(rule, runs)
    kinds = {activity.kind for activity in work}
    seconds = sum(n * reference_seconds(config.model, activity) for activity, n in work.items())
    batched = config.execution.backend.kind == "batched" and on_back_end
    shared = kinds & {"train", "fine-tune"} and not batched
    workers = config.execution.workers if shared else 1
    minutes = math.ceil(LIMIT * (START_UP_SECONDS + seconds) / workers / 60)
    return Limits(_memory(workload, work, workers), max(SHORTEST_MINUTES, minutes))


def reference_seconds(model: str, activity: Activity) -> float:
    """Seconds per example, on the machine of reference."""
    costs = _MILLISECONDS.get(model, _OTHERS) | _DATA_MILLISECONDS
    training = activity.kind == "train" and activity.variant
    return costs["maml" if training else activity.kind] / 1000


def model_megabytes(model: str) -> float:
    """Size of a network's parameters."""
    return 4e-6 * num_parameters(model)


def _memory(workload: Workload, work: Work, workers: int) -> int:
    if not work:
        return TABLES_MB
    config, data = workload.config, workload.data
    model = model_megabytes(config.model)
    comparison, theory = config.studies.comparison, config.studies.theory
    cohorts = [*config.training.clients_per_round]
    cohorts += [comparison.clients_per_round] if comparison else []
    steps = comparison.local_steps if comparison else 0
    values = math.prod(config.data.example_shape)
    kinds, megabytes = {activity.kind for activity in work}, BASE_MB + 10 * model
    if "train" in kinds:
        # A round's deltas are kept until they are averaged; MAML keeps the walk's models.
        megabytes += model * (max(cohorts) + steps)
    if "centralized" in kinds:  # the pooled examples
        megabytes += 2 * config.split.training_clients * data.train * values / 1e6
    if "theory" in kinds:  # in float64, an update per client and algorithm
        megabytes += 2 * model * theory.clients * (theory.max_steps + 1)
    if config.execution.backend.kind == "batched" and kinds & {"train", "fine-tune"}:
        per_client = model * (1 + steps) + config.evaluation.fine_tuning.batch_size * 0.3
        megabytes += 4 * max(BATCHED_CLIENTS, *cohorts) * per_client
    if kinds & {"fine-tune", "evaluate"} and workers == 1:
        # The held-out clients, as the network takes them.
        held_out = workload.validation_clients + workload.evaluation_clients
        examples = held_out * (data.train + data.test)
        megabytes += examples * PREPARED_BYTES.get(config.model, 4 * values) / 1e6
    if workers > 1:
        megabytes += workers * (WORKER_MB + 10 * model)
    return 10 * math.ceil(megabytes / 10)


def written_megabytes(workload: Workload, rule: str, runs: Runs) -> float:
    """What a job leaves on disk: models and checkpoints, the client store, rows of personalized
    clients."""
    model, work = model_megabytes(workload.config.model), workload.of_job(rule, runs)
    if rule in ("train_fedavg", "train_stage2", "train_comparison"):
        # The checkpoints, the last model, the server optimizer's state.
        return sum(model * (len(run.evaluated_rounds) + 2) for run in runs)
    if rule == "train_centralized":
        return model * workload.config.studies.centralized.passes
    if rule == "build_store":
        return sum(work.values()) * (math.prod(workload.config.data.example_shape) + 4) / 1e6
    tuned = sum(n for activity, n in work.items() if activity.kind == "fine-tune")
    return tuned / workload.data.train * ROW_BYTES / 1e6
