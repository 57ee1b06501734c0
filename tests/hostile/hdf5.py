"""Hostile HDF5 files in the layout of EMNIST-62 by writer."""

import io
import unicodedata

import h5py
import numpy as np

from tests.data.published import as_folder, floats, h5_bytes, h5_files, make_writers
from tests.hostile.meeting import CONTROLS, REFUSED, TRUTH, VALID, WRITERS, met, shaken
from tests.hostile.oracle import Group

IDS = ["a\rb", "a\nb", "a\tb", "\x1b[31m", "\u2028", "é", "日本", "a b", "a,b", 'a"b', "x" * 300,
       "..", "-1", "007", "nan", "\x7f", "\x85", "\u200e"]  # fmt: skip
PRINTABLE = [n for n in IDS if not {unicodedata.category(c) for c in n} & CONTROLS]


def values(rng, pixels, label):
    """Pixels and labels of another type, shape or value, and what may come of it."""
    x, y = floats(pixels), label.astype(np.int32)
    nan, big = x.copy(), x.astype(np.float64)
    nan[0, 3, 3] = rng.choice([np.nan, np.inf, -np.inf, 1.5, -0.1, 0.12345, 1e30])
    big[0, 0, 0] = rng.choice([1e308, -1e308, np.nan, 256.0])
    cases = [
        (nan, y, REFUSED), (big, y, REFUSED), (x * 255, y, REFUSED),
        (x.astype(complex), y, REFUSED), (x, y[:, None], TRUTH),
        (x, y + 0.5, REFUSED), (x, y.astype(float), TRUTH), (x, y + 62, REFUSED),
        (x, y - 62, REFUSED), (x, y.astype(np.int64) + 2**32, REFUSED),
        (x, y.astype(complex), REFUSED),
        (x, y.astype(np.uint64) + 2**63, REFUSED), (x, y.astype("S2"), REFUSED),
        (x, np.eye(62)[y], REFUSED), (x, y[:-1], REFUSED), (x[:-1], y, REFUSED), (x[0], y, REFUSED),
        (x[..., None], y, TRUTH), (x.reshape(len(x), 784), y, TRUTH), (x[:, :27], y, REFUSED),
        (x.astype(np.float64), y, TRUTH), (x.astype(np.float16), y, VALID), (pixels, y, VALID),
        (x > 0.5, y, REFUSED), (x.astype(">f4"), y.astype(">i8"), TRUTH), (x, y > 3, REFUSED),
        (x, np.array(b"7"), REFUSED), (np.float32(0.5), y, REFUSED), (x, np.int32(3), REFUSED),
        (x[:0], y[:0], VALID), (x[:, :0], y, REFUSED), (np.full((3, 28, 28), np.nan), y, REFUSED),
        (x, np.full(len(y), np.nan), REFUSED), (x, y.astype("M8[s]").astype(np.int64), TRUTH),
        (np.zeros(3, dtype=[("a", "f4"), ("b", "i4")]), y, REFUSED), (x.astype("S4"), y, REFUSED),
    ]  # fmt: skip
    return rng.choice(cases)


def odd_values(rng, folder, what):
    one = rng.choice(sorted(WRITERS))
    split = rng.randrange(2)
    files = h5_files(WRITERS)
    part = ("train", "test")[split]
    pixels, label, may = values(rng, *WRITERS[one][split])

    def change(name, group, file):
        if name != one:
            return
        for feature, content in (("pixels", pixels), ("label", label)):
            del group[feature]
            group[feature] = content

    files[f"fed_emnist_{part}.h5"] = h5_bytes(WRITERS, split, change)
    what[0] = (
        f"pixels {np.shape(pixels)} {np.asarray(pixels).dtype}, "
        f"label {np.shape(label)} {np.asarray(label).dtype}"
    )
    met(as_folder(folder / "data", files), folder, may)


def external(group, feature, content, folder):
    del group[feature]
    (folder / "raw").write_bytes(np.ascontiguousarray(content).tobytes())
    group.create_dataset(
        feature, content.shape, content.dtype,
        external=[(str(folder / "raw"), 0, h5py.h5f.UNLIMITED)],
    )  # fmt: skip


def virtual(group, feature, content, folder):
    del group[feature]
    with h5py.File(folder / "other.h5", "w") as other:
        other[feature] = content
    layout = h5py.VirtualLayout(content.shape, content.dtype)
    layout[:] = h5py.VirtualSource(folder / "other.h5", feature, content.shape)
    group.create_virtual_dataset(feature, layout)


def linked(group, feature, content, folder):
    del group[feature]
    with h5py.File(folder / "other.h5", "w") as other:
        other[feature] = content
    group[feature] = h5py.ExternalLink(str(folder / "other.h5"), feature)


def soft(group, feature, content, folder):
    group.file[f"hidden-{group.name.replace('/', '-')}"] = content
    del group[feature]
    group[feature] = h5py.SoftLink(f"/hidden-{group.name.replace('/', '-')}")


