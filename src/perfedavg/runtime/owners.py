"""Who works in a folder: a process says so by a file that it holds a lock on.

The operating system releases the lock when the process ends, however it ends. So a lock of the
workflow engine, which outlives ``kill -9`` and a power cut, can be told from one that somebody
needs."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

try:
    import fcntl
except ImportError:  # Windows: nobody is told from anybody, and every lock stays
    fcntl = None

OWNER = "PERFEDAVG_OWNER"
"""The environment variable that tells a job the file of the process that started it."""

_held: list[int] = []  # descriptors of this process's own files, open as long as it lives


def register(folder: Path, kind: str) -> Path | None:
    """Say that this process works here; None where the file system is read-only or knows no locks.

    Args:
        folder: of the files of owners.
        kind: ``run`` or ``job``, the first part of the file's name; then come host and process.
    """
    if fcntl is None:
        return None
    path = folder / f"{kind}@{socket.gethostname()}@{os.getpid()}-{uuid4().hex[:8]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        path.unlink(missing_ok=True)
        return None
    _held.append(descriptor)
    return path


def others(folder: Path, own: Path) -> list[Path]:
    """The files of those who are at work beside this process. Those of processes of this host that
    have ended are deleted; of another host's nothing is known, so they stay and count."""
    found = []
    for path in sorted(folder.glob("*@*@*")):
        if path == own:
            continue
        if path.name.split("@")[1] == socket.gethostname() and _has_ended(path):
            path.unlink(missing_ok=True)
        else:
            found.append(path)
    return found


def _has_ended(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def is_abandoned(folder: Path, own: Path, seconds: float = 30.0) -> bool:
    """Whether nobody but this process works here any more. Jobs whose run was killed end by
    themselves and are waited for, up to ``seconds``."""
    if not any(path != own for path in folder.glob("*@*@*")):
        return False  # whoever left the lock did not sign: nothing is known
    until = time.monotonic() + seconds
    while left := others(folder, own):
        jobs = all(path.name.startswith("job@") for path in left)
        if not jobs or time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True


def when_it_ends(owner: Path, then: Callable[[], None]) -> None:
    """Call ``then``, from a thread, when the process that holds ``owner`` has ended: on its own
    host alone."""
    if fcntl is None or owner.name.split("@")[1:2] != [socket.gethostname()]:
        return

    def wait() -> None:
        try:
            with open(owner, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH)
        except OSError:
            return  # the file went before its process was asked for
        then()

    threading.Thread(target=wait, daemon=True).start()
