"""The data files that lie at a path: a file, a folder or an archive, told by their first bytes and
never by a name's ending.

Members of an archive are copied out one by one (nothing is extracted, so no member can decide where
it goes), within limits that are stated here."""

from __future__ import annotations

import bz2
import errno
import gzip
import logging
import lzma
import os
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO

from perfedavg.runtime.errors import PerfedavgError, nothing_at, reason

logger = logging.getLogger("perfedavg")

UNPACKED_BYTES = 16 * 10**9
"""What is declared and unpacked of one archive at most: thrice the largest public one's 4.7 GB."""
MOST_FILES = 100_000
"""In one folder or archive."""
SAID_BYTES = 10**9
"""From here on, the disk that unpacking needs is said before it begins."""

HDF5, SQLITE, JSON = "HDF5", "SQLite", "JSON"
_KINDS = {b"\x89HDF\r\n\x1a\n": HDF5, b"SQLite format 3\0": SQLITE}
_COMPRESSED: dict[bytes, Callable[..., IO[bytes]]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
    b"\x5d\0\0": lzma.open,
}
_DAMAGED = (
    OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error,
    NotImplementedError, RuntimeError, ValueError,
)  # fmt: skip
_HEAD_BYTES = 512


@dataclass(frozen=True)
class Member:
    """A data file: its name in what was given, kind, place now, and what messages call it."""

    name: str
    kind: str
    path: Path
    shown: str

    @property
    def split(self) -> str:
        """``train`` or ``test``, by the name of the file or the nearest folder; else empty."""
        for part in reversed(PurePosixPath(self.name).parts):
            said = re.findall(r"(?<![a-z])(train|test)", part.lower())
            if said:
                return said[-1]
        return ""


@dataclass
class Found:
    """What lies at a path: its data files, in the order of their names, and the names of others."""

    path: Path
    members: list[Member] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def add(self, name: str, kind: str, path: Path, shown: str) -> None:
        """One more file, a data file or not."""
        if len(self.members) + len(self.others) >= MOST_FILES:
            raise PerfedavgError(
                f"{self.path} (data.archive) holds more than {MOST_FILES:,} files, the most that "
                "are looked through; name the folder or archive with the data alone."
            )
        if kind:
            self.members.append(Member(name, kind, path, shown))
        else:
            self.others.append(name)

    @property
    def named(self) -> Member | None:
        """The data file that the user named; None where a folder or an archive was."""
        return next((m for m in self.members if m.path == self.path), None)

    def inside(self) -> str:
        """The first few names and their kinds, for a message."""
        names = [f"{m.name} ({m.kind})" for m in self.members] + self.others
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        return f"it holds {', '.join(names[:4])}{more}" if names else "it holds no file"


def kind_of(head: bytes) -> str:
    """The kind of a data file by its first bytes; empty for any other file."""
    if kind := next((kind for magic, kind in _KINDS.items() if head.startswith(magic)), ""):
        return kind
    return JSON if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{") else ""


@contextmanager
def found_at(path: Path, scratch: Path) -> Iterator[Found]:
    """What lies at a path of the user's, with members of an archive copied into a folder of
    ``scratch`` for the length of the block; PerfedavgError where it is damaged or too large."""
    found = found_in_place(path)
    if found is not None:
        yield found
        return
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=scratch, prefix=".unpacked-") as folder:
        yield _unpacked(path, Path(folder))


def found_in_place(path: Path) -> Found | None:
    """A folder, or a data file with its neighbours, which need no unpacking; else None."""
    try:
        if path.is_dir():
            return _in_folder(path)
        if path.exists() and not path.is_file():
            raise PerfedavgError(f"{path} (data.archive) is neither a file nor a folder; name one.")
        kind = kind_of(_head(path))
        if not kind:
            return None
        found = Found(path)
        found.add(path.name, kind, path, str(path))
        if kind == HDF5:  # the other split lies beside it
            beside = (p for p in sorted(path.parent.iterdir()) if p != path and p.is_file())
            for other in beside:
                if not _is_hidden(other.name) and kind_of(_head(other)) == HDF5:
                    found.add(other.name, HDF5, other, str(other))
        return found
    except (OSError, ValueError) as error:  # of a path that cannot be one, the latter
        where = getattr(error, "filename", None) or path
        why = getattr(error, "strerror", None) or error
        if isinstance(error, FileNotFoundError):
            why = f"{why}; {nothing_at(path)}"
        raise PerfedavgError(
            f"{where} (data.archive) cannot be read: {why}; name another."
        ) from error


