"""What every step wrote, by checksum: what a step reads is what the step before left.

Beside the results of ``results/<name>/`` lies ``.sha256/`` with one record per output, in the
format of ``sha256sum``, paths seen from ``results/<name>/``; the record of a folder lists its
files."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from perfedavg.runtime.errors import PerfedavgError

FOLDER = ".sha256"

EXCEPTED = (
    "logs/",
    "benchmarks/",
    "timings.parquet",
    "provenance.json",
    "report.html",
    "article.pdf",
    "plan.md",
    "plan.csv",
)
"""What may differ between equal runs: times, machines, and what shows them. It has no record."""

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
_STAMP = ".snakemake_timestamp"  # the workflow engine's, in every folder that is an output


def record(outputs: Iterable[str | Path]) -> None:
    """Write down the checksums of a step's outputs, files or folders."""
    for output in map(Path, outputs):
        root, place = _place(output)
        if not place or _is_excepted(output.relative_to(root)):
            continue
        files = sorted(_files(output)) if output.is_dir() else [output]
        lines = [f"{_sha256(file)}  {file.relative_to(root).as_posix()}\n" for file in files]
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.with_name(f".{place.name}.{os.getpid()}.tmp")
        temporary.write_text("".join(lines), encoding="utf-8")
        os.replace(temporary, place)


def check(inputs: Iterable[str | Path]) -> None:
    """Compare a step's inputs with their records; inputs without one are taken as they are.

    Raises:
        PerfedavgError: names the first file that is changed or missing, and what to delete.
    """
    for path in map(Path, inputs):
        root, place = _place(path)
        if not place or not place.is_file():
            continue
        for problem in _problems(root, place):
            what = "the folder" if path.is_dir() else "the file"
            raise PerfedavgError(
                f"{problem}; delete {what} {path} and give the same command again, which makes it "
                "anew."
            )


def verify(root: Path, within: Sequence[str] = ("",)) -> list[str]:
    """Recompute every checksum of ``root``, a folder ``results/<name>``.

    Args:
        within: only paths that begin with one of these.

    Returns:
        A sentence for every file that is changed, missing, or of no step; [] if all is as the steps
        left it.
    """
    problems, known = [], set()
    places = _files(root / FOLDER) if (root / FOLDER).is_dir() else []
    for place in sorted(places):
        if not str(place.relative_to(root / FOLDER)).startswith(tuple(within)):
            continue
        problems += _problems(root, place)
        known |= {root / name for _, name in _lines(place)}
    for file in sorted(_files(root)):
        name = file.relative_to(root)
        mine = str(name).startswith(tuple(within)) and name.parts[0] != FOLDER
        if mine and file not in known and not _is_excepted(name):
            problems.append(
                f"{file} has no record: it was written by no step, or its record is gone"
            )
    return problems


def _problems(root: Path, place: Path) -> Iterator[str]:
    own = place.relative_to(root / FOLDER).as_posix()
    lines = list(_lines(place))
    if not all(name == own or name.startswith(f"{own}/") for _, name in lines):
        yield f"The record {place} is damaged"
    for checksum, name in lines:
        file = root / name
        if not file.is_file():
            yield f"{file} is missing, although it is in the record {place}"
        elif _sha256(file) != checksum:
            yield f"{file} is not what its step wrote: another sha256 stands in the record {place}"


def _lines(place: Path) -> Iterator[tuple[str, str]]:
    """Checksums and names; of what is no line of a record, the text as a name."""
    for line in place.read_bytes().decode("utf-8", "backslashreplace").split("\n")[:-1]:
        match = _LINE.fullmatch(line)
        yield (match[1], match[2]) if match else ("", line.replace("\0", "?"))


def _place(path: Path) -> tuple[Path, Path | None]:
    """The folder ``results/<name>`` of an output, and its record; None for what lies elsewhere."""
    parts = path.parts
    if len(parts) < 3 or parts[0] != "results":
        return path, None
    root = Path(*parts[:2])
    return root, root / FOLDER / Path(*parts[2:])


def _files(folder: Path) -> Iterator[Path]:
    return (p for p in folder.rglob("*") if p.is_file() and p.name != _STAMP)


def _is_excepted(name: Path) -> bool:
    text = name.as_posix()
    return name.name in EXCEPTED or text.startswith(EXCEPTED[:2])


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
