"""A SQLite database, as TensorFlow Federated publishes EMNIST now: table ``examples (split_name,
client_id, serialized_example_proto)``, an example per row, and ``client_metadata (client_id,
split_name, num_examples)``.

Rows are read a client at a time, so memory is that of the largest client: SQLite sorts the rows'
numbers on disk, and only then are their examples fetched. The examples are ``tf.train.Example``
messages; protobuf's own library decodes them by the three message types below, which have not
changed since 2016. TensorFlow would be a gigabyte for that, and packages that decode them without
it are small and little kept."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from perfedavg.data.members import Member
from perfedavg.data.store import ClientExamples
from perfedavg.data.values import REMEDY, client_id, in_both_splits
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.runtime.job import Progress

if TYPE_CHECKING:
    from perfedavg.data.archives import Chosen, Layout

MOST_BYTES = 64 * 2**20
"""Of one example."""

_TYPES = """
name: "example.proto" package: "tf" syntax: "proto3"
message_type {
  name: "BytesList" field { name: "value" number: 1 label: LABEL_REPEATED type: TYPE_BYTES }
}
message_type {
  name: "FloatList" field { name: "value" number: 1 label: LABEL_REPEATED type: TYPE_FLOAT }
}
message_type {
  name: "Int64List" field { name: "value" number: 1 label: LABEL_REPEATED type: TYPE_INT64 }
}
message_type {
  name: "Feature" oneof_decl { name: "kind" }
  field { name: "bytes_list" number: 1 type: TYPE_MESSAGE type_name: ".tf.BytesList" oneof_index:0 }
  field { name: "float_list" number: 2 type: TYPE_MESSAGE type_name: ".tf.FloatList" oneof_index:0 }
  field { name: "int64_list" number: 3 type: TYPE_MESSAGE type_name: ".tf.Int64List" oneof_index:0 }
}
message_type {
  name: "Features"
  field {
    name: "feature" number: 1 label: LABEL_REPEATED
    type: TYPE_MESSAGE type_name: ".tf.Features.FeatureEntry"
  }
  nested_type {
    name: "FeatureEntry" options { map_entry: true }
    field { name: "key" number: 1 type: TYPE_STRING }
    field { name: "value" number: 2 type: TYPE_MESSAGE type_name: ".tf.Feature" }
  }
}
message_type {
  name: "Example" field { name: "features" number: 1 type: TYPE_MESSAGE type_name: ".tf.Features" }
}
"""

_ROWS = """
SELECT client_id, split_name = :test AS in_test, rowid AS number, NULL FROM examples
WHERE split_name IN (:train, :test)
"""
_ANNOUNCED = """
UNION ALL SELECT client_id, split_name = :test, NULL, num_examples FROM client_metadata
WHERE split_name IN (:train, :test)
"""
_IN_ORDER = "SELECT * FROM ({}) ORDER BY CAST(client_id AS TEXT), in_test, number"


def read_clients(chosen: Chosen, layout: Layout, scratch: Path) -> Iterator[ClientExamples]:
    """All clients of either split, sorted by id; those that ``client_metadata`` alone names have no
    examples.

    Raises:
        PerfedavgError: the database is damaged or has another structure, or a client's data are not
            as they should be.
    """
    (member,) = chosen.train
    try:
        with closing(_opened(member)) as database:
            yield from _clients(database, member, layout)
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter of SQLite's own messages
        raise PerfedavgError(
            f"{member.shown}: the database cannot be read ({' '.join(str(error).split())}); the "
            "tables examples (split_name, client_id, serialized_example_proto) and client_metadata "
            "(client_id, split_name, num_examples) are wanted."
        ) from error


def _opened(member: Member) -> sqlite3.Connection:
    beside = member.path.with_name(member.path.name + "-wal")
    if beside.exists() and beside.stat().st_size:
        raise PerfedavgError(
            f"{member.shown}: a program is writing to the database ({beside.name} lies beside it); "
            "close it first."
        )
    place = f"file:{quote(str(member.path.resolve()))}?mode=ro&immutable=1"
    database = sqlite3.connect(place, uri=True)
    database.text_factory = bytes
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES)
    database.execute("PRAGMA trusted_schema = OFF")
    return database


def _clients(
    database: sqlite3.Connection, member: Member, layout: Layout
) -> Iterator[ClientExamples]:
    tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    names = {name.decode(errors="replace") for (name,) in tables}
    if "examples" not in names:  # a view may never end
        shown = ", ".join(sorted(names)[:4]) or "none"
        raise PerfedavgError(
            f"{member.shown}: the table examples is wanted, but the database has {shown}."
        )
    announced = "client_metadata" in names
    splits_of = dict(zip(("train", "test"), _splits(database, member, layout), strict=True))
    progress = Progress(f"convert {member.name}", None, "client")
    rows = database.execute(_IN_ORDER.format(_ROWS + _ANNOUNCED * announced), splits_of)
    for key, of_client in groupby(rows, key=lambda row: row[0]):
        shown = key.decode(errors="replace") if isinstance(key, bytes) else key
        splits: list[tuple | None] = [None, None]
        try:
            name, notes = client_id(key)
            for in_test, of_split in groupby(of_client, key=lambda row: row[1]):
                features = _features(database, of_split, layout)
                splits[in_test] = layout.examples(features)
            client = in_both_splits(name, *splits, notes)
        except UnicodeDecodeError:
            raise
        except (ValueError, TypeError) as error:
            why = " ".join(str(error).split())
            raise PerfedavgError(
                f"{member.shown}: client {shown!r} has {why}; {REMEDY}."
            ) from error
        yield client
        progress.advance()
    progress.close()


def _splits(database: sqlite3.Connection, member: Member, layout: Layout) -> tuple[str, str]:
    """The names that the two splits have."""
    exists = "SELECT EXISTS (SELECT 1 FROM examples WHERE split_name = ?)"
    for names in (layout.splits, ("train", "test")):
        if all(database.execute(exists, (name,)).fetchone()[0] for name in names):
            return names
    found = database.execute("SELECT DISTINCT split_name FROM examples LIMIT 8")
    shown = ", ".join(sorted(ascii(name)[1:].strip("'") for (name,) in found)) or "none"
    raise PerfedavgError(
        f"{member.shown}: the splits {' and '.join(layout.splits)} (or train and test) are wanted "
        f"in the table examples, but it has {shown}."
    )


def _features(
    database: sqlite3.Connection, rows: Iterable[tuple], layout: Layout
) -> dict[str, np.ndarray]:
    """The examples of one client in one split, by feature."""
    fetch = "SELECT serialized_example_proto FROM examples WHERE rowid = ?"
    columns: dict[str, list[np.ndarray]] = defaultdict(list)
    count, announced = 0, None
    for _, _, number, declared in rows:
        if number is None:
            announced = declared
            continue
        row = database.execute(fetch, (number,)).fetchone()
        if row is None:
            raise sqlite3.DatabaseError(f"an index names row {number}, which is not there")
        for name, values in decoded(row[0]).items():
            columns[name].append(values)
        count += 1
    if announced is not None and announced != count:
        raise ValueError(f"{count} examples where client_metadata says {announced}")
    if not count:
        return dict.fromkeys(layout.leaf, np.zeros(0))
    return {name: _stacked(name, columns[name], count, layout) for name in columns}


def _stacked(name: str, values: list[np.ndarray], count: int, layout: Layout) -> np.ndarray:
    lengths = {len(value) for value in values}
    if len(values) != count or len(lengths) != 1:
        raise ValueError(f"`{name}` in some examples alone, or of different lengths")
    stacked, (length,) = np.stack(values), lengths
    if name in layout.shapes and length == np.prod(layout.shapes[name]):
        return stacked.reshape(count, *layout.shapes[name])
    return stacked[:, 0] if length == 1 else stacked


@cache
def _example_class() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

    pool = descriptor_pool.DescriptorPool()
    pool.Add(text_format.Parse(_TYPES, descriptor_pb2.FileDescriptorProto()))
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tf.Example"))


def decoded(serialized: bytes) -> dict[str, np.ndarray]:
    """The features of a serialized ``tf.train.Example``, each ``[values]``: float32, int64 or bytes
    objects.

    Raises:
        ValueError: it is no such message.
    """
    from google.protobuf.message import DecodeError

    example = _example_class()()
    try:
        example.ParseFromString(serialized)
    except (DecodeError, TypeError) as error:
        raise ValueError(f"an example that is no tf.train.Example ({error})") from error
    types = {"bytes_list": object, "float_list": np.float32, "int64_list": np.int64}
    features = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        if kind is None:
            raise ValueError(f"an example whose `{name}` is empty")
        features[name] = np.array(list(getattr(feature, kind).value), dtype=types[kind])
    return features
