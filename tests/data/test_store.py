"""The store gives back what was put in, copies nothing, takes little memory, and appears whole or
not at all."""

import hashlib
import mmap
import re
import tracemalloc
import weakref
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from perfedavg.data import store as store_module
from perfedavg.data import store_writer
from perfedavg.data.store import ClientExamples, ClientStore, write_store
from perfedavg.runtime.errors import PerfedavgError
from tests.conftest import make_client

PARTS = ("train_x", "train_y", "test_x", "test_y")


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_round_trip_over_many_batches(tmp_path, monkeypatch, dtype):
    monkeypatch.setattr(store_writer, "EXAMPLES_PER_BATCH", 20)
    monkeypatch.setattr(store_writer, "CLIENTS_PER_BATCH", 3)
    clients = [make_client(i, n_train=i, n_test=5 - i % 4, dtype=dtype) for i in range(11)]
    write_store(tmp_path, clients, num_classes=62)
    store = ClientStore(tmp_path)
    assert len(store) == 11
    assert max(store.column("batch")) > 2, "the test must cross batches"
    for i, written in enumerate(clients):
        read = store.client(i)
        assert read.client_id == written.client_id
        for part in PARTS:
            np.testing.assert_array_equal(getattr(read, part), getattr(written, part))
    np.testing.assert_array_equal(store.column("num_train"), [len(c.train_y) for c in clients])
    np.testing.assert_array_equal(
        store.column("offset"),
        np.cumsum([0, *(len(c.train_y) + len(c.test_y) for c in clients)])[:-1],
    )
    for counts, c in zip(store.label_counts(), clients, strict=True):
        assert [int(n) for n in counts] == [int((c.train_y == label).sum()) for label in range(62)]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64])
def test_labels_per_position_and_token_ids_come_back(tmp_path, small_batches, dtype):
    rng, clients = np.random.default_rng(0), []
    for i in range(9):
        x, y = rng.integers(0, 90, (i + 4, 6)).astype(dtype), rng.integers(-1, 5, (i + 4, 6))
        clients.append(ClientExamples(f"c{i}", x[:i], y[:i], x[i:], y[i:]))
    write_store(tmp_path, clients, num_classes=5)
    store = ClientStore(tmp_path)
    assert store.label_shape == store.example_shape == (6,)
    for i, written in enumerate(clients):
        read = store.client(i)
        for part in PARTS:
            np.testing.assert_array_equal(getattr(read, part), getattr(written, part))
        assert read.train_x.dtype == dtype
        assert not read.train_y.flags.owndata
    for counts, c in zip(store.label_counts(), clients, strict=True):
        assert counts.tolist() == [(c.train_y == label).sum() for label in range(5)]


def test_a_client_may_have_more_labels_of_a_class_than_16_bits_count(tmp_path):
    x = np.zeros((1000, 80), dtype=np.uint8)
    write_store(tmp_path, [ClientExamples("a", x, x.astype(int), x[:0], x[:0])], num_classes=2)
    assert ClientStore(tmp_path).label_counts().tolist() == [[80_000, 0]]


def test_reading_copies_nothing(store):
    a, b = store.client(3), store.client(3)
    assert not a.train_x.flags.owndata
    assert a.train_x.ctypes.data == b.train_x.ctypes.data
    assert not a.train_x.flags.writeable, "a view of the mapped file"


def test_hash_covers_ids_pixels_and_labels(tmp_path):
    base = make_client(1)
    changed_pixel, changed_label = base.test_x.copy(), base.train_y.copy()
    changed_pixel[0, 0, 0] ^= 1
    changed_label[0] = (changed_label[0] + 1) % 62
    variants = [
        base,
        ClientExamples("other", base.train_x, base.train_y, base.test_x, base.test_y),
        ClientExamples(base.client_id, base.train_x, base.train_y, changed_pixel, base.test_y),
        ClientExamples(base.client_id, base.train_x, changed_label, base.test_x, base.test_y),
    ]
    hashes = []
    for i, client in enumerate([*variants, base]):
        write_store(tmp_path / str(i), [client], num_classes=62)
        hashes.append(ClientStore(tmp_path / str(i)).data_sha256)
    assert len(set(hashes)) == 4
    assert hashes[0] == hashes[-1]


def test_a_failed_write_leaves_the_old_store_and_no_litter(tmp_path):
    write_store(tmp_path, [make_client(1)], num_classes=62)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def broken():
        yield make_client(2)
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        write_store(tmp_path, broken(), num_classes=62)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(store_writer, "EXAMPLES_PER_BATCH", 20)
    monkeypatch.setattr(store_writer, "CLIENTS_PER_BATCH", 3)


def test_bytes_of_the_client_table(tmp_path, small_batches):
    """As if all of it were in memory: what was written before is read, and written again the
    same."""
    clients = [make_client(i, n_train=i % 4, n_test=i % 3) for i in range(11)]
    write_store(tmp_path, clients, num_classes=62)
    digest, rows, batch, row, offset = hashlib.sha256(), [], 0, 0, 0
    for c in clients:
        counts = [int((c.train_y == label).sum()) for label in range(62)]
        rows.append((c.client_id, offset, batch, row, len(c.train_y), len(c.test_y), counts))
        digest.update(c.client_id.encode())
        for x, y in ((c.train_x, c.train_y), (c.test_x, c.test_y)):
            digest.update(x.tobytes() + y.astype("<i4").tobytes())
        offset, row = offset + len(c.train_y) + len(c.test_y), row + len(c.train_y) + len(c.test_y)
        if row >= 20:
            batch, row = batch + 1, 0
    types = [pa.string(), pa.int64(), *[pa.int32()] * 4, pa.list_(pa.uint16(), 62)]
    names = ["client_id", "offset", "batch", "row", "num_train", "num_test", "label_counts"]
    schema = pa.schema(
        list(zip(names, types, strict=True)), metadata={"data_sha256": digest.hexdigest()}
    )
    with pa.ipc.new_file(str(tmp_path / "expected.arrow"), schema) as file:
        for first in range(0, len(rows), 3):
            columns = zip(*rows[first : first + 3], strict=True)
            file.write_batch(
                pa.record_batch(
                    [pa.array(v, t) for v, t in zip(columns, types, strict=True)], schema=schema
                )
            )
    assert (tmp_path / "clients.arrow").read_bytes() == (tmp_path / "expected.arrow").read_bytes()


