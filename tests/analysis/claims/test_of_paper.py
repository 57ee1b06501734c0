"""The paper's own table: t values that anyone can compute by hand."""

import pandas as pd
import pytest

from perfedavg.analysis.claims.of_paper import verdicts


@pytest.fixture(scope="module")
def table():
    found = verdicts(pd.read_csv("config/paper_targets.csv"))
    return found[found.num_runs == 10].set_index("id")


@pytest.mark.parametrize(
    ("claim", "t", "verdict"),
    [
        ("C7-personalized", (0.9057 - 0.9032) / (2 * 0.0017**2 / 10) ** 0.5, "supported"),
        ("C8-personalized", 0.0038 / ((0.0023**2 + 0.0021**2) / 10) ** 0.5, "supported"),
        ("C7-initial", 0.0009 / ((0.0036**2 + 0.0084**2) / 10) ** 0.5, "inconclusive"),
        ("C8-initial", 0.0149 / ((0.0512**2 + 0.0316**2) / 10) ** 0.5, "inconclusive"),
    ],
)
def test_best_settings(table, claim, t, verdict):
    assert table.loc[claim, "t"] == pytest.approx(t, rel=1e-6)
    assert table.loc[claim, "verdict"] == verdict


def test_a_larger_gain_at_m_5_is_not_carried_at_e_5(table):
    assert table.loc["C9-more-E5", "t"] == pytest.approx(0.59, abs=0.01)
    assert table.loc["C9-more-E5", "verdict"] == "inconclusive"


def test_margins_are_half_of_a_difference_below_two_points(table):
    assert table.loc["C7-personalized", "margin"] == pytest.approx(0.00125)
    assert table.loc["C12-M5-initial", "margin"] == 0.01
