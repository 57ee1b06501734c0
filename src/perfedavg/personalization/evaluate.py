"""Held-out clients of one run, fine-tuned and tested: the rows of
``personalization/<run_id>.parquet``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from perfedavg.algorithms.spec import Backend
from perfedavg.data.store import ClientExamples, ClientStore
from perfedavg.execution.fine_tuning import fine_tune_clients
from perfedavg.execution.stacked import torch_device
from perfedavg.models import MODELS, Parameters
from perfedavg.models.steps import Examples, to_examples
from perfedavg.personalization.fine_tuning import Run, fine_tune
from perfedavg.personalization.settings import Personalization
from perfedavg.randomness import INITIAL_PARAMETERS, StreamKey, torch_stream
from perfedavg.runtime.job import Progress
from perfedavg.runtime.pool import Pool
from perfedavg.storage.checkpoints import load_tensors

AT_ONCE = 64
"""Clients that the batched back end fine-tunes at once: bounds its memory."""


PERSONALIZATION = {
    "run_id": "str",
    "algorithm": "str",
    "stage": "int 1..",
    "seed": "int 0..",
    "round": "int 0..",
    "client_id": "str",
    "client_group": "str",
    "num_train": "int 0..",
    "num_test": "int 0..",
    "strategy": "str",
    "fine_tune_lr": "float 0..",
    "epoch": "int 0..",
    "accuracy": "float? 0..1",
    "loss": "float?",
}


def personalize_run(
    spec: Run,
    checkpoints: str | Path | None,
    store: ClientStore,
    clients: dict[int, Sequence[int]],
    group: str,
    settings: Personalization,
    personalized_rounds: Sequence[int],
    pool: Pool | None = None,
    backend: Backend = Backend(),  # noqa: B008 - frozen
) -> pd.DataFrame:
    """Rows of ``personalization/<run_id>.parquet`` for one run and one client group.

    Args:
        checkpoints: the run's folder of ``round_<n>.safetensors``; rounds without one (after a
            divergence) give no rows. None: a fresh model, which knows nothing yet (local-only
            training).
        clients: store positions to look at, for each round. Rounds not in ``personalized_rounds``
            get epoch 0 only.
        group: ``validation`` or ``evaluation``.
        pool: its workers share the clients; the rows are the same.
        backend: one client after the other, or many at once; then a pool is not needed.
    """
    rounds = [n for n in clients if checkpoints is None or _checkpoint(checkpoints, n).exists()]
    todo = [
        (n, i, settings.epochs if n in personalized_rounds else 0)
        for n in rounds
        for i in clients[n]
    ]
    seen = {i: store.client(i) for _, i, _ in todo}
    progress = Progress(f"{spec.run_id} {group}, {settings.strategy}", len(todo), "client")
    found: list[np.ndarray] = []
    if backend.kind == "batched":
        own = _Personalizer(spec, checkpoints, store, settings, keep=True)
        for number in rounds:
            for first in range(0, len(clients[number]), AT_ONCE):
                tasks = [task for task in todo if task[0] == number][first : first + AT_ONCE]
                found += own.results_of_many(
                    number, [i for _, i, _ in tasks], tasks[0][2], torch_device(backend)
                )
                for _ in tasks:
                    progress.advance(round=number)
    elif pool and pool.size > 1:
        call = partial(_in_worker, store.folder, spec, checkpoints, settings)
        names = [f"{spec.run_id}, round {n}, client {seen[i].client_id}" for n, i, _ in todo]
        sizes = [
            (-rounds.index(n), len(seen[i].train_y)) for n, i, _ in todo
        ]  # round by round: a worker keeps one model
        found = pool.run(
            call, todo, names, sizes, lambda task: progress.advance(round=todo[task][0])
        )
    else:
        own = _Personalizer(spec, checkpoints, store, settings, keep=True)
        for task in todo:
            found.append(own.results(*task))
            progress.advance(round=task[0])
    progress.close()
    if not todo:
        return _rows(spec, settings, 0, None, group, np.empty((0, 2)))
    frames = [
        _rows(spec, settings, n, seen[i], group, results)
        for (n, i, _), results in zip(todo, found, strict=True)
    ]
    return pd.concat(frames, ignore_index=True)


class _Personalizer:
    """One run's models and a store's clients, ready to be fine-tuned; it keeps the last model and,
    where told, all examples."""

    def __init__(
        self,
        spec: Run,
        checkpoints: str | Path | None,
        store: ClientStore,
        settings: Personalization,
        keep: bool = False,
    ) -> None:
        self.spec, self.store, self.settings, self.model = spec, store, settings, MODELS[spec.model]
        self.checkpoints = checkpoints
        self._parameters = lru_cache(maxsize=1)(self._read_parameters)
        self._client = lru_cache(maxsize=None if keep else 1)(self._read_client)

    def results(self, number: int, position: int, epochs: int) -> np.ndarray:
        """What :func:`fine_tune` returns for one client from one round's model."""
        train, test, key = self._task(number, position)
        return fine_tune(
            self.model, self._parameters(number), train, test, self.settings, key, epochs
        )

    def results_of_many(
        self, number: int, positions: Sequence[int], epochs: int, device: torch.device
    ) -> list[np.ndarray]:
        """The same for many clients at once, up to rounding."""
        tasks = [self._task(number, position) for position in positions]
        return fine_tune_clients(
            self.model, self._parameters(number), tasks, self.settings, epochs, device
        )

    def _task(
        self, number: int, position: int
    ) -> tuple[Examples, Examples, tuple[int, str, int, str]]:
        client_id, train, test = self._client(position)
        return train, test, (self.spec.seed, "personalization", number, client_id)

    def _read_parameters(self, number: int) -> Parameters:
        if self.checkpoints is None:
            return self.model.init(torch_stream(StreamKey(self.spec.seed, INITIAL_PARAMETERS)))
        return self.model.unnamed(load_tensors(_checkpoint(self.checkpoints, number))[0])

    def _read_client(self, position: int) -> tuple[str, Examples, Examples]:
        c = self.store.client(position)
        train, test = (
            to_examples(self.model, x, y) for x, y in ((c.train_x, c.train_y), (c.test_x, c.test_y))
        )
        return c.client_id, train, test


@lru_cache(maxsize=1)
def _worker_personalizer(folder: Path, *run: Any) -> _Personalizer:
    spec, checkpoints, settings = run
    return _Personalizer(spec, checkpoints, ClientStore(folder), settings)


def _in_worker(
    folder: Path, spec: Run, checkpoints: str | Path | None, settings: Personalization, *task: int
) -> np.ndarray:
    """In a worker: one client's results."""
    return _worker_personalizer(folder, spec, checkpoints, settings).results(*task)


def _checkpoint(folder: str | Path, number: int) -> Path:
    return Path(folder) / f"round_{number}.safetensors"


def _rows(
    spec: Run,
    settings: Personalization,
    number: int,
    client: ClientExamples | None,
    group: str,
    results: np.ndarray,
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "run_id": spec.run_id,
            "algorithm": spec.algorithm,
            "stage": spec.stage,
            "seed": spec.seed,
            "round": number,
            "client_id": client.client_id if client else "",
            "client_group": group,
            "num_train": len(client.train_y) if client else 0,
            "num_test": len(client.test_y) if client else 0,
            "strategy": settings.strategy,
            "fine_tune_lr": settings.lr,
            "epoch": range(len(results)),
            "accuracy": results[:, 0],
            "loss": results[:, 1],
        }
    )
