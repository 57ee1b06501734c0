"""Who is evaluated when, in every part of the experiment."""

import pytest

from perfedavg.personalization.schedule import Visit, intermediate_subset, num_clients, visits

V, E = "validation", "evaluation"
ALL, SOME = "all", "intermediate"
GRID = {"compared_rounds": [6], "evaluated_rounds": [2, 4, 6]}

CASES = {
    "grid, every second evaluation with fine-tuning": (
        {**GRID, "personalized_rounds": [4, 6]},
        [(6, V, ALL, True), (2, E, SOME, False), (4, E, SOME, True), (6, E, ALL, True)],
    ),
    "grid, validation clients at every round": (
        {**GRID, "personalized_rounds": [4, 6], "validation_at_every_round": True},
        [
            (2, V, ALL, False), (4, V, ALL, True), (6, V, ALL, True),
            (2, E, SOME, False), (4, E, SOME, True), (6, E, ALL, True),
        ],
    ),
    "stage 2": (
        {"compared_rounds": [12], "evaluated_rounds": [8, 12]},
        [(12, V, ALL, True), (8, E, SOME, True), (12, E, ALL, True)],
    ),
    "comparison, validation": (
        {"compared_rounds": [3, 5], "groups": [V]},
        [(3, V, ALL, True), (5, V, ALL, True)],
    ),
    "comparison, evaluation of a chosen setting": (
        {"compared_rounds": [3, 5], "evaluated_rounds": [1, 3, 5], "groups": [E]},
        [(1, E, SOME, True), (3, E, ALL, True), (5, E, ALL, True)],
    ),
    "strategies": ({"compared_rounds": [6]}, [(6, V, ALL, True), (6, E, ALL, True)]),
    "centralized, at its best": (
        {"compared_rounds": [2], "evaluated_rounds": range(1, 4), "personalized_rounds": [2],
         "intermediate": False},
        [(2, V, ALL, True), (1, E, ALL, False), (2, E, ALL, True), (3, E, ALL, False)],
    ),
    "centralized, stopped level with FedAvg": (
        {"compared_rounds": [2], "personalized_rounds": [2], "intermediate": False},
        [(2, V, ALL, True), (2, E, ALL, True)],
    ),
    "centralized, diverged": (
        {"compared_rounds": [], "evaluated_rounds": [1, 2], "personalized_rounds": [],
         "intermediate": False},
        [(1, E, ALL, False), (2, E, ALL, False)],
    ),
    "local-only": ({"compared_rounds": [0]}, [(0, V, ALL, True), (0, E, ALL, True)]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_visits(case):
    arguments, expected = CASES[case]
    assert visits(**arguments) == [Visit(*visit) for visit in expected]


@pytest.mark.parametrize("intermediate", [None, 2, 50])
@pytest.mark.parametrize("case", CASES)
def test_clients_are_counted_as_the_visits_go_through_them(case, intermediate):
    positions = {V: range(3), E: range(100, 107)}
    subset = intermediate_subset(positions[E], intermediate, seed=0)
    tuned = plain = 0
    schedule = visits(**CASES[case][0])
    for visit in schedule:
        for _ in positions[visit.group] if visit.clients == ALL else subset:
            tuned, plain = tuned + visit.fine_tuned, plain + (not visit.fine_tuned)
    assert num_clients(schedule, {V: 3, E: 7}, intermediate) == (tuned, plain)


def test_the_intermediate_subset_is_fixed_and_in_order():
    subset = intermediate_subset(range(100), 10, seed=1)
    assert subset == intermediate_subset(range(100), 10, seed=1) == sorted(set(subset))
    assert subset != intermediate_subset(range(100), 10, seed=2)
    assert intermediate_subset([3, 1], None, 0) == [3, 1] == intermediate_subset([3, 1], 5, 0)
