"""Held-out clients of runs, fine-tuned and tested: the rows of
``personalization/<run_id>.parquet``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from perfedavg.data.splits import read_group
from perfedavg.data.store import ClientStore
from perfedavg.models import MODELS
from perfedavg.models.model import Parameters
from perfedavg.models.steps import Examples, to_examples
from perfedavg.models.threads import use_one_thread
from perfedavg.personalization.fine_tuning import fine_tune
from perfedavg.personalization.schedule import Visit, intermediate_subset
from perfedavg.personalization.settings import Personalization, Run
from perfedavg.randomness import FINE_TUNING, INITIAL_PARAMETERS, StreamKey, torch_stream
from perfedavg.runtime.errors import reading
from perfedavg.runtime.job import Progress
from perfedavg.storage.checkpoints import anew, load_tensors, models_of
from perfedavg.storage.contracts import PERSONALIZATION
from perfedavg.storage.tables import EVALUATION, VALIDATION, read_table, write_table

Clients = Mapping[tuple[str, str], Sequence[int]]
"""Store positions of held-out clients by (group, ``all`` or ``intermediate``), as visits name
them."""


class Task(NamedTuple):
    """One client at one visit."""

    visit: Visit
    position: int


FineTuneClients = Callable[
    ["Personalizer", Sequence[Task], Callable[[Task], None]], list[np.ndarray]
]
"""A back end: (personalizer, tasks, what to call after each) to ``Personalizer.results`` of every
task, in their order."""


def one_by_one(
    personalizer: Personalizer, tasks: Sequence[Task], done: Callable[[Task], None]
) -> list[np.ndarray]:
    """The plain back end: one client after the other."""
    results = []
    for task in tasks:
        results.append(personalizer.results(task))
        done(task)
    return results


def held_out_clients(
    split: str | Path, intermediate_clients: int | None = None, split_seed: int = 0
) -> Clients:
    """The clients of both groups, from ``split.csv``."""
    validation, evaluation = (read_group(split, group) for group in (VALIDATION, EVALUATION))
    intermediate = intermediate_subset(evaluation, intermediate_clients, split_seed)
    groups = {(VALIDATION, "all"): validation, (EVALUATION, "all"): evaluation}
    return groups | {(EVALUATION, "intermediate"): intermediate}


def personalize_runs(
    runs: Sequence[Run],
    schedules: Sequence[Sequence[Visit]],
    checkpoints: Sequence[str] | None,
    store: ClientStore,
    clients: Clients,
    ways: Sequence[Personalization],
    fine_tune_clients: FineTuneClients = one_by_one,
    validation_files: Sequence[str] | None = None,
    all_files: Sequence[str] | None = None,
    earlier_files: Sequence[str] | None = None,
) -> None:
    """Personalize the clients that each run's schedule names, in every one of ``ways``; write the
    rows of validation clients to one file per run, the rows of all to another.

    Validation clients have their own file because nothing that chooses may read rows of evaluation
    clients.

    Args:
        checkpoints: each run's folder of models; None: fresh models.
        earlier_files: rows of each run that are there already and come first."""
    per_run = [checkpoints, validation_files, all_files, earlier_files]
    columns = [repeat(None) if files is None else files for files in per_run]
    for run, visits, folder, validation, everyone, earlier in zip(
        runs, schedules, *columns, strict=False
    ):
        tables = [read_table(PERSONALIZATION, earlier)] if earlier else []
        inputs = (run, folder, store, visits, clients)
        tables += [personalize_run(*inputs, way, fine_tune_clients) for way in ways]
        rows = pd.concat(tables, ignore_index=True)
        if validation:
            chosen_on = rows[rows.client_group == VALIDATION].reset_index(drop=True)
            write_table(PERSONALIZATION, chosen_on, validation)
        if everyone:
            write_table(PERSONALIZATION, rows, everyone)


def personalize_run(
    run: Run,
    checkpoints: str | Path | None,
    store: ClientStore,
    visits: Sequence[Visit],
    clients: Clients,
    settings: Personalization,
    fine_tune_clients: FineTuneClients = one_by_one,
) -> pd.DataFrame:
    """Rows of ``personalization/<run_id>.parquet``, in the order of ``visits`` and ``clients``.

    Args:
        checkpoints: the run's folder of ``round_<n>.safetensors``; rounds without one (after a
            divergence) give no rows. None: a fresh model, which knows nothing yet (local-only
            training).
        visits: without fine-tuning they give epoch 0 alone.
        fine_tune_clients: the back end that computes the clients.

    Raises:
        PerfedavgError: a model of a run that has finished is missing.
    """
    use_one_thread()
    rounds = {visit.round_number for visit in visits}
    models = rounds if checkpoints is None else models_of(checkpoints, rounds)
    tasks = [
        Task(visit, int(position))
        for visit in visits
        if visit.round_number in models
        for position in clients[visit.group, visit.clients]
    ]
    progress = Progress(f"{run.run_id}, {settings.strategy}", len(tasks), "client")
    results = fine_tune_clients(
        Personalizer(run, checkpoints, store, settings, keep=True),
        tasks,
        lambda task: progress.advance(round=task.visit.round_number),
    )
    progress.close()
    positions, client_ids = [task.position for task in tasks], store.client_ids()
    labels = {p: int((store.client(p).test_y >= 0).sum()) for p in set(positions)}
    table = pd.DataFrame(
        {
            "run_id": run.run_id,
            "algorithm": run.algorithm,
            "stage": run.stage,
            "seed": run.seed,
            "round": [task.visit.round_number for task in tasks],
            "client_id": [client_ids[position].as_py() for position in positions],
            "client_group": [task.visit.group for task in tasks],
            **{name: store.column(name)[positions] for name in ("num_train", "num_test")},
            "num_test_labels": [labels[position] for position in positions],
            "strategy": settings.strategy,
            "fine_tune_lr": settings.lr,
            "epoch": [range(len(rows)) for rows in results],
        }
    ).explode("epoch", ignore_index=True)
    values = np.concatenate([np.empty((0, 2)), *results])
    table = table.assign(accuracy=values[:, 0], loss=values[:, 1])
    return table.astype({"round": "int64", "epoch": "int64"})


class Personalizer:
    """One run's models and a store's clients, ready to be fine-tuned; it keeps the last model and,
    where told, all examples. It can travel to another process."""

    def __init__(
        self,
        run: Run,
        checkpoints: str | Path | None,
        store: ClientStore,
        settings: Personalization,
        keep: bool = False,
    ) -> None:
        self.run, self.checkpoints, self.store, self.settings = run, checkpoints, store, settings
        self.model = MODELS[run.model]
        self.parameters = lru_cache(maxsize=1)(self._read_parameters)
        self._client = lru_cache(maxsize=None if keep else 1)(self._read_client)

    def __reduce__(self) -> tuple[Callable[..., Personalizer], tuple[Any, ...]]:
        return _reopened, (self.run, self.checkpoints, self.store.folder, self.settings)

    def results(self, task: Task) -> np.ndarray:
        """What :func:`fine_tune` returns for one client from one round's model."""
        train, test, key = self.inputs(task)
        parameters = self.parameters(task.visit.round_number)
        return fine_tune(
            self.model, parameters, train, test, self.settings, key, self.epochs(task.visit)
        )

    def inputs(self, task: Task) -> tuple[Examples, Examples, StreamKey]:
        """Train and test examples, and the key of the client's streams."""
        client_id, train, test = self._client(task.position)
        key = StreamKey(self.run.seed, FINE_TUNING, task.visit.round_number, client_id)
        return train, test, key

    def epochs(self, visit: Visit) -> int:
        """How many epochs of fine-tuning a visit takes."""
        return self.settings.epochs if visit.fine_tuned else 0

    def _read_parameters(self, round_number: int) -> Parameters:
        if self.checkpoints is None:
            return self.model.init(torch_stream(StreamKey(self.run.seed, INITIAL_PARAMETERS)))
        path = models_of(self.checkpoints, [round_number])[round_number]
        with reading(path, anew(path)):
            return self.model.unnamed(load_tensors(path)[0])

    def _read_client(self, position: int) -> tuple[str, Examples, Examples]:
        client = self.store.client(position)
        train = to_examples(self.model, client.train_x, client.train_y)
        return client.client_id, train, to_examples(self.model, client.test_x, client.test_y)


def _reopened(
    run: Run, checkpoints: str | Path | None, folder: Path, settings: Personalization
) -> Personalizer:
    return Personalizer(run, checkpoints, ClientStore(folder), settings)
