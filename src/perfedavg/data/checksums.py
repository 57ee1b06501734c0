"""Checksums of the user's own files, remembered so that a large file is not read at every start."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from perfedavg.runtime.errors import PerfedavgError
from perfedavg.storage.files import read_json, sha256_of, write_json

CHECKSUMS = Path("results/data/.checksums.json")


def checksums(paths: Iterable[Path], known: Path = CHECKSUMS) -> dict[Path, str]:
    """By path, the sha256 (hex) of what lies there.

    Args:
        known: a JSON file that remembers checksums by path, size, inode and times, so that a file
            is read again only when one of these has changed; written where it can be.
    """
    before = _remembered(known)
    places = {path: str(path.resolve()) for path in paths}
    now = {place: _facts(path) for path, place in places.items()}
    new = {
        place: [*facts, sha256_of(place)]
        for place, facts in now.items()
        if before.get(place, [])[: len(facts)] != facts
    }
    if new:
        with suppress(OSError):  # a folder that cannot be written to: read again next time
            write_json(known, before | new)
    return {path: (before | new)[place][-1] for path, place in places.items()}


def _facts(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _remembered(path: Path) -> dict[str, list]:
    try:
        known = read_json(path)
        assert all(isinstance(facts, list) for facts in known.values())
    except (OSError, PerfedavgError, AttributeError, AssertionError):
        return {}
    return known
