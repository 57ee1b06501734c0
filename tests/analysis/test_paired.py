"""Stage 2, baselines and their figures, against numbers worked out by hand."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats

from perfedavg.analysis.figures import clients_before_after, finetune_curve, stage2
from perfedavg.analysis.paired import (
    PAIRED,
    baseline_models,
    difference_over_seeds,
    hurt_share,
    paired_shown,
    paired_table,
    stage2_models,
)
from perfedavg.analysis.products import call
from perfedavg.analysis.tables import stage2 as stage2_table
from perfedavg.data.sets.glyphs62 import SYNTHETIC
from perfedavg.storage.tables import read_table
from tests.analysis.frames import save, selected

# setting -> (study, algorithm, variant, stage, last round, accuracies of clients A and B after
# epochs 0, 1, 2; seed 1 is 0.1 higher)
REFERENCE = "fedavg-m5-e10"
ADAM = f"{REFERENCE}.reptile-k10-adam-lr0.001-b0.9"
# Settings have names that say nothing: what they are stands in columns.
CONTINUED, FEWER, SLOWER, BEST, ALONE = "one", "two", "three", "four", "five"
SETTINGS = {
    REFERENCE: ("grid", "fedavg", "", 1, 10, [(0.4, 0.6), (0.5, 0.5), (0.6, 0.7)]),
    ADAM: ("stage2", "reptile", "", 2, 20, [(0.5, 0.7), (0.7, 0.6), (0.1, 0.1)]),
    "other adam": ("stage2", "reptile", "", 2, 20, [(0.9, 0.9), (0.9, 0.9), (0.9, 0.9)]),
    CONTINUED: ("stage2", "fedavg", "", 2, 20, [(0.5, 0.5), (0.6, 0.6), (0.7, 0.8)]),
    FEWER: ("stage2", "fedavg", "", 2, 20, [(0.5, 0.5), (0.4, 0.4), (0.3, 0.3)]),
    SLOWER: ("stage2", "fedavg", "", 2, 20, [(0.5, 0.5), (0.4, 0.4), (0.3, 0.3)]),
    BEST: ("baseline", "centralized", "best", 1, 7, [(0.8, 0.8), (0.8, 0.7), (0.7, 0.6)]),
    ALONE: ("baseline", "local_only", "", 1, 0, [(0.0, 0.0), (0.2, 0.3), (0.3, 0.4)]),
}
EPOCHS = {setting: 1 if "adam" in setting else 2 for setting in SETTINGS}
SELECTION = selected(EPOCHS, {"adam": ADAM})
RUNS = pd.DataFrame(
    [
        {
            "run_id": f"{setting}-s{seed}",
            "setting": setting,
            "study": study,
            "algorithm": algorithm,
            "variant": variant,
            "stage": stage,
            "rounds": last,
            "seed": seed,
            "status": "finished",
            "caveat": SYNTHETIC,
            "clients_per_round": 5,
            "local_epochs": 2 if setting == FEWER else 10,
            "local_steps": None,
            "client_lr": 0.005 if setting == SLOWER else 0.05,
        }
        for setting, (study, algorithm, variant, stage, last, _) in SETTINGS.items()
        for seed in (0, 1)
    ]
)
SIZES = {"A": (5, 10), "B": (50, 30)}  # train and test examples


def rows():
    out = []
    for setting, (*_, stage, last, curve) in SETTINGS.items():
        for seed in (0, 1):
            for round_number in [last] if stage == 1 else [15, last]:
                for epoch, accuracies in enumerate(curve):
                    for client, accuracy in zip("AB", accuracies, strict=True):
                        shifted = accuracy + 0.1 * seed - (0.05 if round_number == 15 else 0)
                        run = f"{setting}-s{seed}", round_number
                        out.append((*run, client, *SIZES[client], epoch, shifted))
    columns = ["run_id", "round", "client_id", "num_train", "num_test", "epoch", "accuracy"]
    frame = pd.DataFrame(out, columns=columns)
    return frame.assign(num_test_labels=frame.num_test, loss=1.0)


MODELS = stage2_models(RUNS, SELECTION, REFERENCE)
SPENT = pd.DataFrame(
    [
        (f"{setting}-s{seed}", 100 * (seed + 1))
        for setting in (ADAM, CONTINUED)
        for seed in (0, 1)
        for _ in range(3)
    ],
    columns=["run_id", "gradient_evaluations"],
)
VALUES = {"runs": RUNS, "selection": SELECTION, "reference": REFERENCE, "caveat": SYNTHETIC}
VALUES["stage2_rounds"] = SPENT


@pytest.fixture
def table():
    return stage2_table.compute(rows(), RUNS, SELECTION, SPENT, REFERENCE).set_index("model")


def test_models_are_the_chosen_reptile_and_the_controls():
    assert {
        "FedAvg, stage 1": REFERENCE,
        "Reptile/Adam": ADAM,
        "FedAvg continued": CONTINUED,
        "FedAvg, E = 2": FEWER,
        "FedAvg, client rate / 10": SLOWER,
    } == MODELS
    assert baseline_models(RUNS, SELECTION, REFERENCE) == {
        "FedAvg": REFERENCE,
        "Personalized FedAvg": ADAM,
        "centralized, best": BEST,
        "local only": ALONE,
    }
    assert "Personalized FedAvg" not in baseline_models(RUNS, selected(EPOCHS), REFERENCE)
    steps = RUNS.assign(
        local_steps=RUNS.local_epochs, local_epochs=pd.array([None] * len(RUNS), dtype="Int64")
    )
    assert stage2_models(steps, SELECTION, REFERENCE)["FedAvg, K = 2"] == FEWER


def test_stage2_by_hand(table):
    adam = table.loc["Reptile/Adam"]
    assert adam.initial_mean == pytest.approx(0.65), "clients (0.5 + 0.7) / 2, seeds 0.6 and 0.7"
    assert adam.initial_std == pytest.approx(0.1 / np.sqrt(2))
    assert adam.personalized_mean == pytest.approx(0.70), "its own selected epoch 1, not 2"
    assert adam.initial_pooled_mean == pytest.approx((0.5 * 10 + 0.7 * 30) / 40 + 0.05)
    assert adam.personalized_pooled_mean == pytest.approx((0.7 * 10 + 0.6 * 30) / 40 + 0.05)
    assert adam.difference_initial == pytest.approx(0.1)
    assert adam.difference_personalized == pytest.approx(0.65 - 0.75)
    assert adam.hurt_share == 0.5, "client B, in both seeds"
    assert (adam["rounds"], adam.num_seeds, adam.num_clients, adam.selected_epoch) == (20, 2, 2, 1)
    assert np.isnan(table.loc["FedAvg continued"].difference_initial)
    assert table.loc["FedAvg, stage 1", "difference_personalized"] == pytest.approx(-0.1)


def test_differences_are_within_a_seed():
    """Where one seed of a model is missing, its difference is to the same seed of the other."""
    some = rows()[lambda t: t.run_id != f"{ADAM}-s0"]
    runs = RUNS.assign(
        status=np.where(RUNS.run_id == f"{ADAM}-s0", "diverged at round 12", "finished")
    )
    adam = (
        paired_table(some, runs, SELECTION, MODELS, "FedAvg continued")
        .set_index("model")
        .loc["Reptile/Adam"]
    )
    assert adam.difference_initial == pytest.approx(0.1)
    assert (adam.num_seeds, adam.num_diverged) == (2, 1)


def test_a_model_whose_runs_all_diverged_keeps_its_row():
    selection = selected(EPOCHS | {CONTINUED: None}, {"adam": ADAM})
    continued = RUNS.setting == CONTINUED
    some = rows()[lambda t: ~t.run_id.isin(RUNS.run_id[continued])]
    runs = RUNS.assign(status=np.where(continued, "diverged at round 12", "finished"))
    table = stage2_table.compute(some, runs, selection, SPENT, REFERENCE)
    shown = paired_shown(table).set_index("model")
    assert shown.loc["FedAvg continued", "initial accuracy"] == "diverged"
    assert table.difference_initial.isna().all()


def test_centralized_stops_of_several_passes_have_no_single_round():
    runs = RUNS.assign(rounds=np.where(RUNS.run_id == f"{BEST}-s1", 9, RUNS["rounds"]))
    evaluation = rows()
    evaluation.loc[evaluation.run_id == f"{BEST}-s1", "round"] = 9
    models = {"centralized, best": BEST, "local only": ALONE}
    table = paired_table(evaluation, runs, SELECTION, models, "centralized, best")
    assert pd.isna(table["rounds"][0])
    assert table.initial_mean[0] == pytest.approx(0.85)
    shown = paired_shown(table)
    assert shown["rounds"].tolist() == ["passes chosen by seed", ""]
    assert shown["initial accuracy"].tolist() == ["0.8500 (0.0707)", ""], (
        "an untrained model is no number worth showing"
    )


def test_hurt_share_leaves_out_clients_without_a_test():
    clients = pd.DataFrame(
        {"initial": [0.5, 0.5, np.nan, 0.5], "personalized": [0.4, 0.5, np.nan, 0.6]}
    )
    assert hurt_share(clients) == pytest.approx(1 / 3)
    assert np.isnan(hurt_share(clients.iloc[:0]))


def test_gain_by_size_is_the_mean_of_each_quarter():
    n = 8
    clients = pd.DataFrame(
        {"client_id": list("abcdefgh"), "num_train": range(1, n + 1), "initial": 0.5}
    )
    clients["personalized"] = 0.5 + clients.num_train / 100
    groups = clients_before_after.gain_by_size(clients)
    np.testing.assert_allclose(groups.num_train, [1.5, 3.5, 5.5, 7.5])
    np.testing.assert_allclose(groups.gain, [0.015, 0.035, 0.055, 0.075])
    np.testing.assert_allclose(groups.error, 0.005)


def test_shifted_points_stay_in_range_and_on_their_side_of_the_diagonal():
    initial = np.array([1.0, 1.0, 0.0, 0.5, 0.999] * 20)
    personalized = np.array([1.0, 0.9, 0.001, 0.5, 1.0] * 20)
    shifts = clients_before_after.shifts_along_diagonal(initial, personalized)
    assert abs(shifts).max() <= clients_before_after.SHIFT
    moved = np.concatenate([initial + shifts, personalized + shifts])
    assert 0 <= moved.min() <= moved.max() <= 1
    assert len(np.unique(shifts[::5])) == 20, "equal points come apart"


def test_accuracy_axes_end_at_one_and_a_gain_of_next_to_nothing_looks_like_it():
    evaluation = rows().assign(accuracy=lambda table: 1 - 0.001 * (table.epoch > 0))
    for module in (finetune_curve, clients_before_after):
        values = VALUES | {"evaluation": evaluation}
        figure = call(module.draw, values, call(module.compute, values))
        assert figure.axes[0].get_ylim()[1] == 1.0
    low, high = figure.axes[-1].get_ylim()
    assert low <= -0.05 < 0.05 <= high
    gains = np.concatenate([np.asarray(line.get_ydata(), float) for line in figure.axes[-1].lines])
    assert set(gains[~np.isnan(gains)].round(9)) == {0.0, -0.001}, "as they are"


@pytest.mark.parametrize(("sizes", "shown"), [((14, 14), [14]), ((5, 50), [5, 10, 20, 50])])
def test_the_axis_of_sizes_is_that_of_the_clients(sizes, shown):
    by_client = dict(zip("AB", sizes, strict=True))
    values = VALUES | {"evaluation": rows().assign(num_train=lambda t: t.client_id.map(by_client))}
    figure = call(clients_before_after.draw, values, call(clients_before_after.compute, values))
    axis = figure.axes[-1]
    low, high = axis.get_xlim()
    assert sizes[0] / 1.5 < low < sizes[0]
    assert sizes[1] < high < sizes[1] * 1.5
    assert [at for at in axis.get_xticks() if low <= at <= high] == pytest.approx(shown)


def test_three_forms_and_back(table, tmp_path):
    save(stage2_table, tmp_path / "stage2", evaluation=rows(), **VALUES)
    back = read_table(PAIRED, tmp_path / "stage2.csv")
    expected = table.reset_index()[list(back.columns)]
    pd.testing.assert_frame_equal(back, expected, check_dtype=False, rtol=1e-5)
    assert SYNTHETIC in (tmp_path / "stage2.md").read_text()


FIGURES = {
    "stage2": stage2,
    "finetune_curve": finetune_curve,
    "clients_before_after": clients_before_after,
}
TEXTS = {
    "stage2": [
        "Reptile/Adam",
        "FedAvg, client rate / 10",
        "initial model",
        "n = 2 evaluation clients",
    ],
    "finetune_curve": [
        "Personalized FedAvg",
        "local only, 2 epochs",
        "Pooled over their test labels",
        "M = 5 and E = 10",
        "Local-only clients train",
        "n = 2 evaluation clients",
    ],
    "clients_before_after": [
        "0 % hurt",
        "100 % hurt",
        "M = 5 and E = 10",
        "train examples of the client",
        "n = 2 evaluation clients",
    ],
}


@pytest.mark.parametrize("name", TEXTS)
def test_figures_are_reproducible_and_say_what_they_show(name, tmp_path):
    for folder in "ab":
        (tmp_path / folder).mkdir()
        save(FIGURES[name], tmp_path / folder / name, evaluation=rows(), **VALUES)
    files = {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()}
    assert set(files) == {f"{name}.{kind}" for kind in ("png", "pdf", "svg", "csv")}
    assert files == {p.name: p.read_bytes() for p in (tmp_path / "b").iterdir()}
    said = " ".join(re.findall(r"<!-- (.*?) -->", files[f"{name}.svg"].decode()))
    for text in [*TEXTS[name], SYNTHETIC]:
        assert text in said, "also where it is wrapped"
    with Image.open(tmp_path / "a" / f"{name}.png") as png:
        assert png.size[0] >= 800


@pytest.mark.parametrize("name", TEXTS)
def test_figures_of_runs_that_all_diverged_are_drawn_all_the_same(name, tmp_path):
    save(FIGURES[name], tmp_path / name, evaluation=rows().iloc[:0], **VALUES)
    assert len(list(tmp_path.iterdir())) == 4
    assert SYNTHETIC in (tmp_path / f"{name}.svg").read_text()


def test_figure_data_by_hand():
    data = stage2.compute(rows(), RUNS, SELECTION, REFERENCE)
    at = data.set_index(["name", "seed", "round", "model"]).accuracy
    assert at["Reptile/Adam", 1, 15, "personalized"] == pytest.approx(0.65 + 0.1 - 0.05)
    assert at["FedAvg, stage 1", 0, 10, "initial"] == pytest.approx(0.5)
    assert "other adam" not in set(data.setting)
    curve = finetune_curve.compute(rows(), RUNS, SELECTION, REFERENCE)
    curve = curve.set_index(["name", "seed", "epoch"])
    assert curve.accuracy["FedAvg", 0, 2] == pytest.approx(0.65)
    assert curve.pooled["FedAvg", 0, 2] == pytest.approx((0.6 * 10 + 0.7 * 30) / 40)
    assert curve["round"]["Personalized FedAvg", 0, 0] == 20
    clients = clients_before_after.compute(rows(), RUNS, SELECTION, REFERENCE, SYNTHETIC)
    assert clients.model.unique().tolist() == ["FedAvg", "Personalized FedAvg", "centralized, best"]


def test_differences_have_their_paired_interval_and_chosen_edges_a_flag():
    table = paired_table(rows(), RUNS, SELECTION, {"a": ADAM, "b": CONTINUED}, "b")
    first, second = table.itertuples()
    # Both seeds differ by the same, so the interval has no width.
    assert first.difference_initial == pytest.approx(0.1)
    assert first.difference_initial_low == pytest.approx(0.1)
    assert np.isnan(second.difference_initial_low)
    assert list(table.epoch_at_edge) == ["lowest", "highest"]
    assert paired_shown(table)["fine-tune epochs"].tolist() == [
        "1 (lowest tried)",
        "2 (highest tried)",
    ]


def test_the_interval_is_students_t():
    differences = [0.01, 0.03, -0.01, 0.02]
    interval = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    row = difference_over_seeds("initial", differences)
    ends = (row["difference_initial_low"], row["difference_initial_high"])
    assert ends == pytest.approx((interval.low, interval.high))


def test_stage_2_stands_beside_the_control_that_validation_prefers(table):
    chosen = dict(SELECTION.settings)
    chosen[SLOWER] = replace(chosen[SLOWER], personalized_accuracy=0.99)
    selection = replace(SELECTION, settings=chosen)
    table = stage2_table.compute(rows(), RUNS, selection, SPENT, REFERENCE).set_index("model")
    name = table.preferred_control.iloc[0]
    assert table.loc[name, "setting"] == SLOWER
    # Both differ by the same in both seeds: 0.6 minus 0.5, and 0.65 after the epoch chosen minus
    # the control's 0.3.
    ours = table[table.setting == ADAM].iloc[0]
    assert ours.to_preferred_initial == pytest.approx(0.1)
    assert ours.to_preferred_personalized == pytest.approx(0.35)
    assert ours.gradient_evaluations == 450, "3 rounds of 100 and 3 of 200, mean over two seeds"
    shown = stage2_table.shown(table.reset_index())
    assert f"minus {name}, personalized" in shown
