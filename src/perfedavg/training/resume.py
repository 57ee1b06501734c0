"""The state of work that takes long, saved on the way, so that a stop loses a minute at most.

It lives in a resume folder, which is no output: a workflow engine wipes declared outputs after a
failure. Results are moved to their place when all is done."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import Tensor

from perfedavg.runtime.errors import PerfedavgError
from perfedavg.runtime.machine import package_versions
from perfedavg.runtime.source import source_fingerprint
from perfedavg.storage.checkpoints import load_tensors, save_tensors
from perfedavg.storage.files import fingerprint, sha256_of

logger = logging.getLogger("perfedavg")

SAVE_EVERY_SECONDS = 60.0


class Resume:
    """A folder with the state of one run, tensors and JSON-able progress, keyed by all that the
    run depends on: ``facts``, the package versions, and the code of ``file`` and ``modules`` (see
    ``runtime.source``)."""

    def __init__(self, folder: str | Path, facts: list[Any], file: str, *modules: str) -> None:
        self.folder = Path(folder)
        self._key = fingerprint([facts, package_versions(), source_fingerprint(file, *modules)])
        self._saved = time.monotonic()

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The saved tensors and progress of exactly this run; None where there are none. Anything
        else in the folder is stale or damaged, and deleted."""
        path = self.folder / "state.safetensors"
        if path.exists():
            try:
                tensors, metadata = load_tensors(path)
                intact = metadata.pop("sha256") == _checksum(tensors, metadata)
                saved = json.loads(metadata.get("checkpoints", "{}"))
                now = self._checksums()
                intact &= all(now.get(name) == checksum for name, checksum in saved.items())
            except (PerfedavgError, KeyError, ValueError, TypeError, AttributeError):
                intact = False
            if intact and metadata.get("key") == self._key:
                self._keep_only(saved)
                return tensors, json.loads(metadata["progress"])
            why = "belongs to another config, code or data" if intact else "is damaged"
            logger.info("%s starts anew: its saved state %s", self.folder.name, why)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        return None

    def is_due(self) -> bool:
        """Whether the last save, or the start, is more than a minute ago."""
        return time.monotonic() - self._saved > SAVE_EVERY_SECONDS

    def save(self, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
        """Write the state whole or not at all, with checksums of it and of the checkpoints."""
        metadata = {"key": self._key, "progress": json.dumps(progress)}
        metadata["checkpoints"] = json.dumps(self._checksums())
        metadata["sha256"] = _checksum(tensors, metadata)
        save_tensors(self.folder / "state.safetensors", tensors, metadata)
        self._saved = time.monotonic()

    def copy_checkpoints(self, folder: Path) -> None:
        """Copy the checkpoints written so far to where results belong, in place of older ones."""
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        (folder / "checkpoints").mkdir(parents=True)
        for file in self._checkpoints():
            shutil.copyfile(file, folder / "checkpoints" / file.name)

    def _checkpoints(self) -> list[Path]:
        return sorted((self.folder / "checkpoints").glob("round_*"))

    def _checksums(self) -> dict[str, str]:
        return {file.name: sha256_of(file) for file in self._checkpoints()}

    def _keep_only(self, names: Iterable[str]) -> None:
        """Delete what was written after the state was saved, and what a killed job has left."""
        for file in [*self.folder.glob(".*.tmp"), *(self.folder / "checkpoints").glob("*")]:
            if file.name not in names:
                file.unlink()

    def remove(self) -> None:
        """Delete the folder: all results are in their place."""
        shutil.rmtree(self.folder)


def _checksum(tensors: dict[str, Tensor], metadata: dict[str, str]) -> str:
    return fingerprint([{name: tensor.numpy() for name, tensor in tensors.items()}, metadata])
