"""Writing files whole or not at all, and hashing what was written."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfedavg.runtime.errors import reading

if TYPE_CHECKING:
    import numpy as np


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` on success, remove it on any
    failure."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON atomically, keys in the order given, one trailing newline."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        PerfedavgError: the file is missing or no JSON.
    """
    with reading(path):
        return json.loads(Path(path).read_text(encoding="utf-8"))


def fingerprint(value: Any) -> str:
    """sha256 (hex) of a JSON-able value, independent of the order of its keys.

    NumPy arrays in it count by a hash of their bytes: a million clients' positions are never
    spelled out."""
    text = json.dumps(value, sort_keys=True, default=_array_facts)
    return hashlib.sha256(text.encode()).hexdigest()


def _array_facts(value: np.ndarray) -> dict[str, Any]:
    content = value.astype(value.dtype.newbyteorder("<"), order="C", copy=False)
    return {
        "dtype": content.dtype.str,
        "shape": value.shape,
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def sha256_of(path: str | Path) -> str:
    """sha256 (hex) of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
