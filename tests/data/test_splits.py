import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from perfedavg.data.splits import read_group, split_clients, write_split
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
