"""What products read: by name, how its files become a value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from perfedavg.analysis.choices import Selection, ServerRates
from perfedavg.analysis.claims.registration import commit_of, registered
from perfedavg.analysis.runs import read_runs_table
from perfedavg.storage.tables import EVALUATION, VALIDATION, read_table

Files = Sequence[str | Path]

PAPER = {
    "clients_per_round": "int 1..",
    "local_epochs": "int 1..",
    "initial_mean": "float 0..1",
    "initial_std": "float 0..",
    "personalized_mean": "float 0..1",
    "personalized_std": "float 0..",
    "rounds_to_target_initial": "float 1..",
    "rounds_to_target_personalized": "float 1..",
    "target": "float 0..1",
}
"""The paper's own Table 1, ``config/paper_targets.csv``."""


def rows_of(files: Files) -> pd.DataFrame:
    """The rows of several Parquet tables, one below the other; an empty table of none."""
    if not files:
        return pd.DataFrame()
    return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)


def evaluation_rows(files: Files) -> pd.DataFrame:
    """Those of evaluation clients, of ``personalization`` tables."""
    table = rows_of(files)
    if table.empty:
        return table
    return table[table.client_group == EVALUATION].drop(columns="client_group")


def validation_rows(files: Files) -> pd.DataFrame:
    """Those of validation clients."""
    table = rows_of(files)
    return table[table.client_group == VALIDATION].drop(columns="client_group")


def commits(files: Files) -> dict[str, Any]:
    """The claims as they were at the commits that trained models, by commit."""
    return registered(map(commit_of, files))


INPUTS: dict[str, Callable[[Files], Any]] = {
    "runs": lambda files: read_runs_table(files[0]),
    "caveat": lambda files: read_runs_table(files[0]).caveat.iloc[0],
    "selection": lambda files: Selection.load(files[0]),
    "server_rates": lambda files: ServerRates.load(files[0]) if files else None,
    "evaluation": evaluation_rows,
    "grid_evaluation": evaluation_rows,
    "grid_validation": validation_rows,
    "registered": commits,
    "comparison_evaluation": evaluation_rows,
    "comparison_rounds": rows_of,
    "stage2_rounds": rows_of,
    "ordinary_rows": rows_of,
    "strategy_rows": rows_of,
    "theory_rows": rows_of,
    "paper": lambda files: read_table(PAPER, files[0]) if files else None,
    "split": lambda files: pd.read_csv(files[0], usecols=["client_index", "client_group"]),
    "store": lambda files: Path(files[0]).parent,
    "other_data": lambda files: Path(files[0]).parent if files else None,
    "other_split": lambda files: Path(files[0]).parent if files else None,
}
"""``evaluation`` holds all runs of grid, stage 2 and baselines, ``grid_evaluation`` and
``grid_validation`` the grid's; ``registered`` is read from the models of all federated runs;
``caveat`` is what must be said of all runs; ``ordinary_rows`` are the reference runs' personalized
in the ordinary way, ``strategy_rows`` in the further ones; ``store`` is its folder, ``other_data``
and ``other_split`` are those of other experiments."""
