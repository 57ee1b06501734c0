"""Sorted against shuffled ids: the other experiment's numbers, and the difference."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from perfedavg.analysis.figures import split_sensitivity
from perfedavg.storage.contracts import PERSONALIZATION
from tests.analysis.frames import RUNS, SELECTION, rows, save


@pytest.fixture
def other(tmp_path):
    """The same experiment with sorted ids, 0.04 worse, with one more setting."""
    folder = tmp_path / "sorted"
    (folder / "personalization").mkdir(parents=True)
    more = RUNS[:1].assign(run_id="fedavg-m9-e9-s0", setting="fedavg-m9-e9", clients_per_round=9)
    pd.concat([RUNS, more]).assign(split="sorted").to_csv(folder / "runs.csv", index=False)
    SELECTION.save(folder / "selection.json")
    worse = rows().assign(client_group="evaluation")
    worse["num_test"] = worse.num_test_labels
    worse["accuracy"] -= 0.04
    for run_id, table in worse.groupby("run_id"):
        table[list(PERSONALIZATION)].to_parquet(folder / f"personalization/{run_id}.parquet")
    return folder


def test_both_orders_stand_side_by_side_with_welchs_interval(other, tmp_path):
    ours = RUNS.assign(split="shuffled")
    values = {"runs": ours, "selection": SELECTION, "grid_evaluation": rows(), "caveat": "none"}
    save(split_sensitivity, tmp_path / "split", **values, other_split=other)
    data = pd.read_csv(tmp_path / "split.csv")
    assert set(data.setting) == {"fedavg-m5-e2", "fedavg-m5-e10"}, "of both experiments"
    at = data.set_index(["setting", "model", "split", "seed"]).accuracy
    for model, by_seed in (("initial", (0.40, 0.50)), ("personalized", (0.60, 0.70))):
        for seed, accuracy in enumerate(by_seed):
            assert at["fedavg-m5-e2", model, "shuffled", seed] == pytest.approx(accuracy)
            assert at["fedavg-m5-e2", model, "sorted", seed] == pytest.approx(accuracy - 0.04)
    said = re.search(
        r"<dc:description>(.*?)</dc:description>", (tmp_path / "split.svg").read_text()
    )
    a, b = np.array([0.40, 0.50]), np.array([0.36, 0.46])
    interval = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    assert "shuffled minus sorted: +4.0 points" in said[1]
    assert f"{100 * interval.low:+.1f} to {100 * interval.high:+.1f}" in said[1]
