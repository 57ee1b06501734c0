"""Stage 2, baselines and their figures, against numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from perfedavg.analysis.comparison import (
    COMPARISON,
    baseline_models,
    caption,
    comparison,
    hurt_share,
    paired_clients,
    readable,
    stage2_models,
)
from perfedavg.analysis.figures.clients_before_after import (
    clients_before_after_figure,
    gain_by_size,
)
from perfedavg.analysis.figures.finetune_curve import finetune_curve_data, finetune_curve_figure
from perfedavg.analysis.figures.stage2 import stage2_data, stage2_figure
from perfedavg.analysis.formats import write_three_forms
from perfedavg.data.sets.glyphs62 import SYNTHETIC
from perfedavg.storage.tables import read_table

# setting -> (algorithm, stage, last round, accuracies of clients A and B after epochs 0, 1, 2; seed
# 1 is 0.1 higher)
REFERENCE = "fedavg-m5-e10"
SETTINGS = {
    REFERENCE: ("fedavg", 1, 10, [(0.4, 0.6), (0.5, 0.5), (0.6, 0.7)]),
    f"{REFERENCE}.reptile-k10-adam-lr0.001-b0.9": (
        "reptile",
        2,
        20,
        [(0.5, 0.7), (0.7, 0.6), (0.1, 0.1)],
    ),
    f"{REFERENCE}.reptile-k10-adam-lr0.003-b0.9": (
        "reptile",
        2,
        20,
        [(0.9, 0.9), (0.9, 0.9), (0.9, 0.9)],
    ),
    f"{REFERENCE}.continued": ("fedavg", 2, 20, [(0.5, 0.5), (0.6, 0.6), (0.7, 0.8)]),
    f"{REFERENCE}.e2": ("fedavg", 2, 20, [(0.5, 0.5), (0.4, 0.4), (0.3, 0.3)]),
    f"{REFERENCE}.rate-div10": ("fedavg", 2, 20, [(0.5, 0.5), (0.4, 0.4), (0.3, 0.3)]),
    "centralized-best": ("centralized", 1, 7, [(0.8, 0.8), (0.8, 0.7), (0.7, 0.6)]),
    "local-only": ("local_only", 1, 0, [(0.0, 0.0), (0.2, 0.3), (0.3, 0.4)]),
}
ADAM = f"{REFERENCE}.reptile-k10-adam-lr0.001-b0.9"
SELECTION = {
    "settings": {
        setting: {"selected_epoch": 1 if "adam" in setting else 2} for setting in SETTINGS
    },
    "reptile": {"adam": ADAM},
}
RUNS = pd.DataFrame(
    [
        {"run_id": f"{setting}-s{seed}", "algorithm": algorithm, "stage": stage, "rounds": last, "seed": seed,
         "status": "finished", "caveat": SYNTHETIC}
        for setting, (algorithm, stage, last, _) in SETTINGS.items() for seed in (0, 1)
    ]
)  # fmt: skip
SIZES = {"A": (5, 10), "B": (50, 30)}  # train and test examples


def rows():
    out = []
    for setting, (_, stage, last, curve) in SETTINGS.items():
        for seed in (0, 1):
            for number in [last] if stage == 1 else [15, last]:
                for epoch, accuracies in enumerate(curve):
                    for client, accuracy in zip("AB", accuracies, strict=True):
                        shifted = accuracy + 0.1 * seed - (0.05 if number == 15 else 0)
                        out.append(
                            (f"{setting}-s{seed}", number, client, *SIZES[client], epoch, shifted)
                        )
    columns = ["run_id", "round", "client_id", "num_train", "num_test", "epoch", "accuracy"]
    return pd.DataFrame(out, columns=columns)


MODELS = stage2_models(RUNS, SELECTION, REFERENCE)


@pytest.fixture
def stage2():
    return comparison(rows(), RUNS, SELECTION, MODELS, "FedAvg continued").set_index("model")


def test_models_are_the_chosen_reptile_and_the_controls():
    assert {
        "FedAvg, stage 1": REFERENCE,
        "Reptile/Adam": ADAM,
        "FedAvg continued": f"{REFERENCE}.continued",
        "FedAvg, E = 2": f"{REFERENCE}.e2",
        "FedAvg, client rate / 10": f"{REFERENCE}.rate-div10",
    } == MODELS
    assert baseline_models(RUNS, SELECTION, REFERENCE) == {
        "FedAvg": REFERENCE,
        "Personalized FedAvg": ADAM,
        "centralized, best": "centralized-best",
        "local only": "local-only",
    }
    assert "Personalized FedAvg" not in baseline_models(
        RUNS, SELECTION | {"reptile": {}}, REFERENCE
    )


def test_stage2_by_hand(stage2):
    adam = stage2.loc["Reptile/Adam"]
    assert adam.initial_mean == pytest.approx(0.65), "clients (0.5 + 0.7) / 2, seeds 0.6 and 0.7"
    assert adam.initial_std == pytest.approx(0.1 / np.sqrt(2))
    assert adam.personalized_mean == pytest.approx(0.70), "its own headline epoch 1, not 2"
    assert adam.initial_pooled_mean == pytest.approx((0.5 * 10 + 0.7 * 30) / 40 + 0.05)
    assert adam.personalized_pooled_mean == pytest.approx((0.7 * 10 + 0.6 * 30) / 40 + 0.05)
    assert adam.difference_initial == pytest.approx(0.1)
    assert adam.difference_personalized == pytest.approx(0.65 - 0.75)
    assert adam.hurt_share == 0.5, "client B, in both seeds"
    assert (adam["rounds"], adam.num_seeds, adam.num_clients, adam.selected_epoch) == (20, 2, 2, 1)
    assert np.isnan(stage2.loc["FedAvg continued"].difference_initial)
    assert stage2.loc["FedAvg, stage 1", "difference_personalized"] == pytest.approx(-0.1)


def test_differences_are_within_a_seed():
    """Where one seed of a model is missing, its difference is to the same seed of the other."""
    some = rows()[lambda t: t.run_id != f"{ADAM}-s0"]
    runs = RUNS.assign(
        status=np.where(RUNS.run_id == f"{ADAM}-s0", "diverged at round 12", "finished")
    )
    adam = (
        comparison(some, runs, SELECTION, MODELS, "FedAvg continued")
        .set_index("model")
        .loc["Reptile/Adam"]
    )
    assert adam.difference_initial == pytest.approx(0.1)
    assert (adam.num_seeds, adam.num_diverged) == (2, 1)


def test_a_model_whose_runs_all_diverged_keeps_its_row():
    settings = SELECTION["settings"] | {f"{REFERENCE}.continued": {"selected_epoch": None}}
    some = rows()[lambda t: ~t.run_id.str.contains("continued")]
    runs = RUNS.assign(
        status=np.where(RUNS.run_id.str.contains("continued"), "diverged at round 12", "finished")
    )
    table = comparison(some, runs, SELECTION | {"settings": settings}, MODELS, "FedAvg continued")
    shown = readable(table).set_index("model")
    assert shown.loc["FedAvg continued", "initial accuracy"] == "diverged"
    assert table.difference_initial.isna().all()


def test_centralized_stops_of_several_passes_have_no_single_round():
    runs = RUNS.assign(rounds=np.where(RUNS.run_id == "centralized-best-s1", 9, RUNS["rounds"]))
    evaluation = rows()
    evaluation.loc[evaluation.run_id == "centralized-best-s1", "round"] = 9
    table = comparison(
        evaluation, runs, SELECTION, {"c": "centralized-best", "l": "local-only"}, "c"
    )
    assert pd.isna(table["rounds"][0])
    assert table.initial_mean[0] == pytest.approx(0.85)
    shown = readable(table)
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
    groups = gain_by_size(clients)
    np.testing.assert_allclose(groups.num_train, [1.5, 3.5, 5.5, 7.5])
    np.testing.assert_allclose(groups.gain, [0.015, 0.035, 0.055, 0.075])
    np.testing.assert_allclose(groups.error, 0.005)


def test_three_forms_and_back(stage2, tmp_path):
    table = stage2.reset_index()
    write_three_forms(
        COMPARISON, table, readable(table), caption(table, "What."), tmp_path / "stage2"
    )
    back = read_table(COMPARISON, tmp_path / "stage2.csv")
    pd.testing.assert_frame_equal(back, table[list(back.columns)], check_dtype=False, rtol=1e-5)
    assert SYNTHETIC in (tmp_path / "stage2.md").read_text()


def draw(name, base, evaluation):
    selection = SELECTION
    if name == "stage2":
        stage2_figure(stage2_data(evaluation, RUNS, selection, MODELS), MODELS, 10, SYNTHETIC, base)
    elif name == "finetune_curve":
        models = baseline_models(RUNS, selection, REFERENCE)
        finetune_curve_figure(
            finetune_curve_data(evaluation, RUNS, models), models, 2, SYNTHETIC, base
        )
    else:
        models = {"FedAvg": REFERENCE, "centralized, best": "centralized-best"}
        clients_before_after_figure(
            paired_clients(evaluation, RUNS, selection, models), models, SYNTHETIC, base
        )


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
        "pooled over their test examples",
        "n = 2 evaluation clients",
    ],
    "clients_before_after": [
        "0 % hurt",
        "100 % hurt",
        "train examples of the client",
        "n = 2 evaluation clients",
    ],
}


@pytest.mark.parametrize("name", TEXTS)
def test_figures_are_reproducible_and_say_what_they_show(name, tmp_path):
    for folder in "ab":
        (tmp_path / folder).mkdir()
        draw(name, tmp_path / folder / name, rows())
    files = {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()}
    assert set(files) == {f"{name}.{kind}" for kind in ("png", "pdf", "svg", "csv")}
    assert files == {p.name: p.read_bytes() for p in (tmp_path / "b").iterdir()}
    svg = files[f"{name}.svg"].decode()
    for text in [*TEXTS[name], SYNTHETIC]:
        assert text in svg
    with Image.open(tmp_path / "a" / f"{name}.png") as png:
        assert png.size[0] >= 800


@pytest.mark.parametrize("name", TEXTS)
def test_figures_of_runs_that_all_diverged_are_drawn_all_the_same(name, tmp_path):
    draw(name, tmp_path / name, rows().iloc[:0])
    assert len(list(tmp_path.iterdir())) == 4
    assert SYNTHETIC in (tmp_path / f"{name}.svg").read_text()


def test_figure_data_by_hand():
    data = (
        stage2_data(rows(), RUNS, SELECTION, MODELS)
        .set_index(["name", "seed", "round", "model"])
        .accuracy
    )
    assert data["Reptile/Adam", 1, 15, "personalized"] == pytest.approx(0.65 + 0.1 - 0.05)
    assert data["FedAvg, stage 1", 0, 10, "initial"] == pytest.approx(0.5)
    assert not any("0.003" in name for name, *_ in data.index)
    curve = finetune_curve_data(
        rows(), RUNS, baseline_models(RUNS, SELECTION, REFERENCE)
    ).set_index(["name", "seed", "epoch"])
    assert curve.accuracy["FedAvg", 0, 2] == pytest.approx(0.65)
    assert curve.pooled["FedAvg", 0, 2] == pytest.approx((0.6 * 10 + 0.7 * 30) / 40)
    assert curve["round"]["Personalized FedAvg", 0, 0] == 20
