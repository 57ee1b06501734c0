"""A user's own table: the clients that come out of it, however people write it down, and the
sentence where it cannot be meant."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from perfedavg.data.readers import parquet
from perfedavg.data.sets.table import Table
from perfedavg.data.store import ClientStore, write_store
from perfedavg.runtime.errors import PerfedavgError

N = 24
IDS = np.array([f"c{n % 4}" for n in range(N)])  # rows of the clients take turns
SPLIT = np.array(["test" if n % 3 == 0 else "train" for n in range(N)])
LABELS = np.arange(N) * 7 % 3
GREY = np.random.default_rng(0).integers(0, 256, (N, 4, 6)).astype(np.uint8)


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


FLAT = [image.ravel().tolist() for image in GREY]
UNIT = (GREY / 255).astype(np.float32)
IMAGES = {
    "nested": ({}, {}, None),
    "flat, with a shape": ({"features": FLAT}, {"shape": [4, 6]}, None),
    "of fixed size": (
        {"features": pa.FixedSizeListArray.from_arrays(pa.array(GREY.ravel()), 24)},
        {"shape": [4, 6]},
        None,
    ),
    "Arrow's tensors": (
        {
            "features": pa.ExtensionArray.from_storage(
                pa.fixed_shape_tensor(pa.uint8(), (4, 6)),
                pa.FixedSizeListArray.from_arrays(pa.array(GREY.ravel()), 24),
            )
        },
        {},
        None,
    ),
    "a channel behind": ({"features": GREY[..., None].tolist()}, {}, "a channel axis of 1"),
    "a channel in front": ({"features": GREY[:, None].tolist()}, {}, "a channel axis of 1"),
    "grey levels as floats": ({"features": GREY.astype(float).tolist()}, {}, None),
    "0..1 on the grid": ({"features": UNIT.tolist()}, {}, "of the form k/255"),
}


@pytest.mark.parametrize("form", IMAGES)
def test_the_same_images_however_they_are_written(form):
    changes, keys, said = IMAGES[form]
    data, assumed = table(keys, **changes)
    assert (data.kind, data.example_shape, data.num_classes) == ("images", (4, 6), 3)
    assert_is_the_data(data)
    assert next(iter(read(data).values())).train_x.dtype == np.uint8
    assert (said in " ".join(assumed)) if said else not assumed


def test_a_flat_square_is_one_and_that_is_said():
    square = GREY[:, :, :4]
    data, assumed = table({"features": "images"}, features=[x.ravel().tolist() for x in square])
    assert_is_the_data(data, square)
    assert "Images are flat and read as 4x4; else set data.shape: [h, w]." in assumed


def test_pixels_between_grey_levels_stay_real_and_bits_become_black_and_white():
    halves = (GREY / 511).astype(np.float32)
    data, assumed = table(features=halves.tolist())
    assert_is_the_data(data, halves)
    assert assumed == ["Pixels are real numbers between 0 and 1 and stay as they are."]
    data, assumed = table(features=(GREY % 2).tolist())
    assert_is_the_data(data, GREY % 2 * 255)
    assert "0 and 1 alone" in assumed[0]


VECTORS = np.random.default_rng(1).normal(size=(N, 5)).astype(np.float32)
LABEL_FORMS = {
    "floats": (LABELS.astype(float), "Labels are real numbers"),
    "one element each": ([[n] for n in LABELS.tolist()], "lists of one element"),
    "truth values": (LABELS > 0, None),
    "unsigned bytes": (LABELS.astype(np.uint8), None),
    "names": (np.array(["ape", "bee", "cat"])[LABELS], "numbered: 0 ape, 1 bee, 2 cat."),
    "names as bytes": ([(b"ape", b"bee", b"cat")[n] for n in LABELS], "0 ape, 1 bee, 2 cat."),
    "a dictionary": (
        pa.array(np.array(["ape", "bee", "cat"])[LABELS]).dictionary_encode(),
        "numbered: 0 ape",
    ),
}


@pytest.mark.parametrize("form", LABEL_FORMS)
def test_the_same_labels_however_they_are_written(form):
    labels, said = LABEL_FORMS[form]
    data, assumed = table(features=VECTORS.tolist(), label=labels)
    expected = (LABELS > 0).astype(int) if form == "truth values" else LABELS
    assert (data.kind, data.example_shape) == ("vectors", (5,))
    assert_is_the_data(data, VECTORS, expected)
    assert (said in " ".join(assumed)) if said else not assumed


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([f"c{n % 4}".encode() for n in range(N)], ["c0", "c1", "c2", "c3"]),
        ([n % 4 + 8 for n in range(N)], ["10", "11", "8", "9"]),
        ([float(n % 4) for n in range(N)], ["0", "1", "2", "3"]),
        (pa.array(IDS).dictionary_encode(), ["c0", "c1", "c2", "c3"]),
        (pa.array(IDS, pa.large_string()), ["c0", "c1", "c2", "c3"]),
    ],
    ids=["bytes", "numbers", "whole floats", "a dictionary", "large text"],
)
def test_ids_of_every_type_become_text(ids, expected):
    data, assumed = table(client_id=ids)
    assert list(read(data)) == expected
    assert sum(len(c.train_y) + len(c.test_y) for c in read(data).values()) == N
    is_text = isinstance(ids, pa.Array)
    assert (assumed == []) == is_text


def test_clients_of_one_split_alone_are_counted():
    split = np.where(IDS == "c1", "train", np.where(IDS == "c2", "TEST ", SPLIT))
    data, assumed = table(split=split)
    clients = read(data)
    assert (len(clients["c1"].test_y), len(clients["c2"].train_y)) == (0, 0)
    assert "1 of 4 clients have no train examples." in assumed
    assert "1 of 4 clients have no test examples." in assumed
    assert data.size == (4, sum(split == "train") / 4, sum(split != "train") / 4)


@pytest.mark.parametrize("split", [None, ["train"] * N, pa.nulls(N, pa.string())])
def test_without_test_rows_they_are_drawn_from_a_seed_and_said(split):
    data, assumed = table({"test_share": 0.3, "seed": 5}, split=split)
    sentence = (
        "The data file has no test split: 30 % of each client's examples, drawn at random "
        "(seed 5), are held out as its test set."
    )
    assert assumed == [], "said once"
    assert data.metadata["caveat"] == sentence
    clients, other = read(data), read(data.model_copy(update={"seed": 6}))
    for name, c in clients.items():
        assert (len(c.train_y), len(c.test_y)) == (4, 2), "0.3 of 6"
        rows = [GREY[n].tolist() for n in range(N) if IDS[n] == name]
        assert sorted([*c.train_x.tolist(), *c.test_x.tolist()]) == sorted(rows)
    assert any((clients[n].test_x != other[n].test_x).any() for n in clients)
    one = parquet.drawn_tests(1, 0.3, 0, "c")
    two = parquet.drawn_tests(2, 0.9, 0, "c")
    assert (one.sum(), two.sum()) == (0, 1), "one example trains; of two, one does"


SEQUENCES = [[n % 5] * (n % 3 + 1) for n in range(N)]


def test_sequences_of_different_lengths_are_padded_with_an_id_of_their_own():
    data, assumed = table(features=SEQUENCES)
    assert (data.kind, data.example_shape, data.label_shape) == ("tokens", (3,), ())
    assert data.num_values == 6, "ids 0 to 4, and the padding"
    assert data.metadata["padding"] == "5"
    assert_is_the_data(data, [s + [5] * (3 - len(s)) for s in SEQUENCES])
    assert "flat lists of whole numbers and read as token sequences" in assumed[0]
    assert "1 to 3 tokens; shorter ones are padded with a padding id of their own, 5." in assumed[1]


def test_a_label_per_position_is_masked_where_there_is_none():
    labels = [[(t + i) % 3 for i, t in enumerate(s)] for s in SEQUENCES]
    labels[2][1] = -100
    data, _ = table({"tokens": 9, "classes": 4}, features=SEQUENCES, label=labels)
    assert (data.label_shape, data.num_classes, data.num_values) == ((3,), 4, 10)
    labels[2][1] = -1
    filled = [row + [-1] * (3 - len(row)) for row in labels]
    assert_is_the_data(data, [s + [9] * (3 - len(s)) for s in SEQUENCES], filled)


def test_classes_are_found_or_given_and_gaps_are_said():
    data, assumed = table(label=LABELS + 1)
    assert data.num_classes == 4
    assert (
        "Labels go from 1 to 3, so there are 4 classes, 1 of them without an example"
        in (assumed[0])
    )
    data, assumed = table({"classes": 62}, label=LABELS * 0)
    assert (data.num_classes, assumed) == (62, [])


def with_(values, row, value):
    changed = list(values)
    changed[row] = value
    return changed


NAN = with_(VECTORS.tolist(), 6, [0.0, 1.0, float("nan"), 0.0, 0.0])
_NULL = "{} has an empty value or NaN (pandas stores NaN as null) in `{}` (row 5, counted from 0)"
REFUSED = {
    "NaN": ({"features": NAN}, {}, "client 'c2' has the value nan in `features`, where finite"),
    "its place": ({"features": NAN}, {}, "numbers are wanted (row 6, at [2], counted from 0)"),
    "null": (
        {"features": pa.array(NAN, from_pandas=True)},
        {},
        "'c2' has an empty value or NaN (pandas stores NaN as null) in `features` (row 6, at [2],",
    ),
    "pixel's place": (
        {"features": with_(GREY.tolist(), 7, [*GREY[7].tolist()[:2], [0, -1] * 3, [0] * 6])},
        {},
        "data.features: vectors) (row 7, at [2][1], counted from 0)",
    ),
    "infinite": ({"features": with_(NAN, 6, [np.inf] * 5)}, {}, "client 'c2' has the value inf"),
    "label 3.7": ({"label": with_(LABELS * 1.0, 5, 3.7)}, {}, "client 'c1' has the value 3.7 in"),
    "negative": ({"label": with_(LABELS, 5, -1)}, {}, "client 'c1' has the label -1, where 0 .."),
    "too many": ({}, {"classes": 2}, "has the label 2, where 0 .. 1 is wanted"),
    "huge label": ({"label": with_(LABELS, 7, 10**6)}, {}, "client 'c3' has the label 1000000"),
    "one class": ({"label": LABELS * 0}, {}, "there is only one label (0), so nothing can be"),
    "one name": ({"label": ["a"] * N}, {}, "there is only one label (a)"),
    "no label": ({"label": with_(LABELS.tolist(), 5, None)}, {}, _NULL.format("'c1'", "label")),
    "no id": ({"client_id": with_(IDS.tolist(), 5, None)}, {}, _NULL.format("a row", "client_id")),
    "id 1.5": ({"client_id": [1.5] * N}, {}, "a row has the value 1.5 in `client_id`"),
    "split": ({"split": with_(SPLIT, 4, "dev")}, {}, "'c0' has the value 'dev' in `split`, where"),
    "all test": ({"split": ["test"] * N}, {}, "all rows are test examples"),
    "ragged": ({"features": with_(NAN, 6, [0.0])}, {}, "client 'c2' has 1 values in `features`"),
    "colour": ({"features": np.zeros((N, 2, 2, 3)).tolist()}, {}, "2x2x3, where images [h, w]"),
    "pixels": ({"features": (GREY - 0.5).tolist()}, {}, "a pixel of "),
    "no square": (
        {"features": VECTORS.tolist()},
        {"features": "images"},
        "5 values in `features`,",
    ),
    "shape": ({"features": FLAT}, {"shape": [5, 5]}, "24 values in `features`, where data.shape"),
    "no lists": ({"features": LABELS}, {}, "single numbers in `features`"),
    "texts": ({"features": [["a"]] * N}, {}, "string in `features`, where numbers are wanted"),
    "token": ({"features": SEQUENCES}, {"tokens": 4}, "'c0' has the token 4 in `features`, where"),
    "negative token": (
        {"features": with_(SEQUENCES, 9, [0, -4])},
        {},
        "-4 in `features`, where 0 and above is wanted; if these are measurements, set "
        "data.features: vectors (row 9, at [1], counted from 0)",
    ),
    "no token": ({"features": with_(SEQUENCES, 9, [])}, {}, "'c1' has an empty sequence"),
    "lengths": ({"features": SEQUENCES, "label": [[0, 1]] * N}, {}, "2 labels, where 1 or 1 is"),
    "complex": ({"label": [{"re": 1.0}] * N}, {}, "in `label`, where numbers are wanted"),
    "column": ({"label": None}, {}, "label is missing."),
    "many columns": (
        {"features": None, **{f"f{n}": LABELS for n in range(12)}},
        {},
        ", f4, ... (15 in all); the columns client_id, features, label and, if there is one, "
        "split are wanted: features is missing; join feature columns into `features`: "
        "docs/your-own-data.md.",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_meant_is_one_sentence_with_file_and_client(what):
    changes, keys, sentence = REFUSED[what]
    with pytest.raises(PerfedavgError) as error:
        table(keys, **changes)
    text = str(error.value)
    assert sentence in text
    assert text.startswith("mine.parquet")
    assert text.count("\n") == 0
    assert not os.path.exists("results"), "nothing is kept of it"


def test_files_that_are_none(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no table")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1" + b"x" * 50)
    for path, sentence in (
        ("there/is/none", f"folder: {tmp_path}/there/is/none does not exist; paths count from"),
        ("empty", "holds no .parquet file but nothing"),
        ("notes.txt", "is no Parquet file; write it with pandas' DataFrame.to_parquet"),
        ("cut.parquet", "is no readable Parquet file"),
        (None, "`data.path` is missing"),
    ):
        with pytest.raises(PerfedavgError, match=sentence):
            Table(dataset="table", path=path).facts  # noqa: B018
    with pytest.raises(PerfedavgError, match="there is no row in it"):
        table(**{name: pa.array([], pa.int8()) for name in columns()})


def test_a_folder_is_its_files_and_content_names_the_store(tmp_path):
    whole, _ = table()
    pieces = pq.read_table("mine.parquet")
    (tmp_path / "folder/deep").mkdir(parents=True)
    pq.write_table(pieces.slice(0, 10), "folder/a.parquet")
    pq.write_table(pieces.slice(10), "folder/deep/b.parquet")
    (tmp_path / "folder/_SUCCESS").touch()
    parts = Table(dataset="table", path="folder")
    assert_is_the_data(parts)
    assert parts.reading(parts.files).content == parts.content
    moved, _ = table(path="elsewhere.parquet")
    assert moved.store_name == whole.store_name != parts.store_name
    changed, _ = table(path="elsewhere.parquet", label=LABELS[::-1])
    assert changed.store_name != whole.store_name
    with pytest.raises(PerfedavgError, match="not data\\.sha256"):
        Table(dataset="table", path="mine.parquet", sha256="0" * 64).facts  # noqa: B018


def test_a_table_is_gone_through_once(monkeypatch):
    data, _ = table()
    assert data.facts.clients == 4
    monkeypatch.setattr(parquet, "find_facts", None)
    again = Table(dataset="table", path="mine.parquet")
    assert again.facts == data.facts


def test_a_table_in_parts_gives_the_same_store(tmp_path, monkeypatch):
    """Rows in any order, more than fit into memory at once."""
    rng = np.random.default_rng(2)
    ids = [f"c{n}" for n in rng.integers(0, 30, 2000)]
    x = rng.normal(size=(2000, 4)).astype(np.float32)
    frame = pd.DataFrame({"client_id": ids, "features": x.tolist(), "label": ids})
    frame["label"] = frame.label.str[-1].astype(int)
    frame.to_parquet("long.parquet", row_group_size=100)
    data = Table(dataset="table", path="long.parquet")
    for name, most in (("one", parquet.PART_BYTES), ("many", 5000)):
        monkeypatch.setattr(parquet, "PART_BYTES", most)
        monkeypatch.setattr(parquet, "ROWS_AT_ONCE", 64 if name == "many" else 8192)
        write_store(name, data.clients(None, tmp_path), data.num_classes, data.metadata)
    for file in ("examples.arrow", "clients.arrow"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "many" / file).read_bytes()
    store = ClientStore("one")
    assert len(store) == 30
    counts = frame.client_id.value_counts().sort_index()
    assert (store.column("num_train") + store.column("num_test")).tolist() == counts.tolist()
    assert not list(tmp_path.glob(".parts-*")), "nothing is left over"