def dangling(group, feature, content, folder):
    del group[feature]
    group[feature] = h5py.SoftLink("/nowhere")


def endless(group, feature, content, folder):
    del group[feature]
    group.create_dataset(feature, (10**9, 28, 28), "f4", chunks=(1, 28, 28))


def no_space(group, feature, content, folder):
    del group[feature]
    group[feature] = h5py.Empty("f4")


def references(group, feature, content, folder):
    del group[feature]
    group[feature] = np.array([group.ref] * len(content), dtype=h5py.ref_dtype)


def ragged(group, feature, content, folder):
    del group[feature]
    data = group.create_dataset(feature, (len(content),), dtype=h5py.vlen_dtype(np.int32))
    for row in range(len(content)):
        data[row] = np.arange(row)


def a_group(group, feature, content, folder):
    del group[feature]
    group.create_group(feature)


def missing(group, feature, content, folder):
    del group[feature]


def a_type(group, feature, content, folder):
    del group[feature]
    group[feature] = np.dtype("f4")


def itself(group, feature, content, folder):
    group["again"] = group  # a hard link to itself


def with_more(group, feature, content, folder):
    group["more"] = np.arange(3)
    group.attrs["note"] = "x" * 1000


WAYS_OUT = {
    external: REFUSED, virtual: REFUSED, linked: REFUSED, soft: REFUSED, dangling: REFUSED,
    endless: REFUSED, no_space: REFUSED, references: REFUSED, ragged: REFUSED, a_group: REFUSED,
    missing: REFUSED, a_type: REFUSED, itself: REFUSED, with_more: TRUTH,
}  # fmt: skip


def ways_out(rng, folder, what):
    """Structure that leads out of the file, or is none."""
    make, feature = rng.choice(list(WAYS_OUT)), rng.choice(["pixels", "label"])
    what[0] = f"{make.__name__} {feature}"
    split, done = rng.randrange(2), []

    def change(name, group, file):
        if not done:
            make(group, feature, group[feature][()], folder)
            done.append(name)

    files = h5_files(WRITERS)
    files[f"fed_emnist_{('train', 'test')[split]}.h5"] = h5_bytes(WRITERS, split, change)
    met(as_folder(folder / "data", files), folder, WAYS_OUT[make])


def odd_clients(rng, folder, what):
    """Ids that are odd, writers in one split alone, groups without anything."""
    name = rng.choice(IDS)
    here = rng.choice(["both", "train", "test", "empty", "array", "root"])
    what[0] = f"{name!r}, {here}"
    may = TRUTH if name in PRINTABLE else REFUSED
    pair = make_writers({"a": (2, 2)})["a"]
    pair = {"train": (pair[0], None), "test": (None, pair[1])}.get(here, pair)
    writers = dict(sorted((WRITERS | {name: pair}).items()))

    def change(client, group, file):
        if client == name and here in ("empty", "array"):
            del file[group.name]
            if here == "empty":
                file.create_group(f"examples/{name}")
            else:
                file[f"examples/{name}"] = np.arange(3)
        if here == "root" and "x" not in file:
            file["x"] = 1

    if name == "..":
        may = VALID
    files = h5_files(writers, change=change)
    may = REFUSED if here in ("empty", "array") else may
    met(as_folder(folder / "data", files), folder, may, writers)


def odd_roots(rng, folder, what):
    """No group of clients, in one way or another."""
    what[0] = how = rng.choice(["nothing", "array", "other", "soft", "external", "no clients"])
    files = {}
    for part in ("train", "test"):
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            if how == "array":
                file["examples"] = np.arange(3)
            elif how == "other":
                file["clients/a/pixels"] = [1.0]
            elif how == "soft":
                file["x/f0001_01/pixels"] = [1.0]
                file["examples"] = h5py.SoftLink("/x")
            elif how == "external":
                file["examples"] = h5py.ExternalLink("fed_emnist_other.h5", "/examples")
            elif how == "no clients":
                file.create_group("examples")
        files[f"fed_emnist_{part}.h5"] = buffer.getvalue()
    path = as_folder(folder / "data", files)
    where = (path, "The data hold no client") if how == "no clients" else (path,)
    met(path, folder, REFUSED, where=where)


def damaged_hdf5(rng, folder, what):
    files = h5_files(WRITERS)
    name = rng.choice(sorted(files))
    files[name], how = shaken(rng, files[name])
    what[0] = f"damaged HDF5, {how}"
    path = as_folder(folder / "data", files)
    met(path, folder, VALID, where=(path, "The data hold no client"))


def hdf5(rng, folder, what):
    """Any of these."""
    rng.choice([odd_values, odd_values, ways_out, odd_clients, odd_roots, damaged_hdf5])(
        rng, folder, what
    )


GROUPS = {"HDF5 files": Group(hdf5, 60, 500)}
