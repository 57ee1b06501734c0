"""The comparison with an independent run: what is pooled, what is compared, when it disagrees."""

import pandas as pd
import pytest

from perfedavg.analysis.agreement import agreement, held_out_means

INDEPENDENT = pd.DataFrame(
    {
        "model": ["FedAvg", "FedAvg", "FedAvg", "centralized"],
        "seed": [0, 1, 0, 0],
        "trained": [20, 20, 40, 2],
        "epoch0": [0.70, 0.72, 0.80, 0.81],
        "epoch1": [0.73, 0.73, 0.82, 0.82],
    }
)


def test_both_groups_are_pooled_and_needed():
    rows = pd.DataFrame(
        [
            (20, 0, "validation", 0.6),
            (20, 0, "evaluation", 0.8),
            (20, 0, "evaluation", 0.7),
            (40, 0, "evaluation", 0.9),
        ],
        columns=["round", "epoch", "client_group", "accuracy"],
    )
    assert held_out_means(rows).to_dict() == {(20, 0): pytest.approx(0.7)}


def test_differences_tolerances_and_verdicts():
    ours = pd.Series({(20, 0): 0.755, (20, 1): 0.79, (40, 0): 0.769, (40, 1): 0.81})
    table = (
        agreement({"FedAvg": [ours]}, INDEPENDENT)
        .query("model == 'FedAvg'")
        .set_index(["trained", "fine-tune epoch"])
    )
    assert table.difference.round(3).to_dict() == {
        (20, 0): 0.045,
        (20, 1): 0.06,
        (40, 0): -0.031,
        (40, 1): -0.01,
    }
    assert table.agrees.to_dict() == {(20, 0): "yes", (20, 1): "NO", (40, 0): "NO", (40, 1): "yes"}


def test_what_is_missing_does_not_agree():
    table = agreement({"FedAvg": [pd.Series({(20, 0): 0.71})]}, INDEPENDENT)
    verdicts = {
        (row.model, row.trained, row["fine-tune epoch"]): row.agrees for _, row in table.iterrows()
    }
    assert verdicts == {
        ("FedAvg", 20, 0): "yes",
        ("FedAvg", 20, 1): "NO",
        ("FedAvg", 40, 0): "NO",
        ("FedAvg", 40, 1): "NO",
        ("centralized", 2, 0): "NO",
    }
