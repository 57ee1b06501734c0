"""The centralized baseline: one model on the pooled train data of the training clients.

SGD with Nesterov momentum, v <- mu v + g, theta <- theta - lr (g + mu v), and the learning rate
multiplied by ``decay`` after every pass. A checkpoint after every pass; which one is used is chosen
on validation clients (``stopping``). Like a federated run, it lives in a resume folder until it is
done, and goes on from there."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from perfedavg.data.store import ClientStore
from perfedavg.models import MODELS, Parameters
from perfedavg.models.steps import batch_gradient, evaluate, to_examples
from perfedavg.randomness import CENTRALIZED, INITIAL_PARAMETERS, StreamKey, stream, torch_stream
from perfedavg.runtime.job import Progress
from perfedavg.runtime.machine import git_commit, package_versions
from perfedavg.runtime.source import source_fingerprint
from perfedavg.storage.checkpoints import load_tensors, save_tensors
from perfedavg.storage.files import fingerprint
from perfedavg.storage.tables import write_table
from perfedavg.training.settings import Centralized

logger = logging.getLogger("perfedavg")

SAVE_EVERY_SECONDS = 60.0

PASSES = {
    "run_id": "str",
    "pass": "int 1..",
    "lr": "float 0..",
    "train_loss": "float?",
    "validation_accuracy": "float? 0..1",
}


class CentralizedRun:
    """One seed's centralized training, resumable after every batch."""

    def __init__(
        self,
        run_id: str,
        model_name: str,
        seed: int,
        settings: Centralized,
        store: ClientStore,
        training_clients: Sequence[int],
        validation_clients: Sequence[int],
        resume_folder: str | Path,
    ) -> None:
        self.run_id, self.seed, self.settings = run_id, seed, settings
        self.model = MODELS[model_name]
        clients = [store.client(i) for i in training_clients]
        self.x, self.y = (
            np.concatenate([getattr(c, part) for c in clients]) for part in ("train_x", "train_y")
        )
        validation = [store.client(i) for i in validation_clients]
        self.tests = [to_examples(self.model, c.test_x, c.test_y) for c in validation]
        self.folder = Path(resume_folder) / run_id
        self.parameters: Parameters = self.model.init(
            torch_stream(StreamKey(seed, INITIAL_PARAMETERS))
        )  # the federated runs' own
        self.velocity = [torch.zeros_like(p) for p in self.parameters]
        self.rows: list[dict] = []
        self.done, self.losses = (
            0,
            0.0,
        )  # batches of the pass that is under way, and the sum of their losses
        self.dropout: torch.Generator | None = None
        groups = [
            np.asarray(group, dtype=np.int64) for group in (training_clients, validation_clients)
        ]
        facts = [model_name, seed, settings.model_dump(mode="json"), *groups]
        self.metadata = {
            "run_id": run_id,
            "seed": str(seed),
            "config_sha256": fingerprint(facts),
            "data_sha256": store.data_sha256,
            "git_commit": git_commit(),
            "versions": json.dumps(package_versions()),
        }
        self._key = fingerprint(
            [facts, store.data_sha256, source_fingerprint(__file__), package_versions()]
        )

    def train(self) -> None:
        """Take all passes, or go on where an earlier call was stopped.

        A run whose loss or model is no longer finite ends with the passes before: it has fewer rows
        than passes."""
        self._resume()
        passes = self.settings.passes
        batches = -(-len(self.y) // self.settings.batch_size)
        progress = Progress(
            self.run_id, passes * batches, "batch", done=len(self.rows) * batches + self.done
        )
        saved = time.monotonic()
        while len(self.rows) < passes:
            number = len(self.rows) + 1
            order = stream(StreamKey(self.seed, CENTRALIZED, number)).permutation(len(self.y))
            if self.dropout is None:
                self.dropout = torch_stream(StreamKey(self.seed, CENTRALIZED, number))
            lr = self.settings.lr * self.settings.decay ** (number - 1)
            size = self.settings.batch_size
            for start in range(self.done * size, len(order), size):
                loss = self._step(order[start : start + size], lr)
                self.losses += loss * min(size, len(order) - start)
                self.done += 1
                progress.advance(**{"pass": number, "loss": f"{loss:.3f}"})
                if time.monotonic() - saved > SAVE_EVERY_SECONDS:
                    self._save_state()
                    saved = time.monotonic()
            if not np.isfinite(self.losses) or not all(p.isfinite().all() for p in self.parameters):
                logger.warning(
                    "%s diverged at pass %d: its loss or model is not finite", self.run_id, number
                )
                break
            self._finish_pass(number, lr)
        progress.close()
        self._save_state()

    def write_results(self, folder: str | Path) -> None:
        """Write ``checkpoints/``, then ``passes.parquet``, which stands for a complete run."""
        folder = Path(folder)
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        (self.folder / "checkpoints").mkdir(exist_ok=True)
        shutil.copytree(self.folder / "checkpoints", folder / "checkpoints")
        write_table(
            PASSES, pd.DataFrame(self.rows, columns=list(PASSES)), folder / "passes.parquet"
        )
        shutil.rmtree(self.folder)

    def _step(self, batch: np.ndarray, lr: float) -> float:
        examples = to_examples(self.model, self.x[batch], self.y[batch])
        local = [p.detach().requires_grad_() for p in self.parameters]  # the same memory
        gradient, loss = batch_gradient(
            self.model, local, examples, np.arange(len(batch)), self.dropout
        )
        torch._foreach_mul_(self.velocity, self.settings.momentum)
        torch._foreach_add_(self.velocity, gradient)
        torch._foreach_add_(self.parameters, gradient, alpha=-lr)
        torch._foreach_add_(self.parameters, self.velocity, alpha=-lr * self.settings.momentum)
        return loss.item()

    def _finish_pass(self, number: int, lr: float) -> None:
        accuracy = float(
            np.nanmean([evaluate(self.model, self.parameters, test)[0] for test in self.tests])
        )
        row = {
            "run_id": self.run_id,
            "pass": number,
            "lr": lr,
            "train_loss": self.losses / len(self.y),
        }
        self.rows.append(row | {"validation_accuracy": accuracy})
        self.done, self.losses, self.dropout = 0, 0.0, None
        named, facts = self.model.named(self.parameters), {**self.metadata, "round": str(number)}
        save_tensors(self.folder / "checkpoints" / f"round_{number}.safetensors", named, facts)
        self._save_state()

    def _save_state(self) -> None:
        tensors = {f"parameter.{i}": p for i, p in enumerate(self.parameters)}
        tensors |= {f"velocity.{i}": v for i, v in enumerate(self.velocity)}
        if self.dropout is not None:
            tensors["dropout"] = self.dropout.get_state()
        progress = json.dumps({"rows": self.rows, "done": self.done, "losses": self.losses})
        save_tensors(
            self.folder / "state.safetensors", tensors, {"key": self._key, "progress": progress}
        )

    def _resume(self) -> None:
        path = self.folder / "state.safetensors"
        if path.exists():
            tensors, metadata = load_tensors(path)
            if metadata.get("key") == self._key:
                n = len(self.parameters)
                self.parameters = [tensors[f"parameter.{i}"] for i in range(n)]
                self.velocity = [tensors[f"velocity.{i}"] for i in range(n)]
                progress = json.loads(metadata["progress"])
                self.rows, self.done, self.losses = (
                    progress["rows"],
                    progress["done"],
                    progress["losses"],
                )
                if "dropout" in tensors:
                    self.dropout = torch.Generator()
                    self.dropout.set_state(tensors["dropout"])
                logger.info(
                    "%s goes on after pass %d and %d batches",
                    self.run_id,
                    len(self.rows),
                    self.done,
                )
                return
            logger.info(
                "%s starts anew: its saved state belongs to another config, code or data",
                self.run_id,
            )
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
