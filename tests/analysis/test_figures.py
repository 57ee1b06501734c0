"""Figures show what their data say, and are the same bytes for the same data."""

import re

import numpy as np
import pandas as pd
from PIL import Image

from perfedavg.analysis.figures.data_card import data_card_figure
from perfedavg.analysis.figures.rounds import ROUNDS_FIGURE, rounds_data, rounds_figure
from perfedavg.data.sets.glyphs62 import SYNTHETIC
from perfedavg.storage.tables import read_table
from tests.analysis.frames import RUNS, SELECTION, rows


def bytes_of(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_rounds_data_by_hand():
    data = rounds_data(rows(), RUNS, SELECTION)
    at = data.set_index(["local_epochs", "seed", "round", "model"]).accuracy
    np.testing.assert_allclose(at[2, 0, 10, "initial"], 0.3)
    np.testing.assert_allclose(at[2, 0, 10, "personalized"], 0.4)
    np.testing.assert_allclose(at[10, 0, 20, "personalized"], 0.45)
    assert (10, 1, 20, "initial") not in at.index, "that run diverged before"
    assert len(at) == 2 * 7


def test_rounds_figure_is_reproducible_and_says_what_it_is(tmp_path):
    data = rounds_data(rows(), RUNS, SELECTION)
    for name in "ab":
        (tmp_path / name).mkdir()
        rounds_figure(data, RUNS, 0.6, tmp_path / name / "rounds")
    files = bytes_of(tmp_path / "a")
    assert set(files) == {"rounds.png", "rounds.pdf", "rounds.svg", "rounds.csv"}
    assert files == bytes_of(tmp_path / "b")
    svg = files["rounds.svg"].decode()
    for text in (
        "M = 5, E = 2",
        "M = 5, E = 10",
        "communication round",
        "target 0.6",
        "n = 2 evaluation clients",
        SYNTHETIC,
    ):
        assert text in svg
    with Image.open(tmp_path / "a/rounds.png") as png:
        assert png.size[0] >= 800
    back = read_table(ROUNDS_FIGURE, tmp_path / "a/rounds.csv")
    pd.testing.assert_frame_equal(back, data, check_dtype=False, rtol=1e-5)


def test_settings_that_diverged_keep_their_panel_and_are_counted(tmp_path):
    data = rounds_data(rows().iloc[:0], RUNS.assign(status="diverged at round 1"), SELECTION)
    rounds_figure(data, RUNS.assign(status="diverged at round 1"), 0.6, tmp_path / "none")
    svg = (tmp_path / "none.svg").read_text()
    assert svg.count("2 of 2 runs diverged") == 2
    texts = " ".join(re.findall(r">([^<>]+)</(?:text|tspan)>", svg))
    assert "no run reached the last round" in texts, "also where it is wrapped"
    rounds_figure(rounds_data(rows(), RUNS, SELECTION), RUNS, 0.6, tmp_path / "one")
    assert (tmp_path / "one.svg").read_text().count("1 of 2 runs diverged") == 1


def test_data_card_figure_is_reproducible(tmp_path):
    sheet = np.random.default_rng(0).random((3, 5, 28, 28))
    for name in "ab":
        data_card_figure(
            sheet,
            np.array([3, 4, 5]),
            np.arange(62),
            "glyphs62",
            SYNTHETIC,
            tmp_path / name / "data_card",
        )
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
    assert SYNTHETIC in (tmp_path / "a/data_card.svg").read_text()
