"""What people do to data: every form of pixels, labels and ids is read right, with a note of what
was assumed, or refused by one sentence with file, client and value."""

import h5py
import numpy as np
import pytest

from perfedavg.data import values
from perfedavg.data.sets import data_set
from perfedavg.data.store import ClientStore, write_store
from perfedavg.runtime.errors import PerfedavgError
from tests.data.published import as_folder, as_leaf, as_sqlite, floats, h5_files, make_writers

EMNIST = data_set({"dataset": "emnist62"})
WRITERS = make_writers({"a": (3, 2), "b": (4, 1)})


def feature(name, make):
    """A change of TFF's files: ``make(array)`` in place of a feature of writer b."""

    def change(writer, group, file):
        if writer == "b":
            array = group[name][()]
            del group[name]
            group[name] = make(array)

    return change


def grey(pixels):
    return np.rint(pixels * 255)


def put(array, value):
    array = array.copy()
    array.reshape(len(array), -1)[-1, -1] = value
    return array


WHOLE = "pixels are whole numbers 0..255: taken as grey levels"
READ = {
    "uint8": ("pixels", lambda p: grey(p).astype(np.uint8), [WHOLE]),
    "int64": ("pixels", lambda p: grey(p).astype(np.int64), [WHOLE]),
    "float16": (
        "pixels",
        lambda p: p.astype(np.float16),
        ["pixels are float16: rounded to grey levels k/255"],
    ),
    "float64": ("pixels", lambda p: grey(p) / 255, []),
    "flat": (
        "pixels",
        lambda p: p.reshape(-1, 784),
        ["pixels are flat, 784 an image: taken row by row"],
    ),
    "a channel": (
        "pixels",
        lambda p: p[..., None],
        ["pixels have a channel of their own, which is one"],
    ),
    "flat uint8": (
        "pixels",
        lambda p: grey(p).astype(np.uint8).reshape(-1, 784),
        ["pixels are flat, 784 an image: taken row by row", WHOLE],
    ),
    "labels uint8": ("label", lambda y: y.astype(np.uint8), []),
    "labels float": (
        "label",
        lambda y: y.astype(float),
        ["labels are real numbers, all of them whole"],
    ),
    "labels in a column": ("label", lambda y: y[:, None], ["labels are a column [n, 1]"]),
}  # fmt: skip


@pytest.mark.parametrize("form", READ)
def test_forms_that_are_read(tmp_path, form):
    name, make, notes = READ[form]
    folder = as_folder(tmp_path / "data", h5_files(WRITERS, change=feature(name, make)))
    write_store(tmp_path / "store", EMNIST.clients(folder, tmp_path), 62)
    store = ClientStore(tmp_path / "store")
    for number, (train, test) in enumerate(WRITERS.values()):
        client = store.client(number)
        for part, (x, y) in (("train", train), ("test", test)):
            np.testing.assert_array_equal(getattr(client, f"{part}_x"), x)
            np.testing.assert_array_equal(getattr(client, f"{part}_y"), y)
    assert store.assumed == [f"{note} (1 client)" for note in sorted(notes)]


