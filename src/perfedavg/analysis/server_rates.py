"""Choose every entry's server learning rate on validation clients, on each of the two bases on
which algorithms are compared.

At equal rounds all are compared after the same number of rounds; at equal gradient evaluations each
at the last evaluated round that it reaches within the budget."""

from __future__ import annotations

import pandas as pd

from perfedavg.analysis.choices import BASES, EQUAL_ROUNDS, EntryRates, RateChoice, ServerRates
from perfedavg.analysis.selection import best_of, settings_chosen, validation_only


def costs(rounds: pd.DataFrame, hessian_vector_product: float) -> pd.DataFrame:
    """Indexed by (run_id, round), summed over the rounds up to there: ``gradient_evaluations``,
    ``hessian_vector_products``, ``cost`` (gradient evaluations with Hessian-vector products counted
    in) and ``bytes`` (up and down).

    Args:
        rounds: rows of ``rounds.parquet`` of all runs.
        hessian_vector_product: gradient evaluations that one counts as.
    """
    keys = ["run_id", "round"]
    rounds = rounds.assign(bytes=rounds.bytes_up + rounds.bytes_down).sort_values(keys)
    spent = rounds.set_index(keys)[["gradient_evaluations", "hessian_vector_products", "bytes"]]
    summed = spent.groupby(level="run_id").cumsum()
    products = hessian_vector_product * summed.hessian_vector_products
    return summed.assign(cost=summed.gradient_evaluations + products)


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
    compared = {}
    for run_id in run_ids:
        spent = costs.loc[run_id, "cost"]
        per_round = spent.iloc[-1] / spent.index[-1]
        affordable = [n for n in allowed if spent.get(n, per_round * n) <= budget]
        if affordable:
            compared[run_id] = max(affordable)
    return compared


def choose_rates(
    validation: pd.DataFrame,
    costs: pd.DataFrame,
    runs: pd.DataFrame,
    compared_rounds: dict[str, list[int]],
    rounds: int,
    budget: float,
) -> ServerRates:
    """By entry and basis, the setting (entry and server rate) with the fewest diverged runs, then
    the highest personalized accuracy, and its selected epoch.

    Args:
        validation: ``personalization`` rows of validation clients.
        costs: of :func:`costs`.
        runs: columns ``run_id, setting, entry`` of the comparison runs.
        compared_rounds: by entry, the rounds at which it may be compared; validation clients were
            evaluated in them.
        budget: gradient evaluations per run in the comparison at equal ones.

    Raises:
        PerfedavgError: a row belongs to a client of another group.
    """
    validation = validation_only(validation)
    entries = {}
    for entry, runs_of_entry in runs.groupby("entry", sort=False):
        allowed, chosen = compared_rounds[entry], {}
        for basis in BASES:
            run_ids = list(runs_of_entry.run_id)
            of_run = rounds_compared(run_ids, costs, basis, rounds, budget, allowed)
            compared = validation[validation["round"] == validation.run_id.map(of_run)]
            affordable = runs_of_entry[runs_of_entry.run_id.isin(of_run)]
            by_setting = settings_chosen(compared, affordable)
            best = best_of(by_setting, by_setting) if by_setting else None
            chosen[basis] = RateChoice(best, by_setting[best].selected_epoch) if best else None
        entries[entry] = EntryRates(list(allowed), chosen)
    return ServerRates(rounds, budget, entries)
