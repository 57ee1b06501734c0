"""What a user's table holds: kind and shape of its examples, classes, tokens, sizes; and how its
values become the store's.

Nothing is guessed in silence: what was assumed is a sentence in ``Facts.assumed``."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pyarrow as pa
from pydantic import BaseModel

from perfedavg.data import columns

MANY_CLIENTS = 100_000
Kind = Literal["images", "vectors", "tokens"]


class Facts(BaseModel):
    """What was found in a table.

    Attributes:
        assumed: how it was read, in sentences, and
        doubts: those of them that may well be a mistake.
        ids: of the clients, as text; none where there are more than ``MANY_CLIENTS``."""

    sha256: str = ""
    kind: Kind
    example_shape: tuple[int, ...]
    label_shape: tuple[int, ...] = ()
    num_classes: int
    num_values: int = 256
    clients: int
    train: int
    test: int
    has_split: bool
    pixels: Literal["", "grey levels", "unit interval", "unit interval on the grid"] = ""
    classes: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()

    @property
    def bytes_per_example(self) -> int:
        """Of the store, about."""
        size = {"images": 1 if self.pixels != "unit interval" else 4}.get(self.kind, 4)
        return size * math.prod(self.example_shape) + 8 * math.prod(self.label_shape) + 32

    def arrays(self, rows: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows that were seen before as the store's features ``[n, ...]`` and labels, and which of
        them are test examples."""
        n, found = rows.num_rows, columns.lists(rows.column("features"), "features")
        test = np.zeros(n, dtype=bool)
        if self.has_split:
            test = columns.is_test(rows.column("split"))
        if self.kind == "tokens":
            x = _padded(found.values, found.lengths[0], self.example_shape[0], self.num_values - 1)
            x = x.astype(np.int32)
        elif self.kind == "vectors":
            x = found.values.reshape(n, *self.example_shape).astype(np.float32)
        else:
            x = found.values.reshape(n, *self.example_shape)
            if self.pixels == "unit interval":
                x = x.astype(np.float32)
            else:
                scale = 1 if self.pixels == "grey levels" else 255
                x = np.rint(x.astype(np.float64) * scale).astype(np.uint8)
        return x, self._labels(rows.column("label")), test

    def _labels(self, column: pa.Array) -> np.ndarray:
        if self.classes:
            import pandas as pd

            index = pd.Index(self.classes)
            return index.get_indexer(columns.names(column).to_pylist()).astype(np.int64)
        found = columns.lists(column, "label")
        values = found.values.astype(np.int64)
        if not self.label_shape:
            return values
        values = np.where(values < 0, -1, values)
        return _padded(values, found.lengths[0], self.label_shape[0], -1)


def _padded(values: np.ndarray, lengths: np.ndarray, width: int, fill: int) -> np.ndarray:
    """Sequences, one behind the other, as rows of ``width`` filled up at the end."""
    rows = np.full((len(lengths), width), fill, dtype=np.int64)
    rows[np.arange(width) < lengths[:, None]] = values
    return rows
