"""Table and figure ``theory``, from small hand-made measurements."""

import numpy as np
import pandas as pd
import pytest

from perfedavg.analysis.figures import theory as figure
from perfedavg.analysis.figures.theory import PANELS
from perfedavg.analysis.tables import theory
from perfedavg.data.sets.glyphs62 import SYNTHETIC
from perfedavg.storage.tables import read_table, spec_of
from perfedavg.training.theory import THEORY_MEASURED
from tests.analysis.frames import save


@pytest.fixture
def measured():
    """Two seeds, rounds 5 and 10, K = 1 and 2, two kinds of batches; seed 1 diverged before round
    10. Every value differs."""
    frames = []
    for seed, rounds in enumerate(((5, 10), (5,))):
        keys = [
            (n, k, seed, b) for n in rounds for b in ("full-batch", "mini-batch") for k in (1, 2)
        ]
        frame = pd.DataFrame(keys, columns=["round", "k", "seed", "batches"])
        for i, name in enumerate(list(THEORY_MEASURED)[4:]):
            frame[name] = 0.01 * i + 0.1 * seed + 0.2 * (frame.k - 1)
        frame["residual"] = np.where(frame.k == 1, 0.0, (1 + seed) * 1e-16)
        frames.append(frame[list(THEORY_MEASURED)])
    return pd.concat(frames, ignore_index=True)


def asked(measured):
    return {"theory_rows": measured, "caveat": SYNTHETIC, "clients": 10, "models": 4}


def test_the_table_holds_all_that_was_measured_and_the_caveat():
    specs = [(name, spec_of(column)) for name, column in theory.CONTRACT.items()]
    assert specs == [*THEORY_MEASURED.items(), ("caveat", "str")]
    assert list(theory.CONTRACT)[:5] == ["round", "k", "seed", "batches", "residual"]


def test_table_in_three_forms(measured, tmp_path):
    table = theory.compute(measured, SYNTHETIC)
    assert table[["round", "k", "seed"]].apply(tuple, axis=1).is_monotonic_increasing
    assert len(table) == 8 + 4
    save(theory, tmp_path / "theory", **asked(measured))
    back = read_table(theory.CONTRACT, tmp_path / "theory.csv")
    pd.testing.assert_frame_equal(back, table, check_dtype=False, rtol=1e-5)
    text = (tmp_path / "theory.md").read_text()
    assert SYNTHETIC in text
    assert "cohorts of 10 training clients" in text
    assert "bfseries" not in (tmp_path / "theory.tex").read_text()


def test_readable_takes_means_over_seeds_and_the_largest_residual(measured):
    shown = theory.shown(theory.compute(measured, "")).set_index(["batches", "round", "K"])
    at = shown.loc[("mini-batch", 5, 2)]
    assert at["residual"] == "2.0e-16"
    assert at["seeds"] == 2
    names = list(THEORY_MEASURED)[4:]
    for name, column in (
        ("cos(MAML, FedAvg)", "cos_maml_fedavg"),
        ("cos(FOMAML, MAML)", "cos_fomaml_maml"),
        ("norm, FOMAML / MAML", "norm_ratio_fomaml_maml"),
        ("norm, printed MAML / MAML", "norm_ratio_maml_printed_maml"),
        ("with other batches", "residual_other_batches"),
    ):
        assert at[name] == f"{0.01 * names.index(column) + 0.05 + 0.2:.3f}"
    assert shown.loc[("mini-batch", 10, 2)]["seeds"] == 1
    assert shown.loc[("full-batch", 5, 1)]["residual"] == "0"


def test_the_figure_shows_its_data_and_is_the_same_bytes_again(measured, tmp_path):
    for name in "ab":
        save(figure, tmp_path / name / "theory", **asked(measured))
    first, second = ({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in "ab")
    assert set(first) == {"theory.png", "theory.pdf", "theory.svg", "theory.csv"}
    assert first == second
    data = read_table(figure.CONTRACT, tmp_path / "a/theory.csv")
    expected = figure.compute(measured, SYNTHETIC)
    pd.testing.assert_frame_equal(data, expected, check_dtype=False, rtol=1e-5)
    table = theory.compute(measured, SYNTHETIC)
    assert len(data) == 12 * sum(map(len, PANELS.values()))
    cosines = data[(data.panel == "cosine with MAML") & (data.name == "FOMAML(K)")]
    np.testing.assert_allclose(cosines["value"], table.cos_fomaml_maml, rtol=1e-5)
    svg = first["theory.svg"].decode()
    for text in (
        "n = 3 checkpoints of 4, whose runs did not diverge",
        "rounds 5, 10; 2 seeds",
        "control: other batches",
        SYNTHETIC,
    ):
        assert text in svg


def test_where_all_runs_diverged_table_and_figure_say_so(measured, tmp_path):
    save(theory, tmp_path / "table/theory", **asked(measured.iloc[:0]))
    assert "All runs diverged" in (tmp_path / "table/theory.md").read_text()
    assert read_table(theory.CONTRACT, tmp_path / "table/theory.csv").empty
    save(figure, tmp_path / "figure/theory", **asked(measured.iloc[:0]))
    svg = (tmp_path / "figure/theory.svg").read_text()
    assert svg.count("all runs diverged") == len(PANELS)
    assert SYNTHETIC in svg
