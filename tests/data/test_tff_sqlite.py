"""TFF's SQLite database: the decoder against bytes written by hand, databases of strangers, and
memory that does not grow with the examples."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from perfedavg.data.readers.tff_sqlite import decoded
from perfedavg.data.sets import data_set
from perfedavg.data.store import ClientStore, write_store
from perfedavg.runtime.errors import PerfedavgError
from tests.data.published import TABLES, as_sqlite, make_writers, serialized

EMNIST = data_set({"dataset": "emnist62"})
WRITERS = make_writers({"a": (3, 2), "b": (4, 1)})


def test_examples_are_decoded_as_the_wire_format_says():
    # Example { features { feature { key: "label" value { int64_list { value: [7, 300] } } } } }
    packed = bytes.fromhex("0a12 0a10 0a05 6c6162656c 1207 1a05 0a03 07 ac02")
    assert decoded(packed)["label"].tolist() == [7, 300]
    unpacked = bytes.fromhex("0a12 0a10 0a05 6c6162656c 1207 1a05 08 07 08 ac02")
    assert decoded(unpacked)["label"].tolist() == [7, 300], "the older form of the same"
    floats = bytes.fromhex("0a13 0a11 0a01 70 120c 120a 0a08 0000803f 0000003f")
    assert decoded(floats)["p"].tolist() == [1.0, 0.5]
    assert decoded(floats)["p"].dtype == np.float32
    text = bytes.fromhex("0a0d 0a0b 0a01 73 1206 0a04 0a02 6869")
    assert decoded(text)["s"].tolist() == [b"hi"]
    assert decoded(bytes.fromhex("0a00")) == {}


@pytest.mark.parametrize("content", [b"\xff", b"\x0a\x05", b"text", "text", None, 5])
def test_what_is_no_example_is_refused(content):
    with pytest.raises(ValueError, match=r"no tf\.train\.Example"):
        decoded(content)


def changed(path, *statements, **arguments):
    as_sqlite(path, WRITERS, **arguments)
    database = sqlite3.connect(path)
    with database:
        for statement in statements:
            database.execute(statement)
    database.close()
    return path


DAMAGES = {
    "no table": (
        ["DROP TABLE examples"], "the table examples is wanted, but the database has client_meta"),
    "an endless view": (
        ["DROP TABLE examples", "CREATE VIEW examples AS WITH RECURSIVE n (i) AS "
         "(VALUES (0) UNION ALL SELECT i + 1 FROM n) SELECT 'all_test' AS split_name FROM n"],
        "the table examples is wanted"),
    "another table": (
        ["ALTER TABLE examples RENAME COLUMN client_id TO writer"], "no such column: client_id"),
    "other splits": (
        ["UPDATE examples SET split_name = 'x'"],
        "splits all_train and all_test .or train and test. are wanted .* but it has x"),
    "rows are gone": (
        ["DELETE FROM examples WHERE rowid = (SELECT max(rowid) FROM examples)"],
        "client 'a' has 1 examples where client_metadata says 2"),
    "an example is text": (
        ["UPDATE examples SET serialized_example_proto = 'x' WHERE client_id = 'b'"],
        "client 'b' has an example that is no tf.train.Example"),
    "an id is no text": (
        ["UPDATE examples SET client_id = x'ff'", "DELETE FROM client_metadata"], r"id b'\\xff'"),
    "an id of two lines": (
        ["UPDATE examples SET client_id = 'a' || char(13) WHERE client_id = 'b'"], r"id 'a\\r'"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_database_is_one_sentence(tmp_path, damage):
    statements, says = DAMAGES[damage]
    path = changed(tmp_path / "a.sqlite", *statements)
    with pytest.raises(PerfedavgError, match=says) as raised:
        list(EMNIST.clients(path, tmp_path))
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("encode", "says"),
    [
        (lambda x, y: serialized(x.ravel() + np.nan, y), "a pixel outside .* nan in example 0"),
        (lambda x, y: serialized(x.ravel()[1:], y), r"pixels of shape \[\d, 783\]; 28x28"),
        (lambda x, y: serialized(x.ravel()[int(y) % 2 :], y), "`pixels` .* of different lengths"),
        (lambda x, y: serialized(x.ravel(), 62), "labels outside 0..61: 62 in example 0"),
        (lambda x, y: bytes.fromhex("0a00"), "nothing where `pixels` and `label` are expected"),
    ],
)
def test_values_are_checked_as_in_every_format(tmp_path, encode, says):
    path = as_sqlite(tmp_path / "a.sqlite", WRITERS, encode=encode)
    with pytest.raises(PerfedavgError, match=rf"a\.sqlite: client 'a' has .*{says}"):
        list(EMNIST.clients(path, tmp_path))


def test_ids_that_are_numbers_and_clients_that_are_announced_alone(tmp_path):
    path = changed(
        tmp_path / "a.sqlite",
        "CREATE TABLE other AS SELECT split_name, 12 AS client_id, serialized_example_proto "
        "FROM examples WHERE client_id = 'b'",
        "DROP TABLE examples",
        "ALTER TABLE other RENAME TO examples",
        "DELETE FROM client_metadata WHERE client_id = 'b'",
        "UPDATE client_metadata SET num_examples = 0",
        splits=("train", "test"),
    )
    write_store(tmp_path / "store", EMNIST.clients(path, tmp_path), 62)
    store = ClientStore(tmp_path / "store")
    assert store.client_ids().to_pylist() == ["12", "a"]
    assert store.column("num_train").tolist() == [4, 0]
    assert store.assumed == ["ids are numbers: taken as text (1 client)"]


def test_a_database_that_is_written_to_is_refused(tmp_path):
    path = as_sqlite(tmp_path / "a.sqlite", WRITERS)
    (tmp_path / "a.sqlite-wal").write_bytes(b"x")
    with pytest.raises(PerfedavgError, match="a program is writing to the database"):
        list(EMNIST.clients(path, tmp_path))


READ = r"""
import re, sys
from pathlib import Path
from perfedavg.data.archives import Layout, clients_of
from perfedavg.data.store import write_store
from perfedavg.data.values import grey_images

layout = Layout(("a_train.h5", "a_test.h5"), grey_images((2, 2), 62), shapes={"pixels": (2, 2)})
path = Path(sys.argv[1])
write_store(path.parent / "store", clients_of(path, path.parent, layout), 62)
print(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])
"""


def peak_megabytes(folder, clients, examples=100):
    """Of a process that reads so many clients; every tenth example is in the test split."""
    folder.mkdir()
    row = serialized([0.0, 0.2, 0.4, 1.0], 3)
    database = sqlite3.connect(folder / "a.sqlite")
    with database:
        database.executescript(TABLES)
        database.execute(  # no client's rows lie together
            "WITH RECURSIVE k (n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM k WHERE n + 1 < ?) "
            "INSERT INTO examples SELECT CASE WHEN n / ? % 10 THEN 'train' ELSE 'test' END, "
            "'c' || (n % ?), ? FROM k",
            (clients * examples, clients, clients, row),
        )
    database.close()
    command = [sys.executable, "-c", READ, str(folder / "a.sqlite")]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    assert int(ClientStore(folder / "store").column("num_train").sum()) == clients * examples * 0.9
    return int(run.stdout) / 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the peak")
def test_memory_does_not_grow_with_the_examples(tmp_path):
    """50,000 and 500,000."""
    few, many = peak_megabytes(tmp_path / "a", 500), peak_megabytes(tmp_path / "b", 5000)
    print(f"peak memory: {few:.0f} MB for 50,000 examples, {many:.0f} MB for 500,000")
    assert many < few + 10
