"""What a job asks a cluster for: minutes and memory that follow from its work, and a GPU where the
config computes on one.

These are limits, not estimates (``plan`` estimates): a job that needs more is ended, and started
again with more."""

from __future__ import annotations

import math
from typing import NamedTuple

from perfedavg.data.readers.parquet import PART_BYTES
from perfedavg.models import base, num_parameters, sizes_in
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
    "mlp": {
        "train": 0.03,
        "maml": 0.1,
        "fine-tune": 0.05,
        "evaluate": 0.03,
        "centralized": 0.03,
        "theory": 5,
    },
    "cnn_any": {
        "train": 0.2,
        "maml": 0.7,
        "fine-tune": 0.3,
        "evaluate": 0.15,
        "centralized": 0.2,
        "theory": 40,
    },
    "lstm_any": {
        "train": 1,
        "maml": 4,
        "fine-tune": 1.2,
        "evaluate": 0.3,
        "centralized": 1,
        "theory": 200,
    },
}
_MEASURED_VALUES = {"mlp": 784, "cnn_any": 784, "lstm_any": 80}
"""Values of the examples in that measurement; larger ones cost in proportion."""
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
BYTES_PER_VALUE = {"images": (1, 4), "vectors": (4, 4), "tokens": (4, 16)}
"""Bytes of a value in the store, and of one as the network takes it, a token's label counted in."""
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
    seconds = job_seconds(workload, rule, runs)
    batched = config.execution.backend.kind == "batched" and on_back_end
    shared = kinds & {"train", "fine-tune"} and not batched
    workers = config.execution.workers if shared else 1
    minutes = math.ceil(LIMIT * seconds / workers / 60)
    return Limits(_memory(workload, work, workers), max(SHORTEST_MINUTES, minutes))


def job_seconds(workload: Workload, rule: str, runs: Runs) -> float:
    """Seconds of one core that a job with these runs takes on the machine of reference: what jobs
    weigh against each other, without a measurement here."""
    work = workload.of_job(rule, runs)
    costs = (n * reference_seconds(workload.config.network, a) for a, n in work.items())
    return START_UP_SECONDS + sum(costs)


def reference_seconds(model: str, activity: Activity) -> float:
    """Seconds per example, on the machine of reference."""
    name = base(model)
    costs = _MILLISECONDS.get(name, _OTHERS) | _DATA_MILLISECONDS
    if name in _MEASURED_VALUES:
        values = math.prod(sizes_in(model).example_shape)
        factor = max(1, values / _MEASURED_VALUES[name])
        costs = {kind: factor * cost for kind, cost in costs.items()}
    training = activity.kind == "train" and activity.variant
    return costs["maml" if training else activity.kind] / 1000


def model_megabytes(model: str) -> float:
    """Size of a network's parameters."""
    return 4e-6 * num_parameters(model)


def _memory(workload: Workload, work: Work, workers: int) -> int:
    if not work:
        return TABLES_MB
    config, data = workload.config, workload.data
    model = model_megabytes(config.network)
    comparison, theory = config.studies.comparison, config.studies.theory
    cohorts = [*config.training.clients_per_round]
    cohorts += [comparison.clients_per_round] if comparison else []
    steps = comparison.local_steps if comparison else 0
    values = math.prod(config.data.example_shape)
    kinds, megabytes = {activity.kind for activity in work}, BASE_MB + 10 * model
    if "train" in kinds:
        # A round's deltas are kept until they are averaged; MAML keeps the walk's models.
        megabytes += model * (max(cohorts) + steps)
    stored, prepared = BYTES_PER_VALUE[config.data.kind]
    if "centralized" in kinds:  # the pooled examples
        megabytes += 2 * config.split.num_training * data.train * stored * values / 1e6
    if config.data.files and "convert" in kinds:  # the part of a table that is sorted by client
        whole = sum(work.values()) * stored * values
        megabytes += 4 * min(PART_BYTES, whole) / 1e6
    if "theory" in kinds:  # in float64, an update per client and algorithm
        megabytes += 2 * model * theory.clients * (theory.max_steps + 1)
    if config.execution.backend.kind == "batched" and kinds & {"train", "fine-tune"}:
        per_client = model * (1 + steps) + config.evaluation.fine_tuning.batch_size * 0.3
        megabytes += 4 * max(BATCHED_CLIENTS, *cohorts) * per_client
    if kinds & {"fine-tune", "evaluate"} and workers == 1:
        # The held-out clients, as the network takes them.
        held_out = workload.validation_clients + workload.evaluation_clients
        examples = held_out * (data.train + data.test)
        megabytes += examples * PREPARED_BYTES.get(config.network, prepared * values) / 1e6
    if workers > 1:
        megabytes += workers * (WORKER_MB + 10 * model)
    return 10 * math.ceil(megabytes / 10)


def written_megabytes(workload: Workload, rule: str, runs: Runs) -> float:
    """What a job leaves on disk: models and checkpoints, the client store, rows of personalized
    clients."""
    model, work = model_megabytes(workload.config.network), workload.of_job(rule, runs)
    if rule in ("train_fedavg", "train_stage2", "train_comparison"):
        # The checkpoints, the last model, the server optimizer's state.
        return sum(model * (len(run.evaluated_rounds) + 2) for run in runs)
    if rule == "train_centralized":
        return model * workload.config.studies.centralized.passes
    if rule == "build_store":
        data = workload.config.data
        labels, stored = math.prod(data.label_shape), BYTES_PER_VALUE[data.kind][0]
        return sum(work.values()) * (stored * math.prod(data.example_shape) + 4 * labels) / 1e6
    tuned = sum(n for activity, n in work.items() if activity.kind == "fine-tune")
    return tuned / workload.data.train * ROW_BYTES / 1e6
