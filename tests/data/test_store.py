"""The store gives back what was put in, copies nothing, and appears whole or not at all."""

import numpy as np
import pytest

from perfedavg.data import store as store_module
from perfedavg.data.store import ClientExamples, ClientStore, write_store
from perfedavg.errors import PerfedavgError
from tests.conftest import make_client

PARTS = ("train_x", "train_y", "test_x", "test_y")


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_round_trip_over_many_batches(tmp_path, monkeypatch, dtype):
    monkeypatch.setattr(store_module, "EXAMPLES_PER_BATCH", 20)
    monkeypatch.setattr(store_module, "CLIENTS_PER_BATCH", 3)
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
    np.testing.assert_array_equal(store.column("offset"), np.cumsum([0, *(len(c.train_y) + len(c.test_y) for c in clients)])[:-1])
    for counts, c in zip(store.label_counts(), clients, strict=True):
        assert [int(n) for n in counts] == [int((c.train_y == label).sum()) for label in range(62)]


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


def test_errors_say_what_and_where(tmp_path):
    with pytest.raises(PerfedavgError, match="'c01' occurs twice"):
        write_store(tmp_path / "a", [make_client(1), make_client(1)], num_classes=62)
    with pytest.raises(PerfedavgError, match="no client"):
        write_store(tmp_path / "b", [], num_classes=62)
    with pytest.raises(PerfedavgError, match="no readable client store"):
        ClientStore(tmp_path / "nowhere")
    assert not any((tmp_path / "a").iterdir())
