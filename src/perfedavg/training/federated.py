"""Train federated runs to the end, resumably, and write what the contract promises.

Until a run is done, everything lives in its resume folder. Results are moved to their place when
the job's last run has finished."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from perfedavg.algorithms.federated import (
    ClientUpdates,
    CohortClient,
    FederatedRun,
    RoundDiagnostics,
    ServerState,
    loop,
)
from perfedavg.algorithms.spec import RunSpec
from perfedavg.data.store import ClientStore
from perfedavg.models.model import Parameters
from perfedavg.models.steps import evaluate, to_examples
from perfedavg.models.threads import use_one_thread
from perfedavg.runtime.errors import PerfedavgError, reading
from perfedavg.runtime.job import Progress
from perfedavg.runtime.machine import git_commit, package_versions
from perfedavg.storage.checkpoints import load_tensors, save_tensors
from perfedavg.storage.contracts import ROUNDS
from perfedavg.storage.files import fingerprint, read_json, sha256_of, write_json
from perfedavg.storage.tables import write_table
from perfedavg.training.resume import Resume

logger = logging.getLogger("perfedavg")

FLOAT_BYTES = 4

TIMINGS = {"run_id": "str", "round": "int 1..", "seconds": "float 0.."}


def train_runs(
    specs: Sequence[RunSpec],
    store: ClientStore,
    training_clients: Sequence[int],
    validation_clients: Sequence[int],
    runs_folder: str | Path,
    resume_folder: str | Path,
    client_updates: ClientUpdates = loop,
) -> None:
    """Train every run and write ``runs_folder/<run_id>/``: ``rounds.parquet``, ``timings.parquet``,
    ``run.json``, ``model.safetensors``, ``server.safetensors`` (the server optimizer's state) and
    ``checkpoints/``.

    A run of a later stage finds its parent in ``runs_folder``. A run whose loss, update or model is
    no longer finite ends with the status ``diverged``; its last finite model is kept. The
    validation clients serve to show an accuracy on the progress line and change nothing.

    Args:
        client_updates: the back end that computes a round's clients. Where its results are not
            those of ``loop``, its attribute ``modules`` names the code that they come from.

    Raises:
        PerfedavgError: a round wants more clients than train, a training client has no train
            example, or a worker process failed."""
    use_one_thread()
    finished = []
    for spec in specs:
        if spec.clients_per_round > len(training_clients):
            raise PerfedavgError(
                f"{spec.run_id} wants {spec.clients_per_round} clients per round, but only "
                f"{len(training_clients)} training clients have train examples (split.csv says who "
                "is left out); lower clients_per_round."
            )
        parent = Path(runs_folder) / spec.parent_run_id if spec.parent_run_id else None
        run = _ResumableRun(
            spec, store, training_clients, Path(resume_folder), parent, client_updates
        )
        run.train(validation_clients)
        finished.append(run)
    for run in finished:
        run.write_results(Path(runs_folder) / run.spec.run_id)
    for run in finished:
        run.resume.remove()


class _Done(NamedTuple):
    """What is done of a run. It is replaced as a whole: the process may be told to stop at any
    time, and then a round counts wholly or not at all."""

    state: ServerState
    status: str = "running"
    rows: tuple[dict, ...] = ()  # of rounds.parquet, one per round
    seconds: tuple[float, ...] = ()


class _ResumableRun:
    """One run with its resume folder."""

    def __init__(
        self,
        spec: RunSpec,
        store: ClientStore,
        training_clients: Sequence[int],
        resume_folder: Path,
        parent: Path | None,
        client_updates: ClientUpdates,
    ) -> None:
        self.spec, self.store, self.client_updates = spec, store, client_updates
        self.training_clients = np.asarray(training_clients, dtype=np.int64)
        self.federated = FederatedRun(spec)
        self.model = self.federated.model
        parent_files = []
        if parent is None:
            self.done = _Done(self.federated.init())
        else:
            parent_files = [parent / "model.safetensors", parent / "server.safetensors"]
            tensors, optimizer = (load_tensors(file)[0] for file in parent_files)
            with reading(parent_files[0]):
                parameters = self.model.unnamed(tensors)
            with reading(parent_files[1]):
                server_state = [optimizer[str(i)] for i in range(len(optimizer))]
            state = self.federated.init(ServerState(parameters, server_state))
            with reading(parent / "run.json"):
                finished = read_json(parent / "run.json")["status"] == "finished"
            status = "running" if finished else f"diverged before stage {spec.stage}"
            self.done = _Done(state, status)
        facts = [spec.model_dump(mode="json"), self.training_clients]
        parents = [sha256_of(file) for file in parent_files]
        self.resume = Resume(
            resume_folder / spec.run_id,
            [facts, store.data_sha256, parents],
            __file__,
            *spec.found_modules,
            *getattr(client_updates, "modules", ()),
        )
        self.metadata = {
            "run_id": spec.run_id,
            "seed": str(spec.seed),
            "config_sha256": fingerprint(facts),
            "data_sha256": store.data_sha256,
            "git_commit": git_commit(),
            "versions": json.dumps(package_versions()),
        }

    @property
    def last_round(self) -> int:
        """The last round that is done, or the parent's."""
        return self.spec.parent_rounds + len(self.done.rows)

    def train(self, validation_clients: Sequence[int]) -> None:
        """Resume after the last saved round, or start; return when the last round is done or the
        run has diverged.

        However it ends, the rounds that are done are saved: after Ctrl-C, where a cluster's time is
        up, after an error."""
        self._load()
        rounds = self.spec.rounds - self.spec.parent_rounds
        progress = Progress(self.spec.run_id, rounds, "round", done=len(self.done.rows))
        try:
            self._train(validation_clients, progress)
        finally:
            progress.close()
            self._save()

    def _train(self, validation_clients: Sequence[int], progress: Progress) -> None:
        spec, facts = self.spec, {}
        evaluated = frozenset(spec.evaluated_rounds)
        while self.done.status == "running":
            began = time.perf_counter()
            round_number = self.last_round + 1
            cohort = [self._cohort_client(i) for i in self._cohort(round_number)]
            self.store.prefetch(self._cohort(round_number + 1))  # is read while this one trains
            state, diagnostics = self.federated.round(
                self.done.state, round_number, cohort, self.client_updates
            )
            row, status = self._row(round_number, diagnostics, state.parameters), "running"
            if not _is_finite(diagnostics, state):
                status, state = f"diverged at round {round_number}", self.done.state
                text = "%s diverged at round %d: its loss, update or model is not finite"
                logger.warning(text, spec.run_id, round_number)
            else:
                if round_number in evaluated:
                    self._save_checkpoint(round_number, state)
                if round_number == spec.rounds:
                    status = "finished"
            _, _, rows, seconds = self.done
            self.done = _Done(state, status, (*rows, row), (*seconds, time.perf_counter() - began))
            if status == "running" and self.resume.is_due():
                self._save()
            if round_number in evaluated or round_number == spec.rounds:
                facts["validation accuracy"] = f"{self._mean_accuracy(validation_clients):.3f}"
            progress.advance(loss=f"{diagnostics.train_loss:.3f}", **facts)

    def write_results(self, folder: Path) -> None:
        """Put the results in their place; the model is written last, so it stands for a complete
        run."""
        self.resume.copy_checkpoints(folder)
        rounds = pd.DataFrame(self.done.rows, columns=list(ROUNDS))
        write_table(ROUNDS, rounds, folder / "rounds.parquet")
        timings = rounds[["run_id", "round"]].assign(seconds=self.done.seconds)
        write_table(TIMINGS, timings, folder / "timings.parquet")
        status = self.done.status
        write_json(folder / "run.json", {**self.spec.model_dump(mode="json"), "status": status})
        metadata = {**self.metadata, "round": str(self.last_round), "status": status}
        optimizer = {str(i): t for i, t in enumerate(self.done.state.optimizer)}
        save_tensors(folder / "server.safetensors", optimizer, metadata)
        parameters = self.model.named(self.done.state.parameters)
        save_tensors(folder / "model.safetensors", parameters, metadata)

    def _cohort(self, round_number: int) -> list[int]:
        return self.federated.sample_cohort(round_number, self.training_clients)

    def _cohort_client(self, position: int) -> CohortClient:
        client = self.store.client(position)
        if not len(client.train_y):
            raise PerfedavgError(
                f"Training client {client.client_id} has no train example; leave it out of the "
                "data."
            )
        read = partial(to_examples, self.model, client.train_x, client.train_y)
        return CohortClient(client.client_id, read, position)

    def _mean_accuracy(self, clients: Sequence[int]) -> float:
        model, parameters = self.model, self.done.state.parameters
        tests = [to_examples(model, c.test_x, c.test_y) for c in map(self.store.client, clients)]
        return float(np.nanmean([evaluate(model, parameters, test)[0] for test in tests]))

    def _row(
        self, round_number: int, diagnostics: RoundDiagnostics, parameters: Parameters
    ) -> dict:
        model_bytes = FLOAT_BYTES * sum(p.numel() for p in parameters)
        exchanged = dict.fromkeys(("bytes_up", "bytes_down"), diagnostics.num_clients * model_bytes)
        stage = self.spec.stage + self.spec.phase_of(round_number)
        row = {"run_id": self.spec.run_id, "stage": stage, "round": round_number}
        return {**row, **asdict(diagnostics), **exchanged}

    def _save_checkpoint(self, round_number: int, state: ServerState) -> None:
        path = self.resume.folder / "checkpoints" / f"round_{round_number}.safetensors"
        tensors = self.model.named(state.parameters)
        save_tensors(path, tensors, {**self.metadata, "round": str(round_number)})

    def _save(self) -> None:
        state, status, rows, seconds = self.done
        tensors = {f"parameter.{i}": p for i, p in enumerate(state.parameters)}
        tensors |= {f"optimizer.{i}": s for i, s in enumerate(state.optimizer)}
        self.resume.save(tensors, {"status": status, "rows": rows, "seconds": seconds})

    def _load(self) -> None:
        saved = self.resume.load()
        if saved is None:
            return
        tensors, progress = saved
        parts = [
            [tensors[f"{kind}.{i}"] for i in range(sum(name.startswith(kind) for name in tensors))]
            for kind in ("parameter", "optimizer")
        ]
        rows, seconds = tuple(progress["rows"]), tuple(progress["seconds"])
        self.done = _Done(ServerState(*parts), progress["status"], rows, seconds)
        logger.info("%s resumes after round %d", self.spec.run_id, self.last_round)


def _is_finite(diagnostics: RoundDiagnostics, state: ServerState) -> bool:
    measured = np.isfinite([diagnostics.train_loss, diagnostics.update_norm]).all()
    tensors = [*state.parameters, *state.optimizer]
    return bool(measured) and all(tensor.isfinite().all() for tensor in tensors)
