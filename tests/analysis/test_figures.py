"""Figures show what their data say, and are the same bytes for the same data."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydantic import ValidationError

from perfedavg.analysis.figures import data_card, rounds, style
from perfedavg.analysis.products import call
from perfedavg.config.figures import Figures
from perfedavg.data.sets.dialogue import Dialogue
from perfedavg.data.sets.glyphs62 import SYNTHETIC
from perfedavg.data.store import ClientExamples, write_store
from perfedavg.storage.tables import read_table
from tests.analysis.frames import RUNS, SELECTION, rows, save
from tests.conftest import make_client


def bytes_of(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def save_rounds(base, evaluation=None, runs=RUNS):
    evaluation = rows() if evaluation is None else evaluation
    values = {"runs": runs, "selection": SELECTION, "target": 0.6}
    save(rounds, base, grid_evaluation=evaluation, **values)


def test_rounds_data_by_hand():
    data = rounds.compute(rows(), RUNS, SELECTION)
    at = data.set_index(["local_epochs", "seed", "round", "model"]).accuracy
    np.testing.assert_allclose(at[2, 0, 10, "initial"], 0.3)
    np.testing.assert_allclose(at[2, 0, 10, "personalized"], 0.4)
    np.testing.assert_allclose(at[10, 0, 20, "personalized"], 0.45)
    assert (10, 1, 20, "initial") not in at.index, "that run diverged before"
    assert len(at) == 2 * 7


def test_rounds_figure_is_reproducible_and_says_what_it_is(tmp_path):
    for name in "ab":
        save_rounds(tmp_path / name / "rounds")
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
    back = read_table(rounds.CONTRACT, tmp_path / "a/rounds.csv")
    data = rounds.compute(rows(), RUNS, SELECTION)
    pd.testing.assert_frame_equal(back, data, check_dtype=False, rtol=1e-5)


def test_the_legend_of_rounds_shows_the_lines_as_they_are():
    values = {"grid_evaluation": rows(), "runs": RUNS, "selection": SELECTION, "target": 0.6}
    figure = call(rounds.draw, values, call(rounds.compute, values))
    for handle in figure.legends[0].legend_handles[:2]:
        line, points = (
            next(
                drawn
                for drawn in figure.axes[0].lines
                if drawn.get_color() == handle.get_color()
                and (drawn.get_linestyle() in ("None", "")) == are_points
            )
            for are_points in (False, True)
        )
        assert handle.get_linestyle() == line.get_linestyle()
        assert handle.get_linewidth() == line.get_linewidth()
        assert handle.get_marker() == points.get_marker()
        assert handle.get_markersize() == points.get_markersize()


def test_settings_that_diverged_keep_their_panel_and_are_counted(tmp_path):
    save_rounds(tmp_path / "none", rows().iloc[:0], RUNS.assign(status="diverged at round 1"))
    svg = (tmp_path / "none.svg").read_text()
    assert svg.count("2 of 2 runs diverged") == 2
    texts = " ".join(re.findall(r"<!-- (.*?) -->", svg))
    assert "no run reached the last round" in texts, "also where it is wrapped"
    save_rounds(tmp_path / "one")
    assert (tmp_path / "one.svg").read_text().count("1 of 2 runs diverged") == 1


def test_data_card_figure_shows_the_store_and_is_reproducible(store, tmp_path):
    for name in "ab":
        split = pd.DataFrame({"client_index": range(12), "client_group": "training"})
        split.loc[3, "client_group"] = "left out: no train labels"
        values = {"store": tmp_path / "store", "data_block": {"dataset": "glyphs62"}}
        values["called"] = "glyphs62"
        values["split"] = split
        save(data_card, tmp_path / name / "data_card", **values, show_examples=True)
    save(data_card, tmp_path / "statistics/data_card", **values, show_examples=False)
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
    svg = (tmp_path / "a/data_card.svg").read_text()
    assert SYNTHETIC in svg
    assert "n = 12 writers (1 left out included)" in svg
    assert f"<!-- {store.column('client_id')[0]} -->" in svg, "rows bear their clients' ids"
    data = read_table(data_card.CONTRACT, tmp_path / "a/data_card.csv")
    sizes, shares, *divergences = (data[data.shown == shown] for shown in data.shown.unique())
    assert sizes["value"].tolist() == [len(store.client(i).train_y) for i in range(len(store))]
    assert shares["index"].tolist() == list(range(62))
    assert shares["value"].sum() == pytest.approx(1)
    assert [len(rows) for rows in divergences] == [len(store)] * 2
    assert "<image" in (tmp_path / "a/data_card.svg").read_text()
    assert "<image" not in (tmp_path / "statistics/data_card.svg").read_text(), (
        "no pixel of a client"
    )


def card(store_folder, block, clients, num_classes):
    """The data card of these clients, drawn."""
    write_store(store_folder, clients, num_classes, block)
    split = pd.DataFrame({"client_index": range(len(clients)), "client_group": "training"})
    values = {"store": store_folder, "split": split, "data_block": block, "called": "any"}
    values["show_examples"] = True
    figure = call(data_card.draw, values, call(data_card.compute, values))
    figure.draw_without_rendering()
    return {axis.get_xlabel().split("\n")[0]: axis for axis in figure.axes}


def ticks(axis):
    low, high = axis.get_xlim()
    return [at for at in axis.get_xticks() if low <= at <= high]


def test_sizes_of_clients_that_are_all_equal_are_whole_numbers(tmp_path):
    clients = [make_client(i, n_train=14) for i in range(3)]
    sizes = card(tmp_path, {"dataset": "glyphs62"}, clients, 62)["train examples per writer"]
    assert 14 in ticks(sizes)
    assert len(ticks(sizes)) <= 5
    assert all(at == int(at) for axis in (sizes.xaxis, sizes.yaxis) for at in axis.get_ticklocs())


@pytest.mark.parametrize("num_tokens", [28, 80])
def test_tokens_are_named_so_that_they_can_be_read(num_tokens, tmp_path):
    block, rng = {"dataset": "dialogue"}, np.random.default_rng(0)
    frequency = 0.9 ** np.arange(num_tokens)
    clients = []
    for i in range(3):
        y = rng.choice(num_tokens, (40, 20), p=frequency / frequency.sum())
        y[:4] = np.arange(80).reshape(4, 20) % num_tokens
        clients.append(ClientExamples(f"r{i}", y, y, y, y))
    axes = card(tmp_path, block, clients, Dialogue.num_classes)
    axis = next(axis for label, axis in axes.items() if label.startswith("next token"))
    assert (len(axis.patches), len(axis.get_xticks())) == (min(num_tokens, 30),) * 2
    assert ("30 most frequent of 80" in axis.get_xlabel()) == (num_tokens == 80)
    boxes = [text.get_window_extent() for text in axis.get_xticklabels()]
    overlap = [(a.x1 - b.x0) / min(a.width, b.width) for a, b in itertools.pairwise(boxes)]
    assert max(overlap) < 0.2
    right = axes["label divergence"].get_window_extent().x1
    assert right > 0.93 * axis.figure.bbox.width, "no space is left unused"


def test_a_line_is_over_one_set_of_clients():
    """Client B is evaluated in the last round alone; with it that mean is 0.1 lower."""
    evaluation = rows()
    early = (evaluation["round"] == 10) & (evaluation.client_id == "B")
    data = rounds.compute(evaluation[~early], RUNS, SELECTION)
    at = data.set_index(["local_epochs", "seed", "round", "model"])
    first, last = at.loc[(2, 0, 10, "initial")], at.loc[(2, 0, 20, "initial")]
    assert first.accuracy == pytest.approx(0.3 + 0.1)
    assert first.accuracy_same_clients == pytest.approx(0.3 + 0.1)
    assert last.accuracy == pytest.approx(0.4)
    assert last.accuracy_same_clients == pytest.approx(0.4 + 0.1)
    assert (last.num_clients, last.num_same_clients) == (2, 1)
    assert first.num_same_clients == 1


def test_a_line_is_over_the_runs_that_went_all_the_way():
    data = pd.DataFrame({"seed": [0, 0, 1], "round": [10, 20, 10]})
    assert style.whole_runs(data).seed.tolist() == [0, 0]


def test_names_of_lines_do_not_overlap_and_keep_their_order():
    figure, axis = style.subplots(figsize=(3, 3))
    axis.set(xlim=(0, 1), ylim=(0, 1))
    style.label_ends(axis, [("b", 1, 0.5, "k"), ("a", 1, 0.49, "k"), ("c", 1, 0.95, "k")])
    figure.draw_without_rendering()
    boxes = {text.get_text(): text.get_window_extent() for text in axis.texts}
    assert boxes["a"].y1 <= boxes["b"].y0
    assert boxes["b"].y1 <= boxes["c"].y0


def test_every_style_of_a_line_differs_in_more_than_its_colour():
    looks = [(look["marker"], str(look["linestyle"])) for look in style.SERIES]
    assert len(set(looks)) == len(looks)
    assert len({marker for marker, _ in looks}) == len(looks)


def test_the_initial_and_the_personalized_model_have_their_looks_for_themselves():
    for look in style.SERIES:
        assert look["color"] not in style.COLORS.values()
        assert look["marker"] not in style.MARKERS.values()
    defaults = Figures()
    assert defaults.series == tuple(look["color"] for look in style.SERIES)
    assert {"initial": defaults.initial, "personalized": defaults.personalized} == style.COLORS


def test_colours_and_dots_per_inch_are_the_configs(tmp_path):
    config = Figures(initial="#AA3377", dpi=50)
    values = {"runs": RUNS, "selection": SELECTION, "grid_evaluation": rows(), "target": 0.6}
    save(rounds, tmp_path / "before", **values)
    save(rounds, tmp_path / "own", **values, style=config.model_dump(mode="json"))
    save(rounds, tmp_path / "after", **values)
    before, own = ((tmp_path / f"{name}.svg").read_text() for name in ("before", "own"))
    assert "#aa3377" in own
    assert "#0173b2" not in own
    assert "#0173b2" in before
    assert (tmp_path / "after.svg").read_text().replace(">after<", ">before<") == before
    widths = []
    for name in ("before", "own"):
        with Image.open(tmp_path / f"{name}.png") as image:
            widths.append(image.width)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.01)
    assert (tmp_path / "own.csv").read_bytes() == (tmp_path / "before.csv").read_bytes()
    with pytest.raises(ValidationError, match="initial"):
        Figures(initial="pink")
