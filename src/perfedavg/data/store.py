"""The client store: one memory-mapped columnar file pair for a data set of any number of clients.

``examples.arrow`` holds the examples sorted by client, a client's train examples first and its test
examples right behind; ``clients.arrow`` holds one row per client. Both are Arrow IPC files: opening
reads only a footer, a client is read without copying, and processes on one machine share the pages.
Writing streams, so neither writing nor reading takes memory that grows with the number of clients
(but for 8 bytes per client while writing, to find an id that occurs twice).

Record batches of the examples end at client boundaries, so that a client always is one contiguous
slice of one batch."""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import pyarrow as pa

from perfedavg.data.store_writer import Writer
from perfedavg.runtime.errors import reading
from perfedavg.storage.files import atomic

RESIDENT_BYTES = 32 * 2**20
"""About how much of a store's files a reading process keeps resident."""
FAULT_BYTES = 2 * 2**20
"""How much more than asked for becomes resident at most: Linux maps a whole folio of its page cache
at once."""


DELETE = "delete the folder and give the same command again"


@dataclass(frozen=True)
class ClientExamples:
    """One client's own train and test split.

    ``*_x``: ``[n, ...]`` of any NumPy type; what the values mean, the data set says. ``*_y``:
    integer class labels, ``[n]`` or one per position, ``[n, length]``; a negative one is masked.
    ``assumed``: what was assumed in reading the client, one phrase each; only for writing."""

    client_id: str
    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    assumed: tuple[str, ...] = ()


def write_store(
    folder: str | Path,
    clients: Iterable[ClientExamples],
    num_classes: int,
    metadata: dict[str, str] | None = None,
) -> None:
    """Write ``clients``, in the order given, to ``folder``; nothing appears there unless all of it
    was written.

    Raises:
        PerfedavgError: there is no client, or two clients have the same id.
    """
    folder = Path(folder)
    with ExitStack() as stack:
        examples_path = stack.enter_context(atomic(folder / "examples.arrow"))
        clients_path = stack.enter_context(atomic(folder / "clients.arrow"))
        scratch = stack.enter_context(TemporaryFile(dir=folder))
        with Writer(examples_path, clients_path, scratch, num_classes, metadata or {}) as writer:
            for client in clients:
                writer.add(client)


_Located = tuple[str, np.ndarray, np.ndarray, int]


class ClientStore:
    """Read-only access to a store; clients are addressed by their position ``0 .. len(store) - 1``.

    Attributes:
        metadata: text by name, as given to :func:`write_store`.
        data_sha256: of all ids, examples and labels, in order.
        assumed: what was assumed in reading the data, a phrase each: those of ``metadata`` (its
            ``assumed`` is a JSON list), and those of clients, with how many they are.

    Raises:
        PerfedavgError: ``folder`` holds no store.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = folder = Path(folder)
        with self._reading():
            self._maps = _mapped(folder / "examples.arrow"), _mapped(folder / "clients.arrow")
            # Clients are drawn: what follows one in the file is not wanted next. What is wanted,
            # `_find` asks for.
            self._maps[0].madvise(mmap.MADV_RANDOM)
            self._examples, self._clients = (
                pa.ipc.open_file(pa.py_buffer(pages)) for pages in self._maps
            )
            metadata = self._examples.schema.metadata or {}
            self.metadata = metadata = {k.decode(): v.decode() for k, v in metadata.items()}
            self.num_classes = int(metadata["num_classes"])
            self.example_shape = _shape(metadata["example_shape"])
            self.label_shape = _shape(metadata.get("label_shape", ""))
            self._batches: dict[int, tuple[np.ndarray, np.ndarray]] = {}
            self._table = self._clients.read_all()
            self._table.validate(full=True)
            of_clients = self._table.schema.metadata.get(b"assumed", b"[]")
            self.assumed = [*json.loads(metadata.get("assumed", "[]")), *json.loads(of_clients)]
            place = ("client_id", "batch", "row", "num_train", "num_test")
            self._place = [self._table.column(name) for name in place]
            self.data_sha256 = self._table.schema.metadata[b"data_sha256"].decode()
        self._prefetched: dict[int, _Located] = {}
        self._address = np.frombuffer(self._maps[0], dtype=np.uint8).ctypes.data
        self._touched = 0
        self._release_pages()  # of the headers of the table's batches

    def _reading(self) -> AbstractContextManager[None]:
        return reading(f"The client store {self.folder}", DELETE)

    def __len__(self) -> int:
        return self._table.num_rows

    def client_ids(self) -> pa.ChunkedArray:
        """The ids of all clients, as text in the mapped file."""
        return self._table.column("client_id")

    def column(self, name: str) -> np.ndarray:
        """One column of the client table for all clients: ``client_id, offset, batch, row,
        num_train, num_test``."""
        return self._table.column(name).to_numpy(zero_copy_only=False)

    def label_counts(self) -> np.ndarray:
        """Train labels per client and class, masked ones left out: ``[clients, num_classes]``."""
        values = [chunk.values for chunk in self._table.column("label_counts").chunks]
        return np.concatenate([v.to_numpy() for v in values]).reshape(len(self), self.num_classes)

    def client(self, index: int) -> ClientExamples:
        """One client, as views into the mapped file (nothing is copied)."""
        client_id, x, y, num_train = self._prefetched.pop(index, None) or self._find(index)
        self._touched += x.nbytes + FAULT_BYTES
        if self._touched > RESIDENT_BYTES:
            self._release_pages()
        return ClientExamples(client_id, x[:num_train], y[:num_train], x[num_train:], y[num_train:])

    def prefetch(self, indices: Iterable[int]) -> None:
        """Have the kernel read these clients from disk by the time they are wanted, without waiting
        for it."""
        self._prefetched = {index: self._find(index) for index in indices}

    def _find(self, index: int) -> _Located:
        """A client's id, images and labels, which the kernel starts to read, and how many of them
        are train examples."""
        place = (column[index].as_py() for column in self._place)
        client_id, batch, row, num_train, num_test = place
        with self._reading():
            x, y = (values[row : row + num_train + num_test] for values in self._batch(batch))
            if not len(x) == len(y) == num_train + num_test:
                raise IndexError
        for values in (x, y):
            start = values.ctypes.data - self._address
            offset = start % mmap.PAGESIZE
            self._maps[0].madvise(mmap.MADV_WILLNEED, start - offset, offset + values.nbytes)
        return client_id, x, y, num_train

    def _batch(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if index not in self._batches:
            batch = self._examples.get_batch(index)
            batch.validate()
            x = _array(batch.column("x"), self.example_shape)
            self._batches[index] = x, _array(batch.column("y"), self.label_shape)
        return self._batches[index]

    def _release_pages(self) -> None:
        """Unmap all pages.

        A process that meets ever new clients would else keep all their pages resident, a long run
        on a large population the whole store. Arrays that were handed out stay valid: the pages are
        in the kernel's cache and come back when touched."""
        self._touched = 0
        for pages in self._maps:
            pages.madvise(mmap.MADV_DONTNEED)


def _shape(text: str) -> tuple[int, ...]:
    return tuple(int(n) for n in text.split(",") if n)


def _array(column: pa.Array, shape: tuple[int, ...]) -> np.ndarray:
    """Examples or labels of this shape from an Arrow column, without copying."""
    flat = column.values if shape else column
    return flat.to_numpy(zero_copy_only=True).reshape(-1, *shape)


def _mapped(path: Path) -> mmap.mmap:
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
