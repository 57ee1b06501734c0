"""Columns of a user's table as arrays: nested lists, ids and labels of whatever type people have.

Every function raises :class:`RowError` where a value cannot be meant; it knows the row."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import compute as pc

COLUMNS = ("client_id", "features", "label", "split")
"""Of a table; the last one need not be there."""
MASKED = (-1, -100)
"""Labels of positions that count nowhere, as people write them."""
_NULL = "an empty value or NaN (pandas stores NaN as null)"


class RowError(ValueError):
    """A value that cannot be meant: what it is, and where one is at fault, the row of the batch and
    the position in the row's list, from 0; in a list of lists, one position for each depth."""

    def __init__(self, what: str, row: int | None = None, *position: int) -> None:
        super().__init__(what)
        self.row, self.position = row, position


class Lists(NamedTuple):
    """A column of lists, nested or not: its values and the lengths of its lists, by depth."""

    values: np.ndarray
    lengths: list[np.ndarray]

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape that every row has; None: they differ."""
        if any(len(sizes) and sizes.min() != sizes.max() for sizes in self.lengths):
            return None
        return tuple(int(sizes[0]) if len(sizes) else 0 for sizes in self.lengths)

    def place_of(self, position: int) -> tuple[int, ...]:
        """The row of a value, and its position in the row's lists."""
        inside: list[int] = []
        for sizes in reversed(self.lengths):
            ends = np.cumsum(sizes)
            parent = int(np.searchsorted(ends, position, side="right"))
            inside.insert(0, int(position - ends[parent] + sizes[parent]))
            position = parent
        return (position, *inside)


def unused(held: Sequence[str]) -> str:
    """A sentence on the columns of a table that are not used; empty: there are none."""
    # pandas writes an index without a name as `__index_level_0__`.
    extra = [n for n in held if n not in COLUMNS and not n.startswith("__index_level_")]
    absent = [name for name in COLUMNS if name not in held]
    shown = []
    for name in extra[:8]:
        near = get_close_matches(name.lower(), absent, n=1, cutoff=0.7)
        shown.append(f"{name} (did you mean `{near[0]}`?)" if near else name)
    more = f", ... ({len(extra)} in all)" if len(extra) > 8 else ""
    return f"Columns not used: {', '.join(shown)}{more}." if extra else ""


def plain(column: pa.Array) -> pa.Array:
    """Without an extension type's or a dictionary's wrapping."""
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column


def is_list(kind: pa.DataType) -> bool:
    """Whether values of this type are lists."""
    types = pa.types
    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def lists(column: pa.Array, what: str) -> Lists:
    """The numbers in a column of lists, of however many levels; none for a column of numbers."""
    column, lengths = plain(column), []
    _no_nulls(column, what)
    while is_list(column.type):
        lengths.append(pc.list_value_length(column).to_numpy(zero_copy_only=False).astype(np.int64))
        column = plain(column.flatten())
        if column.null_count:
            empty = int(pc.index(column.is_null(), True).as_py())
            raise RowError(f"{_NULL} in `{what}`", *Lists(np.empty(0), lengths).place_of(empty))
    return Lists(numbers(column, what), lengths)


def numbers(column: pa.Array, what: str) -> np.ndarray:
    """A column of numbers or truth values."""
    kind = column.type
    if pa.types.is_boolean(kind):
        return column.cast(pa.uint8()).to_numpy()
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise RowError(f"{kind} in `{what}`, where numbers are wanted")
    return column.to_numpy(zero_copy_only=False)


def whole(values: np.ndarray, what: str, where: Lists | None = None) -> np.ndarray:
    """The same as int64, if all are whole numbers."""
    if values.dtype.kind == "f":
        _check(np.isfinite(values) & (values == np.rint(values)), values, what, "whole", where)
    elif values.dtype == np.uint64:
        _check(values < 2**62, values, what, "smaller", where)
    return values.astype(np.int64)


def finite(values: np.ndarray, what: str, where: Lists | None = None) -> None:
    """Raise where a value is NaN or infinite."""
    if values.dtype.kind == "f":
        _check(np.isfinite(values), values, what, "finite", where)


def _check(
    good: np.ndarray, values: np.ndarray, what: str, wanted: str, where: Lists | None
) -> None:
    if not good.all():
        first = int(np.argmin(good))
        place = where.place_of(first) if where else (first,)
        raise RowError(
            f"the value {values[first]:g} in `{what}`, where {wanted} numbers are wanted", *place
        )


def ids(column: pa.Array) -> pa.Array:
    """Client ids as text: text, UTF-8 bytes or whole numbers."""
    column = plain(column)
    _no_nulls(column, "client_id")
    kind = column.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        try:
            column = column.cast(pa.string())
        except pa.ArrowInvalid:
            raise RowError("a `client_id` of bytes that are no UTF-8 text") from None
    elif pa.types.is_floating(kind) or pa.types.is_integer(kind):
        values = whole(column.to_numpy(zero_copy_only=False), "client_id")
        column = pa.array(values.astype(str))
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise RowError(f"{kind} in `client_id`, where text, bytes or whole numbers are wanted")
    if not pc.all(pc.greater(pc.utf8_length(column), 0)).as_py():
        raise RowError("an empty `client_id`", int(pc.index(pc.utf8_length(column), 0).as_py()))
    return column.cast(pa.string())


def is_test(column: pa.Array) -> np.ndarray:
    """Which rows are test examples."""
    texts = np.asarray(ids(column).to_pylist() if len(column) else [], dtype=object)
    lower = np.array([str(text).strip().lower() for text in texts])
    known = np.isin(lower, ("train", "test"))
    if not known.all():
        first = int(np.argmin(known))
        raise RowError(
            f"the value {texts[first]!r} in `split`, where train or test is wanted", first
        )
    return lower == "test"


def names(column: pa.Array) -> pa.Array | None:
    """Labels that are the names of classes, as text; None: they are numbers."""
    column = plain(column)
    _no_nulls(column, "label")
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        try:
            column = column.cast(pa.string())
        except pa.ArrowInvalid:
            raise RowError("a `label` of bytes that are no UTF-8 text") from None
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    return column.cast(pa.string()) if is_text else None


def _no_nulls(column: pa.Array, what: str) -> None:
    if column.null_count:
        row = int(pc.index(column.is_null(), True).as_py())
        raise RowError(f"{_NULL} in `{what}`", row)
