"""Tables on disk: a contract of columns, types and bounds, checked whenever one is written or read
back.

A contract stands beside the code that writes the table; ``docs/outputs.md`` is generated from all
of them. It maps a column to its type (``str``, ``int``, ``float``; a ``?`` behind it: values may be
missing) and, behind a space, its bounds, as in ``"float? 0..1"``; or to a :class:`Column`, which
adds unit and meaning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from perfedavg.runtime.errors import ANEW, reading
from perfedavg.storage.files import atomic

if TYPE_CHECKING:
    import pandera.pandas as pa


class Column(NamedTuple):
    """A column of a contract."""

    spec: str
    """type and bounds"""
    unit: str
    meaning: str


Contract = Mapping[str, str | Column]

TRAINING, VALIDATION, EVALUATION = "training", "validation", "evaluation"
"""The client groups."""


def write_table(contract: Contract, table: pd.DataFrame, path: str | Path) -> None:
    """Check ``table`` against its contract and write it, as Parquet or CSV by the ending of
    ``path``.

    Raises:
        pandera.errors.SchemaError: a column is missing, of another type or out of its bounds.
    """
    table = checked(contract, table)
    with atomic(path) as temporary:
        if Path(path).suffix == ".parquet":
            table.to_parquet(temporary, index=False)
        else:
            table.to_csv(temporary, index=False, float_format="%.6g")


def read_table(contract: Contract, path: str | Path, cure: str = ANEW) -> pd.DataFrame:
    """Read a table, of CSV with the types of its contract (Parquet keeps its own).

    Args:
        cure: what to do where it cannot be read; see :func:`perfedavg.runtime.errors.reading`.

    Raises:
        PerfedavgError: the file is missing or damaged, a column is missing, of another type or out
            of its bounds.
    """
    with reading(path, cure):
        if Path(path).suffix == ".parquet":
            table = pd.read_parquet(path)
            checked(contract, table)
            return table
        always_text = [name for name, column in contract.items() if spec_of(column) == "str"]
        text = dict.fromkeys(always_text, "str")
        table = pd.read_csv(path, dtype=text)
        # CSV does not tell an empty text from a missing one.
        table[always_text] = table[always_text].fillna("")
        return checked(contract, table)


def read_tables(contract: Contract, paths: Iterable[str | Path]) -> pd.DataFrame:
    """The rows of several tables, one below the other; see :func:`read_table`."""
    return pd.concat([read_table(contract, path) for path in paths], ignore_index=True)


def spec_of(column: str | Column) -> str:
    """Type and bounds of a contract's column."""
    return column if isinstance(column, str) else column.spec


def checked(contract: Contract, table: pd.DataFrame) -> pd.DataFrame:
    """The table with the types of its contract.

    Raises:
        pandera.errors.SchemaError: as in :func:`write_table`.
    """
    return _schema(contract).validate(table)


def _schema(contract: Contract) -> pa.DataFrameSchema:
    import pandera.pandas as pa

    columns = {}
    for name, column in contract.items():
        kind, _, bounds = spec_of(column).partition(" ")
        nullable = kind.endswith("?")
        dtypes = {"int": "Int64" if nullable else "int64", "float": "float64", "str": "str"}
        low, _, high = bounds.partition("..")
        limits = ((pa.Check.ge, low), (pa.Check.le, high))
        checks = [check(float(bound)) for check, bound in limits if bound]
        dtype = dtypes[kind.rstrip("?")]
        columns[name] = pa.Column(dtype, checks, nullable=nullable, coerce=True)
    return pa.DataFrameSchema(columns)  # further columns may follow those of the contract
