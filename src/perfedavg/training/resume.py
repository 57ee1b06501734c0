"""The state of work that takes long, saved on the way, so that a stop loses a minute at most.

It lives in a resume folder, which is no output: a workflow engine wipes declared outputs after a
failure. Results are moved to their place when all is done."""

from __future__ import annotations

import json
import logging
import shutil
import time
from pathlib import Path
from typing import Any

from torch import Tensor

from perfedavg.runtime.machine import package_versions
from perfedavg.runtime.source import source_fingerprint
from perfedavg.storage.checkpoints import load_tensors, save_tensors
from perfedavg.storage.files import fingerprint

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
        else in the folder is stale and deleted."""
        path = self.folder / "state.safetensors"
        if path.exists():
            tensors, metadata = load_tensors(path)
            if metadata.get("key") == self._key:
                return tensors, json.loads(metadata["progress"])
            text = "%s starts anew: its saved state belongs to another config, code or data"
            logger.info(text, self.folder.name)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        return None

    def is_due(self) -> bool:
        """Whether the last save, or the start, is more than a minute ago."""
        return time.monotonic() - self._saved > SAVE_EVERY_SECONDS

    def save(self, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
        """Write the state whole or not at all."""
        metadata = {"key": self._key, "progress": json.dumps(progress)}
        save_tensors(self.folder / "state.safetensors", tensors, metadata)
        self._saved = time.monotonic()

    def copy_checkpoints(self, folder: Path) -> None:
        """Copy the checkpoints written so far to where results belong, in place of older ones."""
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        (self.folder / "checkpoints").mkdir(exist_ok=True)
        shutil.copytree(self.folder / "checkpoints", folder / "checkpoints")

    def remove(self) -> None:
        """Delete the folder: all results are in their place."""
        shutil.rmtree(self.folder)
