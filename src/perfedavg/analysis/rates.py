"""Choose every entry's server learning rate on validation clients, for each of the two ways to
compare algorithms.

At equal rounds all are looked at after the same number of rounds; at equal gradient evaluations
each at the last evaluated round that it reaches within the budget."""

from __future__ import annotations

from typing import Any

import pandas as pd

from perfedavg.analysis.selection import best_of, settings_chosen, validation_only
from perfedavg.storage.tables import VALIDATION

EQUAL_ROUNDS, EQUAL_GRADIENTS = "equal rounds", "equal gradient evaluations"


def costs(rounds: pd.DataFrame, hessian_vector_product: float) -> pd.DataFrame:
    """Indexed by (run_id, round), summed over the rounds up to there: ``gradient_evaluations``,
    ``hessian_vector_products``, ``cost`` (gradient evaluations with Hessian-vector products counted
    in) and ``bytes`` (up and down).

    Args:
        rounds: rows of ``rounds.parquet`` of all runs.
        hessian_vector_product: gradient evaluations that one counts as.
    """
    rounds = (
        rounds.assign(bytes=rounds.bytes_up + rounds.bytes_down)
        .sort_values(["run_id", "round"])
        .set_index(["run_id", "round"])
    )
    summed = (
        rounds[["gradient_evaluations", "hessian_vector_products", "bytes"]]
        .groupby(level="run_id")
        .cumsum()
    )
    return summed.assign(
        cost=summed.gradient_evaluations + hessian_vector_product * summed.hessian_vector_products
    )


def rounds_compared(
    run_ids: list[str],
    costs: pd.DataFrame,
    basis: str,
    rounds: int,
    budget: float,
    allowed: list[int],
) -> dict[str, int]:
    """By run, the round at which it is compared: ``rounds``, or the last of the ``allowed`` ones
    within the budget.

    A run that can afford none of them is left out. What a run that diverged would have spent later
    is extrapolated, so that it counts as diverged where it would have been compared."""
    if basis == EQUAL_ROUNDS:
        return dict.fromkeys(run_ids, rounds)
    found = {}
    for run_id in run_ids:
        spent = costs.loc[run_id, "cost"]
        a_round = spent.iloc[-1] / spent.index[-1]
        affordable = [n for n in allowed if spent.get(n, a_round * n) <= budget]
        if affordable:
            found[run_id] = max(affordable)
    return found


def choose_rates(
    validation: pd.DataFrame,
    costs: pd.DataFrame,
    entries: dict[str, list[str]],
    compared_rounds: dict[str, list[int]],
    seeds: list[int],
    rounds: int,
    budget: float,
) -> dict[str, Any]:
    """``algorithms.json``: by entry and basis, the setting (entry and server rate) with the fewest
    diverged runs, then the highest personalized accuracy, and its headline epoch (null if all its
    runs diverged). In place of these, null where no run of the entry is within the budget at a
    round at which it may be compared.

    Args:
        validation: ``personalization`` rows of validation clients.
        costs: of :func:`costs`.
        entries: the settings of every entry, one a relative server rate.
        compared_rounds: by setting, the rounds at which its entry may be compared; validation
            clients were looked at in them.
        budget: gradient evaluations of a run in the comparison at equal ones.

    Raises:
        PerfedavgError: a row belongs to a client of another group.
    """
    validation = validation_only(validation)
    chosen: dict[str, Any] = {
        name: {"rounds": compared_rounds[settings[0]]} for name, settings in entries.items()
    }
    for basis in (EQUAL_ROUNDS, EQUAL_GRADIENTS):
        for name, settings in entries.items():
            run_ids = [f"{setting}-s{seed}" for setting in settings for seed in seeds]
            at = rounds_compared(run_ids, costs, basis, rounds, budget, chosen[name]["rounds"])
            by_setting = settings_chosen(
                validation[validation["round"] == validation.run_id.map(at)], list(at)
            )
            chosen[name][basis] = None
            if by_setting:
                best = best_of(by_setting, list(by_setting))
                chosen[name][basis] = {
                    "setting": best,
                    "selected_epoch": by_setting[best]["selected_epoch"],
                }
    return {
        "selected_on": f"{VALIDATION} clients",
        "rounds": rounds,
        "budget": budget,
        "entries": chosen,
    }
