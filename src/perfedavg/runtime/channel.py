"""What a running step tells the terminal of the run that started it: one small file, which that run
reads and deletes.

The run names a folder of its own in the environment. Without it, or on another host, a step writes
to the terminal itself."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

VARIABLE = "PERFEDAVG_TERMINAL"
"""The environment variable: ``folder@host@process`` of the run."""

INTERVAL = 1.0
"""Seconds between two writings."""


class Channel(logging.Handler):
    """What one step tells: how far its runs are, how many are done, what it warns of."""

    def __init__(self, folder: Path, owner: int, log: str | Path) -> None:
        super().__init__(logging.WARNING)
        self.path, self._owner = folder / f"{quote(str(log), safe='')}.json", owner
        self._told: dict[str, Any] = {"runs": {}, "finished": 0, "warnings": [], "error": ""}
        self._written = 0.0

    @property
    def is_due(self) -> bool:
        """Whether it is time to write."""
        return time.monotonic() - self._written >= INTERVAL

    def show(self, label: str, **facts: Any) -> None:
        """How far a run is."""
        self._told["runs"][label] = facts
        self._write()

    def finish(self, label: str) -> None:
        """A run is done; written with what comes next."""
        self._told["runs"].pop(label, None)
        self._told["finished"] += 1

    def emit(self, record: logging.LogRecord) -> None:
        """A warning of the step's, or the error that ends it."""
        if record.levelno > logging.WARNING:
            self._told["error"] = record.getMessage()
        else:
            self._told["warnings"].append(record.getMessage())
        if not self._write():
            print(record.getMessage(), file=sys.stderr)

    def end(self) -> None:
        """Leave nothing behind where nobody will read it any more."""
        if not psutil.pid_exists(self._owner):
            shutil.rmtree(self.path.parent, ignore_errors=True)

    def _write(self) -> bool:
        """Whole or not at all. A full disk costs the terminal a line, and the step nothing."""
        self._written, temporary = time.monotonic(), self.path.with_suffix(".tmp")
        try:
            temporary.write_text(json.dumps(self._told, default=str), encoding="utf-8")
            os.replace(temporary, self.path)
        except OSError:
            return False
        return True


def channel(log: str | Path) -> Channel | None:
    """To the run that listens, for the step with this log; None where none does."""
    folder, _, owner = os.environ.get(VARIABLE, "").partition("@")
    host, _, process = owner.rpartition("@")
    if not process.isdecimal() or host != socket.gethostname():
        return None
    here = psutil.pid_exists(int(process)) and os.path.isdir(folder)
    return Channel(Path(folder), int(process), log) if here else None
