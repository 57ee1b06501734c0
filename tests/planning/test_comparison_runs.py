"""The algorithm comparison's runs: work, server rates and rounds against numbers worked out by
hand."""

from pathlib import Path

import pytest
import yaml

from perfedavg.algorithms.family import ALGORITHMS
from perfedavg.config.load import load_config
from perfedavg.planning.comparison_runs import (
    comparison_runs,
    entries,
    gradient_budget,
    interpolation,
)
from perfedavg.runtime.errors import PerfedavgError

TINY = Path(__file__).parents[1] / "workflow/tiny.yaml"
SCHEDULE = [
    {"algorithm": "fedavg", "local_steps": 4, "rounds": 6},
    {"algorithm": "reptile", "server": {"optimizer": "adam", "lr": 0.01}},
]


def config(**changes):
    """M = 2, 10 rounds, K = 3: a budget of 60 gradient evaluations, 30 a client."""
    raw = yaml.safe_load(TINY.read_text())
    block = {
        "clients_per_round": 2,
        "rounds": 10,
        "local_steps": 3,
        "every": 4,
        "server_lr_factors": [0.5, 2.0],
    }
    raw["studies"]["comparison"] = block | changes
    return load_config(raw | {"seeds": [0, 7]})


def entry(*stages):
    return config(entries={"x": list(stages)})


def rates_of(*stages, **changes):
    """Server learning rates at the factors 0.5 and 2."""
    runs = comparison_runs(config(entries={"x": list(stages)}, **changes))
    return [run.server.lr for run in runs if run.seed == 0]


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ({"algorithm": "fedsgd"}, [1.5, 6.0]),  # K / 1 = 3
        ({"algorithm": "fedavg"}, [0.5, 2.0]),  # K / K = 1
        ({"algorithm": "reptile", "local_steps": 6}, [0.25, 1.0]),  # 3 / 6
        ({"algorithm": "fomaml"}, [1.5, 6.0]),
        ({"algorithm": "maml"}, [1.5, 6.0]),
        ({"algorithm": "weighted", "weights": [1, -0.5, 0]}, [1.0, 4.0]),  # 3 / 1.5
        ({"algorithm": "fedavg", "local_epochs": 2}, [0.5, 2.0]),
        (
            {"algorithm": "fedsgd", "server": {"optimizer": "adam", "lr": 0.01}},
            [0.005, 0.02],
        ),  # its own, by the factor alone
    ],
)
def test_server_rates_make_up_for_the_weights(stage, expected):
    assert rates_of(stage) == pytest.approx(expected)


def test_total_weights_are_those_of_the_algorithms():
    """The rates above assume sums of weights; here from the table of algorithms itself."""
    for name, algorithm in ALGORITHMS.items():
        scaled = 3 / sum(algorithm.weights(3))
        assert rates_of({"algorithm": name})[0] == pytest.approx(0.5 * scaled), name


@pytest.mark.parametrize(
    ("stages", "evaluated", "compared"),
    [
        (
            [{"algorithm": "fedsgd"}],
            (4, 8, 10, 30),
            [10, 30],
        ),  # 30 gradients per client, one per round
        ([{"algorithm": "reptile"}], (4, 8, 10), [10]),
        ([{"algorithm": "fomaml"}], (4, 7, 8, 10), [7, 10]),  # 30 / 4
        ([{"algorithm": "maml"}], (3, 4, 8, 10), [3, 10]),  # 30 / (4 + 2 * 3)
        ([{"algorithm": "weighted", "weights": [1, 0.5]}], (4, 8, 10, 15), [10, 15]),
        ([{"algorithm": "fedavg", "local_epochs": 1}], (4, 8, 10), [4, 8, 10]),  # the data decide
        (SCHEDULE, (4, 8, 10), [8, 10]),  # 6 * 4, then (30 - 24) / 3 more
        (
            [{**SCHEDULE[0], "local_steps": 6}, SCHEDULE[1]],
            (4, 8, 10),
            [10],
        ),  # spent before the last stage
        (
            [{"algorithm": "fedavg", "local_epochs": 1, "rounds": 8}, SCHEDULE[1]],
            (4, 8, 10),
            [10],
        ),  # round 8 is of the first stage
    ],
)
def test_rounds_at_equal_gradient_evaluations(stages, evaluated, compared):
    block = entry(*stages).studies.comparison
    (spelled_out,) = entries(block)
    assert spelled_out.evaluated_rounds == evaluated
    assert spelled_out.compared_rounds == compared
    assert gradient_budget(block) == 60
    assert {run.rounds for run in comparison_runs(entry(*stages))} == {max(evaluated)}


