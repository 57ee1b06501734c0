"""Choose on validation clients: the fine-tune epoch of every setting, the best settings of the grid
(claim C3), and Reptile's server optimizer of each kind.

Reads validation rows alone. What is chosen here is only reported on evaluation clients.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from perfedavg.analysis.choices import Selection, SettingChoice
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.storage.tables import VALIDATION


def select(
    validation: pd.DataFrame, runs: pd.DataFrame, reptile: dict[str, list[str]]
) -> Selection:
    """Select from the ``personalization`` rows of validation clients at each run's last round.

    Accuracy is the unweighted mean over clients, then over runs. The selected epoch (1 or later)
    has the highest mean personalized accuracy; of equal ones, the earliest. Runs that diverged have
    no rows and do not take part; a setting with such a run is never the best one, since its mean
    would be over the survivors.

    Args:
        runs: columns ``run_id, setting, study, rounds`` of all runs, of those that diverged too.
        reptile: by kind of server optimizer, the settings of which one is chosen, by personalized
            accuracy.

    Raises:
        PerfedavgError: a row belongs to a client of another group.
    """
    validation = validation_only(validation)
    last = runs.set_index("run_id")["rounds"]
    chosen = settings_chosen(validation[validation["round"] == validation.run_id.map(last)], runs)
    grid = set(runs[runs.study == "grid"].setting)
    return Selection(
        num_clients=int(validation.client_id.nunique()),
        settings=chosen,
        best_setting_by_initial_accuracy=_best(chosen, grid, "initial_accuracy"),
        best_setting_by_personalized_accuracy=_best(chosen, grid, "personalized_accuracy"),
        reptile={kind: best_of(chosen, settings) for kind, settings in reptile.items()},
    )


def validation_only(rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows.

    Raises:
        PerfedavgError: one of them belongs to a client of another group.
    """
    others = sorted(set(rows.client_group) - {VALIDATION})
    if others:
        raise PerfedavgError(
            f"Selection was given {others[0]} clients; it must see validation clients only."
        )
    return rows


def settings_chosen(validation: pd.DataFrame, runs: pd.DataFrame) -> dict[str, SettingChoice]:
    """By setting of ``runs`` (columns ``run_id, setting``): its selected epoch and its accuracies
    there, from one round's rows of each run."""
    rows = validation.merge(runs[["run_id", "setting"]], on="run_id")
    alive = rows.groupby("setting").run_id.nunique()
    by_run = rows.groupby(["setting", "run_id", "epoch"], as_index=False).accuracy.mean()
    curves = by_run.groupby(["setting", "epoch"]).accuracy.mean().unstack("epoch")
    chosen = {}
    for setting, count in runs.groupby("setting", sort=False).size().items():
        values: tuple[int | None, float | None, float | None] = (None, None, None)
        if setting in curves.index:
            curve = curves.loc[setting]
            epoch = int(curve.loc[1:].idxmax())
            values = (epoch, *(round(float(curve.loc[e]), 6) for e in (0, epoch)))
        chosen[setting] = SettingChoice(*values, int(count), int(count - alive.get(setting, 0)))
    return chosen


def best_of(chosen: dict[str, SettingChoice], settings: Iterable[str]) -> str:
    """Of several settings the one with the fewest diverged runs, then the highest personalized
    accuracy: there is always one to show."""
    return max(
        settings, key=lambda s: (-chosen[s].num_diverged, chosen[s].personalized_accuracy or 0.0)
    )


def _best(chosen: dict[str, SettingChoice], among: set[str], accuracy: str) -> str | None:
    finished = [s for s, choice in chosen.items() if s in among and not choice.num_diverged]
    return max(finished, key=lambda s: getattr(chosen[s], accuracy), default=None)
