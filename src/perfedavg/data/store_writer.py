"""Writing a client store (:mod:`perfedavg.data.store` says what it is)."""

from __future__ import annotations

import hashlib
import json
import math
from array import array
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING

import numpy as np
import pyarrow as pa

from perfedavg.runtime.errors import PerfedavgError

if TYPE_CHECKING:
    from perfedavg.data.store import ClientExamples

EXAMPLES_PER_BATCH = 16_384
CLIENTS_PER_BATCH = 4_096


class Writer:
    """Streams clients into the two files; batches are flushed at client boundaries.

    The client table begins with the digest of all data, with what was assumed of how many clients,
    and with the type of the counts, known only at the end. Its batches wait in a scratch file, not
    in memory."""

    def __init__(
        self,
        examples_path: Path,
        clients_path: Path,
        scratch: IO[bytes],
        num_classes: int,
        metadata: dict[str, str],
    ) -> None:
        self._paths = examples_path, clients_path
        self._num_classes = num_classes
        self._metadata = metadata
        self._digest = hashlib.sha256()
        self._id_hashes = array("q")
        self._assumed: Counter[str] = Counter()
        self._largest_count = 0
        self._pending_x: list[np.ndarray] = []
        self._pending_y: list[np.ndarray] = []
        self._pending_rows = 0
        self._num_batches = self._offset = 0
        self._client_rows: list[tuple] = []
        self._scratch = scratch
        self._scratch_stream: pa.ipc.RecordBatchStreamWriter | None = None
        self._examples_file: pa.ipc.RecordBatchFileWriter | None = None

    def __enter__(self) -> Writer:
        return self

    def add(self, client: ClientExamples) -> None:
        """Write the next client."""
        self._id_hashes.append(hash(client.client_id))
        if self._examples_file is None:
            self._open(client.train_x, client.train_y)
        rows = len(client.train_y) + len(client.test_y)
        labels = client.train_y[client.train_y >= 0]
        counts = np.bincount(labels, minlength=self._num_classes).astype(np.uint32)
        self._largest_count = max(self._largest_count, int(counts.max()))
        self._assumed.update(client.assumed)
        place = self._offset, self._num_batches, self._pending_rows
        sizes = len(client.train_y), len(client.test_y)
        self._client_rows.append((client.client_id, *place, *sizes, counts))
        self._digest.update(client.client_id.encode())
        for x, y in ((client.train_x, client.train_y), (client.test_x, client.test_y)):
            x, y = np.ascontiguousarray(x), y.astype(np.int32)
            self._digest.update(x.tobytes() + y.tobytes())
            if len(y):  # so that what is pending is bounded even where no client has an example
                self._pending_x.append(x)
                self._pending_y.append(y)
        self._offset += rows
        self._pending_rows += rows
        if self._pending_rows >= EXAMPLES_PER_BATCH:
            self._flush_examples()
        if len(self._client_rows) >= CLIENTS_PER_BATCH:
            self._flush_clients()

    def _open(self, x: np.ndarray, y: np.ndarray) -> None:
        self._example_shape, self._label_shape = x.shape[1:], y.shape[1:]
        metadata = {
            **self._metadata,
            "num_classes": str(self._num_classes),
            "example_shape": ",".join(map(str, self._example_shape)),
        }
        if self._label_shape:
            metadata["label_shape"] = ",".join(map(str, self._label_shape))
        columns = [
            ("x", _column(x[:0], self._example_shape).type),
            ("y", _column(y[:0].astype(np.int32), self._label_shape).type),
        ]
        self._schema = pa.schema(columns, metadata=metadata)
        self._examples_file = pa.ipc.new_file(str(self._paths[0]), self._schema)

    def _flush_examples(self) -> None:
        if not self._pending_rows:
            return
        columns = [
            _column(np.concatenate(self._pending_x), self._example_shape),
            _column(np.concatenate(self._pending_y), self._label_shape),
        ]
        self._examples_file.write_batch(pa.record_batch(columns, schema=self._schema))
        self._num_batches += 1
        self._pending_x, self._pending_y, self._pending_rows = [], [], 0

    def _flush_clients(self) -> None:
        ids, offset, batch, row, num_train, num_test, counts = zip(*self._client_rows, strict=True)
        columns = {
            "client_id": pa.array(ids, pa.string()),
            "offset": pa.array(offset, pa.int64()),
            "batch": pa.array(batch, pa.int32()),
            "row": pa.array(row, pa.int32()),
            "num_train": pa.array(num_train, pa.int32()),
            "num_test": pa.array(num_test, pa.int32()),
            "label_counts": pa.FixedSizeListArray.from_arrays(
                pa.array(np.concatenate(counts)), self._num_classes
            ),
        }
        batch = pa.record_batch(columns)
        if self._scratch_stream is None:
            self._scratch_stream = pa.ipc.new_stream(self._scratch, batch.schema)
        self._scratch_stream.write_batch(batch)
        self._client_rows = []

    def _write_client_table(self) -> None:
        self._scratch_stream.close()
        self._scratch.seek(0)
        repeated = _repeated(self._id_hashes)
        earlier_ids: set[str] = set()
        metadata = {"data_sha256": self._digest.hexdigest()}
        if self._assumed:
            notes = [
                f"{note} ({n:,} client{'s' * (n > 1)})" for note, n in sorted(self._assumed.items())
            ]
            metadata["assumed"] = json.dumps(notes)
        # An example has one label or many; of one, few clients have 65,536.
        wide = self._label_shape or self._largest_count > np.iinfo(np.uint16).max
        counts = pa.list_(pa.uint32() if wide else pa.uint16(), self._num_classes)
        with pa.ipc.open_stream(self._scratch) as batches:
            last = batches.schema.get_field_index("label_counts")
            schema = batches.schema.set(last, pa.field("label_counts", counts))
            schema = schema.with_metadata(metadata)
            with pa.ipc.new_file(str(self._paths[1]), schema) as file:
                for batch in batches:
                    if len(repeated):
                        _check_unique(batch.column("client_id").to_pylist(), repeated, earlier_ids)
                    file.write_batch(batch.cast(schema))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and self._examples_file is None:
            raise PerfedavgError("The data hold no client, so there is nothing to store.")
        try:
            if kind is None:
                self._flush_examples()
                if self._client_rows:
                    self._flush_clients()
                self._write_client_table()
        finally:
            if self._examples_file is not None:
                self._examples_file.close()


def _repeated(hashes: array) -> np.ndarray:
    """The values that occur more than once."""
    ordered = np.sort(np.frombuffer(hashes, dtype=np.int64))
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


def _check_unique(ids: list[str], repeated: np.ndarray, earlier_ids: set[str]) -> None:
    """Of equal hashes, tell equal ids from mere collisions; ``earlier_ids`` gathers the ids that
    have such a hash."""
    for client_id in ids:
        if hash(client_id) in repeated:
            if client_id in earlier_ids:
                raise PerfedavgError(
                    f"Client id {client_id!r} occurs twice in the data; ids must be unique."
                )
            earlier_ids.add(client_id)


def _column(values: np.ndarray, shape: tuple[int, ...]) -> pa.Array:
    """Examples or labels of this shape as one Arrow column; a fixed-size list holds what has a
    shape."""
    flat = pa.array(values.reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, math.prod(shape)) if shape else flat
