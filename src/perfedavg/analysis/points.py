"""The points of the algorithm comparison: each entry on each basis, with what was chosen for it."""

from __future__ import annotations

import pandas as pd

from perfedavg.analysis.choices import ServerRates
from perfedavg.analysis.columns import ACCURACY, CAVEAT, NUM_CLIENTS, SEED
from perfedavg.analysis.server_rates import rounds_compared
from perfedavg.analysis.summary import INITIAL, PERSONALIZED, mean_over_clients
from perfedavg.storage.tables import Column

POINTS = {
    "entry": Column("str", "-", "name in the config"),
    "basis": Column("str", "-", "`equal rounds` or `equal gradient evaluations`"),
    "setting": Column("str", "-", "entry and chosen server learning-rate factor"),
    "run_id": Column("str", "-", "run"),
    "seed": SEED,
    "round": Column("int 1..", "rounds", "round compared"),
    "epoch": Column("int 1..", "epochs", "selected fine-tune epoch"),
    "initial": ACCURACY,
    "personalized": ACCURACY,
    "num_clients": NUM_CLIENTS,
    "caveat": CAVEAT,
}


def points(
    evaluation: pd.DataFrame, runs: pd.DataFrame, costs: pd.DataFrame, rates: ServerRates
) -> pd.DataFrame:
    """One row per (entry, basis, seed): accuracy of the initial and of the personalized model at
    the round of the comparison.

    Args:
        evaluation: ``personalization`` rows of evaluation clients.
        costs: of ``server_rates.costs``.
    """
    frames = [pd.DataFrame(columns=list(POINTS))]
    seeds = runs.set_index("run_id").seed
    for entry, basis, choice in rates.choices():
        rounds = choice_rounds(runs, costs, rates, entry, basis)
        compared = evaluation[evaluation["round"] == evaluation.run_id.map(rounds)]
        means = mean_over_clients(compared).set_index("run_id")
        before, after = means[means.epoch == 0], means[means.epoch == choice.selected_epoch]
        columns = {INITIAL: before.accuracy, PERSONALIZED: after.accuracy}
        columns |= {"round": before["round"], "num_clients": before.num_clients}
        frame = pd.DataFrame(columns).assign(epoch=choice.selected_epoch).reset_index()
        chosen = {"entry": entry, "basis": basis, "setting": choice.setting}
        frames.append(frame.assign(**chosen, seed=frame.run_id.map(seeds)))
    return pd.concat(frames, ignore_index=True).assign(caveat=runs.caveat.iloc[0])[list(POINTS)]


def choice_rounds(
    runs: pd.DataFrame, costs: pd.DataFrame, rates: ServerRates, entry: str, basis: str
) -> dict[str, int]:
    """The round at which each run of the setting chosen for an entry on a basis is compared."""
    chosen = rates.entries[entry]
    run_ids = list(runs.run_id[runs.setting == chosen.chosen[basis].setting])
    return rounds_compared(run_ids, costs, basis, rates.rounds, rates.budget, chosen.rounds)
