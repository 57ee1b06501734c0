"""The client store: one memory-mapped columnar file pair for a data set of any number of clients.

``examples.arrow`` holds the examples sorted by client, a client's train examples first and its test examples right
behind; ``clients.arrow`` holds one row a client. Both are Arrow IPC files: opening reads only a footer, a client is
read without copying, and processes on one machine share the pages. Writing streams.

Record batches of the examples end at client boundaries, so that a client always is one contiguous slice of one batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa

from perfedavg.errors import PerfedavgError
from perfedavg.files import atomic

EXAMPLES_PER_BATCH = 16_384
CLIENTS_PER_BATCH = 4_096


@dataclass(frozen=True)
class ClientExamples:
    """One client's own train and test split.

    ``*_x``: ``[n, ...]`` uint8 (a grey level k stands for k/255) or float32 (taken as it is); ``*_y``: ``[n]`` integer
    class labels.
    """

    client_id: str
    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray


def write_store(
    folder: str | Path, clients: Iterable[ClientExamples], num_classes: int, metadata: dict[str, str] | None = None
) -> None:
    """Write ``clients``, in the order given, to ``folder``; nothing appears there unless all of it was written.

    Raises:
        PerfedavgError: there is no client, or two clients have the same id.
    """
    folder = Path(folder)
    with ExitStack() as stack:
        examples_path = stack.enter_context(atomic(folder / "examples.arrow"))
        clients_path = stack.enter_context(atomic(folder / "clients.arrow"))
        with _Writer(examples_path, clients_path, num_classes, metadata or {}) as writer:
            for client in clients:
                writer.add(client)


class ClientStore:
    """Read-only access to a store; clients are addressed by their position ``0 .. len(store) - 1``.

    Raises:
        PerfedavgError: ``folder`` holds no store.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = folder = Path(folder)
        try:
            self._examples = pa.ipc.open_file(pa.memory_map(str(folder / "examples.arrow")))
            self._clients = pa.ipc.open_file(pa.memory_map(str(folder / "clients.arrow")))
        except (OSError, pa.ArrowInvalid) as error:
            raise PerfedavgError(f"{folder} holds no readable client store ({error}); run the target `data`.") from error
        metadata = {k.decode(): v.decode() for k, v in (self._examples.schema.metadata or {}).items()}
        self.metadata = metadata
        self.num_classes = int(metadata["num_classes"])
        self.example_shape = tuple(int(n) for n in metadata["example_shape"].split(","))
        self._batches: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._table = self._clients.read_all()

    def __len__(self) -> int:
        return self._table.num_rows

    @property
    def data_sha256(self) -> str:
        """sha256 of all ids, examples and labels, in order."""
        return self._table.schema.metadata[b"data_sha256"].decode()

    def column(self, name: str) -> np.ndarray:
        """One column of the client table for all clients: ``client_id, offset, batch, row, num_train, num_test``."""
        return self._table.column(name).to_numpy(zero_copy_only=False)

    def label_counts(self) -> np.ndarray:
        """Train labels a client: ``[clients, num_classes]``."""
        values = [chunk.values for chunk in self._table.column("label_counts").chunks]
        return np.concatenate([v.to_numpy() for v in values]).reshape(len(self), self.num_classes)

    def client(self, index: int) -> ClientExamples:
        """One client, as views into the mapped file (nothing is copied)."""
        client_id, batch, row, num_train, num_test = (
            self._table.column(name)[index].as_py() for name in ("client_id", "batch", "row", "num_train", "num_test")
        )
        x, y = self._batch(batch)
        middle, end = row + num_train, row + num_train + num_test
        return ClientExamples(client_id, x[row:middle], y[row:middle], x[middle:end], y[middle:end])

    def _batch(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        if number not in self._batches:
            batch = self._examples.get_batch(number)
            x = batch.column("x").values.to_numpy(zero_copy_only=True).reshape(-1, *self.example_shape)
            self._batches[number] = x, batch.column("y").to_numpy(zero_copy_only=True)
        return self._batches[number]


class _Writer:
    """Streams clients into the two files; batches are flushed at client boundaries."""

    def __init__(self, examples_path: Path, clients_path: Path, num_classes: int, metadata: dict[str, str]) -> None:
        self._paths = examples_path, clients_path
        self._num_classes = num_classes
        self._metadata = metadata
        self._digest = hashlib.sha256()
        self._ids: set[str] = set()
        self._pending_x: list[np.ndarray] = []
        self._pending_y: list[np.ndarray] = []
        self._pending_rows = 0
        self._num_batches = self._offset = 0
        self._client_rows: list[tuple] = []
        self._client_batches: list[pa.RecordBatch] = []
        self._examples_file: pa.ipc.RecordBatchFileWriter | None = None

    def __enter__(self) -> _Writer:
        return self

    def add(self, client: ClientExamples) -> None:
        if client.client_id in self._ids:
            raise PerfedavgError(f"Client id {client.client_id!r} occurs twice in the data; ids must be unique.")
        self._ids.add(client.client_id)
        if self._examples_file is None:
            self._open(client.train_x)
        rows = len(client.train_y) + len(client.test_y)
        counts = np.bincount(client.train_y, minlength=self._num_classes).astype(np.uint16)
        place = self._offset, self._num_batches, self._pending_rows
        self._client_rows.append((client.client_id, *place, len(client.train_y), len(client.test_y), counts))
        self._digest.update(client.client_id.encode())
        for x, y in ((client.train_x, client.train_y), (client.test_x, client.test_y)):
            x, y = np.ascontiguousarray(x), y.astype(np.int32)
            self._digest.update(x.tobytes() + y.tobytes())
            self._pending_x.append(x)
            self._pending_y.append(y)
        self._offset += rows
        self._pending_rows += rows
        if self._pending_rows >= EXAMPLES_PER_BATCH:
            self._flush_examples()
        if len(self._client_rows) >= CLIENTS_PER_BATCH:
            self._flush_clients()

    def _open(self, x: np.ndarray) -> None:
        self._values_per_example = int(np.prod(x.shape[1:]))
        x_type = pa.list_(pa.from_numpy_dtype(x.dtype), self._values_per_example)
        metadata = {
            **self._metadata,
            "num_classes": str(self._num_classes),
            "example_shape": ",".join(map(str, x.shape[1:])),
        }
        self._schema = pa.schema([("x", x_type), ("y", pa.int32())], metadata=metadata)
        self._examples_file = pa.ipc.new_file(str(self._paths[0]), self._schema)

    def _flush_examples(self) -> None:
        if not self._pending_rows:
            return
        x = np.concatenate([x.reshape(-1) for x in self._pending_x])
        columns = [pa.FixedSizeListArray.from_arrays(pa.array(x), self._values_per_example)]
        columns.append(pa.array(np.concatenate(self._pending_y)))
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
            "label_counts": pa.FixedSizeListArray.from_arrays(pa.array(np.concatenate(counts)), self._num_classes),
        }
        self._client_batches.append(pa.record_batch(columns))
        self._client_rows = []

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None and self._examples_file is None:
            raise PerfedavgError("The data hold no client, so there is nothing to store.")
        if kind is None:
            self._flush_examples()
            if self._client_rows:
                self._flush_clients()
            # The digest is known only now, and a schema's metadata comes first in the file.
            schema = self._client_batches[0].schema.with_metadata({"data_sha256": self._digest.hexdigest()})
            with pa.ipc.new_file(str(self._paths[1]), schema) as file:
                for batch in self._client_batches:
                    file.write_batch(batch.replace_schema_metadata(schema.metadata))
        if self._examples_file is not None:
            self._examples_file.close()
