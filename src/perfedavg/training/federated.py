"""Train federated runs to the end, resumably, and write what the contract promises.

While a run goes on, everything lives in a resume folder (keyed by the run and a hash of all it
depends on): a workflow engine wipes declared outputs after a failure. Results are moved to their
place when the job's last run has finished."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

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
from perfedavg.execution.cohorts import back_end
from perfedavg.execution.workers import WorkerUpdates
from perfedavg.models import network_file
from perfedavg.models.model import Parameters
from perfedavg.models.steps import evaluate, to_examples
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.runtime.job import Progress
from perfedavg.runtime.machine import git_commit, package_versions
from perfedavg.runtime.pool import Pool
from perfedavg.runtime.source import source_fingerprint
from perfedavg.storage.checkpoints import load_tensors, save_tensors
from perfedavg.storage.files import fingerprint, read_json, sha256_of, write_json
from perfedavg.storage.tables import write_table

logger = logging.getLogger("perfedavg")

SAVE_EVERY_SECONDS = 60.0
FLOAT_BYTES = 4

ROUNDS = {
    "run_id": "str",
    "stage": "int 1..",
    "round": "int 1..",
    "num_clients": "int 1..",
    "num_examples": "int 1..",
    "gradient_evaluations": "int 1..",
    "hessian_vector_products": "int 0..",
    "train_loss": "float?",
    "update_norm": "float? 0..",
    "bytes_up": "int 0..",
    "bytes_down": "int 0..",
}

TIMINGS = {"run_id": "str", "round": "int 1..", "seconds": "float 0.."}


def train_runs(
    specs: Sequence[RunSpec],
    store: ClientStore,
    training_clients: Sequence[int],
    validation_clients: Sequence[int],
    runs_folder: str | Path,
    resume_folder: str | Path,
    pool: Pool | None = None,
) -> None:
    """Train every run and write ``runs_folder/<run_id>/``: ``rounds.parquet``, ``timings.parquet``,
    ``run.json``, ``model.safetensors``, ``server.safetensors`` (the server optimizer's state) and
    ``checkpoints/``.

    A run of a later stage finds its parent in ``runs_folder``. A run whose loss, update or model is
    no longer finite ends with the status ``diverged``; its last finite model is kept. The
    validation clients serve to show an accuracy on the progress line and change nothing; nor does a
    ``pool``, whose workers share the clients of a round."""
    finished = []
    spread = WorkerUpdates(pool, store) if pool and pool.size > 1 else loop
    for spec in specs:
        parent = Path(runs_folder) / spec.parent_run_id if spec.parent_run_id else None
        client_updates = back_end(spec.backend, spread)
        run = _ResumableRun(
            spec, store, training_clients, Path(resume_folder), parent, client_updates
        )
        run.train(validation_clients)
        finished.append(run)
    for run in finished:
        run.write_results(Path(runs_folder) / run.spec.run_id)
    for run in finished:
        shutil.rmtree(run.folder)


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
        self.folder = resume_folder / spec.run_id
        self.rows: list[dict] = []
        self.seconds: list[float] = []
        self._taking_up = False
        self.status, self.state, parent_files = "running", None, []
        if parent is None:
            self.state = self.federated.init()
        else:
            parent_files = [parent / "model.safetensors", parent / "server.safetensors"]
            tensors, optimizer = (load_tensors(file)[0] for file in parent_files)
            server_state = [optimizer[str(i)] for i in range(len(optimizer))]
            self.state = self.federated.init(
                ServerState(self.federated.model.unnamed(tensors), server_state)
            )
            if read_json(parent / "run.json")["status"] != "finished":
                self.status = f"diverged before stage {spec.stage}"
        config_hash = fingerprint([spec.model_dump(mode="json"), self.training_clients])
        versions = package_versions()
        parents = [sha256_of(file) for file in parent_files]
        self._key = fingerprint(
            [
                config_hash,
                store.data_sha256,
                source_fingerprint(__file__, network_file(spec.model)),
                versions,
                parents,
            ]
        )
        self.metadata = {
            "run_id": spec.run_id,
            "seed": str(spec.seed),
            "config_sha256": config_hash,
            "data_sha256": store.data_sha256,
            "git_commit": git_commit(),
            "versions": json.dumps(versions),
        }

    def train(self, validation_clients: Sequence[int]) -> None:
        """Go on from the last saved round, or start; return when the last round is done or the run
        has diverged.

        However it ends, the rounds that are done are saved: after Ctrl-C, where a cluster's time is
        up, after an error."""
        self._resume()
        progress = Progress(
            self.spec.run_id,
            self.spec.rounds - self.spec.parent_rounds,
            "round",
            done=len(self.rows),
        )
        try:
            self._train(validation_clients, progress)
        finally:
            progress.close()
            if not self._taking_up:
                self._save_state()

    def _train(self, validation_clients: Sequence[int], progress: Progress) -> None:
        spec = self.spec
        saved = time.monotonic()
        evaluated = frozenset(spec.evaluated_rounds)
        facts: dict[str, str] = {}
        while self.status == "running":
            began = time.perf_counter()
            number = spec.parent_rounds + len(self.rows) + 1
            cohort = [
                self._cohort_client(i)
                for i in self.federated.sample_cohort(number, self.training_clients)
            ]
            self.store.prefetch(
                self.federated.sample_cohort(number + 1, self.training_clients)
            )  # is read while this one trains
            state, diagnostics = self.federated.round(
                self.state, number, cohort, self.client_updates
            )
            row, status = self._row(number, diagnostics, state.parameters), self.status
            if not _is_finite(diagnostics, state):
                status, state = f"diverged at round {number}", self.state
                logger.warning(
                    "%s diverged at round %d: its loss, update or model is not finite",
                    spec.run_id,
                    number,
                )
            else:
                if number in evaluated:
                    self._save_checkpoint(number, state)
                if number == spec.rounds:
                    status = "finished"
            # All of a round or nothing, and in an instant: the process may be told to stop at any
            # time.
            self._taking_up = True
            self.state, self.status = state, status
            self.rows.append(row)
            self.seconds.append(time.perf_counter() - began)
            self._taking_up = False
            if self.status == "running" and time.monotonic() - saved > SAVE_EVERY_SECONDS:
                self._save_state()
                saved = time.monotonic()
            if number in evaluated or number == spec.rounds:
                facts["validation accuracy"] = f"{self._mean_accuracy(validation_clients):.3f}"
            progress.advance(loss=f"{diagnostics.train_loss:.3f}", **facts)

    def write_results(self, folder: Path) -> None:
        """Put the results in their place; the model is written last, so it stands for a complete
        run."""
        checkpoints = folder / "checkpoints"
        shutil.rmtree(checkpoints, ignore_errors=True)
        (self.folder / "checkpoints").mkdir(exist_ok=True)
        shutil.copytree(self.folder / "checkpoints", checkpoints)
        rounds = pd.DataFrame(self.rows, columns=list(ROUNDS))
        write_table(ROUNDS, rounds, folder / "rounds.parquet")
        timings = {"run_id": self.spec.run_id, "round": rounds["round"], "seconds": self.seconds}
        write_table(TIMINGS, pd.DataFrame(timings), folder / "timings.parquet")
        write_json(
            folder / "run.json", {**self.spec.model_dump(mode="json"), "status": self.status}
        )
        last = {
            **self.metadata,
            "round": str(self.spec.parent_rounds + len(self.rows)),
            "status": self.status,
        }
        save_tensors(
            folder / "server.safetensors",
            {str(i): t for i, t in enumerate(self.state.optimizer)},
            last,
        )
        save_tensors(
            folder / "model.safetensors", self.federated.model.named(self.state.parameters), last
        )

    def _cohort_client(self, index: int) -> CohortClient:
        client = self.store.client(index)
        if not len(client.train_y):
            raise PerfedavgError(
                f"Training client {client.client_id} has no train example; leave it out of "
                f"the data."
            )
        read = partial(to_examples, self.federated.model, client.train_x, client.train_y)
        return CohortClient(client.client_id, read, index)

    def _mean_accuracy(self, clients: Sequence[int]) -> float:
        model = self.federated.model
        tests = [to_examples(model, c.test_x, c.test_y) for c in map(self.store.client, clients)]
        return float(
            np.nanmean([evaluate(model, self.state.parameters, test)[0] for test in tests])
        )

    def _row(self, number: int, diagnostics: RoundDiagnostics, parameters: Parameters) -> dict:
        model_bytes = FLOAT_BYTES * sum(p.numel() for p in parameters)
        stage = self.spec.stage + self.spec.phase_of(number)
        exchanged = dict.fromkeys(("bytes_up", "bytes_down"), diagnostics.num_clients * model_bytes)
        return {
            "run_id": self.spec.run_id,
            "stage": stage,
            "round": number,
            **asdict(diagnostics),
            **exchanged,
        }

    def _save_checkpoint(self, number: int, state: ServerState) -> None:
        path = self.folder / "checkpoints" / f"round_{number}.safetensors"
        tensors = self.federated.model.named(state.parameters)
        save_tensors(path, tensors, {**self.metadata, "round": str(number)})

    def _save_state(self) -> None:
        tensors = {f"parameter.{i}": p for i, p in enumerate(self.state.parameters)}
        tensors |= {f"optimizer.{i}": s for i, s in enumerate(self.state.optimizer)}
        progress = json.dumps({"rows": self.rows, "seconds": self.seconds, "status": self.status})
        save_tensors(
            self.folder / "state.safetensors", tensors, {"key": self._key, "progress": progress}
        )

    def _resume(self) -> None:
        """Take up a saved state of exactly this run; anything else in the folder is stale and
        goes."""
        path = self.folder / "state.safetensors"
        if path.exists():
            tensors, metadata = load_tensors(path)
            if metadata.get("key") == self._key:
                progress = json.loads(metadata["progress"])
                self.rows, self.seconds, self.status = (
                    progress["rows"],
                    progress["seconds"],
                    progress["status"],
                )
                parts = [
                    [
                        tensors[f"{kind}.{i}"]
                        for i in range(sum(name.startswith(kind) for name in tensors))
                    ]
                    for kind in ("parameter", "optimizer")
                ]
                self.state = ServerState(*parts)
                logger.info(
                    "%s goes on after round %d",
                    self.spec.run_id,
                    self.spec.parent_rounds + len(self.rows),
                )
                return
            logger.info(
                "%s starts anew: its saved state belongs to another config, code or data",
                self.spec.run_id,
            )
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)


def _is_finite(diagnostics: RoundDiagnostics, state: ServerState) -> bool:
    numbers = np.isfinite([diagnostics.train_loss, diagnostics.update_norm]).all()
    return bool(numbers) and all(
        tensor.isfinite().all() for tensor in [*state.parameters, *state.optimizer]
    )
