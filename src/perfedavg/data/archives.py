"""Published data sets in any of their formats: which files of what the user gave hold the two
splits, which reader takes them, and what identifies them.

One data set comes in many wrappings (:mod:`perfedavg.data.members`) and three formats; its
:class:`Layout` says what they have in common, the readers turn each into the same clients."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from perfedavg.data.checksums import CHECKSUMS, checksums
from perfedavg.data.members import (
    HDF5,
    JSON,
    SQLITE,
    Found,
    Member,
    check_archive,
    found_at,
    found_in_place,
)
from perfedavg.data.readers import leaf_json, tff_hdf5, tff_sqlite
from perfedavg.data.sources import Archive, DataSet
from perfedavg.data.store import ClientExamples
from perfedavg.data.values import Examples
from perfedavg.runtime.errors import PerfedavgError, reason

OWNERS = {
    "fed_emnist": "emnist62",
    "fed_emnist_digitsonly": "emnist_digits",
    "shakespeare": "shakespeare",
}
"""The data set of TFF's ``<name>_train.h5`` and ``<name>_test.h5``."""


@dataclass(frozen=True)
class Layout:
    """What a data set is called in each format, and how its features become examples.

    Attributes:
        members: TFF's names of the two HDF5 files, train and test.
        examples: a client's arrays by feature, the same for every format, to its examples.
        splits: TFF's names of the two splits in SQLite.
        leaf: names of LEAF's ``x`` and ``y`` as features.
        shapes: of features that SQLite and LEAF hold flat.
    """

    members: tuple[str, str]
    examples: Examples
    splits: tuple[str, str] = ("train", "test")
    leaf: tuple[str, str] = ("pixels", "label")
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


class Chosen(NamedTuple):
    """The files of one format that hold the two splits; a SQLite database holds both."""

    kind: str
    train: list[Member]
    test: list[Member]

    @property
    def files(self) -> list[Member]:
        """All of them, each once."""
        return list(dict.fromkeys(self.train + self.test))


READERS: dict[str, Callable[[Chosen, Layout, Path], Iterator[ClientExamples]]] = {
    HDF5: tff_hdf5.read_clients,
    SQLITE: tff_sqlite.read_clients,
    JSON: leaf_json.read_clients,
}


def clients_of(path: Path, scratch: Path, layout: Layout) -> Iterator[ClientExamples]:
    """All clients, sorted by id, of an archive, a folder or files in any of the formats.

    Args:
        path: what the user's ``data.archive`` names, or what was downloaded.
        scratch: folder for unpacked files, while this iterates.

    Raises:
        PerfedavgError: no format of the data set is there, or a file or a client is not as it
            should be.
    """
    with found_at(path, scratch) as found:
        choice = chosen(found, layout)
        yield from READERS[choice.kind](choice, layout, scratch)


def chosen(found: Found, layout: Layout) -> Chosen:
    """The files of the data set among those found.

    Raises:
        PerfedavgError: there are none, or they belong to another data set, or it is not clear which
            they are.
    """
    for kind in (HDF5, SQLITE, JSON):
        members = [member for member in found.members if member.kind == kind]
        if kind == SQLITE:
            train = test = members
        else:
            train, test = ([m for m in members if m.split == s] for s in ("train", "test"))
        if found.named and found.named not in train + test:
            continue
        if not (train and test):
            continue
        if kind == HDF5:
            train, test = _pair(found, train, test, layout)
        if kind != JSON and len(train) > 1:
            raise PerfedavgError(
                f"{found.path} (data.archive) holds several databases "
                f"({', '.join(m.name for m in train[:4])}); name the one that is meant."
            )
        return Chosen(kind, train, test)
    first, second = layout.members
    held = [m for m in found.members if m.kind == HDF5 and _stem(m) == _stem_of(layout)]
    if {m.split for m in held} in ({"train"}, {"test"}):
        missing = second if held[0].split == "train" else first
        raise PerfedavgError(
            f"{found.path} (data.archive): {found.inside()}, but {missing} is missing; put both "
            "into one folder or archive."
        )
    for member in found.members:
        _refuse_another(found, member, layout)
    raise PerfedavgError(
        f"{found.path} (data.archive) holds no data set in a known layout: {found.inside()}, but "
        f"{first} and {second}, one SQLite database of TFF's, or LEAF's JSON files in train/ and "
        "test/ are wanted; docs/your-own-data.md shows each."
    )


