"""The centralized baseline: one model on the pooled train data of the training clients.

SGD with Nesterov momentum, v <- mu v + g, theta <- theta - lr (g + mu v), and the learning rate
multiplied by ``decay`` after every pass. A checkpoint after every pass; which one is used is chosen
on validation clients (``stopping``). Like a federated run, it lives in a resume folder until it is
done."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from perfedavg.data.store import ClientStore
from perfedavg.models import MODELS, module
from perfedavg.models.model import Parameters
from perfedavg.models.steps import batch_gradient, evaluate, to_examples
from perfedavg.models.threads import use_one_thread
from perfedavg.randomness import CENTRALIZED, INITIAL_PARAMETERS, StreamKey, stream, torch_stream
from perfedavg.runtime.job import Progress
from perfedavg.runtime.machine import git_commit, package_versions
from perfedavg.storage.checkpoints import save_tensors
from perfedavg.storage.contracts import PASSES
from perfedavg.storage.files import fingerprint
from perfedavg.storage.tables import write_table
from perfedavg.training.resume import Resume
from perfedavg.training.settings import Centralized

logger = logging.getLogger("perfedavg")


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
        self.x = np.concatenate([client.train_x for client in clients])
        self.y = np.concatenate([client.train_y for client in clients])
        validation = [store.client(i) for i in validation_clients]
        self.tests = [to_examples(self.model, c.test_x, c.test_y) for c in validation]
        # The federated runs' own initial parameters.
        generator = torch_stream(StreamKey(seed, INITIAL_PARAMETERS))
        self.parameters: Parameters = self.model.init(generator)
        self.velocity = [torch.zeros_like(p) for p in self.parameters]
        self.rows: list[dict] = []  # of passes.parquet, one per pass
        # Of the pass that is under way: the batches that are done, the sum of their losses and
        # what dropout is drawn from.
        self.done, self.losses = 0, 0.0
        self.dropout: torch.Generator | None = None
        groups = [np.asarray(c, dtype=np.int64) for c in (training_clients, validation_clients)]
        facts = [model_name, seed, settings.model_dump(mode="json"), *groups]
        self.metadata = {
            "run_id": run_id,
            "seed": str(seed),
            "config_sha256": fingerprint(facts),
            "data_sha256": store.data_sha256,
            "git_commit": git_commit(),
            "versions": json.dumps(package_versions()),
        }
        folder = Path(resume_folder) / run_id
        self.resume = Resume(folder, [facts, store.data_sha256], __file__, module(model_name))

    def train(self) -> None:
        """Take all passes, or resume where an earlier call was stopped.

        A run whose loss or model is no longer finite ends with the passes before: it has fewer rows
        than passes."""
        use_one_thread()
        self._load()
        passes, size = self.settings.passes, self.settings.batch_size
        batches = -(-len(self.y) // size)
        done = len(self.rows) * batches + self.done
        progress = Progress(self.run_id, passes * batches, "batch", done)
        while len(self.rows) < passes:
            pass_number = len(self.rows) + 1
            key = StreamKey(self.seed, CENTRALIZED, pass_number)
            order = stream(key).permutation(len(self.y))
            if self.dropout is None:
                self.dropout = torch_stream(key)
            lr = self.settings.lr * self.settings.decay ** (pass_number - 1)
            for start in range(self.done * size, len(order), size):
                batch = order[start : start + size]
                loss = self._step(batch, lr)
                self.losses += loss * np.count_nonzero(self.y[batch] >= 0)
                self.done += 1
                progress.advance(**{"pass": pass_number, "loss": f"{loss:.3f}"})
                if self.resume.is_due():
                    self._save()
            if not np.isfinite(self.losses) or not all(p.isfinite().all() for p in self.parameters):
                text = "%s diverged at pass %d: its loss or model is not finite"
                logger.warning(text, self.run_id, pass_number)
                break
            self._finish_pass(pass_number, lr)
        progress.close()
        self._save()

    def write_results(self, folder: str | Path) -> None:
        """Write ``checkpoints/``, then ``passes.parquet``, which stands for a complete run."""
        folder = Path(folder)
        self.resume.copy_checkpoints(folder)
        rows = pd.DataFrame(self.rows, columns=list(PASSES))
        write_table(PASSES, rows, folder / "passes.parquet")
        self.resume.remove()

    def _step(self, batch: np.ndarray, lr: float) -> float:
        examples = to_examples(self.model, self.x[batch], self.y[batch])
        local = [p.detach().requires_grad_() for p in self.parameters]  # the same memory
        whole = np.arange(len(batch))
        gradient, loss = batch_gradient(self.model, local, examples, whole, self.dropout)
        torch._foreach_mul_(self.velocity, self.settings.momentum)
        torch._foreach_add_(self.velocity, gradient)
        torch._foreach_add_(self.parameters, gradient, alpha=-lr)
        torch._foreach_add_(self.parameters, self.velocity, alpha=-lr * self.settings.momentum)
        return loss.item()

    def _finish_pass(self, pass_number: int, lr: float) -> None:
        accuracies = [evaluate(self.model, self.parameters, test)[0] for test in self.tests]
        row = {"run_id": self.run_id, "pass": pass_number, "lr": lr}
        row |= {"train_loss": self.losses / np.count_nonzero(self.y >= 0)}
        self.rows.append(row | {"validation_accuracy": float(np.nanmean(accuracies))})
        self.done, self.losses, self.dropout = 0, 0.0, None
        path = self.resume.folder / "checkpoints" / f"round_{pass_number}.safetensors"
        metadata = {**self.metadata, "round": str(pass_number)}
        save_tensors(path, self.model.named(self.parameters), metadata)
        self._save()

    def _save(self) -> None:
        tensors = {f"parameter.{i}": p for i, p in enumerate(self.parameters)}
        tensors |= {f"velocity.{i}": v for i, v in enumerate(self.velocity)}
        if self.dropout is not None:
            tensors["dropout"] = self.dropout.get_state()
        self.resume.save(tensors, {"rows": self.rows, "done": self.done, "losses": self.losses})

    def _load(self) -> None:
        saved = self.resume.load()
        if saved is None:
            return
        tensors, progress = saved
        n = len(self.parameters)
        self.parameters = [tensors[f"parameter.{i}"] for i in range(n)]
        self.velocity = [tensors[f"velocity.{i}"] for i in range(n)]
        self.rows, self.done = progress["rows"], progress["done"]
        self.losses = progress["losses"]
        if "dropout" in tensors:
            self.dropout = torch.Generator()
            self.dropout.set_state(tensors["dropout"])
        logger.info(
            "%s resumes after pass %d and %d batches", self.run_id, len(self.rows), self.done
        )
