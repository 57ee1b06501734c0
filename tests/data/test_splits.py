import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from perfedavg.data.caveat import caveat
from perfedavg.data.splits import (
    leave_out_empty,
    named_clients,
    read_group,
    split_clients,
    write_split,
)
from perfedavg.data.store import ClientExamples, ClientStore, write_store
from perfedavg.randomness import StreamKey, stream
from perfedavg.runtime.errors import PerfedavgError

IDS = [f"w{n}" for n in (3, 10, 2, 7, 1, 9, 4, 8, 5, 6)]  # unsorted, and "w10" < "w2" as text


def ids_of(split, group):
    return split[split.client_group == group].client_id.tolist()


def test_sorted_takes_the_first_ids():
    split = split_clients(IDS, "sorted", 4, 2, seed=42)
    assert ids_of(split, "training") == ["w1", "w10", "w2", "w3"]


def test_shuffled_takes_the_first_of_the_seed_42_permutation_of_the_sorted_ids():
    split = split_clients(IDS, "shuffled", 4, 2, seed=42)
    by_hand = np.random.RandomState(42).permutation(sorted(IDS))[:4].tolist()
    assert ids_of(split, "training") == by_hand
    assert by_hand != sorted(IDS)[:4]


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_every_client_is_in_exactly_one_group_and_indices_point_at_it(order):
    split = split_clients(IDS, order, 4, 2, seed=1)
    assert sorted(split.client_id) == sorted(IDS)
    assert [IDS[i] for i in split.client_index] == split.client_id.tolist()
    assert split.client_group.value_counts().to_dict() == {
        "training": 4,
        "validation": 2,
        "evaluation": 4,
    }


def test_validation_clients_are_a_random_draw_of_the_held_out():
    drawn = [
        frozenset(ids_of(split_clients(IDS, "sorted", 4, 2, seed=s), "validation"))
        for s in range(40)
    ]
    assert len(set(drawn)) > 8, "15 pairs are possible"
    assert set().union(*drawn) == set(sorted(IDS)[4:])


def test_too_few_clients():
    with pytest.raises(PerfedavgError, match=r"hold 10 clients, but .* need 11"):
        split_clients(IDS, "sorted", 8, 2, seed=42)


def test_written_and_read(tmp_path):
    split = split_clients(IDS, "shuffled", 4, 2, seed=42)
    write_split(tmp_path / "split.csv", split)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "split.csv"), split)
    assert [IDS[i] for i in read_group(tmp_path / "split.csv", "evaluation")] == ids_of(
        split, "evaluation"
    )


AWKWARD = [f"{text}{n}" for n in range(40) for text in ("w", "W", "ü,", '"', "a\nb", "", "0", "NA")]


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_a_split_by_plain_python_whatever_the_ids_are(tmp_path, order):
    by_id = sorted(AWKWARD)
    if order == "shuffled":
        by_id = np.random.RandomState(7).permutation(by_id).tolist()
    drawn = set(
        stream(StreamKey(7, "validation clients"))
        .choice(len(by_id) - 200, size=30, replace=False)
        .tolist()
    )
    held_out = list(enumerate(by_id[200:]))
    expected = (
        by_id[:200]
        + sorted(c for i, c in held_out if i in drawn)
        + sorted(c for i, c in held_out if i not in drawn)
    )
    for ids in (AWKWARD, pa.chunked_array([AWKWARD[:100], AWKWARD[100:]])):
        split = split_clients(ids, order, 200, 30, seed=7)
        assert split.client_id.tolist() == expected
        write_split(tmp_path / "split.csv", split)
        groups = [
            read_group(tmp_path / "split.csv", group)
            for group in ("training", "validation", "evaluation")
        ]
        assert [len(group) for group in groups] == [200, 30, 90]
        assert [AWKWARD[i] for i in np.concatenate(groups)] == expected


def test_a_group_is_read_as_numbers_alone(tmp_path):
    write_split(
        tmp_path / "split.csv",
        split_clients([f"client{i:07d}" for i in range(20_000)], "shuffled", 19_000, 500, seed=0),
    )
    table = pd.read_csv(tmp_path / "split.csv")
    for group in ("training", "validation", "evaluation"):
        tracemalloc.start()
        got = read_group(tmp_path / "split.csv", group)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert got.dtype == np.int64
        assert got.tolist() == table[table.client_group == group].client_index.tolist()
        assert most < 24 * 20_000, "the array and the one that it grows out of"


def write_file(path, text):
    path.write_text(text, encoding="utf-8")
    return path


