"""Hostile archives, LEAF's JSON and TFF's SQLite, in the layout of EMNIST-62 by writer."""

import bz2
import gzip
import io
import json
import lzma
import sqlite3
import tarfile

from tests.data.published import FORMS, as_leaf, as_sqlite, as_tar, as_zip, h5_files, make_writers
from tests.hostile.meeting import MOST, REFUSED, TRUTH, VALID, WRITERS, met, shaken
from tests.hostile.oracle import Group

CHECKED = {"archive", "zip", "tar.gz of other names", "tar.xz", "sqlite.gz"}  # by a CRC


def damaged(rng, folder, what):
    """A form in which the data are published, and something is wrong with its bytes."""
    form = rng.choice([form for form in FORMS if form != "parquet" and "table" not in form])
    source = folder / "source"
    source.mkdir()
    path = FORMS[form](source, WRITERS)
    file = path
    if path.is_dir():
        file = rng.choice([p for p in sorted(path.rglob("*")) if p.is_file()])
    content, how = shaken(rng, file.read_bytes())
    file.write_bytes(content)
    what[0] = f"{form}, {how}"
    if not content:
        what[0] += ", empty"
    met(path, folder, TRUTH if form in CHECKED else VALID, where=(path, file))


def tar_with(path, build, mode="w:gz"):
    with tarfile.open(path, mode) as tar:
        build(tar)
    return path


def add(tar, name, content=b"", **facts):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for fact, value in facts.items():
        setattr(info, fact, value)
    tar.addfile(info, io.BytesIO(content))


NAMES = ["../../up/", "/abs/", "a\\..\\b\\", "é/", "x" * 90 + "/", "a\nb/", "./" * 40, "\udcff/"]
LINKS = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]


def members_that_lead_elsewhere(rng, path):
    files = h5_files(WRITERS, prefix=rng.choice(NAMES))

    def build(tar):
        for _ in range(rng.randrange(4)):
            place = rng.choice(["/etc/passwd", "../x", "fed_emnist_train.h5"])
            add(tar, rng.choice(["fed_emnist_train.h5", "x"]), type=rng.choice(LINKS),
                linkname=place)  # fmt: skip
        for name, content in files.items():
            add(tar, name, content)

    return tar_with(path, build), TRUTH


def links_in_place_of_data(rng, path):
    def build(tar):
        for name in h5_files(WRITERS):
            add(tar, name, type=rng.choice(LINKS), linkname="/etc/passwd")

    return tar_with(path, build), REFUSED


def huge_size(rng, path):
    size = rng.choice([MOST + 1, 30 * 10**9, 2**40, 2**62])

    def build(tar):
        info = tarfile.TarInfo("fed_emnist_train.h5")
        info.size = size
        tar.fileobj.write(info.tobuf(rng.choice([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])))
        tar.fileobj.write(b"\x89HDF\r\n\x1a\n" + bytes(2040))

    return tar_with(path, build), REFUSED


def odd_pax(rng, path):
    headers = {
        rng.choice(["size", "path", "GNU.sparse.realsize", "GNU.sparse.map", "mtime", "x"]):
            rng.choice(["-1", "abc", "9" * 30, "1e3", "", "0,1,2,3", "\x00"])
    }  # fmt: skip

    def build(tar):
        for name, content in h5_files(WRITERS).items():
            add(tar, name, content, pax_headers=headers)

    return tar_with(path, build), VALID


def bomb(rng, path):
    content = b"\x89HDF\r\n\x1a\n" + bytes(MOST)
    pack = rng.choice(["tar", "zip", "xz", "gz", "bz2", "lzma"])
    if pack == "tar":
        return as_tar(path, {"fed_emnist_train.h5": content}, "w:gz"), REFUSED
    if pack == "zip":
        return as_zip(path, {"fed_emnist_train.h5": content}), REFUSED
    packed = {
        "xz": lzma.compress, "gz": gzip.compress, "bz2": bz2.compress,
        "lzma": lambda c: lzma.compress(c, format=lzma.FORMAT_ALONE),
    }[pack](content)  # fmt: skip
    path.write_bytes(packed)
    return path, REFUSED


def many_members(rng, path):
    files = {f"{n}/fed_emnist_{rng.choice(['train', 'test'])}.h5": b"x" for n in range(300)}
    return as_tar(path, files | h5_files(WRITERS), "w"), TRUTH


def a_member_twice(rng, path):
    other = h5_files(make_writers({"f0009_09": (2, 2)}))

    def build(tar):
        for files in (h5_files(WRITERS), other):
            for name, content in files.items():
                add(tar, name, content)

    return tar_with(path, build), REFUSED


def odd_zip(rng, path):
    as_zip(path, h5_files(WRITERS))
    content = bytearray(path.read_bytes())
    mark, places = rng.choice(
        [(b"PK\x03\x04", (6, 8, 14, 18, 22, 26)), (b"PK\x01\x02", (8, 10, 16, 20, 24, 28, 42))]
    )
    at = content.find(mark) + rng.choice(places)
    content[at : at + 2] = rng.randbytes(2)
    path.write_bytes(content)
    return path, TRUTH


