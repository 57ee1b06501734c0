"""From per-client rows to one number a run, round and kind of model: what the tables and figures
share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from perfedavg.analysis.selection import selected_epochs, setting_of
from perfedavg.storage.files import read_json
from perfedavg.storage.tables import EVALUATION, read_table, write_table

BASELINE = "baseline"
INITIAL, PERSONALIZED = "initial", "personalized"
PAPER_DATASET = "emnist62"
"""Only numbers from these data can stand beside the paper's."""

RUNS = {
    "run_id": "str",
    "dataset": "str",
    "split": "str",
    "study": "str",
    "algorithm": "str",
    "stage": "int 1..",
    "parent_run_id": "str?",
    "clients_per_round": "int? 1..",
    "local_epochs": "int? 1..",
    "local_steps": "int? 1..",
    "client_lr": "float? 0..",
    "server_optimizer": "str",
    "server_lr": "float? 0..",
    "seed": "int 0..",
    "rounds": "int 0..",
    "status": "str",
    "caveat": "str",
}


def write_runs_table(run_files: Iterable[str | Path], caveat: str, path: str | Path) -> None:
    """Write ``runs.csv`` from every run's ``run.json``; ``note`` is what must be said of their
    data."""
    rows = []
    for file in run_files:
        run = read_json(file)
        if "server" in run:
            client, server = run["client"], run["server"]
            run |= {
                "client_lr": client["lr"],
                "server_optimizer": server["optimizer"],
                "server_lr": server["lr"],
            }
            for later in run[
                "then"
            ]:  # a schedule: names in the order of its stages, numbers of its first
                run["algorithm"] += f"+{later['algorithm']}"
                run["server_optimizer"] += f"+{later['server']['optimizer']}"
        rows.append({"study": BASELINE, **run, "caveat": caveat})
    write_table(RUNS, pd.DataFrame(rows, columns=list(RUNS)), path)


def read_runs_table(path: str | Path) -> pd.DataFrame:
    """Read ``runs.csv``."""
    return read_table(RUNS, path)


def stage1(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of the grid: those that Table 1 is about."""
    return runs[runs.study == "grid"]


def load_evaluation(files: Iterable[str | Path]) -> pd.DataFrame:
    """The rows of evaluation clients in the ``personalization`` tables of all runs."""
    table = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
    return table[table.client_group == EVALUATION].drop(columns="client_group")


def mean_over_clients(evaluation: pd.DataFrame) -> pd.DataFrame:
    """One row a (run, round, epoch): ``accuracy``, the unweighted mean over clients, ``pooled``,
    the share of all their test examples, and ``num_clients``."""
    weighted = evaluation.assign(correct=evaluation.accuracy * evaluation.num_test)
    grouped = weighted.groupby(["run_id", "round", "epoch"], as_index=False)
    means = grouped.agg(
        accuracy=("accuracy", "mean"),
        correct=("correct", "sum"),
        num_test=("num_test", "sum"),
        num_clients=("client_id", "nunique"),
    )
    return means.assign(pooled=means.correct / means.num_test).drop(columns=["correct", "num_test"])


def initial_and_personalized(
    evaluation: pd.DataFrame, runs: pd.DataFrame, selection: dict[str, Any]
) -> pd.DataFrame:
    """One row a (run, evaluated round, model): accuracy of the initial model and of the one after
    the headline epoch.

    Args:
        runs: ``runs.csv``.
        selection: ``selection.json``; supplies the headline epoch of the run's setting.
    """
    selected = selected_epochs(selection)
    runs = runs.assign(selected_epoch=runs.run_id.map(setting_of).map(selected))
    means = mean_over_clients(evaluation).merge(runs, on="run_id")
    initial = means[means.epoch == 0].assign(model=INITIAL)
    personalized = means[(means.epoch > 0) & (means.epoch == means.selected_epoch)].assign(
        model=PERSONALIZED
    )
    return pd.concat([initial, personalized]).sort_values(
        ["run_id", "round", "model"], ignore_index=True
    )


def rounds_to_target(curve: pd.DataFrame, target: float) -> float:
    """The first evaluated round whose accuracy is at or above ``target``; nan if there is none.

    Args:
        curve: columns ``round`` and ``accuracy`` of one run and one kind of model.
    """
    reached = curve.loc[curve.accuracy >= target, "round"]
    return float(reached.min()) if len(reached) else float("nan")
