"""What lies at a path: archives as people pack them, the limits on unpacking, and what a refusal
says."""

import io
import lzma
import os
import tarfile
import zipfile
from contextlib import suppress

import h5py
import pytest

from perfedavg.data import archives, checksums, members
from perfedavg.data.archives import checksum_at, identified
from perfedavg.data.sets import data_set
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.storage.files import sha256_of
from tests.data.published import (
    as_folder,
    as_leaf,
    as_sqlite,
    as_tar,
    as_zip,
    h5_bytes,
    h5_files,
    make_writers,
)

EMNIST = data_set({"dataset": "emnist62"})
WRITERS = make_writers({"a": (3, 2)})


def said(path, scratch):
    """The one sentence of a refusal, which leaves nothing behind."""
    with pytest.raises(PerfedavgError) as raised:
        list(EMNIST.clients(path, scratch))
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith(str(path).replace("\0", r"\x00"))
    assert not scratch.exists() or not list(scratch.iterdir())
    return str(raised.value)


def test_what_was_found_and_what_is_wanted(tmp_path):
    scratch = tmp_path / "scratch"
    files = {"notes/a.txt": b"x", "b.h5": h5_bytes(WRITERS, 0), "c.csv": b"1", "d": b"", "e": b""}
    message = said(as_zip(tmp_path / "a.zip", files), scratch)
    assert "it holds b.h5 (HDF5), notes/a.txt, c.csv, d and 1 more" in message
    assert "fed_emnist_train.h5 and fed_emnist_test.h5, one SQLite database of TFF's" in message
    (tmp_path / "empty").mkdir()
    assert "it holds no file" in said(tmp_path / "empty", scratch)
    alone = as_folder(tmp_path / "one", {"fed_emnist_train.h5": h5_bytes(WRITERS, 0)})
    assert "it holds fed_emnist_train.h5 (HDF5), but fed_emnist_test.h5 is missing" in said(
        alone / "fed_emnist_train.h5", scratch
    )
    assert "No such file" in said(tmp_path / "nowhere", scratch)
    assert "embedded null byte" in said(tmp_path / "a\0b", scratch)
    os.mkfifo(tmp_path / "fifo")
    assert "is neither a file nor a folder" in said(tmp_path / "fifo", scratch)
    several = h5_files(WRITERS, "one") | h5_files(WRITERS, "two")
    assert "several train or test files" in said(as_folder(tmp_path / "two", several), scratch)


def test_another_data_set_is_named(tmp_path):
    digits = as_folder(tmp_path / "data", h5_files(WRITERS, "fed_emnist_digitsonly"))
    message = said(digits, tmp_path / "scratch")
    assert "this is data set emnist_digits; set data.dataset: emnist_digits" in message
    alone = as_folder(tmp_path / "alone", {"fed_emnist_digitsonly_test.h5": h5_bytes(WRITERS, 0)})
    assert "_digitsonly_test.h5: this is data set emnist_digits" in said(alone, tmp_path / "s")
    ten = make_writers({"a": (5, 2)}, classes=10)
    digits = as_folder(tmp_path / "ten", h5_files(ten, "fed_emnist_digitsonly"))
    data = data_set({"dataset": "emnist_digits"})
    (client,) = data.clients(digits, tmp_path)
    assert client.train_y.tolist() == ten["a"][0][1].tolist()
    assert data.caveat(["a", "b"], 5, 2) == (
        "Digits only (2 writers, 10 classes): not the paper's data; 5 training clients, 2 rounds."
    )


def test_a_file_is_not_passed_over_for_those_beside_it(tmp_path):
    folder = as_folder(tmp_path, h5_files(WRITERS) | {"mine.h5": h5_bytes(WRITERS, 0)})
    assert "it holds mine.h5 (HDF5), fed_emnist_test.h5" in said(folder / "mine.h5", tmp_path / "s")


def test_files_of_several_data_sets_do_not_mix(tmp_path):
    files = h5_files(WRITERS, "fed_emnist_digitsonly") | h5_files(WRITERS)
    folder = as_folder(tmp_path / "data", files)
    for path in (folder, folder / "fed_emnist_train.h5", folder / "fed_emnist_test.h5"):
        with members.found_at(path, tmp_path) as found:
            chosen = archives.chosen(found, EMNIST.layout)
        assert [m.name for m in chosen.files] == ["fed_emnist_train.h5", "fed_emnist_test.h5"]


