"""This project's engine at the same work: one process a core with one torch thread each, clients spread over them.

Weights and deltas pass through shared memory; clients come in the order of the cohort for the average, so the number of
processes changes no result.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from time import perf_counter

import numpy as np
import torch
import torch.multiprocessing
from torch import Tensor

from benchmarks.work import Work, initial_weights, personal_data, personalization_result, round_result, train_data
from perfedavg.algorithms.client import ClientUpdate
from perfedavg.algorithms.federated import CohortClient, FederatedRun, ServerState, average, averaging
from perfedavg.models import MODELS
from perfedavg.personalize import fine_tune
from perfedavg.settings import ClientTraining, Personalization, RunSpec, ServerSGD
from perfedavg.training.local import Examples, to_examples

MODEL = "cnn_emnist"


def run_spec(work: Work) -> RunSpec:
    """The round as a run of this project."""
    return RunSpec(
        run_id="bench",
        setting="bench",
        dataset="random",
        split="random",
        algorithm="fedavg",
        local_epochs=1,
        client=ClientTraining(lr=work.lr, batch_size=work.batch),
        server=ServerSGD(lr=1.0, momentum=0.0),
        clients_per_round=work.clients,
        seed=work.seed,
        rounds=1_000_000,
        evaluated_rounds=(1_000_000,),
        model=MODEL,
    )


def cohort_client(work: Work, client: int) -> CohortClient:
    """A round's client."""
    return CohortClient(str(client), to_examples(MODELS[MODEL], *train_data(work, client)))


class _Worker:
    """What a worker process holds: its clients' data as stored, and the shared weights and deltas."""

    def __init__(self, work: Work, weights: list[Tensor], deltas: list[Tensor]) -> None:
        torch.set_num_threads(1)
        self.run, self.weights, self.deltas = FederatedRun(run_spec(work)), weights, deltas
        self.settings = Personalization(lr=work.lr, batch_size=work.batch, epochs=work.epochs)
        self.train = [train_data(work, i) for i in range(work.clients)]
        self.personal = [personal_data(work, i) for i in range(work.personalized)]

    def examples(self, images: np.ndarray, labels: np.ndarray) -> Examples:
        return to_examples(self.run.model, images, labels)

    def update(self, round_number: int, client: int) -> ClientUpdate:
        """Leaves the delta in shared memory and returns the rest."""
        cohort_client = CohortClient(str(client), self.examples(*self.train[client]))
        update = self.run.client_update(self.weights, round_number, cohort_client)
        torch._foreach_copy_([shared[client] for shared in self.deltas], update.delta)
        return replace(update, delta=[])

    def personalize(self, client: int) -> np.ndarray:
        train, test = (self.examples(*data) for data in self.personal[client])
        key = (self.run.spec.seed, "personalization", 0, str(client))
        return fine_tune(self.run.model, self.weights, train, test, self.settings, key, self.settings.epochs)


_worker: _Worker | None = None


def _set_up(*arguments) -> None:
    global _worker
    _worker = _Worker(*arguments)


def _update(round_number: int, client: int) -> ClientUpdate:
    return _worker.update(round_number, client)


def _personalize(client: int) -> np.ndarray:
    return _worker.personalize(client)


class Ours:
    """Rounds and personalization by ``workers`` processes."""

    def __init__(self, work: Work, workers: int, dtype: str = "float32") -> None:
        if dtype != "float32":
            raise NotImplementedError(f"The engine has no {dtype} yet.")
        self.work, self.run, self.rounds = work, FederatedRun(run_spec(work)), 0
        self.initial = [torch.from_numpy(weight) for weight in initial_weights(work)]
        self.state = ServerState(self.initial, self.run.servers[0].init(self.initial))
        self.weights = [p.clone().share_memory_() for p in self.initial]
        self.deltas = [torch.empty(work.clients, *p.shape).share_memory_() for p in self.initial]
        context = torch.multiprocessing.get_context("spawn")
        self.pool = ProcessPoolExecutor(workers, context, _set_up, (work, self.weights, self.deltas))
        self.sizes = [len(personal_data(work, i)[0][1]) for i in range(work.personalized)]

    def round(self) -> dict[str, float]:
        """One timed round; the global model moves on."""
        began = perf_counter()
        self.rounds += 1
        torch._foreach_copy_(self.weights, self.state.parameters)
        futures = [self.pool.submit(_update, self.rounds, client) for client in range(self.work.clients)]
        updates = [replace(f.result(), delta=[d[client] for d in self.deltas]) for client, f in enumerate(futures)]
        delta = average(updates, averaging(self.run.spec))
        self.state = ServerState(*self.run.servers[0].step(self.state.parameters, delta, self.state.optimizer))
        return round_result(self.work, began, sum(d.square().sum().item() for d in delta) ** 0.5)

    def personalize(self, part: int) -> dict[str, float]:
        """Personalize one part of the clients, timed, from the initial weights."""
        began = perf_counter()
        torch._foreach_copy_(self.weights, self.initial)
        largest_first = sorted(self.work.part(part), key=lambda client: -self.sizes[client])
        curves = list(self.pool.map(_personalize, largest_first))
        return personalization_result(self.work, began, part, [curve[-1, 1] for curve in curves])

    def close(self) -> None:
        """End the processes."""
        self.pool.shutdown()


def start(work: Work, threads: int, serve: Callable) -> None:
    """Serve rounds and personalization."""
    torch.set_num_threads(1)
    ours = Ours(work, threads)
    try:
        serve({"round": ours.round, "personalize": ours.personalize})
    finally:
        ours.close()
