"""This project's engine at the same work: rounds by ``WorkerUpdates``, personalization by
``personalize_run``, a worker a core.

Random clients lie in a client store, as in any experiment: those of the rounds first, behind them
those to personalize."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import torch

from benchmarks.work import (
    CLASSES,
    Work,
    initial_weights,
    personal_data,
    personalization_result,
    round_result,
    train_data,
)
from perfedavg.algorithms.federated import CohortClient, FederatedRun, ServerState
from perfedavg.algorithms.servers.sgd import ServerSGD
from perfedavg.algorithms.spec import ClientTraining, RunSpec
from perfedavg.data.store import ClientExamples, ClientStore, write_store
from perfedavg.execution.held_out import by_workers
from perfedavg.execution.workers import WorkerUpdates
from perfedavg.models import MODELS
from perfedavg.models.steps import to_examples
from perfedavg.models.threads import use_one_thread
from perfedavg.personalization.evaluate import personalize_run
from perfedavg.personalization.schedule import Visit
from perfedavg.personalization.settings import Personalization
from perfedavg.runtime.job import keep_freed_memory
from perfedavg.runtime.pool import Pool
from perfedavg.storage.checkpoints import save_tensors

MODEL = {
    ("cnn", "float32"): "cnn_emnist",
    ("cnn", "bfloat16"): "cnn_emnist_bf16",
    ("lstm", "float32"): "lstm_shakespeare",
}
"""The network's name here, by the work's and the type."""


def run_spec(work: Work, dtype: str = "float32") -> RunSpec:
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
        model=MODEL[work.network, dtype],
    )


def cohort_client(work: Work, client: int) -> CohortClient:
    """A round's client, which a worker finds in the store by its position."""
    model = MODELS[MODEL[work.network, "float32"]]
    return CohortClient(str(client), lambda: to_examples(model, *train_data(work, client)), client)


def _store(work: Work, folder: Path) -> ClientStore:
    def clients() -> Iterator[ClientExamples]:
        for i in range(work.clients):
            x, y = train_data(work, i)
            yield ClientExamples(str(i), x, y, x[:0], y[:0])
        for i in range(work.personalized):
            train, test = personal_data(work, i)
            yield ClientExamples(f"p{i}", *train, *test)

    write_store(folder, clients(), CLASSES[work.network])
    return ClientStore(folder)


class Ours:
    """Rounds and personalization by ``workers`` processes."""

    def __init__(self, work: Work, workers: int, dtype: str = "float32") -> None:
        self.work, self.run, self.rounds = work, FederatedRun(run_spec(work, dtype)), 0
        self._folder = TemporaryDirectory()
        self.store, self.pool = _store(work, Path(self._folder.name) / "store"), Pool(workers)
        self.client_updates = WorkerUpdates(self.pool, self.store)
        initial = [torch.from_numpy(weight) for weight in initial_weights(work)]
        self.state = ServerState(initial, self.run.spec.server.init(initial))
        save_tensors(
            Path(self._folder.name) / "round_1.safetensors", self.run.model.named(initial), {}
        )

    def round(self) -> dict[str, float]:
        """One timed round; the global model moves on."""
        began = perf_counter()
        self.rounds += 1
        cohort = [cohort_client(self.work, i) for i in range(self.work.clients)]
        self.state, diagnostics = self.run.round(
            self.state, self.rounds, cohort, self.client_updates
        )
        return round_result(self.work, began, diagnostics.update_norm)

    def personalize(self, part: int) -> dict[str, float]:
        """Personalize one part of the clients, timed, from the initial weights."""
        settings = Personalization(
            lr=self.work.lr, batch_size=self.work.batch, epochs=self.work.epochs
        )
        positions = [self.work.clients + i for i in self.work.part(part)]
        began = perf_counter()
        rows = personalize_run(
            self.run.spec,
            self._folder.name,
            self.store,
            [Visit(1, "evaluation", "all", fine_tuned=True)],
            {("evaluation", "all"): positions},
            settings,
            partial(by_workers, pool=self.pool),
        )
        return personalization_result(
            self.work, began, part, rows.loc[rows["epoch"] == self.work.epochs, "loss"].tolist()
        )

    def close(self) -> None:
        """End the processes."""
        self.pool.__exit__(None, None, None)
        self._folder.cleanup()


def start(work: Work, threads: int, serve: Callable, dtype: str = "float32") -> None:
    """Serve rounds and personalization."""
    use_one_thread()
    keep_freed_memory()
    ours = Ours(work, threads, dtype)
    try:
        serve({"round": ours.round, "personalize": ours.personalize})
    finally:
        ours.close()
