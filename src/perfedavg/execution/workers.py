"""A round's client updates, spread over worker processes.

Of a client, only its position in the client store travels: a worker reads the examples itself.
Parameters and deltas are in memory that all processes share: first the round's parameters, behind
them a place for every client's delta."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import torch

from perfedavg.algorithms.client import ClientUpdate
from perfedavg.algorithms.federated import CohortClient, FederatedRun
from perfedavg.algorithms.spec import RunSpec
from perfedavg.data.store import ClientStore
from perfedavg.models import MODELS
from perfedavg.models.model import Parameters
from perfedavg.models.steps import to_examples
from perfedavg.models.threads import use_one_thread
from perfedavg.runtime.pool import Pool, SharedMemory

ALIGNMENT = 64  # bytes, as torch's own memory


class WorkerUpdates:
    """The ``ClientUpdates`` of a pool: bit by bit those of ``loop``, whichever worker computes
    which client.

    The deltas of a round are overwritten in the next one.
    """

    def __init__(self, pool: Pool, store: ClientStore) -> None:
        self.pool, self.store = pool, store
        self._mapped: tuple | None = None
        self._places: list[Parameters] = []

    def __call__(
        self,
        run: FederatedRun,
        parameters: Parameters,
        round_number: int,
        cohort: Sequence[CohortClient],
    ) -> list[ClientUpdate]:
        """What every client of the cohort returns, in the cohort's order."""
        dtype = parameters[0].dtype
        memory = self.pool.memory((1 + len(cohort)) * _place_bytes(run.spec.model, dtype))
        mapped = (memory, run.spec.model, dtype)
        if self._mapped != mapped:
            self._mapped, self._places = mapped, _places(*mapped)
        _copy(parameters, self._places[0])
        call = partial(_update, self.store.folder, run.spec, dtype, memory, round_number)
        tasks = [(1 + n, client.position) for n, client in enumerate(cohort)]
        prefix = f"{run.spec.run_id}, round {round_number}, client "
        names = [prefix + client.client_id for client in cohort]
        sizes = [len(self.store.client(client.position).train_y) for client in cohort]
        updates = self.pool.run(call, tasks, names, sizes)
        placed = zip(updates, self._places[1:], strict=False)
        return [replace(update, delta=place) for update, place in placed]


def _update(
    folder: Path,
    spec: RunSpec,
    dtype: torch.dtype,
    memory: SharedMemory,
    round_number: int,
    place: int,
    position: int,
) -> ClientUpdate:
    """In a worker: the client's update, its delta left in its place."""
    use_one_thread()
    run, client = FederatedRun(spec), _store(folder).client(position)
    places = _worker_places(memory, spec.model, dtype)
    examples = to_examples(run.model, client.train_x, client.train_y)
    update = run.client_update(places[0], round_number, CohortClient(client.client_id, examples))
    _copy(update.delta, places[place])
    return replace(update, delta=[])


def _places(memory: SharedMemory, model: str, dtype: torch.dtype) -> list[Parameters]:
    """All places of the shared memory, each as tensors in the shapes of the model's parameters."""
    buffer, step = memory.map(), _place_bytes(model, dtype)
    places = []
    for place in range(memory.size // step):
        offset, tensors = place * step, []
        for shape in MODELS[model].shapes.values():
            count = torch.Size(shape).numel()
            values = torch.frombuffer(buffer, dtype=dtype, count=count, offset=offset)
            tensors.append(values.view(shape))
            offset += _aligned(count * dtype.itemsize)
        places.append(tensors)
    return places


# A worker keeps what it has opened: it belongs to one job, so to one memory and one store.
_worker_places = lru_cache(maxsize=1)(_places)
_store = lru_cache(maxsize=1)(ClientStore)


def _place_bytes(model: str, dtype: torch.dtype) -> int:
    sizes = [torch.Size(shape).numel() for shape in MODELS[model].shapes.values()]
    return sum(_aligned(size * dtype.itemsize) for size in sizes)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _copy(source: Parameters, target: Parameters) -> None:
    for theirs, mine in zip(source, target, strict=True):
        mine.copy_(theirs)
