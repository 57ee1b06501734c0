"""The algorithm comparison: which rounds are compared, what is chosen on validation clients, the
table's numbers by hand."""

import numpy as np
import pandas as pd
import pytest

from perfedavg.analysis.choices import EQUAL_GRADIENTS, EQUAL_ROUNDS, RateChoice, ServerRates
from perfedavg.analysis.figures import algorithms as figure
from perfedavg.analysis.figures import interpolation
from perfedavg.analysis.products import call
from perfedavg.analysis.server_rates import choose_rates, costs, rounds_compared
from perfedavg.analysis.tables import algorithms
from perfedavg.runtime.errors import PerfedavgError
from tests.analysis.frames import RUNS, save

# Of each setting: its entry and the factor on its server rates; ids say nothing of them.
SETTINGS = {"a.x1": ("a", 1.0), "a.x2": ("a", 2.0), "m.x1": ("m", 1.0)}
COMPARED = {"a": [2, 4], "m": [1, 2]}
# run -> round -> accuracy after epochs 0, 1, 2 on validation clients
VALIDATION = {
    "a.x1-s0": {2: (0.1, 0.2, 0.3), 4: (0.5, 0.6, 0.6)},
    "a.x1-s1": {2: (0.1, 0.4, 0.3), 4: (0.5, 0.6, 0.7)},
    "a.x2-s0": {2: (0.2, 0.1, 0.4), 4: (0.1, 0.1, 0.1)},
    "a.x2-s1": {2: (0.2, 0.1, 0.4), 4: (0.1, 0.1, 0.1)},
    "m.x1-s0": {1: (0.0, 0.1, 0.2), 2: (0.1, 0.3, 0.2)},
    "m.x1-s1": {1: (0.0, 0.1, 0.2), 2: (0.1, 0.3, 0.2)},
}


def rows(accuracies, group):
    out = [
        (run_id, round_number, client, group, 10, epoch, accuracy + sign * 0.05)
        for run_id, rounds in accuracies.items()
        for round_number, curve in rounds.items()
        for epoch, accuracy in enumerate(curve)
        for client, sign in (("A", 1), ("B", -1))
    ]
    return pd.DataFrame(
        out,
        columns=[
            "run_id",
            "round",
            "client_id",
            "client_group",
            "num_test_labels",
            "epoch",
            "accuracy",
        ],
    )


def rounds_rows():
    """Two clients per round: `a` takes one gradient each, `m` three and one Hessian-vector
    product."""
    out = []
    for run_id in VALIDATION:
        gradients, products = (2, 0) if run_id.startswith("a") else (6, 2)
        out += [(run_id, n, gradients, products, 10, 30) for n in range(1, 5)]
    columns = [
        "run_id",
        "round",
        "gradient_evaluations",
        "hessian_vector_products",
        "bytes_up",
        "bytes_down",
    ]
    return pd.DataFrame(out, columns=columns).sample(frac=1, random_state=0)


def spent():
    return costs(rounds_rows(), hessian_vector_product=2)


def chosen(validation=VALIDATION, group="validation", budget=10):
    return choose_rates(
        rows(validation, group), spent(), runs_table(), COMPARED, rounds=2, budget=budget
    )


def runs_table():
    common = {**RUNS.iloc[0], "study": "comparison"}
    return pd.DataFrame(
        [
            common
            | {"run_id": f"{setting}-s{seed}", "setting": setting, "seed": seed}
            | {"entry": entry, "server_lr_factor": factor}
            for setting, (entry, factor) in SETTINGS.items()
            for seed in (0, 1)
        ]
    )


def values(evaluation_rows, rates, **changes):
    """What the comparison's products ask for."""
    return {
        "comparison_evaluation": evaluation_rows,
        "runs": runs_table(),
        "comparison_rounds": rounds_rows(),
        "server_rates": rates,
        "hessian_vector_product": 2,
        "entries": ["a", "m"],
        "server_lr_factors": [1, 2],
        "last_epoch": 2,
        "target": 0.3,
        "target_rounds": [1, 2],
        "interpolated": [
            {"family": family, "rate": rate, "entry": entry}
            for family in ("rest", "powers")
            for rate, entry in ((0, "a"), (1.0, "m"))
        ],
        "local_steps": 3,
        "caveat": "caveat",
    } | changes


def make_table(evaluation_rows, rates, **changes):
    return call(algorithms.compute, values(evaluation_rows, rates, **changes))


def test_costs_are_summed_over_the_rounds():
    table = spent()
    assert table.loc[("a.x1-s0", 4)].to_dict() == {
        "gradient_evaluations": 8,
        "hessian_vector_products": 0,
        "bytes": 160,
        "cost": 8,
    }
    assert table.loc[("m.x1-s0", 2), "cost"] == 12 + 2 * 4


