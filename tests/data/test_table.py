"""A user's own table: the clients that come out of it, however people write it down."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from perfedavg.data.readers import parquet
from perfedavg.data.sets.table import Table
from perfedavg.data.store import ClientStore, write_store
from perfedavg.runtime.errors import PerfedavgError
from tests.data.tables import (
    FLAT,
    GREY,
    IDS,
    LABELS,
    SEQUENCES,
    SPLIT,
    VECTORS,
    N,
    assert_is_the_data,
    folder,  # noqa: F401 - of every test
    read,
    table,
)

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
