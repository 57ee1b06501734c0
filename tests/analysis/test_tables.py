"""Selection, Table 1 and its forms against numbers worked out by hand (see frames.py)."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from perfedavg.analysis.choices import Selection
from perfedavg.analysis.inputs import INPUTS, PAPER
from perfedavg.analysis.selection import select
from perfedavg.analysis.summary import mean_over_clients, rounds_to_target
from perfedavg.analysis.tables import table1
from perfedavg.data.sets.glyphs62 import SYNTHETIC
from perfedavg.data.store import write_store
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.storage.contracts import PERSONALIZATION
from perfedavg.storage.tables import read_table, write_table
from tests.analysis.frames import RUNS, SELECTION, rows, save, selected
from tests.conftest import make_client

ROOT = Path(__file__).parents[2]


@pytest.fixture
def table():
    return table1.compute(rows(), RUNS, SELECTION, None, target=0.6, shown_epochs=[2])


def test_selection_takes_the_best_mean_epoch_and_setting():
    validation = rows("validation").query("round == 20")
    chosen = select(validation, RUNS, {})
    e2, e10 = chosen.settings["fedavg-m5-e2"], chosen.settings["fedavg-m5-e10"]
    assert (e2.selected_epoch, e2.initial_accuracy, e2.personalized_accuracy) == (1, 0.45, 0.65)
    assert (e10.selected_epoch, e10.personalized_accuracy) == (2, 0.45)
    assert chosen.best_setting_by_initial_accuracy == "fedavg-m5-e2"
    assert chosen.num_clients == 2


def test_of_equal_epochs_the_earliest_is_selected_and_epoch_0_never():
    validation = rows("validation").query("round == 20")
    validation.loc[validation.epoch > 0, "accuracy"] = 0.1
    chosen = select(validation, RUNS, {})
    assert set(chosen.epochs.values()) == {1}


def test_best_by_initial_and_by_personalized_can_differ():
    validation = rows("validation").query("round == 20")
    validation.loc[validation.run_id.str.contains("e10") & (validation.epoch == 0), "accuracy"] = (
        0.9
    )
    chosen = select(validation, RUNS[:3], {})
    assert chosen.best_setting_by_initial_accuracy == "fedavg-m5-e10"
    assert chosen.best_setting_by_personalized_accuracy == "fedavg-m5-e2"


def test_selection_refuses_evaluation_clients():
    with pytest.raises(
        PerfedavgError, match="evaluation clients; it must see validation clients only"
    ):
        select(rows("evaluation"), RUNS, {})


def test_clients_whose_fine_tuning_blows_up_are_counted():
    """Both clients of seed 0 at the last round after the selected epoch, one of seed 1; what others
    do after other epochs, in other rounds or before fine-tuning is none of it."""
    frame = rows()
    frame.loc[(frame.run_id == "fedavg-m5-e2-s0") & (frame.epoch >= 1), "loss"] = np.nan
    one = (frame.run_id == "fedavg-m5-e2-s1") & (frame.client_id == "A") & (frame["round"] == 20)
    frame.loc[one, "loss"] = np.inf
    frame.loc[(frame.run_id == "fedavg-m5-e10-s0") & (frame.epoch == 1), "loss"] = np.nan
    blown = table1.compute(frame, RUNS, SELECTION, None, 0.6, [2])
    assert blown.num_diverged_clients.tolist() == [3, 0]
    assert table1.shown(blown).diverged.tolist() == ["0, and 3 clients", 1]


def test_table1_by_hand(table):
    e2, e10 = table.iloc[0], table.iloc[1]
    assert e2[
        ["clients_per_round", "local_epochs", "num_seeds", "num_diverged", "num_clients"]
    ].tolist() == [5, 2, 2, 0, 2]
    assert e2.initial_mean == pytest.approx((0.4 + 0.5) / 2), (
        "the last round, not the best one (0.6 at round 10)"
    )
    assert e2.initial_std == pytest.approx(0.1 / np.sqrt(2)), "n - 1"
    assert e2.personalized_mean == pytest.approx(0.65), "after the selected epoch 1"
    pooled = [0.1 * (a + 0.1) + 0.9 * (a - 0.1) for a in (0.4, 0.5)]
    assert e2.initial_pooled_mean == pytest.approx(np.mean(pooled)), (
        "client B has 90 of the 100 test examples"
    )
    assert e2.personalized_epoch2_mean == pytest.approx(0.55)
    assert (e2.rounds_to_target_initial, e2.unreached_initial) == (10, 1), (
        "seed 1 at round 10, seed 0 never"
    )
    assert (e2.rounds_to_target_personalized, e2.unreached_personalized) == (20, 0)
    assert (e10.num_diverged, e10.initial_mean, e10.personalized_mean) == (
        1,
        pytest.approx(0.3),
        pytest.approx(0.45),
    )
    assert np.isnan(e10.initial_std)
    assert np.isnan(e10.rounds_to_target_initial)
    assert e10.unreached_initial == 2


def test_readable_table_says_never_and_counts(table):
    shown = table1.shown(table)
    assert shown["rounds to 0.6, initial"].tolist() == ["10.0 (never: 1 of 2)", "never (2 of 2)"]
    assert shown["initial accuracy"].tolist() == ["0.4500 (0.0707)", "0.3000"]
    assert shown["diverged"].tolist() == [0, 1]


def test_a_setting_whose_runs_all_diverged_is_shown_as_such():
    runs = RUNS[RUNS.run_id == "fedavg-m5-e10-s1"]
    evaluation = rows()[lambda t: t.run_id == "fedavg-m5-e10-s1"]
    selection = selected({"fedavg-m5-e10": None})
    shown = table1.shown(table1.compute(evaluation, runs, selection, None, 0.2, [1]))
    assert shown["initial accuracy"].item() == shown["personalized accuracy"].item() == "diverged"
    assert shown["rounds to 0.2, initial"].item() == "10.0", "reached before it diverged"
    assert shown["rounds to 0.2, personalized"].item() == "diverged"


def test_both_models_are_looked_up_on_the_same_rounds():
    """Round 10 is not personalized, so that the initial model's 0.6 there does not count either."""
    evaluation = rows()[lambda t: (t["round"] == 20) | (t.epoch == 0)]
    e2 = table1.compute(evaluation, RUNS, SELECTION, None, 0.5, [2]).iloc[0]
    assert (e2.rounds_to_target_initial, e2.unreached_initial) == (20, 1)