REFUSED = {
    "0..1 as whole numbers": (
        "pixels", lambda p: (p > 0.5).astype(np.uint8), "of which none is above 1"),
    "0..255 as real numbers": (
        "pixels", lambda p: p * 255, r"outside 0\.\.1, of real numbers: \d+\.0 in example 0"),
    "whole numbers above": (
        "pixels", lambda p: put(grey(p).astype(int), 256), r"outside 0\.\.255.*: 256 in example"),
    "standardized": ("pixels", lambda p: (p - 0.17) / 0.33, r"outside 0\.\.1"),
    "off the grid": ("pixels", lambda p: put(p, 0.5), r"not on the grid k/255 \(0\.5 in example"),
    "NaN": ("pixels", lambda p: put(p, np.nan), "nan in example"),
    "infinite": ("pixels", lambda p: put(p, np.inf), "inf in example"),
    "complex": ("pixels", lambda p: p + 0j, "complex numbers in `pixels`"),
    "truth values": ("pixels", lambda p: p > 0.5, "pixels of type bool"),
    "text": ("pixels", lambda p: p.astype("S4"), "pixels that are text"),
    "rank": ("pixels", lambda p: p[:, :, :, None, None], r"pixels of shape \[4, 28, 28, 1, 1\]"),
    "another size": ("pixels", lambda p: p[:, 1:], r"pixels of shape \[4, 27, 28\]; 28x28"),
    "no rank": ("pixels", lambda p: np.float32(0.2), "pixels of shape"),
    "fewer images": ("pixels", lambda p: p[1:], "3 images but 4 labels"),
    "fractional": ("label", lambda y: put(y.astype(float), 3.7), r"number: 3\.7 in example 3"),
    "label NaN": ("label", lambda y: put(y.astype(float), np.nan), "no whole number: nan"),
    "complex label": ("label", lambda y: y + 0j, "complex numbers in `label`"),
    "one-hot": ("label", lambda y: np.eye(62)[y], r"labels of shape \[4, 62\]"),
    "labels as text": ("label", lambda y: y.astype("S2"), "labels that are text"),
    "too large": ("label", lambda y: put(y, 62), r"labels outside 0\.\.61: 62 in example 3"),
    "negative": ("label", lambda y: put(y, -1), r"labels outside 0\.\.61: -1 in example 3"),
    "records": (
        "label", lambda y: np.zeros(len(y), [("a", int), ("b", int)]), r"values of type \[\('a'"),
}  # fmt: skip


@pytest.mark.parametrize("form", REFUSED)
def test_forms_that_are_refused(tmp_path, form):
    name, make, says = REFUSED[form]
    folder = as_folder(tmp_path / "data", h5_files(WRITERS, change=feature(name, make)))
    with pytest.raises(PerfedavgError, match=says) as raised:
        write_store(tmp_path / "store", EMNIST.clients(folder, tmp_path), 62)
    said = str(raised.value)
    assert said.startswith(f"{folder}/fed_emnist_train.h5: client 'b' has ")
    assert "\n" not in said
    assert not list((tmp_path / "store").iterdir())


def rename_clients(file):
    file.move("examples", "clients")


def rename_pixels(file):
    file.move("examples/b/pixels", "examples/b/image")


def add_values(file):
    file["examples/metadata"] = np.arange(3)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (rename_clients, "the group `examples` is wanted.* at the root there is 'clients'"),
        (rename_pixels, r"client 'b' has .*image.* where `pixels` and `label` are expected"),
        (add_values, "client 'metadata' has no group of features"),
    ],
)
def test_another_layout_is_one_sentence(tmp_path, edit, says):
    folder = as_folder(tmp_path / "data", h5_files(WRITERS))
    with h5py.File(folder / "fed_emnist_train.h5", "a") as file:
        edit(file)
    with pytest.raises(PerfedavgError, match=says) as raised:
        write_store(tmp_path / "store", EMNIST.clients(folder, tmp_path), 62)
    assert len(str(raised.value).splitlines()) == 1
    assert not list((tmp_path / "store").iterdir())


def elsewhere(path):
    with h5py.File(path, "w") as file:
        file["pixels"] = floats(WRITERS["b"][0][0])
        file["client/pixels"], file["client/label"] = file["pixels"][()], WRITERS["b"][0][1]
    path.with_suffix(".raw").write_bytes(floats(WRITERS["b"][0][0]).tobytes())
    return path


def to_external_link(group, path):
    group["pixels"] = h5py.ExternalLink(str(path), "/pixels")


def to_soft_link(group, path):
    group["pixels"] = h5py.SoftLink("/examples/a/pixels")


def to_external_storage(group, path):
    group.create_dataset(
        "pixels", (4, 28, 28), np.float32, external=[(str(path.with_suffix(".raw")), 0, 4 * 3136)]
    )


