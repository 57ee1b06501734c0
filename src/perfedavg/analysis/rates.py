"""Choose every entry's server learning rate on validation clients, for each of the two ways to compare algorithms.

At equal rounds all are looked at after the same number of rounds; at equal gradient evaluations each at the last evaluated
round that it reaches within the budget.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from perfedavg.analysis.selection import best_of, settings_chosen, validation_only
from perfedavg.tables import VALIDATION

EQUAL_ROUNDS, EQUAL_GRADIENTS = "equal rounds", "equal gradient evaluations"


def costs(rounds: pd.DataFrame, hessian_vector_product: float) -> pd.DataFrame:
    """Indexed by (run_id, round), summed over the rounds up to there: ``gradient_evaluations``, ``hessian_vector_products``,
    ``cost`` (gradient evaluations with Hessian-vector products counted in) and ``bytes`` (up and down).

    Args:
        rounds: rows of ``rounds.parquet`` of all runs.
        hessian_vector_product: gradient evaluations that one counts as.
    """
    rounds = (
        rounds.assign(bytes=rounds.bytes_up + rounds.bytes_down).sort_values(["run_id", "round"]).set_index(["run_id", "round"])
    )
    summed = rounds[["gradient_evaluations", "hessian_vector_products", "bytes"]].groupby(level="run_id").cumsum()
    return summed.assign(cost=summed.gradient_evaluations + hessian_vector_product * summed.hessian_vector_products)


def rows_compared(rows: pd.DataFrame, costs: pd.DataFrame, basis: str, rounds: int, budget: float) -> pd.DataFrame:
    """Of ``personalization`` rows, those of the round at which each run is compared: one round a run, none where it has none.

    ``rows`` are of rounds at which their entries may be compared.
    """
    if basis == EQUAL_ROUNDS:
        return rows[rows["round"] == rounds]
    keys = rows[["run_id", "round"]].drop_duplicates()
    within = keys[costs["cost"].reindex(pd.MultiIndex.from_frame(keys)).to_numpy() <= budget]
    return rows.merge(within.groupby("run_id", as_index=False)["round"].max(), on=["run_id", "round"])


def choose_rates(
    validation: pd.DataFrame,
    costs: pd.DataFrame,
    entries: dict[str, list[str]],
    compared_rounds: dict[str, list[int]],
    seeds: list[int],
    rounds: int,
    budget: float,
) -> dict[str, Any]:
    """``algorithms.json``: by entry and basis, the setting (entry and server rate) with the fewest diverged runs, then the
    highest personalized accuracy, and its headline epoch (null if all runs diverged). In place of these, null
    where no run of the entry was looked at within the budget.

    Args:
        validation: ``personalization`` rows of validation clients.
        costs: of :func:`costs`.
        entries: the settings of every entry, one a relative server rate.
        compared_rounds: by setting, the rounds at which its entry may be compared; validation clients were looked at in them.
        budget: gradient evaluations of a run in the comparison at equal ones.

    Raises:
        PerfedavgError: a row belongs to a client of another group.
    """
    validation = validation_only(validation)
    run_ids = [f"{setting}-s{seed}" for settings in entries.values() for setting in settings for seed in seeds]
    chosen: dict[str, Any] = {name: {"rounds": compared_rounds[settings[0]]} for name, settings in entries.items()}
    for basis in (EQUAL_ROUNDS, EQUAL_GRADIENTS):
        by_setting = settings_chosen(rows_compared(validation, costs, basis, rounds, budget), run_ids)
        for name, settings in entries.items():
            best = best_of(by_setting, settings)
            values = by_setting[best]
            shown = basis == EQUAL_ROUNDS or values["headline_epoch"] is not None
            chosen[name][basis] = {"setting": best, "headline_epoch": values["headline_epoch"]} if shown else None
    return {"selected_on": f"{VALIDATION} clients", "rounds": rounds, "budget": budget, "entries": chosen}