def test_a_setting_with_a_diverged_run_is_never_the_best():
    validation = rows("validation").query("round == 20")
    validation.loc[validation.run_id.str.contains("e10"), "accuracy"] = 0.9
    chosen = select(validation, RUNS, {})
    assert chosen.settings["fedavg-m5-e10"].num_diverged == 1
    assert chosen.best_setting_by_personalized_accuracy == "fedavg-m5-e2"


def test_the_selection_is_read_back_as_it_was(tmp_path):
    """Also where a setting's runs all diverged."""
    some = rows("validation")[lambda t: t.run_id != "fedavg-m5-e10-s0"]
    chosen = select(some, RUNS, {"adam": ["fedavg-m5-e2"]})
    assert chosen.epochs == {"fedavg-m5-e2": 1, "fedavg-m5-e10": None}
    chosen.save(tmp_path / "selection.json")
    assert Selection.load(tmp_path / "selection.json") == chosen


def test_earlier_rounds_do_not_take_part_in_selection():
    assert select(rows("validation"), RUNS, {}) == select(
        rows("validation").query("round == 20"), RUNS, {}
    )


def test_of_each_kind_of_reptile_the_best_personalized_is_chosen():
    kinds = {"adam": ["fedavg-m5-e2", "fedavg-m5-e10"], "sgd": ["fedavg-m5-e10"]}
    chosen = select(rows("validation"), RUNS[:3], kinds)
    assert chosen.reptile == {"adam": "fedavg-m5-e2", "sgd": "fedavg-m5-e10"}


def test_only_runs_of_the_grid_are_ranked():
    later = RUNS[:3].assign(study=["stage2", "stage2", "grid"])
    assert (
        select(rows("validation"), later, {}).best_setting_by_personalized_accuracy
        == "fedavg-m5-e10"
    )


