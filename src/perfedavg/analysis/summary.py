"""From per-client rows to one number a run, round and kind of model: what the tables and figures share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from perfedavg.analysis.selection import headline_epochs, setting_of
from perfedavg.files import read_json
from perfedavg.tables import EVALUATION, read_table, write_table

INITIAL, PERSONALIZED = "initial", "personalized"
NOT_THE_PAPER = "Synthetic data (glyphs62), for trying the pipeline: they say nothing about the paper."
SYNTHETIC = ("glyphs62",)

RUNS = {
    "run_id": "str",
    "dataset": "str",
    "split": "str",
    "algorithm": "str",
    "stage": "int 1..",
    "parent_run_id": "str?",
    "clients_per_round": "int 1..",
    "local_epochs": "int? 1..",
    "local_steps": "int? 1..",
    "client_lr": "float 0..",
    "server_optimizer": "str",
    "server_lr": "float 0..",
    "seed": "int 0..",
    "rounds": "int 1..",
    "status": "str",
}


def note_for(dataset: str) -> str:
    """The sentence that every table and figure from synthetic data carries; empty for real data."""
    return NOT_THE_PAPER if dataset in SYNTHETIC else ""


def write_runs_table(run_files: Iterable[str | Path], path: str | Path) -> None:
    """Write ``runs.csv`` from every run's ``run.json``."""
    rows = []
    for file in run_files:
        run = read_json(file)
        client, server = run["client"], run["server"]
        rows.append(run | {"client_lr": client["lr"], "server_optimizer": server["optimizer"], "server_lr": server["lr"]})
    write_table(RUNS, pd.DataFrame(rows)[list(RUNS)], path)


def read_runs_table(path: str | Path) -> pd.DataFrame:
    """Read ``runs.csv``."""
    return read_table(RUNS, path)


def load_evaluation(files: Iterable[str | Path]) -> pd.DataFrame:
    """The rows of evaluation clients in the ``personalization`` tables of all runs."""
    table = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
    return table[table.client_group == EVALUATION].drop(columns="client_group")


def mean_over_clients(evaluation: pd.DataFrame) -> pd.DataFrame:
    """Unweighted mean accuracy over clients: one row a (run, round, epoch), with ``num_clients``."""
    grouped = evaluation.groupby(["run_id", "round", "epoch"], as_index=False)
    return grouped.agg(accuracy=("accuracy", "mean"), num_clients=("client_id", "nunique"))


def initial_and_personalized(evaluation: pd.DataFrame, runs: pd.DataFrame, selection: dict[str, Any]) -> pd.DataFrame:
    """One row a (run, evaluated round, model): accuracy of the initial model and of the one after the headline epoch.

    Args:
        runs: ``runs.csv``.
        selection: ``selection.json``; supplies the headline epoch of the run's setting.
    """
    headline = headline_epochs(selection)
    runs = runs.assign(headline_epoch=runs.run_id.map(setting_of).map(headline))
    means = mean_over_clients(evaluation).merge(runs, on="run_id")
    initial = means[means.epoch == 0].assign(model=INITIAL)
    personalized = means[(means.epoch > 0) & (means.epoch == means.headline_epoch)].assign(model=PERSONALIZED)
    return pd.concat([initial, personalized]).sort_values(["run_id", "round", "model"], ignore_index=True)


def rounds_to_target(curve: pd.DataFrame, target: float) -> float:
    """The first evaluated round whose accuracy is at or above ``target``; nan if there is none.

    Args:
        curve: columns ``round`` and ``accuracy`` of one run and one kind of model.
    """
    reached = curve.loc[curve.accuracy >= target, "round"]
    return float(reached.min()) if len(reached) else float("nan")