def test_rates_and_epochs_are_chosen_for_each_way_to_compare():
    entries = chosen().entries
    # Round 2: a.x1 has mean curve (.1, .3, .3): .3 at epoch 1; a.x2 has .4 at epoch 2.
    assert entries["a"].chosen[EQUAL_ROUNDS] == RateChoice("a.x2", 2)
    # 10 gradients: `a` is at round 4 by then (8), where a.x1 has (.5, .6, .65); `m` at round 1 (6 +
    # 2 * 2).
    assert entries["a"].chosen[EQUAL_GRADIENTS] == RateChoice("a.x1", 2)
    assert entries["m"].chosen[EQUAL_ROUNDS].selected_epoch == 1
    assert entries["m"].chosen[EQUAL_GRADIENTS].selected_epoch == 2
    assert chosen().settings == {"a.x1", "a.x2", "m.x1"}


@pytest.mark.parametrize("budget", [9, 10])
def test_rates_are_read_back_as_they_were(budget, tmp_path):
    chosen(budget=budget).save(tmp_path / "algorithms.json")
    assert ServerRates.load(tmp_path / "algorithms.json") == chosen(budget=budget)


def test_an_entry_that_is_too_expensive_is_not_compared():
    rates = chosen(budget=9)
    assert rates.entries["m"].chosen[EQUAL_GRADIENTS] is None
    table = make_table(rows(VALIDATION, "evaluation"), rates)
    assert table.groupby("basis").entry.apply(list).to_dict() == {
        EQUAL_ROUNDS: ["a", "m"],
        EQUAL_GRADIENTS: ["a"],
    }


def test_a_rate_at_which_a_run_diverged_is_not_chosen():
    alive = {run_id: rounds for run_id, rounds in VALIDATION.items() if run_id != "a.x2-s1"}
    assert chosen(alive).entries["a"].chosen[EQUAL_ROUNDS].setting == "a.x1"


def test_a_run_that_diverged_behind_an_earlier_compared_round_counts_as_diverged():
    """`a.x1-s0` dies after round 2: at equal gradients it is compared at round 4, not at 2, where
    it was still alive."""
    dead = spent().drop([("a.x1-s0", 3), ("a.x1-s0", 4)])
    assert rounds_compared(["a.x1-s0"], dead, EQUAL_GRADIENTS, 2, 10, [2, 4]) == {"a.x1-s0": 4}
    alive = {**VALIDATION, "a.x1-s0": {2: VALIDATION["a.x1-s0"][2]}}
    rates = choose_rates(
        rows(alive, "validation"), dead, runs_table(), COMPARED, rounds=2, budget=10
    )
    assert rates.entries["a"].chosen[EQUAL_GRADIENTS].setting == "a.x2"
    table = make_table(evaluation().query("run_id != 'a.x2-s0'"), rates)
    row = table.set_index(["entry", "basis"]).loc[("a", EQUAL_ROUNDS)]
    assert (row.num_seeds, row.num_diverged, row.initial_never) == (2, 1, 1)


def test_rates_are_not_chosen_on_evaluation_clients():
    with pytest.raises(PerfedavgError, match="evaluation"):
        chosen(group="evaluation")


def evaluation():
    """Two evaluation clients, also evaluated between the compared rounds: round 3 of `a` is within
    the budget, and no choice."""
    accuracies = {
        "a.x2-s0": {1: (0.1, 0.1, 0.3), 2: (0.3, 0.3, 0.2)},
        "a.x2-s1": {1: (0.4, 0.1, 0.1), 2: (0.1, 0.1, 0.4)},
        "a.x1-s0": {3: (0.9, 0.9, 0.9), 4: (0.5, 0.6, 0.7)},
        "a.x1-s1": {3: (0.9, 0.9, 0.9), 4: (0.4, 0.6, 0.8)},
        "m.x1-s0": {1: (0.1, 0.1, 0.1), 2: (0.2, 0.5, 0.1)},
        "m.x1-s1": {1: (0.1, 0.1, 0.2), 2: (0.2, 0.3, 0.1)},
    }
    return rows(accuracies, "evaluation").drop(columns="client_group")


def test_the_table_by_hand():
    table = make_table(evaluation(), chosen()).set_index(["entry", "basis"])
    a = table.loc[("a", EQUAL_ROUNDS)]
    assert (a.setting, a.server_lr_factor, a.rate_at_edge, a["rounds"], a.gradient_evaluations) == (
        "a.x2",
        2,
        "highest",
        2,
        4,
    )
    assert (a.initial_mean, a.personalized_mean) == (pytest.approx(0.2), pytest.approx(0.3))
    assert a.initial_std == pytest.approx(np.std([0.3, 0.1], ddof=1))
    assert a.hurt_share == 0.5, "both clients of seed 0: 0.3 to 0.2"
    # Initial: seed 0 at round 2, seed 1 at round 1. Personalized (epoch 2): seed 0 at round 1, seed
    # 1 at round 2.
    assert (a.rounds_to_target_initial, a.rounds_to_target_personalized) == (1.5, 1.5)
    assert a.megabytes == pytest.approx(80 / 1e6)
    b = table.loc[("a", EQUAL_GRADIENTS)]
    assert (b.setting, b["rounds"], b.rate_at_edge) == ("a.x1", 4, "lowest")
    assert b.personalized_mean == pytest.approx(0.75)
    m = table.loc[("m", EQUAL_ROUNDS)]
    assert (m.hessian_vector_products, m.cost, m.personalized_mean) == (4, 20, pytest.approx(0.4))
    assert (m.initial_never, m.personalized_never) == (2, 0)
    assert np.isnan(m.rounds_to_target_initial)
    shown = algorithms.shown(table.reset_index(), ["a", "m"])
    assert shown.iloc[0]["server rate"] == "1 (×2, highest tried)"
    assert shown[shown["compared at"] == EQUAL_GRADIENTS]["rounds to 0.3, initial"].tolist() == [
        "",
        "",
    ]
    epoch = table.reset_index().selected_epoch[0]
    said = {1: "1 (lowest tried)", 2: "2 (highest tried)"}[epoch]
    assert shown.iloc[0]["fine-tune epochs"] == said
    hidden = algorithms.shown(table.reset_index(), ["a"])
    assert set(hidden.algorithm) == {"a"}
    assert shown.iloc[1]["rounds to 0.3, initial"] == "never"
    assert shown.MB.tolist() == ["< 0.1"] * 4
    assert "within 10 mini-batch gradients" in algorithms.caption(
        table.reset_index(), chosen(), 2, ["a", "m"]
    )


