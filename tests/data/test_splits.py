import numpy as np
import pandas as pd
import pytest

from perfedavg.data.splits import read_group, split_clients, write_split
from perfedavg.errors import PerfedavgError

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
    assert split.client_group.value_counts().to_dict() == {"training": 4, "validation": 2, "evaluation": 4}


def test_validation_clients_are_a_random_draw_of_the_held_out():
    drawn = [frozenset(ids_of(split_clients(IDS, "sorted", 4, 2, seed=s), "validation")) for s in range(40)]
    assert len(set(drawn)) > 8, "15 pairs are possible"
    assert set().union(*drawn) == set(sorted(IDS)[4:])


def test_too_few_clients():
    with pytest.raises(PerfedavgError, match=r"hold 10 clients, but .* need 11"):
        split_clients(IDS, "sorted", 8, 2, seed=42)


def test_written_and_read(tmp_path):
    split = split_clients(IDS, "shuffled", 4, 2, seed=42)
    write_split(tmp_path / "split.csv", split)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "split.csv"), split)
    assert [IDS[i] for i in read_group(tmp_path / "split.csv", "evaluation")] == ids_of(split, "evaluation")
