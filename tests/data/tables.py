"""A small table for the tests of data of the user's own, and what must come out of it."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from perfedavg.data.sets.table import Table

N = 24
IDS = np.array([f"c{n % 4}" for n in range(N)])  # rows of the clients take turns
SPLIT = np.array(["test" if n % 3 == 0 else "train" for n in range(N)])
LABELS = np.arange(N) * 7 % 3
GREY = np.random.default_rng(0).integers(0, 256, (N, 4, 6)).astype(np.uint8)
FLAT = [image.ravel().tolist() for image in GREY]
VECTORS = np.random.default_rng(1).normal(size=(N, 5)).astype(np.float32)
SEQUENCES = [[n % 5] * (n % 3 + 1) for n in range(N)]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """What is found in a table is kept below the working folder."""
    monkeypatch.chdir(tmp_path)


def columns(**changes):
    values = {"client_id": IDS, "split": SPLIT, "features": GREY.tolist(), "label": LABELS}
    return {name: v for name, v in (values | changes).items() if v is not None}


def table(keys=None, path="mine.parquet", **changes):
    """A table as a data set, and the sentences on how it was read."""
    values = columns(**changes)
    types = {name: values.pop(f"{name}_type", None) for name in ("client_id", "features", "label")}
    arrays = {
        name: v if isinstance(v, pa.Array) else pa.array(v, type=types.get(name))
        for name, v in values.items()
    }
    pq.write_table(pa.table(arrays), path)
    data = Table(dataset="table", path=path, **(keys or {}))
    return data, json.loads(data.metadata["assumed"])


def read(data):
    return {c.client_id: c for c in data.clients(None, Path("scratch"))}


def by_hand(client, test, values):
    """The values of a client's train or test rows, in their order."""
    return [values[n] for n in range(N) if IDS[n] == client and (SPLIT[n] == "test") == test]


def assert_is_the_data(data, features=GREY, labels=LABELS):
    clients = read(data)
    assert list(clients) == ["c0", "c1", "c2", "c3"]
    for name, c in clients.items():
        for test, x, y in ((False, c.train_x, c.train_y), (True, c.test_x, c.test_y)):
            np.testing.assert_array_equal(x, by_hand(name, test, features))
            np.testing.assert_array_equal(y, by_hand(name, test, labels))
            assert y.dtype == np.int64