def test_rounds_to_the_target_are_counted_on_the_common_rounds_and_clients_alone():
    """Round 3 is no common round; client C, evaluated in one run alone, has no say."""
    more = evaluation()
    extra = more[(more.run_id == "m.x1-s0") & (more.client_id == "A")].assign(
        client_id="C", accuracy=1.0
    )
    early = more[more.run_id == "a.x2-s0"].assign(round=3, accuracy=1.0)
    some = pd.concat([more, extra, early], ignore_index=True)
    table = make_table(some, chosen(), target=0.45).set_index(["entry", "basis"])
    assert table.loc[("a", EQUAL_ROUNDS)].initial_never == 2
    m = table.loc[("m", EQUAL_ROUNDS)]
    assert (m.personalized_never, m.rounds_to_target_personalized) == (1, 2)
    shown = algorithms.shown(table.reset_index(), ["a", "m"])
    assert shown["rounds to 0.45, personalized"][1] == "2.0 (never: 1 of 2)"


def test_only_one_server_lr_factor_is_no_edge():
    table = make_table(evaluation(), chosen(), server_lr_factors=[2])
    assert set(table.rate_at_edge) == {""}


def test_figures_show_the_points_and_are_reproducible(tmp_path):
    asked = values(evaluation(), chosen())
    between = call(interpolation.compute, asked)
    assert len(between) == 8
    assert set(between.basis) == {EQUAL_ROUNDS}
    for again in ("one", "two"):
        save(figure, tmp_path / f"{again}/algorithms", **asked)
        save(interpolation, tmp_path / f"{again}/interpolation", **asked)
    for name in ("algorithms", "interpolation"):
        for kind in ("png", "pdf", "svg", "csv"):
            files = [(tmp_path / f"{again}/{name}.{kind}").read_bytes() for again in ("one", "two")]
            assert files[0] == files[1], (name, kind)
    text = (tmp_path / "one/interpolation.svg").read_text()
    assert "FedSGD" in text
    assert "2 seeds" in text


def test_an_empty_comparison_at_equal_gradients_is_explained_once():
    one_gradient = values(evaluation(), chosen(budget=1))
    table = call(algorithms.compute, one_gradient)
    caption = call(algorithms.caption, one_gradient, table)
    assert "but not at equal gradient evaluations: no entry is within 1 mini-batch" in caption
    drawn = call(figure.draw, one_gradient, call(figure.compute, one_gradient))
    panel = drawn.axes[1]
    assert [text.get_text() for text in panel.texts] == ["none is within the budget"]
    drawn.draw_without_rendering()
    note, place = panel.texts[0].get_window_extent(), panel.get_window_extent()
    assert place.y0 < note.y0 < note.y1 < place.y1
    nine = values(evaluation(), chosen(budget=9))
    caption = call(algorithms.caption, nine, call(algorithms.compute, nine))
    assert "within 9 mini-batch gradients" in caption
    assert "An entry without a row there needs more." in caption
    panel = call(figure.draw, nine, call(figure.compute, nine)).axes[1]
    assert [text.get_text() for text in panel.texts] == ["above the budget"]


def test_megabytes_are_never_none_at_all():
    table = make_table(evaluation(), chosen()).assign(megabytes=[0.04, 1.26, 12.3, np.nan])
    assert algorithms.shown(table, ["a", "m"]).MB.tolist() == ["< 0.1", "1.3", "12", ""]


def test_figures_of_runs_that_all_diverged_are_drawn_all_the_same(tmp_path):
    asked = values(evaluation().iloc[:0], chosen({}))
    for module, name in ((figure, "algorithms"), (interpolation, "between")):
        save(module, tmp_path / name, **asked)
        assert "all runs diverged" in (tmp_path / f"{name}.svg").read_text()
    shown = algorithms.shown(call(algorithms.compute, asked), ["a", "m"])
    assert shown["initial accuracy"].tolist() == ["diverged"] * 4, (
        "each entry, at equal rounds and at equal gradients"
    )
    assert shown["diverged"].tolist() == [2] * 4
