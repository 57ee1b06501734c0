"""The same made-up writers in every form in which EMNIST by writer is published."""

import gzip
import io
import json
import lzma
import sqlite3
import tarfile
import zipfile

import h5py
import numpy as np

WRITERS = {"f0424_27": (3, 1), "f0900_01": (70, 9), "f2170_68": (5, 2), "f3001_11": (1, 4)}
STEM = "fed_emnist"


def make_writers(sizes=WRITERS, classes=62):
    """{id: (train, test)}, each uint8 ``[n, 28, 28]`` and int ``[n]``."""
    writers = {}
    for number, (name, counts) in enumerate(sizes.items()):
        rng = np.random.default_rng(number)
        writers[name] = tuple(
            (rng.integers(0, 256, (n, 28, 28)).astype(np.uint8), rng.integers(0, classes, n))
            for n in counts
        )
    return writers


def floats(pixels):
    """As TFF holds them."""
    return (pixels / np.float32(255)).astype(np.float32)


def h5_bytes(writers, split, change=None):
    """One of TFF's HDF5 files; ``change(name, group, file)`` may alter what a writer has."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, splits in writers.items():
            if splits[split] is None:
                continue
            pixels, label = splits[split]
            group = file.create_group(f"examples/{name}")
            group["pixels"] = floats(pixels)
            group["label"] = label.astype(np.int32)
            if change:
                change(name, group, file)
    return buffer.getvalue()


def h5_files(writers, stem=STEM, prefix="", change=None):
    """{name: bytes} of the two."""
    return {
        f"{prefix}{stem}_{part}.h5": h5_bytes(writers, k, change)
        for k, part in enumerate(("train", "test"))
    }


def as_tar(path, files, mode="w:bz2"):
    with tarfile.open(path, mode) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def as_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def as_folder(path, files):
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def message(*fields):
    """Bytes of a protobuf message of length-delimited fields, by hand: (number, bytes) each."""
    return b"".join(bytes([number << 3 | 2]) + varint(len(b)) + b for number, b in fields)


def varint(value):
    """Seven bits a byte, the lowest first."""
    value &= 2**64 - 1
    groups = [value >> shift & 127 for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(g | 128 for g in groups[:-1]), groups[-1]])


def serialized(pixels, label):
    """A ``tf.train.Example`` with `pixels`, a packed list of floats, and `label`."""
    values = message((2, message((1, np.asarray(pixels, "<f4").tobytes()))))
    classes = message((3, message((1, varint(int(label))))))
    entries = [message((1, b"label"), (2, classes)), message((1, b"pixels"), (2, values))]
    return message((1, message(*((1, entry) for entry in entries))))


TABLES = """
CREATE TABLE examples (
    split_name TEXT NOT NULL, client_id TEXT NOT NULL, serialized_example_proto BLOB NOT NULL);
CREATE INDEX idx_examples_client_id ON examples (client_id);
CREATE INDEX idx_examples_client_id_split ON examples (split_name, client_id);
CREATE TABLE client_metadata (
    client_id TEXT NOT NULL, split_name TEXT NOT NULL, num_examples INTEGER NOT NULL);
"""


def as_sqlite(path, writers, splits=("all_train", "all_test"), encode=serialized):
    """TFF's database, clients in another order than that of their ids."""
    database = sqlite3.connect(path)
    with database:
        database.executescript(TABLES)
        for name in reversed(writers):
            for split, part in zip(splits, writers[name], strict=True):
                if part is None:
                    continue
                rows = [(split, name, encode(floats(x), y)) for x, y in zip(*part, strict=True)]
                database.executemany("INSERT INTO examples VALUES (?, ?, ?)", rows)
                database.execute(
                    "INSERT INTO client_metadata VALUES (?, ?, ?)", (name, split, len(rows))
                )
    database.close()
    return path


def as_leaf(path, writers, shards=2):
    """LEAF's folders `train` and `test`, clients dealt out to several files."""
    for k, part in enumerate(("train", "test")):
        (path / part).mkdir(parents=True)
        for shard in range(shards):
            held = {
                n: s[k] for i, (n, s) in enumerate(writers.items()) if i % shards == shard and s[k]
            }
            data = {
                n: {"x": (x.reshape(len(x), 784) / 255).tolist(), "y": y.tolist()}
                for n, (x, y) in held.items()
            }
            sizes = [len(d["y"]) for d in data.values()]
            content = {"users": list(held), "num_samples": sizes, "user_data": data}
            file = path / part / f"all_data_{shard}_niid_0_keep_0_{part}_9.json"
            file.write_text(json.dumps(content))
    return path


def _archive(path, writers):
    return as_tar(path / "fed_emnist.tar.bz2", h5_files(writers))


def _compressed(path, content):
    (path).write_bytes(content)
    return path


FORMS = {
    "archive": _archive,
    "folder": lambda path, writers: as_folder(path / "unpacked", h5_files(writers)),
    "one of the two files": lambda path, writers: (
        as_folder(path, h5_files(writers)) / "fed_emnist_test.h5"
    ),
    "zip": lambda path, writers: as_zip(
        path / "a.zip",
        {
            "__MACOSX/data/._fed_emnist_train.h5": b"\x00\x05\x16\x07",
            "readme.txt": b"two files",
            **h5_files(writers, prefix="data/emnist/"),
        },
    ),
    "tar.gz of other names": lambda path, writers: as_tar(
        path / "a.tgz",
        {
            f"./{part}/writers.hdf5": h5_bytes(writers, k)
            for k, part in enumerate(("train", "test"))
        },
        "w:gz",
    ),
    "tar.xz": lambda path, writers: as_tar(
        path / "a.txz", h5_files(writers, prefix="./") | {"./._fed_emnist_train.h5": b"\0"}, "w:xz"
    ),
    "tar": lambda path, writers: as_tar(path / "a", h5_files(writers, prefix="x/y/"), "w"),
    "sqlite": lambda path, writers: as_sqlite(path / "emnist_all.sqlite", writers),
    "sqlite.lzma": lambda path, writers: _compressed(
        path / "emnist_all.sqlite.lzma",
        lzma.compress(as_sqlite(path / "a", writers).read_bytes(), format=lzma.FORMAT_ALONE),
    ),
    "sqlite.gz": lambda path, writers: _compressed(
        path / "emnist_all.sqlite.gz", gzip.compress(as_sqlite(path / "a", writers).read_bytes())
    ),
    "leaf": lambda path, writers: as_leaf(path / "data", writers),
}
"""{form: how to write it}; gives the path that a user would name."""

READ = {}
"""{form: how to read it}, of a path and a scratch folder, where it is no archive of EMNIST-62."""