@pytest.mark.parametrize("keep", [0.3, 0.7, 0.9])
@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_cut_archive_is_one_sentence(tmp_path, mode, keep):
    whole = as_tar(tmp_path / "whole", h5_files(make_writers({"a": (30, 20)})), mode)
    (tmp_path / "cut").write_bytes(whole.read_bytes()[: int(keep * whole.stat().st_size)])
    said(tmp_path / "cut", tmp_path / "scratch")


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_the_checksum_behind_the_last_member_counts(tmp_path, mode):
    """What follows it is padding, here more than any buffer holds."""
    with tarfile.open(tmp_path / "a", mode) as tar:
        for name, content in h5_files(WRITERS).items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        tar.fileobj.write(bytes(10**7))
    (client,) = EMNIST.clients(tmp_path / "a", tmp_path / "scratch")
    assert client.client_id == "a"
    content = bytearray((tmp_path / "a").read_bytes())
    content[-5 if mode != "w:xz" else -40] ^= 1
    (tmp_path / "b").write_bytes(content)
    assert "damaged or cut off" in said(tmp_path / "b", tmp_path / "scratch")


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"\x01\x02", b"PAR1"])
def test_what_is_no_archive_is_said_before_the_first_job(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(PerfedavgError, match="is no archive, folder or data file that can be read"):
        identified(
            data_set({"dataset": "emnist62", "archive": str(tmp_path / "a")}), tmp_path / "k"
        )


@pytest.mark.parametrize(
    "content", [b"", b"no archive", b"\0" * 20_000, b"PK\x05\x06" + b"\0" * 18]
)
def test_no_archive_is_one_sentence(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    said(tmp_path / "a", tmp_path / "scratch")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"client_id,label\r\nJos\xc3\xa9,1\n" * 99, "it is text;"),
        (b"PAR1\x15\x04\0", "first bytes are those of Parquet, which data.dataset: table reads"),
        (b"\0text", "or it is damaged or cut off ("),
    ],
)
def test_a_file_of_another_kind_is_told_by_its_first_bytes(tmp_path, content, what):
    (tmp_path / "a").write_bytes(content)
    assert what in said(tmp_path / "a", tmp_path / "scratch")


def test_damaged_hdf5_is_read_or_one_sentence(tmp_path):
    files = h5_files(make_writers({"a": (30, 20), "b": (4, 4)}))
    whole = files["fed_emnist_train.h5"]
    for place in range(8, 6000, 487):
        damaged = bytearray(whole)
        damaged[place : place + 8] = b"\xff" * 8
        folder = as_folder(tmp_path / str(place), files | {"fed_emnist_train.h5": bytes(damaged)})
        with suppress(PerfedavgError):
            list(EMNIST.clients(folder, tmp_path / "scratch"))


def declaring(path, size):
    """A tar whose one member declares this size and ends after a few bytes."""
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("fed_emnist_train.h5")
        info.size = size
        tar.fileobj.write(info.tobuf() + b"\x89HDF\r\n\x1a\n" + b"\0" * 2040)
    return path


def test_a_member_that_declares_too_much_is_refused(tmp_path, monkeypatch):
    message = said(declaring(tmp_path / "a.tar", 30 * 10**9), tmp_path / "scratch")
    assert "fed_emnist_train.h5 declares 30 GB" in message
    assert "more than the 16 GB that are unpacked of an archive" in message
    monkeypatch.setattr(members, "UNPACKED_BYTES", 10_000)
    message = said(as_zip(tmp_path / "a.zip", h5_files(WRITERS)), tmp_path / "scratch")
    assert "fed_emnist_train.h5 declares" in message
    (tmp_path / "a.xz").write_bytes(lzma.compress(h5_bytes(WRITERS, 0)))  # it declares nothing
    assert "is larger than the 1e-05 GB" in said(tmp_path / "a.xz", tmp_path / "scratch")


def test_more_than_the_disk_has_is_refused_before_it_is_written(tmp_path, monkeypatch):
    usage = members.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(members.shutil, "disk_usage", lambda path: usage._replace(free=1000))
    message = said(as_tar(tmp_path / "a", h5_files(WRITERS)), tmp_path / "scratch")
    assert "of disk in" in message
    assert "only 1e-06 GB are free" in message


def test_the_disk_that_a_large_file_needs_is_said_before(tmp_path, monkeypatch, caplog):
    path = tmp_path / "a.sqlite.lzma"
    content = as_sqlite(tmp_path / "a", WRITERS, ("all_train", "all_test")).read_bytes()
    path.write_bytes(lzma.compress(content, format=lzma.FORMAT_ALONE))
    with caplog.at_level("INFO", logger="perfedavg"):
        list(EMNIST.clients(path, tmp_path / "scratch"))
    assert f"unpacking a.sqlite.lzma needs up to 16 GB of disk in {tmp_path}/scratch" in caplog.text