def odd_lzma(rng, path):
    content = as_sqlite(path.with_name("db"), WRITERS).read_bytes()
    packed = bytearray(lzma.compress(content, format=lzma.FORMAT_ALONE))
    if rng.random() < 0.5:
        packed[1:5] = rng.choice([b"\xff" * 4, b"\0\0\0\x80", bytes(4)])  # size of the dictionary
    else:
        packed[5:13] = rng.choice([2**40, 1, 0, len(content) + 1]).to_bytes(8, "little")
    path.write_bytes(packed)
    return path, VALID


def an_archive_in_an_archive(rng, path):
    inner = as_tar(path.with_name("inner"), h5_files(WRITERS), "w:gz").read_bytes()
    return rng.choice([as_tar, as_zip])(path, {"fed_emnist.tar.gz": inner}), REFUSED


def something_else(rng, path):
    path.write_bytes(
        rng.choice([
            b"", b"\n", rng.randbytes(3000), bytes(5000), b"client_id,label\na,1\n" * 50,
            b"<html>sorry</html>", b"PAR1" + rng.randbytes(100), b"PK\x03\x04" + rng.randbytes(99),
            b"\x1f\x8b" + rng.randbytes(99), b"BZh9" + rng.randbytes(99), b"{", b"{}", b'{"a": 1}',
            b"\xfd7zXZ\0" + rng.randbytes(99), b"SQLite format 3\0" + rng.randbytes(200),
            b"\x89HDF\r\n\x1a\n" + rng.randbytes(500), b"SQLite format 3\0",
        ])
    )  # fmt: skip
    return path, REFUSED


ARCHIVES = [
    members_that_lead_elsewhere, links_in_place_of_data, huge_size, odd_pax, bomb, many_members,
    a_member_twice, odd_zip, odd_lzma, an_archive_in_an_archive, something_else,
]  # fmt: skip


def archive(rng, folder, what):
    """Bytes that are damaged, or an archive that somebody made on purpose."""
    if rng.random() < 0.5:
        damaged(rng, folder, what)
        return
    make = rng.choice(ARCHIVES)
    what[0] = make.__name__
    path, may = make(rng, folder / "archive")
    met(path, folder, may)


def json_or_sqlite(rng, folder, what):
    """What the two formats say of themselves, and what they hold, differ."""
    if rng.random() < 0.6:
        path = as_leaf(folder / "data", WRITERS)
        file = rng.choice(sorted(path.rglob("*.json")))
        content = json.loads(file.read_text())
        one = rng.choice(content["users"])
        data, may = content["user_data"][one], REFUSED
        how = rng.choice(["count", "users", "gone", "x", "y", "text", "nan", "null", "more",
                          "order",
                          "no counts"])  # fmt: skip
        if how == "count":
            content["num_samples"][content["users"].index(one)] += 1
        elif how == "users":
            content["users"] = content["users"][:-1]
        elif how == "gone":
            del content["user_data"][one]
        elif how in "xy":
            data[how] = data[how][:-1]
        elif how == "text":
            data["y"] = "text"
        elif how == "nan":
            data["x"][0][0] = float("nan")
        elif how == "null":
            data["y"][0] = None
        elif how == "more":
            content["user_data"]["x\ry"], may = data, REFUSED
        elif how == "order":
            content, may = dict(reversed(content.items())), TRUTH
        else:
            content.pop("num_samples")
            content.pop("users")
            may = TRUTH
        file.write_text(json.dumps(content))
        what[0] = f"LEAF, {how}"
        met(path, folder, may)
        return
    path = as_sqlite(folder / "a.sqlite", WRITERS)
    how, may = rng.choice([
        ("UPDATE client_metadata SET num_examples = num_examples + 1", REFUSED),
        ("DELETE FROM client_metadata", TRUTH), ("DELETE FROM examples", REFUSED),
        ("DELETE FROM examples WHERE rowid = 3", REFUSED), ("DROP TABLE client_metadata", TRUTH),
        ("UPDATE examples SET serialized_example_proto = x'ff' WHERE rowid = 2", REFUSED),
        ("UPDATE examples SET serialized_example_proto = NULL WHERE rowid = 2", REFUSED),
        ("UPDATE examples SET serialized_example_proto = 'text' WHERE rowid = 2", REFUSED),
        ("UPDATE examples SET client_id = 'a' || char(13) || 'b'", REFUSED),
        ("UPDATE examples SET client_id = x'ff00'", REFUSED),
        ("UPDATE examples SET split_name = 'other'", REFUSED), ("DROP TABLE examples", REFUSED),
        ("ALTER TABLE examples RENAME COLUMN client_id TO writer", REFUSED),
        ("UPDATE client_metadata SET num_examples = 'x'", REFUSED), ("CREATE TABLE m (x)", TRUTH),
    ])  # fmt: skip
    what[0] = f"SQLite, {how}"
    database = sqlite3.connect(path)
    try:
        with database:
            database.execute(how)
    except sqlite3.IntegrityError:
        return  # the database itself refuses it
    finally:
        database.close()
    met(path, folder, may)


GROUPS = {"archives": Group(archive, 60, 500), "JSON and SQLite": Group(json_or_sqlite, 20, 100)}