ROWS = "client_id,client_group\nw3,training\nw10,training\nw2,validation\nw7,evaluation\n"


def test_a_file_names_the_clients_of_every_group(tmp_path):
    path = write_file(tmp_path / "groups.csv", ROWS)
    split = named_clients(IDS, path)
    assert ids_of(split, "training") == ["w10", "w3"]
    assert ids_of(split, "validation") == ["w2"]
    assert ids_of(split, "evaluation") == ["w7"]
    assert ids_of(split, "left out: not in split.file") == ["w1", "w4", "w5", "w6", "w8", "w9"]
    assert [IDS[i] for i in split.client_index] == split.client_id.tolist()
    excel = write_file(
        tmp_path / "excel.csv",
        "\ufeffname,client_group , client_id\r\na,training,w3\r\nb,training,w10\r\n"
        "c,validation,w2\r\n\r\nd,evaluation ,w7\r\n",
    )
    pd.testing.assert_frame_equal(named_clients(IDS, excel), split)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (ROWS + "w3,evaluation\n", r"line 6: client 'w3' stands there twice"),
        (ROWS + "w4,eval\n", r"line 6: the group of client 'w4' is 'eval'; it must be training,"),
        (ROWS + "w4\n", r"line 6 has 1 values, not 2"),
        (ROWS + "w99,training\n", "names the client 'w99', which the data do not hold"),
        (ROWS.replace("validation", "training"), r"names no validation client"),
        ("id,group\nw3,training\n", r"has the columns id, group; a CSV with the columns client_id"),
        ("", r"a CSV with the columns client_id,client_group is wanted"),
        (None, r"is no file: nothing is there"),
    ],
)
def test_a_file_that_cannot_be_meant(tmp_path, text, sentence):
    path = tmp_path / "groups.csv"
    if text is not None:
        write_file(path, text)
    with pytest.raises(PerfedavgError, match=sentence) as error:
        named_clients(IDS, path)
    assert "groups.csv" in str(error.value)
    assert str(error.value).count("\n") == 0


def store_of(folder, sizes, masked=()):
    """Clients with so many train and test examples; of those ``masked``, no label counts."""
    clients = []
    for name, (train, test) in sizes.items():
        y = np.full((train + test, 2), -1 if name in masked else 1)
        x = np.zeros((train + test, 2), dtype=np.int32)
        clients.append(ClientExamples(name, x[:train], y[:train], x[train:], y[train:]))
    write_store(folder, clients, 2, {"dataset": "glyphs62"})
    return ClientStore(folder)


SIZES = {"a": (3, 1), "b": (0, 2), "c": (2, 0), "d": (2, 2), "e": (0, 1), "f": (4, 4), "g": (1, 1)}


def test_clients_that_a_group_cannot_use_are_left_out_and_said(tmp_path, caplog):
    store = store_of(tmp_path, SIZES, masked="df")
    groups = ["training"] * 4 + ["validation", "evaluation", "evaluation"]
    split = pd.DataFrame({"client_id": list(SIZES), "client_index": range(7)})
    split["client_group"] = groups
    with caplog.at_level("WARNING", "perfedavg"):
        kept = leave_out_empty(split, store, refuse=False)
    assert ids_of(kept, "training") == ["a", "c"]
    assert ids_of(kept, "left out: no train labels") == ["b", "d"]
    assert ids_of(kept, "left out: no test labels") == ["f"], "all its labels are masked"
    assert sorted(ids_of(kept, "validation") + ids_of(kept, "evaluation")) == ["e", "g"]
    said = "2 training clients without train examples (the first: 'b', 'd') are left out, as the "
    assert said in caplog.text
    assert caplog.text.count("as the config asks (split.empty_clients: leave_out)") == 2
    assert "1 held-out clients have no train examples: their personalized model" in caplog.text
    said = caveat(store, kept, {"dataset": "emnist62"})
    assert "Clients left out: 2 (no train labels), 1 (no test labels)." in said
    assert "1 held-out clients have no train examples" in said
    with pytest.raises(PerfedavgError, match="There are 2 training clients without train examples"):
        leave_out_empty(split, store, refuse=True)


def test_a_group_with_no_client_left_is_refused(tmp_path):
    store = store_of(tmp_path, SIZES)
    split = named_clients(
        list(SIZES),
        write_file(
            tmp_path / "groups.csv",
            "client_id,client_group\na,training\nc,validation\ng,evaluation\n",
        ),
    )
    with pytest.raises(PerfedavgError, match="None of the 1 validation clients has a test example"):
        leave_out_empty(split, store, refuse=False)
