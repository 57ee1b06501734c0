"""Choose on validation clients: the headline fine-tune epoch of every setting, the best settings of
the grid (claim C3), and Reptile's server optimizer of each kind.

Reads validation rows alone. What is chosen here is only reported on evaluation clients.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from perfedavg.runtime.errors import PerfedavgError
from perfedavg.storage.tables import VALIDATION


def setting_of(run_id: str) -> str:
    """The run's setting: its id without the seed. Runs of one setting differ in nothing else."""
    return run_id.rsplit("-s", 1)[0]


def select(
    validation: pd.DataFrame, runs: list[dict[str, Any]], reptile: dict[str, list[str]]
) -> dict[str, Any]:
    """Select from the ``personalization`` rows of validation clients at each run's last round.

    Accuracy is the unweighted mean over clients, then over runs. The headline epoch (1 or later)
    has the highest mean personalized accuracy; of equal ones, the earliest. Runs that diverged have
    no rows and do not take part; a setting with such a run is never the best one, since its mean
    would be over the survivors.

    Args:
        runs: every run's ``run.json``, of those that diverged too.
        reptile: by kind of server optimizer, the settings of which one is chosen, by personalized
            accuracy.

    Raises:
        PerfedavgError: a row belongs to a client of another group.
    """
    validation = validation_only(validation)
    last = {run["run_id"]: run["rounds"] for run in runs}
    chosen = settings_chosen(
        validation[validation["round"] == validation.run_id.map(last)], list(last)
    )
    grid = {setting_of(run["run_id"]) for run in runs if run.get("study") == "grid"}
    return {
        "selected_on": "validation clients, last round",
        "num_clients": int(validation.client_id.nunique()),
        "settings": chosen,
        "best_setting_by_initial_accuracy": _best(chosen, grid, "initial_accuracy"),
        "best_setting_by_personalized_accuracy": _best(chosen, grid, "personalized_accuracy"),
        "reptile": {kind: best_of(chosen, settings) for kind, settings in reptile.items()},
    }


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


def settings_chosen(validation: pd.DataFrame, run_ids: list[str]) -> dict[str, dict[str, Any]]:
    """By setting: its headline epoch and its accuracies there, from one round's rows of each of
    ``run_ids``."""
    alive = validation.groupby(validation.run_id.map(setting_of)).run_id.nunique()
    by_run = validation.groupby(["run_id", "epoch"], as_index=False).accuracy.mean()
    curves = (
        by_run.assign(setting=by_run.run_id.map(setting_of))
        .groupby(["setting", "epoch"])
        .accuracy.mean()
        .unstack("epoch")
    )
    chosen = {}
    for setting in dict.fromkeys(map(setting_of, run_ids)):
        count = sum(setting_of(run_id) == setting for run_id in run_ids)
        counts = {"num_runs": count, "num_diverged": count - int(alive.get(setting, 0))}
        if setting not in curves.index:
            chosen[setting] = {
                "selected_epoch": None,
                "initial_accuracy": None,
                "personalized_accuracy": None,
                **counts,
            }
            continue
        curve = curves.loc[setting]
        selected = int(curve.loc[1:].idxmax())
        chosen[setting] = {
            "selected_epoch": selected,
            "initial_accuracy": round(float(curve.loc[0]), 6),
            "personalized_accuracy": round(float(curve.loc[selected]), 6),
            **counts,
        }
    return chosen


def best_of(chosen: dict[str, dict[str, Any]], settings: list[str]) -> str:
    """Of several settings the one with the fewest diverged runs, then the highest personalized
    accuracy."""
    return max(settings, key=lambda setting: _rank(chosen[setting]))


def _rank(values: dict[str, Any]) -> tuple[int, float]:
    """Fewest diverged runs first, then the highest personalized accuracy: a kind always has a
    setting to show."""
    return -values["num_diverged"], values["personalized_accuracy"] or 0.0


def _best(chosen: dict[str, dict[str, Any]], among: set[str], key: str) -> str | None:
    finished = {
        s: values[key] for s, values in chosen.items() if s in among and not values["num_diverged"]
    }
    return max(finished, key=finished.__getitem__) if finished else None


def selected_epochs(selection: dict[str, Any]) -> dict[str, int | None]:
    """The headline epoch of every setting."""
    return {setting: values["selected_epoch"] for setting, values in selection["settings"].items()}