def test_a_hessian_vector_product_counts_as_the_config_says():
    block = config(
        entries={"x": [{"algorithm": "maml"}]}, hessian_vector_product=4.0
    ).studies.comparison
    assert entries(block)[0].evaluated_rounds[0] == 1  # 30 / (4 + 4 * 3)


def test_local_training_is_the_comparison_s_own_if_it_has_one():
    assert comparison_runs(config())[0].client.lr == 0.05, "that of `training`"
    assert comparison_runs(config(client={"lr": 0.3}))[0].client.lr == 0.3


def test_a_schedule_is_one_run_whose_phases_follow_each_other():
    run = comparison_runs(entry(*SCHEDULE))[0]
    assert (run.run_id, run.study, run.algorithm, run.local_steps, run.rounds) == (
        "x.x0.5-s0",
        "comparison",
        "fedavg",
        4,
        10,
    )
    (later,) = run.then
    assert (later.first_round, later.algorithm, later.local_steps, later.server.optimizer) == (
        7,
        "reptile",
        3,
        "adam",
    )
    assert [run.phase_of(n) for n in (1, 6, 7, 10)] == [0, 0, 1, 1]


def test_weights_interpolation_share_their_ends_with_the_named_algorithms():
    block = config(
        entries={
            "sgd": [{"algorithm": "fedsgd"}],
            "rep": [{"algorithm": "reptile"}],
            "again": [{"algorithm": "reptile"}],
        },
        interpolation=[0, 0.5, 1, 2],
    ).studies.comparison
    names = {(point["family"], point["rate"]): point["entry"] for point in interpolation(block)}
    assert names == {
        ("rest", 0): "sgd", ("rest", 0.5): "rest.0.5", ("rest", 1): "rep", ("rest", 2): "rest.2",
        ("powers", 0): "sgd", ("powers", 0.5): "powers.0.5", ("powers", 1): "rep",
        ("powers", 2): "powers.2",
    }  # fmt: skip
    phases = {entry.name: entry.phases for entry in entries(block)}
    assert phases["rest.0.5"][0].weights == (1, 0.5, 0.5)
    assert phases["powers.2"][0].weights == (1, 2, 4)
    assert [entries(block)[-1].setting(factor) for factor in (0.5, 2)] == [
        "powers.2.x0.5",
        "powers.2.x2",
    ]
    alone = config(entries={"m": [{"algorithm": "maml"}]}, interpolation=[0, 1]).studies.comparison
    assert {p["entry"] for p in interpolation(alone)} == {"rest.0", "rest.1"}, (
        "no named algorithm there: runs of their own, once"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"entries": {"x": [{"algorithm": "fedsgd"}, {"algorithm": "reptile"}]}},
            "all phases but the last need rounds",
        ),
        (
            {"entries": {"x": [{"algorithm": "fedsgd", "rounds": 3}]}},
            "the last phase takes the rounds that are left",
        ),
        (
            {"entries": {"x": [{"algorithm": "fedsgd", "rounds": 10}, {"algorithm": "reptile"}]}},
            "leave no round of 10",
        ),
        ({"entries": {"x": [{"algorithm": "fomaml", "local_epochs": 2}]}}, "counts local_steps"),
        (
            {"entries": {"x": [{"algorithm": "maml", "local_step": 2}]}},
            "did you mean `local_steps`?",
        ),
        ({"entries": {"X y": [{"algorithm": "maml"}]}}, "studies.comparison.entries"),
        ({"entries": {"x": []}}, "studies.comparison.entries.x"),
        ({"entries": {"x": [{"algorithm": "mmal"}]}}, "'fedsgd'"),
        ({"every": 11}, "every (11) is above rounds (10)"),
        (
            {"clients_per_round": 99},
            "studies.comparison.clients_per_round: 99 clients per round, but",
        ),
        ({"interpolation": [0.5, 0.50000001]}, "interpolation: 0.5 is given twice"),
        ({"server_lr_factors": [1, 1.0000001]}, "server_lr_factors: 1 is given twice"),
        ({"interpolation": [1e200]}, "less than or equal to 100"),
        (
            {"entries": {"x": [{"algorithm": "weighted", "weights": [1e300]}]}},
            "less than or equal to 1000000",
        ),
    ],
)
def test_impossible_comparisons_are_refused(changes, message):
    with pytest.raises(PerfedavgError) as error:
        config(**changes)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