def test_writing_lets_go_of_clients(tmp_path, small_batches):
    arrays, most_alive, most_arrow = [], 0, 0

    def clients(count, examples):
        nonlocal most_alive, most_arrow
        for i in range(count):
            client = make_client(i, n_train=examples, n_test=examples)
            arrays.extend(weakref.ref(a) for a in (client.train_x.base, client.test_y.base))
            yield client
            del client
            most_alive = max(most_alive, sum(a() is not None for a in arrays))
            most_arrow = max(most_arrow, pa.total_allocated_bytes() - before)

    before = pa.total_allocated_bytes()
    write_store(tmp_path / "a", clients(200, examples=2), num_classes=62)
    assert most_alive <= 2 * 5, "a batch is five clients, of each the images and the labels"
    assert most_arrow < 20_000, "200 rows of the client table take more"
    arrays.clear()
    most_alive = 0
    write_store(tmp_path / "b", clients(200, examples=0), num_classes=62)
    assert most_alive <= 2, "clients without examples never fill a batch"


def test_writing_remembers_less_than_48_bytes_of_a_client(tmp_path):
    def peak(count):
        client = make_client(0, n_train=1, n_test=1)
        parts = [getattr(client, part) for part in PARTS]
        tracemalloc.start()
        write_store(
            tmp_path / str(count),
            (ClientExamples(f"client{i:06d}", *parts) for i in range(count)),
            num_classes=62,
        )
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)  # what is imported or set up at first use
    few, many = 9_000, 30_000  # both fill batches
    assert peak(many) - peak(few) < 48 * (many - few)


@pytest.mark.parametrize("collide", [False, True])
def test_a_repeated_id_is_found_wherever_it_is_and_equal_hashes_are_no_repetition(
    tmp_path, small_batches, monkeypatch, collide
):
    if collide:
        monkeypatch.setattr(store_writer, "hash", lambda text: len(text), raising=False)
    clients = [make_client(i, n_train=1) for i in range(12)]
    write_store(tmp_path / "a", clients, num_classes=62)
    assert len(ClientStore(tmp_path / "a")) == 12
    with pytest.raises(PerfedavgError, match="'c02' occurs twice"):
        write_store(tmp_path / "b", [*clients, clients[2]], num_classes=62)
    assert not any((tmp_path / "b").iterdir())


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux tells what is resident")
def test_reading_keeps_few_pages_resident(tmp_path, monkeypatch):
    """A store of 30 MB, with 4 MB allowed and clients of 1.5 MB."""
    clients = [make_client(i, n_train=1_000, n_test=1_000) for i in range(20)]
    write_store(tmp_path, clients, num_classes=62)

    def resident_mib():
        pattern = re.escape(str(tmp_path)) + r".*?^Rss:\s+(\d+) kB"
        return (
            sum(
                int(kib)
                for kib in re.findall(
                    pattern, Path("/proc/self/smaps").read_text(), re.DOTALL | re.MULTILINE
                )
            )
            / 1024
        )

    monkeypatch.setattr(store_module, "RESIDENT_BYTES", 4 * 2**20)
    store, most, views = ClientStore(tmp_path), 0.0, []
    for i in range(len(store)):
        views.append(store.client(i))
        assert views[-1].train_x.max() == 255
        most = max(most, resident_mib())
    assert 0.5 < most < 15
    for read, written in zip(views, clients, strict=True):
        np.testing.assert_array_equal(read.test_x, written.test_x, err_msg="views stay valid")


@pytest.mark.parametrize(
    "read", [lambda store, i: store.prefetch([i]), lambda store, i: store.client(i)]
)
def test_the_kernel_is_asked_for_the_bytes_of_a_client_and_little_else(store, tmp_path, read):
    asked = []

    class Pages:
        def madvise(self, advice, *place):
            if place:  # others mean all of the file
                asked.append((advice, *place))

    content, clients = (
        (tmp_path / "store/examples.arrow").read_bytes(),
        [store.client(i) for i in range(len(store))],
    )
    store._maps = Pages(), Pages()
    for i, c in enumerate(clients):
        asked.clear()
        read(store, i)
        (advice, first, length), (_, first_label, label_length) = asked
        assert advice == mmap.MADV_WILLNEED
        assert first % mmap.PAGESIZE == first_label % mmap.PAGESIZE == 0
        images, labels = (
            c.train_x.tobytes() + c.test_x.tobytes(),
            c.train_y.tobytes() + c.test_y.tobytes(),
        )
        assert content[first : first + length].endswith(images)
        assert content[first_label : first_label + label_length].endswith(labels)
        assert length < len(images) + mmap.PAGESIZE


def test_errors_say_what_and_where(tmp_path):
    with pytest.raises(PerfedavgError, match="'c01' occurs twice"):
        write_store(tmp_path / "a", [make_client(1), make_client(1)], num_classes=62)
    with pytest.raises(PerfedavgError, match="no client"):
        write_store(tmp_path / "b", [], num_classes=62)
    with pytest.raises(PerfedavgError, match=r"client store .* is missing"):
        ClientStore(tmp_path / "nowhere")
    assert not any((tmp_path / "a").iterdir())
