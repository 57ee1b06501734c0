"""The reader of the public archive's layout, on a small archive made here; what it says of a
damaged one."""

import io
import tarfile

import h5py
import numpy as np
import pytest

from perfedavg.data.sets.emnist62 import Emnist62
from perfedavg.data.store import ClientStore, write_store
from perfedavg.runtime.errors import PerfedavgError

PUBLIC = Emnist62(dataset="emnist62")
WRITERS = {"f2170_68": (5, 2), "f0424_27": (3, 1)}


def grey(writer, part, n):
    return (
        np.random.default_rng([ord(c) for c in writer + part])
        .integers(0, 256, (n, 28, 28))
        .astype(np.uint8)
    )


def make_archive(path, change=None):
    """A tar.bz2 with both HDF5 files; ``change(part, writer, group)`` can damage one."""
    with tarfile.open(path, "w:bz2") as tar:
        for part in ("train", "test"):
            buffer = io.BytesIO()
            with h5py.File(buffer, "w") as file:
                for writer, sizes in WRITERS.items():
                    group = file.create_group(f"examples/{writer}")
                    n = sizes[part == "test"]
                    group["pixels"] = (grey(writer, part, n) / np.float32(255)).astype(np.float32)
                    group["label"] = np.arange(n, dtype=np.int32) + 57
                    if change:
                        change(part, writer, file["examples"])
            info = tarfile.TarInfo(f"fed_emnist_{part}.h5")
            info.size = buffer.getbuffer().nbytes
            buffer.seek(0)
            tar.addfile(info, buffer)
    return path


def test_writers_are_sorted_and_pixels_lossless(tmp_path):
    archive = make_archive(tmp_path / "a.tar.bz2")
    clients = list(PUBLIC.clients(archive, tmp_path / "scratch"))
    assert [c.client_id for c in clients] == ["f0424_27", "f2170_68"]
    for client in clients:
        n_train, n_test = WRITERS[client.client_id]
        np.testing.assert_array_equal(client.train_x, grey(client.client_id, "train", n_train))
        np.testing.assert_array_equal(client.test_x, grey(client.client_id, "test", n_test))
        assert client.train_x.dtype == np.uint8
        assert client.train_y.tolist() == [57, 58, 59, 60, 61][:n_train]
    assert not list((tmp_path / "scratch").iterdir()), "unpacked files are gone"


def test_the_store_gives_back_the_floats_of_the_archive(tmp_path):
    archive = make_archive(tmp_path / "a.tar.bz2")
    write_store(tmp_path / "store", PUBLIC.clients(archive, tmp_path), 62)
    client = ClientStore(tmp_path / "store").client(1)
    expected = (grey("f2170_68", "train", 5) / np.float32(255)).astype(np.float32)
    assert np.abs(client.train_x.astype(np.float32) / np.float32(255) - expected).max() == 0


def off_the_grid(part, writer, examples):
    if part == "train":
        examples[writer]["pixels"][0, 0, 0] = 0.5


def too_many_labels(part, writer, examples):
    del examples[writer]["label"]
    examples[writer]["label"] = np.zeros(9, dtype=np.int32)


def large_labels(part, writer, examples):
    examples[writer]["label"][-1] = 62


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (off_the_grid, "client 'f0424_27' has pixels that are not on the grid"),
        (too_many_labels, "client 'f0424_27' has 3 images but 9 labels"),
        (large_labels, "labels outside 0..61"),
    ],
)
def test_a_damaged_archive_is_one_sentence(tmp_path, change, message):
    archive = make_archive(tmp_path / "a.tar.bz2", change)
    with pytest.raises(PerfedavgError, match=message):
        write_store(tmp_path / "store", PUBLIC.clients(archive, tmp_path / "scratch"), 62)
    assert not any((tmp_path / "store").glob("*"))
    assert not list((tmp_path / "scratch").iterdir())


def test_an_archive_of_something_else_is_refused(tmp_path):
    with tarfile.open(tmp_path / "a", "w:bz2") as tar:
        for part in ("train", "test"):
            info = tarfile.TarInfo(f"fed_emnist_{part}.h5")
            info.size = 4
            tar.addfile(info, io.BytesIO(b"text"))
    with pytest.raises(PerfedavgError, match="holds no data set in a known layout"):
        list(PUBLIC.clients(tmp_path / "a", tmp_path / "scratch"))


@pytest.mark.parametrize("content_of_file", [b"no archive", b""])
def test_another_file_is_refused(tmp_path, content_of_file):
    (tmp_path / "a").write_bytes(content_of_file)
    with pytest.raises(PerfedavgError, match="is no archive, folder or data file"):
        list(PUBLIC.clients(tmp_path / "a", tmp_path))


def test_where_a_copy_lies_does_not_matter_for_the_store():
    public = PUBLIC.public_sha256
    copy = Emnist62(dataset="emnist62", archive="/data/fed_emnist.tar.bz2", sha256=public)
    other = Emnist62(dataset="emnist62", archive="https://example.org/x.tar.bz2", sha256="0" * 64)
    assert PUBLIC.store_name == copy.store_name != other.store_name
    assert (PUBLIC.is_local, copy.is_local, other.is_local) == (False, True, False)


def test_a_subset_says_so_and_the_whole_does_not():
    caveat = PUBLIC.caveat(["f0424_27", "f1500_01", "f2000_02", "f3000_03"])
    assert caveat.startswith("4 of EMNIST-62's about 3,400 writers, 75 % with ids from f1500 on")
    everyone = [f"f{i:04d}_00" for i in range(3400)]
    assert PUBLIC.caveat(everyone) == PUBLIC.caveat(everyone, 2500, 500) == ""
    assert (
        PUBLIC.caveat(everyone, 315, 100)
        == "315 training clients, 100 rounds (the paper: 2,500 and 500)."
    )


def test_other_people_s_clients_are_no_subset_of_the_paper_s():
    renamed = [f"train-f{i:04d}_00" for i in range(3400)]
    for ids in (renamed, ["f0001_00", "anna"]):
        assert not PUBLIC.are_the_papers(ids)
        caveat = PUBLIC.caveat(ids, 315, 100)
        assert caveat.startswith(f"An archive of {len(ids):,} clients in EMNIST-62's layout")
        assert "f1500" not in caveat
    assert PUBLIC.are_the_papers(["f0001_00", "f3999_12"])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("file:///a/b.bz2", "/a/b.bz2"),
        ("../x.bz2", "../x.bz2"),
        ("https://example.org/x", "https://example.org/x"),
    ],
)
def test_forms_of_an_archive(given, expected):
    assert Emnist62(dataset="emnist62", archive=given).archive == expected
    assert not Emnist62(dataset="emnist62", archive="~/x").archive.startswith("~")
    assert Emnist62(dataset="emnist62", sha256="AB" * 32).sha256 == "ab" * 32
    with pytest.raises(ValueError, match="a path or an http"):
        Emnist62(dataset="emnist62", archive="s3://bucket/x")
