"""Parquet files with one example per row: columns ``client_id, split, features, label``.

A table is gone through twice. The first time everything in it is checked and what it holds is found
(:mod:`perfedavg.data.table_rows`); the second time rows, which may come in any order, are brought
together by client, in parts that fit into memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from perfedavg.data import columns
from perfedavg.data.columns import COLUMNS, RowError
from perfedavg.data.store import ClientExamples
from perfedavg.data.table_facts import Facts
from perfedavg.data.table_rows import Rows
from perfedavg.randomness import TEST_EXAMPLES, StreamKey, stream
from perfedavg.runtime.errors import PerfedavgError, nothing_at
from perfedavg.runtime.job import Progress

if TYPE_CHECKING:
    import pandas as pd

ROWS_AT_ONCE = 8192
PART_BYTES = 256 * 2**20
"""About how much of a table is sorted in memory at once."""
LAYOUT = "the columns client_id, features, label and, if there is one, split"


class Batch(NamedTuple):
    """Some rows of one file, and the number of the first of them, from 0."""

    file: str
    rows: pa.RecordBatch
    first: int = 0

    def column(self, name: str) -> pa.Array:
        """One of its columns."""
        return self.rows.column(name)


def parquet_files(path: str | Sequence[str]) -> list[str]:
    """The Parquet files that a config names: a file, a folder of them or a list.

    Raises:
        PerfedavgError: there is none, or one is no Parquet file with the columns of the layout.
    """
    found: list[Path] = []
    for given in [path] if isinstance(path, str) else path:
        place = Path(given).expanduser()
        if place.is_dir():
            inside = sorted(place.rglob("*.parquet"))
            found += [file for file in inside if not file.name.startswith((".", "_"))]
            if not inside:
                names = ", ".join(sorted(p.name for p in place.iterdir())[:5]) or "nothing"
                raise PerfedavgError(
                    f"{given} holds no .parquet file but {names}; give data.path a Parquet file "
                    "(pandas: DataFrame.to_parquet) or a folder of them."
                )
        elif place.is_file():
            found.append(place)
        else:
            raise PerfedavgError(
                f"{given} (data.path) is no file and no folder: {nothing_at(place)}; correct it."
            )
    return [str(file) for file in found]


def read_batches(files: Sequence[str], names: Sequence[str] | None = None) -> Iterator[Batch]:
    """The rows of all files, some thousand at a time, file after file.

    Args:
        names: the columns to read; None: all of the layout.

    Raises:
        PerfedavgError: a file cannot be read or lacks a column.
    """
    for file in files:
        try:
            with pq.ParquetFile(file, memory_map=True) as parquet:
                held = parquet.schema_arrow.names
                _check_columns(file, held)
                wanted = [name for name in names or COLUMNS if name in held]
                first = 0
                for rows in parquet.iter_batches(ROWS_AT_ONCE, columns=wanted):
                    if rows.num_rows:
                        yield Batch(file, rows, first)
                    first += rows.num_rows
        except (OSError, pa.ArrowException) as error:
            why = " ".join(str(error).split())[:200]
            if isinstance(error, pa.ArrowInvalid) and not _begins_as_parquet(file):
                raise PerfedavgError(
                    f"{file} is no Parquet file; write it with pandas' DataFrame.to_parquet "
                    "(docs/your-own-data.md)."
                ) from None
            raise PerfedavgError(
                f"{file} is no readable Parquet file ({why}); write it again."
            ) from None


def _begins_as_parquet(file: str) -> bool:
    with open(file, "rb") as start:
        return start.read(4) == b"PAR1"


def _check_columns(file: str, held: Sequence[str]) -> None:
    missing = [name for name in COLUMNS[:3] if name not in held]
    if not missing:
        return
    more = f", ... ({len(held)} in all)" if len(held) > 8 else ""
    join = ""
    if "features" in missing:
        join = "; join feature columns into `features`: docs/your-own-data.md"
    raise PerfedavgError(
        f"{file} has the columns {', '.join(held[:8])}{more}; {LAYOUT} are wanted: "
        f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing{join}."
    )


def sentence(batch: Batch, error: RowError) -> PerfedavgError:
    """What is wrong, with the file, the client and the row."""
    place = ""
    if error.row is not None:
        at = "".join(f"[{n}]" for n in error.position)
        place = f" (row {batch.first + error.row}{at and f', at {at}'}, counted from 0)"
    if "`client_id`" in str(error):
        return PerfedavgError(f"{batch.file}: a row has {error}{place}; correct it.")
    client = columns.ids(batch.column("client_id").slice(error.row or 0, 1))[0].as_py()
    return PerfedavgError(f"{batch.file}: client {client!r} has {error}{place}; correct it.")


def find_facts(files: Sequence[str], asked: Rows) -> Facts:
    """Go through the whole table once and say what it holds.

    Raises:
        PerfedavgError: a value cannot be meant; with file, client and value.
    """
    batch, held = None, set[str]()
    for batch in read_batches(files):
        if not batch.first:
            held |= set(pq.read_schema(batch.file).names)
        try:
            asked.see(batch.rows)
        except RowError as error:
            raise sentence(batch, error) from None
    where = files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more files"
    if batch is None:
        raise PerfedavgError(f"{where}: there is no row in it; name a table with rows.")
    unused = columns.unused(sorted(held))
    if unused:
        asked.assume(unused, doubt=True)
    try:
        return asked.facts()
    except RowError as error:
        raise PerfedavgError(f"{where}: {error}.") from None


def read_clients(
    files: Sequence[str], facts: Facts, test_share: float, seed: int, scratch: Path
) -> Iterator[ClientExamples]:
    """All clients, sorted by id as text; a client's examples keep their order.

    Args:
        facts: of these files.
        test_share, seed: of the test examples that are drawn where the table has none.
        scratch: a folder for temporary files, about as large as the store, where the table does
            not fit into ``PART_BYTES``.
    """
    import pandas as pd

    counts: Counter[str] = Counter()
    for batch in read_batches(files, ["client_id"]):
        counts.update(columns.ids(batch.column("client_id")).to_pylist())
    clients = pd.Index(sorted(counts))
    ends = np.cumsum([counts[client] for client in clients])
    rows_per_part = max(1, PART_BYTES // facts.bytes_per_example)
    part_of = (ends - 1) // rows_per_part
    scratch.mkdir(parents=True, exist_ok=True)
    progress = Progress("convert the table", len(clients), "client")
    with TemporaryDirectory(dir=scratch, prefix=".parts-") as folder:
        parts = _parts(files, facts, clients, part_of, Path(folder))
        for rank, x, y, test in parts:
            order = np.argsort(rank, kind="stable")
            cuts = np.flatnonzero(np.diff(rank[order])) + 1
            for rows in np.split(order, cuts):
                client_id = str(clients[rank[rows[0]]])
                tests = test[rows]
                if not facts.has_split:
                    tests = drawn_tests(len(rows), test_share, seed, client_id)
                train, held = rows[~tests], rows[tests]
                yield ClientExamples(client_id, x[train], y[train], x[held], y[held])
                progress.advance()
    progress.close()


def drawn_tests(n: int, share: float, seed: int, client_id: str) -> np.ndarray:
    """Which of a client's examples test it: about ``share`` of them, at least one and not all where
    it has two or more."""
    tests = min(max(1, round(share * n)), n - 1)
    chosen = stream(StreamKey(seed, TEST_EXAMPLES, client_id=client_id)).permutation(n)[:tests]
    is_test = np.zeros(n, dtype=bool)
    is_test[chosen] = True
    return is_test


_Part = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Rank of the client, features, labels, whether it is a test example: by row."""


def _parts(
    files: Sequence[str], facts: Facts, clients: pd.Index, part_of: np.ndarray, folder: Path
) -> Iterator[_Part]:
    """The rows of the table in parts, all rows of a client in one."""
    few = part_of[-1] == 0
    kept: list[list[_Part]] = [[] for _ in range(int(part_of[-1]) + 1)]
    for number, batch in enumerate(read_batches(files)):
        rank = clients.get_indexer(columns.ids(batch.column("client_id")).to_pylist())
        rows = (rank, *facts.arrays(batch.rows))
        if few:
            kept[0].append(rows)
            continue
        for part in np.unique(part_of[rank]):
            chosen = part_of[rank] == part
            names = ("rank", "x", "y", "test")
            with open(folder / f"{part}.npz.{number:09d}", "wb") as file:
                np.savez(file, **{n: v[chosen] for n, v in zip(names, rows, strict=True)})
    for part, rows in enumerate(kept):
        spilled = sorted(folder.glob(f"{part}.npz.*"))
        for path in spilled:
            with np.load(path) as arrays:
                rows.append(tuple(arrays[name] for name in ("rank", "x", "y", "test")))
            path.unlink()
        yield tuple(np.concatenate(column) for column in zip(*rows, strict=True))
        rows.clear()
