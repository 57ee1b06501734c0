"""Ways to personalize side by side, against numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from perfedavg.analysis.figures import strategies as figure
from perfedavg.analysis.strategies import ways_as_settings
from perfedavg.analysis.tables import strategies
from perfedavg.data.sets.glyphs62 import SYNTHETIC
from perfedavg.storage.tables import EVALUATION, VALIDATION, read_table
from tests.analysis.frames import save

REFERENCE = "fedavg-m5-e10"
SIZES = [36862, 31806, 36862]
WAYS = [
    {"strategy": "full", "layers": "all", "optimizer": "sgd", "lr": 0.05},
    {"strategy": "last layer", "layers": "last", "optimizer": "sgd", "lr": 0.1},
    {"strategy": "full, Adam", "layers": "all", "optimizer": "adam", "lr": 0.002},
]
WAYS = [way | {"trained_parameters": size} for way, size in zip(WAYS, SIZES, strict=True)]
# way -> accuracies of clients A and B after epochs 0, 1, 2; of the validation client
CURVES = {
    "full": ([(0.4, 0.6), (0.5, 0.5), (0.6, 0.8)], [0.5, 0.7, 0.6]),
    "last layer": ([(0.4, 0.6), (0.6, 0.8), (0.4, 0.4)], [0.5, 0.6, 0.6]),
    "full, Adam": ([(0.4, 0.6), (0.7, 0.8), (0.7, 0.6)], [0.5, 0.1, 0.2]),
}
SHIFT = {
    "full": 0.1,
    "last layer": 0.1,
    "full, Adam": 0.14,
}  # how much better seed 1 is, after fine-tuning
RUNS = pd.DataFrame(
    [
        {
            "run_id": f"{setting}-s{seed}",
            "setting": setting,
            "study": "grid",
            "algorithm": "fedavg",
            "stage": 1,
            "rounds": 20,
            "seed": seed,
            "status": "finished",
            "caveat": SYNTHETIC,
        }
        for setting in (REFERENCE, "fedavg-m5-e2")
        for seed in (0, 1)
    ]
)


def rows():
    out = []
    for way, (curve, validation) in CURVES.items():
        for seed in (0, 1):
            for epoch, (a, b) in enumerate(curve):
                shift = seed * (SHIFT[way] if epoch else 0.1)
                for client, group, tests, accuracy in (
                    ("A", EVALUATION, 10, a + shift),
                    ("B", EVALUATION, 30, b + shift),
                    ("V", VALIDATION, 20, validation[epoch]),
                ):
                    facts = (client, group, 5, tests, way, epoch)
                    out.append((f"{REFERENCE}-s{seed}", seed, 20, *facts, accuracy))
                    # Of the ordinary way, other rounds and runs are there too.
                    if way == "full" and group == EVALUATION:
                        out.append((f"{REFERENCE}-s{seed}", seed, 10, *facts, 0.0))
                        out.append((f"fedavg-m5-e2-s{seed}", seed, 20, *facts, 1.0))
    columns = [
        "run_id",
        "seed",
        "round",
        "client_id",
        "client_group",
        "num_train",
        "num_test",
        "strategy",
        "epoch",
        "accuracy",
    ]
    frame = pd.DataFrame(out, columns=columns)
    return frame.assign(num_test_labels=frame.num_test, loss=1.0)


def asked(some=None, runs=RUNS, ways=WAYS):
    """What table and figure ask for; the ordinary way lies in other files than the further ones."""
    some = rows() if some is None else some
    ordinary, further = some[some.strategy == "full"], some[some.strategy != "full"]
    return {
        "ordinary_rows": ordinary,
        "strategy_rows": further,
        "runs": runs,
        "reference": REFERENCE,
        "ways": ways,
    }


def make_table(some=None, runs=RUNS):
    return strategies.compute(**asked(some, runs), last_epoch=2)


def test_epochs_are_chosen_for_each_way_on_validation_clients_alone():
    """On evaluation clients, epochs 2, 1 and 1 are best."""
    chosen = {"full": 1, "last layer": 1, "full, Adam": 2}
    assert ways_as_settings(**asked())[2].epochs == chosen
    other = rows()
    other.loc[other.client_group == EVALUATION, "accuracy"] = 1 - other.accuracy
    table = make_table(other)
    assert dict(zip(table.strategy, table.selected_epoch, strict=True)) == chosen
    assert table.epoch_at_edge.tolist() == ["lowest", "lowest", "highest"]
    assert strategies.shown(table)["fine-tune epochs"].iloc[2] == "2 (highest tried)"
    validation = rows()
    validation.loc[
        (validation.client_group == VALIDATION) & (validation.epoch == 2), "accuracy"
    ] = 0.9
    assert make_table(validation).selected_epoch.tolist() == [2, 2, 2]


def test_table_by_hand():
    table = make_table()
    assert table.strategy.tolist() == list(CURVES)
    assert table.fine_tune_lr.tolist() == [0.05, 0.1, 0.002]
    assert table.trained_parameters.tolist() == SIZES
    assert table.initial_mean.tolist() == pytest.approx([0.55] * 3), (
        "clients (0.4 + 0.6) / 2, seeds 0.5 and 0.6"
    )
    assert table.initial_std.tolist() == pytest.approx([0.1 / np.sqrt(2)] * 3)
    assert table.personalized_mean.tolist() == pytest.approx([0.55, 0.75, 0.72])
    assert table.personalized_std.tolist() == pytest.approx(
        [0.1 / np.sqrt(2)] * 2 + [0.14 / np.sqrt(2)]
    )
    assert table.personalized_pooled_mean[1] == pytest.approx((0.6 * 10 + 0.8 * 30) / 40 + 0.05)
    assert table.hurt_share.tolist() == [0.5, 0, 0], (
        "B, in both seeds, loses by fine-tuning all layers"
    )
    assert np.isnan(table.difference_personalized[0])
    assert table.difference_personalized[1:].tolist() == pytest.approx([0.2, 0.17])
    assert set(table.compared_with) == {"full"}
    assert table[
        ["num_seeds", "num_diverged", "num_clients"]
    ].drop_duplicates().to_numpy().tolist() == [[2, 0, 2]]


def test_a_diverged_seed_is_counted_and_left_out():
    runs = RUNS.assign(
        status=np.where(RUNS.run_id == f"{REFERENCE}-s1", "diverged at round 12", "finished")
    )
    table = make_table(rows()[lambda t: t.run_id != f"{REFERENCE}-s1"], runs)
    assert table[["num_seeds", "num_diverged"]].drop_duplicates().to_numpy().tolist() == [[2, 1]]
    assert table.personalized_mean.tolist() == pytest.approx([0.5, 0.7, 0.65])
    assert table.difference_personalized[1:].tolist() == pytest.approx([0.2, 0.15])
    assert table.personalized_std.isna().all()


def test_where_all_seeds_diverged_the_rows_stay():
    table = make_table(rows().iloc[:0], RUNS.assign(status="diverged at round 12"))
    shown = strategies.shown(table)
    assert shown["personalized accuracy"].tolist() == ["diverged"] * 3
    assert shown["fine-tune epochs"].tolist() == [""] * 3
    assert shown["learning rate"].tolist() == ["0.05", "0.1", "0.002"]


def test_three_forms_and_back(tmp_path):
    table = make_table()
    save(strategies, tmp_path / "strategies", **asked(), last_epoch=2)
    back = read_table(strategies.CONTRACT, tmp_path / "strategies.csv")
    pd.testing.assert_frame_equal(back, table, check_dtype=False, rtol=1e-5)
    text = (tmp_path / "strategies.md").read_text()
    for part in (SYNTHETIC, "31,806", "+0.1700", "minus full", "0.7200 (0.0990)", "50 %"):
        assert part in text


def draw(some, base, ways=WAYS):
    save(figure, base, caveat=SYNTHETIC, **asked(some, ways=ways))
    return figure.compute(**asked(some, ways=ways))


def test_figure_data_by_hand(tmp_path):
    data = draw(rows(), tmp_path / "f")
    assert len(data) == 3 * 2 * 3
    at = data.set_index(["strategy", "seed", "epoch"])
    assert at.accuracy["full, Adam", 1, 2] == pytest.approx(0.65 + 0.14)
    assert at.pooled["full", 0, 2] == pytest.approx((0.6 * 10 + 0.8 * 30) / 40)
    assert at.selected_epoch["full, Adam", 0, 0] == 2
    assert set(data["round"]) == {20}


def test_the_figure_is_reproducible_and_says_what_it_shows(tmp_path):
    for folder in "ab":
        (tmp_path / folder).mkdir()
        draw(rows(), tmp_path / folder / "f")
    files = {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()}
    assert set(files) == {f"f.{kind}" for kind in ("png", "pdf", "svg", "csv")}
    assert files == {p.name: p.read_bytes() for p in (tmp_path / "b").iterdir()}
    for text in [
        "last layer only, SGD, rate 0.1",
        "for comparison: all layers, SGD, rate 0.05",
        "all layers, Adam, rate 0.002",
        "epoch chosen on validation clients",
        "n = 2 evaluation clients, points: 2 seeds",
        SYNTHETIC,
    ]:
        assert text in files["f.svg"].decode()
    with Image.open(tmp_path / "a/f.png") as png:
        assert png.size[0] >= 800


@pytest.mark.parametrize("ways", [WAYS, WAYS[:2]], ids=["two optimizers", "one"])
def test_the_figure_of_runs_that_all_diverged_is_drawn_all_the_same(tmp_path, ways):
    draw(rows().iloc[:0], tmp_path / "f", ways)
    svg = (tmp_path / "f.svg").read_text()
    assert "all runs diverged" in svg
    assert SYNTHETIC in svg
