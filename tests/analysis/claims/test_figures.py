"""The figures about claims: their data, and that they can be drawn, also with little to show."""

import re

import pandas as pd
import pytest

from perfedavg.analysis.figures import claims, paper_claims, style, table1_vs_paper
from perfedavg.analysis.inputs import PAPER
from perfedavg.analysis.products import call
from perfedavg.storage.tables import read_table
from tests.analysis.claims import made_up
from tests.analysis.claims.test_verdicts import FILE, ROOT, measures


def values(made, **changed):
    runs, _, selection, rates = made
    found = measures(*made)
    return {
        "evaluation": found.evaluation,
        "comparison_evaluation": pd.DataFrame(),
        "grid_validation": found.validation,
        "theory_rows": pd.DataFrame(),
        "runs": runs,
        "selection": selection,
        "server_rates": rates,
        "registered": {"a" * 40: FILE},
        "other_data": None,
        "reference": made_up.REFERENCE,
        "claims": FILE,
        "undecided": "",
        "caveat": "made up",
        "paper": read_table(PAPER, ROOT / "config/paper_targets.csv"),
    } | changed


@pytest.fixture(scope="module")
def made():
    return made_up.experiment()


def test_every_seed_is_a_point_and_the_figure_is_drawn(made, tmp_path):
    style.make(claims, values(made), tmp_path / "claims")
    data = read_table(claims.CONTRACT, tmp_path / "claims.csv")
    c2a = data[data.id == "C2a"]
    assert list(c2a.seed) == list(made_up.SEEDS)
    assert c2a["value"].mean() == pytest.approx(c2a.estimate.iloc[0], abs=1e-5)
    assert set(data.verdict) >= {"supported", "refuted"}
    ratio = data[data.id == "C10-M5"]
    assert len(ratio) == 1, "no mean over seeds"
    first = (tmp_path / "claims.svg").read_bytes()
    style.make(claims, values(made), tmp_path / "claims")
    assert (tmp_path / "claims.svg").read_bytes() == first


def test_runs_that_may_not_decide_say_so(made, tmp_path):
    style.make(claims, values(made, undecided="not the paper's data"), tmp_path / "claims")
    data = read_table(claims.CONTRACT, tmp_path / "claims.csv")
    assert set(data.verdict) == {"not tested"}


def test_nothing_measured_is_drawn_all_the_same(made, tmp_path):
    runs = made[0]
    few = runs[runs.setting == "fedavg-m20-e2"]
    asked = values(made, runs=few.assign(clients_per_round=7))
    style.make(claims, asked, tmp_path / "claims")
    assert (tmp_path / "claims.png").stat().st_size > 1000
    figure = call(claims.draw, asked, call(claims.compute, asked))
    assert figure.axes == [], "a sentence, and no empty axis"
    assert re.fullmatch(r"No effect of the \d+ claims could be measured[^.]*\.", figure.get_label())


def test_the_papers_own_table(made, tmp_path):
    style.make(paper_claims, values(made), tmp_path / "paper_claims")
    data = read_table(paper_claims.CONTRACT, tmp_path / "paper_claims.csv")
    assert set(data.num_runs) == {7, 10, 14}


def test_ours_beside_the_papers(made, tmp_path):
    rows = pd.DataFrame(
        {
            "clients_per_round": 5,
            "local_epochs": [2, 5],
            "model": ["initial", "personalized"],
            "mean": [0.7, 0.8],
            "std": [0.01, None],
            "num_seeds": 7,
            "paper_mean": [0.75, None],
            "paper_std": [0.02, None],
            "caveat": "",
        }
    )
    figure = table1_vs_paper.draw(rows, "")
    style.save_figure(figure, tmp_path / "table1_vs_paper")
    assert (tmp_path / "table1_vs_paper.png").stat().st_size > 1000
