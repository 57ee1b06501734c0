"""Choose on validation clients: the headline fine-tune epoch of every setting, and the best settings (claim C3).

Reads validation rows alone. What is chosen here is only reported on evaluation clients.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from perfedavg.errors import PerfedavgError
from perfedavg.tables import VALIDATION


def setting_of(run_id: str) -> str:
    """The run's setting: its id without the seed. Runs of one setting differ in nothing else."""
    return run_id.rsplit("-s", 1)[0]


def select(validation: pd.DataFrame, run_ids: list[str]) -> dict[str, Any]:
    """Select from the ``personalization`` rows of validation clients at the last round.

    Accuracy is the unweighted mean over clients, then over runs. The headline epoch (1 or later) has the highest mean
    personalized accuracy; of equal ones, the earliest. Runs that diverged have no rows and do not take part; a setting with such
    a run is never the best one, since its mean would be over the survivors.

    Args:
        run_ids: all runs, those that diverged included.

    Raises:
        PerfedavgError: a row belongs to a client of another group, or a run has rows of several rounds.
    """
    others = sorted(set(validation.client_group) - {VALIDATION})
    if others:
        raise PerfedavgError(f"Selection was given {others[0]} clients; it must see validation clients only.")
    if (validation.groupby("run_id")["round"].nunique() > 1).any():
        raise PerfedavgError("Selection was given several rounds of one run; it must see the last round only.")
    alive = validation.groupby(validation.run_id.map(setting_of)).run_id.nunique()
    by_run = validation.groupby(["run_id", "epoch"], as_index=False).accuracy.mean()
    curves = by_run.assign(setting=by_run.run_id.map(setting_of)).groupby(["setting", "epoch"]).accuracy.mean().unstack("epoch")
    chosen = {}
    for setting in dict.fromkeys(map(setting_of, run_ids)):
        runs = sum(setting_of(run_id) == setting for run_id in run_ids)
        counts = {"num_runs": runs, "num_diverged": runs - int(alive.get(setting, 0))}
        if setting not in curves.index:
            chosen[setting] = {"headline_epoch": None, "initial_accuracy": None, "personalized_accuracy": None, **counts}
            continue
        curve = curves.loc[setting]
        headline = int(curve.loc[1:].idxmax())
        chosen[setting] = {
            "headline_epoch": headline,
            "initial_accuracy": round(float(curve.loc[0]), 6),
            "personalized_accuracy": round(float(curve.loc[headline]), 6),
            **counts,
        }
    return {
        "selected_on": "validation clients, last round",
        "num_clients": int(validation.client_id.nunique()),
        "settings": chosen,
        "best_setting_by_initial_accuracy": _best(chosen, "initial_accuracy"),
        "best_setting_by_personalized_accuracy": _best(chosen, "personalized_accuracy"),
    }


def _best(chosen: dict[str, dict[str, Any]], key: str) -> str | None:
    finished = {setting: values[key] for setting, values in chosen.items() if not values["num_diverged"]}
    return max(finished, key=finished.__getitem__) if finished else None


def headline_epochs(selection: dict[str, Any]) -> dict[str, int | None]:
    """The headline epoch of every setting."""
    return {setting: values["headline_epoch"] for setting, values in selection["settings"].items()}
