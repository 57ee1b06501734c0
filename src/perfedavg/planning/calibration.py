"""What each activity costs per example on this machine: every kind of job, run in miniature on
made-up clients.

The same functions do the work as in the workflow's own jobs, so the costs follow whatever makes
those faster."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from perfedavg.algorithms.spec import Phase, RunSpec
from perfedavg.config.experiment import Config
from perfedavg.data.sources import DataSet, DataSize
from perfedavg.data.store import ClientExamples, ClientStore, write_store
from perfedavg.execution.cohorts import training_back_end
from perfedavg.execution.held_out import fine_tuning_back_end
from perfedavg.models import MODELS
from perfedavg.personalization.evaluate import personalize_run
from perfedavg.personalization.schedule import Visit
from perfedavg.planning.comparison_runs import comparison_runs
from perfedavg.planning.limits import reference_seconds
from perfedavg.planning.runs import grid_runs, stage2_runs
from perfedavg.planning.workload import (
    EVALUATE,
    Activity,
    fine_tuning_activity,
    gradient_examples,
    theory_examples,
    training_activity,
)
from perfedavg.randomness import THEORY, StreamKey, torch_stream
from perfedavg.runtime.job import Progress
from perfedavg.runtime.pool import Pool
from perfedavg.storage.checkpoints import save_tensors
from perfedavg.storage.tables import VALIDATION
from perfedavg.training.centralized import CentralizedRun
from perfedavg.training.federated import train_runs
from perfedavg.training.theory import measure_theory

logger = logging.getLogger("perfedavg")

CLIENTS = 8
EXAMPLES_PER_TRIAL = 1500
"""About how many examples a trial goes through at once: fewer clients where each has many."""
TRAINING, ANALYSIS = "training", "analysis"
_IMPORTED = {
    TRAINING: "perfedavg.training.federated, perfedavg.personalization.evaluate",
    ANALYSIS: "perfedavg.analysis.figures.rounds",
}

Trial = Callable[[int], float]
"""Do an activity so many times over; return the examples that were handled."""


@dataclass(frozen=True)
class Costs:
    """Seconds of one core (of the GPU's host, where one computes) per example, by activity; and per
    job before its work, by kind."""

    seconds: Mapping[Activity, float]
    start_up: Mapping[str, float]


def calibrate(
    config: Config, data: DataSize, activities: Iterable[Activity], seconds: float = 0.7
) -> Costs:
    """Measure every activity for about ``seconds``, with clients of the data's mean size."""
    activities = sorted(activities)
    progress = Progress("calibration", len(activities) + len(_IMPORTED), "activity")
    with TemporaryDirectory() as scratch:
        trials = _Trials(config, data, Path(scratch))
        on_gpu = config.execution.backend.device == "cuda"
        clock = time.perf_counter if on_gpu else time.process_time
        costs = {}
        for activity in activities:
            if activity.kind == "convert":  # there is no archive to try it on
                costs[activity] = reference_seconds(config.network, activity)
            else:
                with _quietly():
                    costs[activity] = _seconds_per_example(trials.of(activity), clock, seconds)
            progress.advance(activity=" ".join(map(str, activity)))
    start_up = {}
    for kind, modules in _IMPORTED.items():
        command = [sys.executable, "-c", f"import {modules}"]
        start_up[kind] = min(_cpu_seconds_of(command) for _ in range(2))
        progress.advance(activity="start-up")
    progress.close()
    return Costs(costs, start_up)


def _seconds_per_example(trial: Trial, clock: Callable[[], float], seconds: float) -> float:
    """The first call warms up, and says how often the second one has to repeat; a long one is
    enough by itself."""
    began = clock()
    examples = trial(1)
    took = clock() - began
    if took < 4 * seconds:
        repeats = max(1, min(200, round(seconds / max(took, 1e-3))))
        began = clock()
        examples = trial(repeats)
        took = clock() - began
    return took / examples


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the progress lines of what is tried."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _cpu_seconds_of(command: list[str]) -> float:
    before = os.times()
    subprocess.run(command, check=True)
    after = os.times()
    user = after.children_user - before.children_user
    return user + after.children_system - before.children_system


class _Trials:
    """Miniatures of the workflow's jobs, on one small store."""

    def __init__(self, config: Config, data: DataSize, folder: Path) -> None:
        self.config, self.data, self.folder, self.calls = config, data, folder, 0
        train, test = max(1, round(data.train)), max(1, round(data.test))
        self.store = _made_up_store(config.data, folder / "store", train, test)
        few = min(train, config.training.client.batch_size)  # a full batch, as cheap as a small one
        self.store_of_theory = _made_up_store(config.data, folder / "small", few, test)
        self.specs = [*grid_runs(config), *stage2_runs(config), *comparison_runs(config)]

    def of(self, activity: Activity) -> Trial:
        """The trial of one activity."""
        kinds = {
            "train": self.train,
            "fine-tune": self.fine_tune,
            "evaluate": self.fine_tune,
            "centralized": self.centralized,
            "theory": self.theory,
            "draw": self.draw,
        }
        return partial(kinds[activity.kind], activity)

    def train(self, activity: Activity, repeats: int) -> float:
        phases = ((spec, phase) for spec in self.specs for phase in spec.phases)
        spec, phase = next(pair for pair in phases if training_activity(pair[1]) == activity)
        examples = gradient_examples(phase, self.data.train)
        changes = phase.model_dump(include=set(Phase.model_fields)) | {
            "clients_per_round": self._at_once(examples, spec.clients_per_round),
            "rounds": repeats,
            "evaluated_rounds": (repeats,),
            "client": phase.client,
            "server": phase.server,
        }
        spec, folders = self._fresh(spec, **changes), (self._new_folder(), self._new_folder())
        with Pool(1) as pool:
            back_end = training_back_end(spec.backend, pool, self.store)
            train_runs([spec], self.store, range(CLIENTS), [0], *folders, back_end)
        return repeats * spec.clients_per_round * gradient_examples(spec, round(self.data.train))

    def fine_tune(self, activity: Activity, repeats: int) -> float:
        ordinary, studies = self.config.evaluation.fine_tuning, self.config.studies
        ways = [ordinary, *(ordinary.model_copy(update=dict(way)) for way in studies.strategies)]
        ways += [studies.local_only.as_fine_tuning()] if studies.local_only else []
        tuned, way = activity != EVALUATE, ordinary
        if tuned:
            way = next(way for way in ways if fine_tuning_activity(way, way.batch_size) == activity)
        clients = list(range(self._at_once(way.epochs * self.data.train))) * repeats
        visit, held_out = Visit(0, VALIDATION, "all", tuned), {(VALIDATION, "all"): clients}
        with Pool(1) as pool:
            back_end = fine_tuning_back_end(self.config.execution.backend, pool)
            personalize_run(self.specs[0], None, self.store, [visit], held_out, way, back_end)
        examples = round(self.data.train) * way.epochs if tuned else round(self.data.test)
        return len(clients) * examples

    def centralized(self, activity: Activity, repeats: int) -> float:
        settings = self.config.studies.centralized.model_copy(update={"passes": repeats})
        clients = range(self._at_once(self.data.train))
        data = (self.store, clients, [0], self._new_folder())
        CentralizedRun("centralized", self.config.network, 0, settings, *data).train()
        return repeats * len(clients) * round(self.data.train)

    def theory(self, activity: Activity, repeats: int) -> float:
        theory, spec = self.config.studies.theory, self._fresh(self.specs[0])
        model, store, folder = MODELS[spec.model], self.store_of_theory, self._new_folder()
        rounds = range(1, repeats + 1)
        for round_number in rounds:
            fresh = model.init(torch_stream(StreamKey(0, THEORY, round_number)))
            save_tensors(folder / f"round_{round_number}.safetensors", model.named(fresh), {})
        paths = folder / "theory.parquet", folder / "resume"
        measure_theory(spec, folder, store, range(CLIENTS), theory.max_steps, 1, rounds, *paths)
        return repeats * theory_examples(len(store.client(0).train_y), spec.client.batch_size)

    def draw(self, activity: Activity, repeats: int) -> float:
        drawn = islice(self.config.data.clients(None, self.folder), 2 * repeats)
        return sum(len(client.train_y) + len(client.test_y) for client in drawn)

    def _fresh(self, spec: RunSpec, **changes: object) -> RunSpec:
        start = {"parent_run_id": None, "parent_rounds": 0, "keeps_server_state": False}
        return spec.model_copy(update={**start, "stage": 1, "then": (), **changes})

    def _at_once(self, examples: float, limit: int = CLIENTS) -> int:
        """How many clients a trial takes, each of which goes through so many examples."""
        return max(1, min(limit, CLIENTS, int(EXAMPLES_PER_TRIAL // examples)))

    def _new_folder(self) -> Path:
        self.calls += 1
        folder = self.folder / str(self.calls)
        folder.mkdir()
        return folder


def _made_up_store(data: DataSet, folder: Path, train: int, test: int) -> ClientStore:
    clients = (_made_up_client(data, n, train, test) for n in range(CLIENTS))
    write_store(folder, clients, data.num_classes)
    return ClientStore(folder)


def _made_up_client(data: DataSet, index: int, train: int, test: int) -> ClientExamples:
    rng, n = np.random.default_rng(index), train + test
    shape = (n, *data.example_shape)
    if data.kind == "vectors":
        x = rng.normal(size=shape).astype(np.float32)
    else:
        x = rng.integers(data.num_values, size=shape)
        x = x.astype(np.uint8 if data.num_values <= 256 else np.int32)
    y = rng.integers(data.num_classes, size=(n, *data.label_shape))
    return ClientExamples(f"made-up-{index}", x[:train], y[:train], x[train:], y[train:])