def _head(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(_HEAD_BYTES)


def _is_hidden(name: str) -> bool:
    """Left by a system beside the data: macOS's ``._*``, ``.git``, ..."""
    return any(p.startswith(".") and p not in (".", "..") for p in PurePosixPath(name).parts)


def _in_folder(folder: Path) -> Found:
    found = Found(folder)
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        for name in sorted(files):
            path = Path(root, name)
            if not _is_hidden(name) and path.is_file():
                inside = path.relative_to(folder).as_posix()
                found.add(inside, kind_of(_head(path)), path, str(path))
    found.members.sort(key=lambda member: member.name)
    return found


def _unpacked(path: Path, folder: Path) -> Found:
    unpack = _Unpacking(path, folder)
    try:
        if zipfile.is_zipfile(path):
            unpack.zip()
        else:
            unpack.tar_or_single()
    except PerfedavgError:
        raise
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise PerfedavgError(
                f"The disk of {folder.parent} is full while {path} is unpacked there; free some."
            ) from error
        raise _no_archive(path, f"or it is damaged or cut off ({reason(error)})") from error
    unpack.found.members.sort(key=lambda member: member.name)
    return unpack.found


def check_archive(path: Path) -> None:
    """Raise PerfedavgError for what does not even begin as an archive, before it is unpacked."""
    packed = _head(path).startswith(tuple(_COMPRESSED)) or zipfile.is_zipfile(path)
    if not packed and not tarfile.is_tarfile(path):
        raise _no_archive(path, "nor does it begin as one")


def _no_archive(path: Path, why: str) -> PerfedavgError:
    return PerfedavgError(
        f"{path} (data.archive) is no archive, folder or data file that can be read, "
        f"{_what_else(_head(path)) or why}; docs/your-own-data.md shows what is read."
    )


def _what_else(head: bytes) -> str:
    """What a file that is no archive is, by its first bytes, where these tell it."""
    if head.startswith(b"PAR1"):
        return "its first bytes are those of Parquet, which data.dataset: table reads"
    text = head.decode(errors="ignore")  # the last character may be cut
    whole = len(text.encode()) > len(head) - 4
    is_text = whole and all(c.isprintable() or c.isspace() for c in text)
    return "it is text" if text and is_text else ""


class _Unpacking:
    """Copies the data files of one archive into a folder."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path, self.folder, self.found, self.declared = path, folder, Found(path), 0

    def zip(self) -> None:
        """Of a zip file."""
        with zipfile.ZipFile(self.path) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    self._declare(info.filename, info.file_size)
                    with archive.open(info) as member:
                        self._member(info.filename, info.file_size, member)

    def tar_or_single(self) -> None:
        """Of a tar file, or of one compressed data file."""
        head = _head(self.path)
        opener = next((o for m, o in _COMPRESSED.items() if head.startswith(m)), open)
        with opener(self.path, "rb") as stream:
            first = stream.read(_HEAD_BYTES)
            if kind_of(first):
                size = _declared_by_lzma(head)
                self._declare(self.path.name, size or 0)
                self._say(size)
                name = self.path.name.rpartition(".")[0] or self.path.name
                self._copy(name, first, stream, size or 0)
                return
            if not first.strip(b"\0"):
                raise tarfile.ReadError("it is empty")
            stream.seek(0)
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for info in archive:
                    if not info.isfile():
                        continue
                    self._declare(info.name, info.size)
                    self._member(info.name, info.size, archive.extractfile(info))
            self._check_rest(stream)

    def _check_rest(self, stream: IO[bytes]) -> None:
        """Read the padding behind the last member, as behind it stands the data's checksum."""
        while chunk := stream.read(1 << 20):
            self._declare("what follows the last member", len(chunk))

    def _declare(self, name: str, size: int) -> None:
        self.declared += size
        if self.declared > UNPACKED_BYTES:
            raise PerfedavgError(
                f"{self.path} (data.archive): {name} declares {_gigabytes(size)}, which with what "
                f"is before it is more than the {_gigabytes(UNPACKED_BYTES)} that are unpacked of "
                "an archive; unpack it yourself and name the folder if this is meant."
            )

    def _member(self, name: str, size: int, member: IO[bytes]) -> None:
        name = PurePosixPath(name.replace("\\", "/")).as_posix()
        if _is_hidden(name):
            return
        first = member.read(_HEAD_BYTES)
        if kind_of(first):
            if size >= SAID_BYTES:
                self._say(size)
            self._copy(name, first, member, size)
        else:
            self.found.add(name, "", self.path, "")

    def _say(self, size: int | None) -> None:
        need = _gigabytes(size) if size else f"up to {_gigabytes(UNPACKED_BYTES)}"
        logger.info(
            "unpacking %s needs %s of disk in %s while it is read; %s are free", self.path.name,
            need, self.folder.parent, _gigabytes(shutil.disk_usage(self.folder).free),
        )  # fmt: skip

    def _copy(self, name: str, first: bytes, source: IO[bytes], size: int) -> None:
        free = shutil.disk_usage(self.folder).free
        if size > free:
            raise PerfedavgError(
                f"{self.path}: {name} needs {_gigabytes(size)} of disk in {self.folder.parent} "
                f"while it is read, but only {_gigabytes(free)} are free; free some."
            )
        target = self.folder / f"{len(self.found.members)}"
        written = 0
        with open(target, "wb") as file:
            chunk = first
            while chunk:
                file.write(chunk)
                written += len(chunk)
                if written > UNPACKED_BYTES:
                    raise PerfedavgError(
                        f"{self.path}: {name} is larger than the {_gigabytes(UNPACKED_BYTES)} that "
                        "are unpacked of an archive; unpack it yourself if this is meant."
                    )
                chunk = source.read(1 << 20)
        self.found.add(name, kind_of(first), target, f"{self.path} ({name})")


def _declared_by_lzma(head: bytes) -> int | None:
    """The size that the header of an ``.lzma`` file declares, if it does."""
    size = int.from_bytes(head[5:13], "little")
    return size if head.startswith(b"\x5d\0\0") and size < 2**63 else None


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.3g} GB"