def test_validation_rows_in_the_files_do_not_count(tmp_path):
    expected = rows().drop(columns="client_group")
    both = pd.concat([rows(), rows("validation").assign(accuracy=1.0)])
    both["num_test"] = both.num_test_labels
    both[list(PERSONALIZATION)].to_parquet(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(
        INPUTS["evaluation"]([tmp_path / "a.parquet"])[list(expected)].reset_index(drop=True),
        expected,
        check_dtype=False,
    )


def test_the_mean_over_clients_is_a_mean_and_unweighted():
    three = rows().query(
        "run_id == 'fedavg-m5-e2-s0' and round == 20 and epoch == 0 and client_id == 'A'"
    )
    three = pd.concat(
        [
            three.assign(client_id=c, accuracy=a, num_test_labels=n)
            for c, a, n in (("A", 0.1, 9), ("B", 0.2, 1), ("C", 0.9, 1))
        ]
    )
    means = mean_over_clients(three)
    assert means.accuracy.item() == pytest.approx(0.4)
    assert means.pooled.item() == pytest.approx((0.1 * 9 + 0.2 + 0.9) / 11), (
        "weighted by test examples"
    )


def test_tables_of_real_data_have_no_caveat_and_read_back(tmp_path):
    runs = RUNS.assign(dataset="emnist62", caveat="")
    table = table1.compute(rows(), runs, SELECTION, None, target=0.6, shown_epochs=[2])
    write_table(table1.CONTRACT, table, tmp_path / "table1.csv")
    back = read_table(table1.CONTRACT, tmp_path / "table1.csv")
    assert (back.caveat == "").all()
    assert table1.caption(back, runs).endswith(
        "After epoch 2: personalized accuracy after so many fine-tune epochs."
    )


@pytest.mark.parametrize(("target", "expected"), [(0.3, 5), (0.4, 10), (0.6, np.nan)])
def test_rounds_to_target_is_the_first_evaluated_round_at_or_above(target, expected):
    curve = pd.DataFrame({"round": [15, 10, 5], "accuracy": [0.2, 0.4, 0.3]})
    np.testing.assert_equal(rounds_to_target(curve, target), expected)


def test_three_forms_carry_the_caveat_and_read_back(table, tmp_path):
    values = {"selection": SELECTION, "paper": None, "target": 0.6, "shown_epochs": [2]}
    values |= {"store": None, "data_block": None}
    save(table1, tmp_path / "table1", grid_evaluation=rows(), runs=RUNS, **values)
    back = read_table(table1.CONTRACT, tmp_path / "table1.csv")
    pd.testing.assert_frame_equal(back, table, check_dtype=False, rtol=1e-5)
    assert (back.caveat == SYNTHETIC).all()
    markdown, latex = ((tmp_path / f"table1.{kind}").read_text() for kind in ("md", "tex"))
    assert SYNTHETIC in markdown
    assert SYNTHETIC in latex
    assert markdown.count("\n|") == 4
    assert r"\begin{tabular}" in latex


def test_contract_refuses_bad_tables(table, tmp_path):
    import pandera.errors

    for bad in (
        table.drop(columns="initial_std"),
        table.assign(initial_mean=1.5),
        table.assign(num_seeds="two"),
    ):
        with pytest.raises((pandera.errors.SchemaError, pandera.errors.SchemaErrors)):
            write_table(table1.CONTRACT, bad, tmp_path / "bad.csv")
    assert not any(tmp_path.iterdir()), "nothing half-written"


def test_the_paper_stands_beside_ours_where_it_has_the_row(table):
    paper = read_table(PAPER, ROOT / "config/paper_targets.csv")
    assert len(paper) == 8
    beside = table1.beside_the_paper(
        table.assign(local_epochs=pd.array([2, 3], dtype="Int64")), paper
    )
    assert beside.paper_initial_mean.tolist()[0] == 0.7473
    assert beside.difference_personalized[0] == pytest.approx(0.65 - 0.8292)
    assert beside.loc[1].filter(like="paper_").isna().all()
    assert np.isnan(beside.difference_initial[1])
    shown = table1.shown(beside)
    assert shown["paper: initial"].tolist() == ["0.7473 (0.0260)", ""]
    # Welch: ours 0.45 (0.0707) from two runs, the paper's 0.7473 (0.0260) taken as ten.
    a, b = 0.1**2 / 2 / 2, 0.026**2 / 10
    half = stats.t.ppf(0.975, (a + b) ** 2 / (a**2 + b**2 / 9)) * np.sqrt(a + b)
    low, high = 0.45 - 0.7473 - half, 0.45 - 0.7473 + half
    interval = f"-0.2973 [{low:+.4f}, {high:+.4f}]"
    assert shown["difference, initial"].tolist() == [interval, ""]
    assert shown["paper: rounds to 0.8, initial"].tolist() == ["310", ""]
    assert "the paper's" in table1.caption(beside, RUNS)
    ours = list(table1.CONTRACT)
    assert beside[ours].equals(table.assign(local_epochs=beside.local_epochs)[ours])


@pytest.mark.parametrize(("ids", "beside"), [("f{:04d}_00", True), ("mine{}", False)])
def test_the_paper_stands_beside_its_own_clients_alone(tmp_path, ids, beside):
    clients = [replace(make_client(n), client_id=ids.format(n)) for n in range(3)]
    write_store(tmp_path / "store", clients, 62, {"dataset": "emnist62"})
    paper = read_table(PAPER, ROOT / "config/paper_targets.csv")
    data = {"store": tmp_path / "store", "data_block": {"dataset": "emnist62"}}
    table = table1.compute(rows(), RUNS, SELECTION, paper, target=0.6, shown_epochs=[2], **data)
    assert ("paper_initial_mean" in table.columns) == beside


@pytest.mark.parametrize(
    ("m", "e", "row"),
    [
        (5, 5, (0.8028, 0.0512, 0.8712, 0.0049, 111.1, 33.9)),
        (20, 5, (0.8471, 0.0084, 0.9057, 0.0017, 65.6, 31.25)),
    ],
)
def test_two_rows_of_the_paper_s_table(m, e, row):
    paper = read_table(PAPER, ROOT / "config/paper_targets.csv").set_index(
        ["clients_per_round", "local_epochs"]
    )
    assert tuple(paper.loc[(m, e)].drop("target")) == row
