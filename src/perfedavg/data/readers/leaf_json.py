"""LEAF's JSON: files ``{"users": [...], "num_samples": [...], "user_data": {id: {"x": [...],
"y": [...]}}}``, many of them, in a folder ``train`` and a folder ``test``.

They are read as streams, a client at a time (ijson). What a client has may be spread over files,
and its train and test examples always are, so converted clients wait in a scratch file (a byte per
pixel) until all files were read; memory is that of the largest client, and a few words per
client."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

from perfedavg.data.members import Member
from perfedavg.data.store import ClientExamples
from perfedavg.data.values import REMEDY, client_id, in_both_splits
from perfedavg.runtime.errors import PerfedavgError, reason
from perfedavg.runtime.job import Progress

if TYPE_CHECKING:
    from perfedavg.data.archives import Chosen, Layout


DEEPEST = 16
"""Levels of JSON; LEAF's has five."""
_NO_STRUCTURE = bytes(set(range(256)) - set(b'"[]{}'))


class _Shallow:
    """A file whose reading ends where JSON is nested too deeply: ijson's memory grows with the
    square of the depth."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._depth, self._in_text, self._escape = file, 0, False, b""

    def read(self, size: int = -1) -> bytes:
        """As of any file; ValueError where it is too deep."""
        chunk = self._file.read(size)
        text = self._escape + chunk
        if b"\\" in text:
            text = re.sub(rb"\\.", b"", text, flags=re.DOTALL)
        self._escape = b"\\" if text.endswith(b"\\") else b""  # cut off from what it escapes
        for number, part in enumerate(text.translate(None, _NO_STRUCTURE).split(b'"')):
            self._in_text ^= number > 0
            for byte in b"" if self._in_text else part:
                self._depth += 1 if byte in b"[{" else -1
                if self._depth > DEEPEST:
                    raise ValueError(f"nested more than {DEEPEST} levels deep")
        return chunk


class _Part(NamedTuple):
    """Where one client's examples of one file wait, and what was assumed in reading them."""

    position: int
    notes: tuple[str, ...]


def read_clients(chosen: Chosen, layout: Layout, scratch: Path) -> Iterator[ClientExamples]:
    """All clients of either split, sorted by id; of a client in several files of a split, the
    examples are in the order of the files.

    Raises:
        PerfedavgError: a file is no such JSON, or a client's data are not as they should be.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=scratch) as waiting:
        parts: dict[str, tuple[list[_Part], list[_Part]]] = {}
        files = [(0, m) for m in _in_order(chosen.train)] + [(1, m) for m in _in_order(chosen.test)]
        progress = Progress("read LEAF's files", len(files), "file")
        for split, member in files:
            for name, part in _read(member, layout, waiting):
                parts.setdefault(name, ([], []))[split].append(part)
            progress.advance()
        progress.close()
        progress = Progress("convert", len(parts), "client")
        for name in sorted(parts):
            yield in_both_splits(name, *(_joined(waiting, of_split) for of_split in parts[name]))
            progress.advance()
        progress.close()


def _in_order(members: list[Member]) -> list[Member]:
    """Of ``..._2.json`` and ``..._10.json``, 2 comes first."""
    return sorted(members, key=lambda m: [(len(s), s) for s in re.findall(r"\d+|\D+", m.name)])


def _read(member: Member, layout: Layout, waiting: IO[bytes]) -> Iterator[tuple[str, _Part]]:
    """The clients of one file, each put to those that wait."""
    import ijson

    seen: set[str] = set()
    with open(member.path, "rb") as file:
        announced = _announced(file, member)
        file.seek(0)
        clients = ijson.kvitems(_Shallow(file), "user_data", use_float=True)
        while True:
            try:
                key, data = next(clients, (None, None))
            except (ijson.JSONError, ValueError, RecursionError) as error:
                raise _no_json(member, error) from error
            if key is None:
                break
            try:
                name, notes = client_id(key)
                if name in seen:
                    raise ValueError("more than one entry in `user_data`")
                seen.add(name)
                x, y, *assumed = layout.examples(_features(data, layout))
                if announced and announced.get(key) != len(y):
                    said = announced.get(key, "nothing")
                    raise ValueError(f"{len(y)} examples where `num_samples` says {said}")
            except ValueError as error:
                why = " ".join(str(error).split())
                raise PerfedavgError(
                    f"{member.shown} (data.archive): client {key!r} has {why}; {REMEDY}."
                ) from error
            position = waiting.seek(0, 2)
            for values in (x, y):
                np.save(waiting, values, allow_pickle=False)
            yield name, _Part(position, (*notes, *assumed))
    if seen and (missing := [name for name in announced if name not in seen]):
        raise PerfedavgError(
            f"{member.shown} (data.archive): {missing[0]!r} of `users` is not in `user_data`; "
            "correct it, or get it again."
        )
    if not seen:
        raise PerfedavgError(
            f"{member.shown} (data.archive): there is no client in `user_data`; LEAF's layout is "
            'wanted, {"users": [...], "num_samples": [...], '
            '"user_data": {id: {"x": [...], "y": [...]}}}.'
        )


def _announced(file: IO[bytes], member: Member) -> dict[str, Any]:
    """The number of examples of each of ``users`` by ``num_samples``; {} where the file does not
    say it. They stand at its begin as a rule, so little is read for them."""
    import ijson

    users: list[Any] = []
    counts: list[Any] = []
    try:
        for prefix, event, value in ijson.parse(_Shallow(file), use_float=True):
            if prefix in ("users.item", "num_samples.item"):
                (users if prefix == "users.item" else counts).append(value)
            elif users and counts and prefix == "user_data" and event == "start_map":
                break
    except (ijson.JSONError, ValueError, RecursionError) as error:
        raise _no_json(member, error) from error
    if counts and len(users) != len(counts):
        raise PerfedavgError(
            f"{member.shown} (data.archive): {len(users)} `users` but {len(counts)} `num_samples`; "
            "correct it, or get it again."
        )
    return dict(zip(users, counts, strict=False))


def _no_json(member: Member, error: Exception) -> PerfedavgError:
    why = error.args[0] if error.args else type(error).__name__
    why = why.decode(errors="replace") if isinstance(why, bytes) else str(why)
    return PerfedavgError(
        f"{member.shown} (data.archive): it is no JSON, or damaged or cut off "
        f"({reason(why.partition(chr(10))[0]).strip(' .')}); get it again."
    )


def _features(data: Any, layout: Layout) -> dict[str, np.ndarray]:
    if not isinstance(data, dict) or not all(isinstance(data.get(k), list) for k in "xy"):
        raise ValueError("no lists `x` and `y`")
    features = {}
    for key, name in zip("xy", layout.leaf, strict=True):
        try:
            values = np.array(data[key])
        except (ValueError, OverflowError):
            raise ValueError(f"rows of different lengths in `{key}`") from None
        shape = layout.shapes.get(name)
        if shape and values.ndim == 2 and values.shape[1] == np.prod(shape):
            values = values.reshape(-1, *shape)
        features[name] = values
    return features


def _joined(waiting: IO[bytes], parts: list[_Part]) -> tuple | None:
    """A client's examples, labels and notes in one split."""
    if not parts:
        return None
    xs, ys, notes = [], [], []
    for part in parts:
        waiting.seek(part.position)
        xs.append(np.load(waiting, allow_pickle=False))
        ys.append(np.load(waiting, allow_pickle=False))
        notes += part.notes
    return np.concatenate(xs), np.concatenate(ys), *notes
