"""What products read: by name, how its files become a value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from perfedavg.analysis.choices import Selection, ServerRates
from perfedavg.analysis.claims.registration import commit_of, registered
from perfedavg.analysis.runs import read_runs_table
from perfedavg.storage.contracts import MEASURED, PERSONALIZATION, ROUNDS, read_split
from perfedavg.storage.tables import EVALUATION, VALIDATION, Contract, read_table, read_tables

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
OWN = "put the project's own back"
"""What to do where that file is damaged."""


def rows_of(files: Files, contract: Contract = PERSONALIZATION) -> pd.DataFrame:
    """The rows of several Parquet tables, one below the other; an empty table of none."""
    return read_tables(contract, files) if files else pd.DataFrame()


def evaluation_rows(files: Files) -> pd.DataFrame:
    """Those of evaluation clients, of ``personalization`` tables."""
    table = rows_of(files)
    if table.empty:
        return table
    return table[table.client_group == EVALUATION].drop(columns="client_group")


def validation_rows(files: Files) -> pd.DataFrame:
    """Those of validation clients."""
    table = rows_of(files)
    if table.empty:
        return table
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
    "comparison_rounds": partial(rows_of, contract=ROUNDS),
    "stage2_rounds": partial(rows_of, contract=ROUNDS),
    "ordinary_rows": rows_of,
    "strategy_rows": rows_of,
    "theory_rows": partial(rows_of, contract=MEASURED),
    "paper": lambda files: read_table(PAPER, files[0], OWN) if files else None,
    "split": lambda files: read_split(files[0]),
    "store": lambda files: Path(files[0]).parent,
    "other_data": lambda files: Path(files[0]).parent if files else None,
    "other_split": lambda files: Path(files[0]).parent if files else None,
}
"""``evaluation`` holds all runs of grid, stage 2 and baselines, ``grid_evaluation`` and
``grid_validation`` the grid's; ``registered`` is read from the models of all federated runs;
``caveat`` is what must be said of all runs; ``ordinary_rows`` are the reference runs' personalized
in the ordinary way, ``strategy_rows`` in the further ones; ``store`` is its folder, ``other_data``
and ``other_split`` are those of other experiments."""