def to_virtual(group, path):
    layout = h5py.VirtualLayout((4, 28, 28), np.float32)
    layout[:] = h5py.VirtualSource(str(path), "pixels", (4, 28, 28))
    group.create_virtual_dataset("pixels", layout)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (to_external_link, "ExternalLink `pixels` that leads elsewhere"),
        (to_soft_link, "SoftLink `pixels` that leads elsewhere"),
        (to_external_storage, "`pixels` in another file, which no checksum covers"),
        (to_virtual, "`pixels` in another file, which no checksum covers"),
    ],
)
def test_no_value_comes_from_another_file(tmp_path, change, says):
    other = elsewhere(tmp_path / "other.h5")

    def points_out(writer, group, file):
        if writer == "b" and len(group["label"]) == 4:
            del group["pixels"]
            change(group, other)

    folder = as_folder(tmp_path / "data", h5_files(WRITERS, change=points_out))
    with pytest.raises(PerfedavgError, match=rf"fed_emnist_train\.h5: client 'b' has {says}"):
        list(EMNIST.clients(folder, tmp_path))


def test_nor_does_a_whole_client_or_all_of_them(tmp_path):
    other = elsewhere(tmp_path / "other.h5")

    def client(writer, group, file):
        if writer == "b":
            del file["examples/b"]
            file["examples/b"] = h5py.ExternalLink(str(other), "/client")

    def everyone(writer, group, file):
        if writer == "b":
            file.move("examples", "aside")
            file["examples"] = h5py.SoftLink("/aside")

    for change, says in ((client, "ExternalLink `b`"), (everyone, "SoftLink `examples`")):
        folder = as_folder(tmp_path / change.__name__, h5_files(WRITERS, change=change))
        with pytest.raises(PerfedavgError, match=says):
            list(EMNIST.clients(folder, tmp_path))


def test_an_array_that_declares_too_much_is_not_read(tmp_path):
    def huge(writer, group, file):
        del group["pixels"]
        group.create_dataset("pixels", (10**7, 28, 28), np.float32, chunks=(1, 28, 28))

    folder = as_folder(tmp_path / "data", h5_files(WRITERS, change=huge))
    with pytest.raises(PerfedavgError, match=r"`pixels` of shape \(10000000, 28, 28\)"):
        list(EMNIST.clients(folder, tmp_path))


@pytest.mark.parametrize(("value", "text"), [("é", "é"), (b"f1", "f1"), (7, "7"), (7.0, "7")])
def test_ids_that_are_read(value, text):
    name, notes = values.client_id(value)
    assert name == text
    assert notes == (["ids are numbers: taken as text"] if "7" in text else [])


@pytest.mark.parametrize("value", ["", "a\rb", "a\nb", "\0", b"\xff", "\udc80", 1.5, None, True])
def test_ids_that_are_refused(value):
    with pytest.raises(ValueError, match="the id"):
        values.client_id(value)


def test_one_class_only_and_clients_without_examples(tmp_path):
    same = {n: tuple((x, y * 0 + 5) for x, y in s) for n, s in WRITERS.items()}
    empty = make_writers({"c": (0, 0)}) | same
    for form, write in {
        "hdf5": lambda path: as_folder(path, h5_files(empty)),
        "sqlite": lambda path: as_sqlite(path, empty),
        "leaf": lambda path: as_leaf(path, empty),
    }.items():
        write_store(
            tmp_path / f"{form}-store", EMNIST.clients(write(tmp_path / form), tmp_path), 62
        )
        store = ClientStore(tmp_path / f"{form}-store")
        assert store.client_ids().to_pylist() == ["a", "b", "c"]
        assert store.label_counts().sum(0).nonzero()[0].tolist() == [5]
        assert store.column("num_train").tolist() == [3, 4, 0]


def test_label_counts_of_one_client_do_not_wrap(tmp_path):
    n = 70_000
    x, y = np.zeros((n, 1, 1), np.uint8), np.zeros(n, int)
    write_store(tmp_path, [values.in_both_splits("a", (x, y), None)], 2)
    assert ClientStore(tmp_path).label_counts().tolist() == [[n, 0]]