def test_members_that_lead_elsewhere_are_passed_over(tmp_path):
    path = as_tar(tmp_path / "a.tar", {}, "w")
    with tarfile.open(path, "w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            info = tarfile.TarInfo("fed_emnist_train.h5")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        for name, content in h5_files(WRITERS, prefix="../../up/").items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    (client,) = EMNIST.clients(path, tmp_path / "scratch")
    assert client.client_id == "a"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar", "scratch"]


def test_a_zip_that_wants_a_password_is_one_sentence(tmp_path):
    path = as_zip(tmp_path / "a.zip", h5_files(WRITERS))
    content = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.find(mark) + flags] |= 1
    path.write_bytes(content)
    assert zipfile.is_zipfile(path)
    assert "password" in said(path, tmp_path / "scratch")


def test_the_checksum_of_several_files_is_that_of_what_sha256sum_prints(tmp_path):
    folder, known = as_folder(tmp_path / "data", h5_files(WRITERS)), tmp_path / "known.json"
    names = ["fed_emnist_test.h5", "fed_emnist_train.h5"]
    lines = "".join(f"{sha256_of(folder / name)}  {name}\n" for name in names)
    (tmp_path / "sums").write_text(lines)
    whole = checksum_at(folder, EMNIST.layout, known)
    assert whole == sha256_of(tmp_path / "sums")
    assert checksum_at(folder / names[0], EMNIST.layout, known) == whole
    archive = as_tar(tmp_path / "a", h5_files(WRITERS))
    assert checksum_at(archive, EMNIST.layout, known) == sha256_of(archive)
    database = as_sqlite(tmp_path / "b", WRITERS)
    assert checksum_at(database, EMNIST.layout, known) == sha256_of(database)


def test_files_are_read_again_only_when_they_changed(tmp_path, monkeypatch):
    read, known = [], tmp_path / "known.json"
    monkeypatch.setattr(checksums, "sha256_of", lambda path: read.append(path) or sha256_of(path))
    path = as_leaf(tmp_path / "data", WRITERS)
    block = {"dataset": "emnist62", "archive": str(path)}
    first = identified(data_set(block), known)
    assert len(read) == 4
    assert identified(data_set(block), known).store_name == first.store_name
    assert len(read) == 4
    (file,) = (path / "test").glob("*_0_niid*")
    file.touch()
    assert identified(data_set(block), known).store_name == first.store_name
    assert len(read) == 5, "read again, but nothing else is"
    stat = file.stat()
    file.write_text(file.read_text().replace('"y": [', '"y": [ ', 1)[: stat.st_size])
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert file.stat().st_size == stat.st_size
    assert identified(data_set(block), known).store_name != first.store_name
    known.write_text("[]")
    assert identified(data_set(block), known).store_name != first.store_name


def test_a_given_checksum_is_enforced(tmp_path):
    path = as_tar(tmp_path / "a", h5_files(WRITERS))
    block = {"dataset": "emnist62", "archive": str(path)}
    given = data_set(block | {"sha256": sha256_of(path)})
    assert identified(given, tmp_path / "known") == given
    with pytest.raises(PerfedavgError, match=rf"^{path} .*has sha256 {sha256_of(path)}, but 000"):
        identified(data_set(block | {"sha256": "0" * 64}), tmp_path / "known")
    gone = {"archive": str(tmp_path / "gone")}
    assert identified(data_set(block | gone | {"sha256": "0" * 64}), tmp_path).sha256 == "0" * 64
    with pytest.raises(PerfedavgError, match="cannot be read: No such file"):
        identified(data_set(block | gone), tmp_path)


def test_only_public_archives_have_a_checksum_by_default():
    assert EMNIST.expected_sha256 == EMNIST.public_sha256
    url = data_set({"dataset": "emnist62", "archive": "https://example.org/a"})
    assert url.store_name == EMNIST.store_name
    assert data_set({"dataset": "emnist62", "archive": "a"}).expected_sha256 is None


def test_hdf5_of_another_structure_says_what_there_is(tmp_path):
    def write(path, name):
        path.parent.mkdir(exist_ok=True)
        with h5py.File(path, "w") as file:
            file[f"{name}/pixels"] = [1.0]

    for split in ("train", "test"):
        write(tmp_path / "a" / f"fed_emnist_{split}.h5", "clients/a")
        write(tmp_path / "b" / f"fed_emnist_{split}.h5", "examples")
        write(tmp_path / "c" / f"fed_emnist_{split}.h5", "examples/w1")
    assert "at the root there is 'clients'" in said(tmp_path / "a", tmp_path / "s").replace(
        "/fed_emnist_train.h5: ", ""
    )
    assert "client 'pixels' has no group of features" in said(tmp_path / "b", tmp_path / "s")
    assert "client 'w1' has `pixels` where `pixels` and `label`" in said(
        tmp_path / "c", tmp_path / "s"
    )