def _pair(
    found: Found, train: list[Member], test: list[Member], layout: Layout
) -> tuple[list[Member], list[Member]]:
    """The one train file and the one test file that belong together."""
    named = found.named
    if named:
        train, test = (
            [named] if named in split else [m for m in split if _stem(m) == _stem(named)] or split
            for split in (train, test)
        )
    ours = [[m for m in split if _stem(m) == _stem_of(layout)] for split in (train, test)]
    train, test = ours if all(ours) else (train, test)
    if len(train) != 1 or len(test) != 1:
        names = ", ".join(m.name for m in [*train, *test][:4])
        raise PerfedavgError(
            f"{found.path} (data.archive) holds several train or test files ({names}); name a "
            f"folder or archive with {layout.members[0]} and {layout.members[1]} alone."
        )
    _refuse_another(found, train[0], layout)
    return train, test


def _refuse_another(found: Found, member: Member, layout: Layout) -> None:
    owner = OWNERS.get(_stem(member)) if member.kind == HDF5 else None
    if owner and _stem(member) != _stem_of(layout):
        raise PerfedavgError(
            f"{found.path} (data.archive) holds {member.name}: this is data set {owner}; set "
            f"data.dataset: {owner}, or name an archive with {layout.members[0]}."
        )


def _stem(member: Member) -> str:
    """What the names of the train and the test file have in common."""
    name = PurePosixPath(member.name).name.lower()
    return name.rpartition(".")[0].replace("train", "").replace("test", "").strip("_-. ")


def _stem_of(layout: Layout) -> str:
    return layout.members[0].rpartition(".")[0].removesuffix("_train")


def identified(data: DataSet, known: Path = CHECKSUMS) -> DataSet:
    """The data set with the checksum of what lies at its path, if it is read from one, so that
    other bytes there are another store.

    Args:
        known: see :func:`checksum_at`.

    Raises:
        PerfedavgError: there is nothing to read, or its checksum is not the one of the config.
    """
    if not (isinstance(data, Archive) and data.is_local):
        return data
    path = Path(data.archive)
    if data.sha256 and not path.exists():  # not needed where the store is there
        return data
    try:
        found = checksum_at(path, data.layout, known)
    except OSError as error:
        raise PerfedavgError(
            f"{path} (data.archive) cannot be read: {reason(error)}; allow it, or name another."
        ) from error
    if data.sha256 not in (None, found):
        raise PerfedavgError(
            f"{path} (data.archive) has sha256 {found}, but {data.sha256} (data.sha256) is "
            "expected: it is damaged, another file, or has just changed; get it again, or leave "
            "data.sha256 out if this is the one you mean."
        )
    return data.model_copy(update={"sha256": found})


def checksum_at(path: Path, layout: Layout, known: Path) -> str:
    """sha256 (hex) of what the user gave: of a file its own; of several files, that of the lines
    that ``sha256sum`` prints for them, sorted by name.

    Args:
        known: see :func:`perfedavg.data.checksums.checksums`.

    Raises:
        PerfedavgError: there is nothing, or no data set in a known layout.
    """
    found = found_in_place(path)
    if found is None:
        check_archive(path)
    files = chosen(found, layout).files if found else [Member(path.name, "", path, str(path))]
    at = checksums([member.path for member in files], known)
    sums = {member.name: at[member.path] for member in files}
    if len(sums) == 1:
        return next(iter(sums.values()))
    lines = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
    return hashlib.sha256(lines.encode()).hexdigest()
