"""Table ``strategies``: ways to personalize the reference runs' last models, side by side on the
same evaluation clients.

Each way's fine-tune epochs are chosen on validation clients, for it alone. All ways start from the
same models and meet the same batches, so their differences to the first way, the experiment's own,
are paired: within a seed, then their mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from perfedavg.analysis.comparison import (
    accuracy_in_words,
    comparison,
    number_in_words,
    share_in_words,
)
from perfedavg.analysis.selection import select, setting_of
from perfedavg.analysis.summary import INITIAL, PERSONALIZED
from perfedavg.personalization.settings import FineTuning
from perfedavg.storage.tables import EVALUATION, VALIDATION

STRATEGIES = {
    "strategy": "str",
    "fine_tune_lr": "float 0..",
    "trained_parameters": "int 1..",
    "num_seeds": "int 1..",
    "num_diverged": "int 0..",
    "num_clients": "int 0..",
    "initial_mean": "float? 0..1",
    "initial_std": "float? 0..",
    "personalized_mean": "float? 0..1",
    "personalized_std": "float? 0..",
    "personalized_pooled_mean": "float? 0..1",
    "selected_epoch": "int? 1..",
    "hurt_share": "float? 0..1",
    "compared_with": "str",
    "difference_personalized": "float? -1..1",
    "caveat": "str",
}


def as_runs(
    rows: pd.DataFrame, runs: pd.DataFrame, reference: str, ways: Sequence[FineTuning]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The ``personalization`` rows and ``runs.csv`` of the reference runs, with every (way, seed)
    as a run and every way as a setting: what compares settings then compares ways."""
    own = runs[runs.run_id.map(setting_of) == reference]
    rows = rows[rows.run_id.isin(own.run_id)]
    seeds = "-s" + own.seed.astype(str)
    return (
        rows.assign(run_id=rows.strategy + "-s" + rows.seed.astype(str)),
        pd.concat([own.assign(run_id=way.strategy + seeds) for way in ways], ignore_index=True),
    )


def selection_of_ways(rows: pd.DataFrame, runs: pd.DataFrame) -> dict[str, Any]:
    """What ``selection.json`` is for settings, for ways: the headline epoch of each, from
    validation clients' rows alone."""
    return select(rows[rows.client_group == VALIDATION], runs.to_dict("records"), {})


def strategies_table(
    rows: pd.DataFrame, runs: pd.DataFrame, ways: Sequence[FineTuning], sizes: Sequence[int]
) -> pd.DataFrame:
    """One row a way, in the order of ``ways``; differences are to the first.

    Args:
        rows: with ``runs`` from :func:`as_runs`.
        sizes: of each way, the number of parameters that it trains.
    """
    names = [way.strategy for way in ways]
    evaluation = rows[rows.client_group == EVALUATION]
    table = comparison(
        evaluation, runs, selection_of_ways(rows, runs), {name: name for name in names}, names[0]
    )
    table = table.assign(
        strategy=names, fine_tune_lr=[way.lr for way in ways], trained_parameters=sizes
    )
    return table[list(STRATEGIES)]


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The same table for people."""
    columns: dict[str, Any] = {
        "way to personalize": table.strategy,
        "learning rate": table.fine_tune_lr.map("{:g}".format),
        "trained parameters": table.trained_parameters.map("{:,}".format),
    }
    for model in (INITIAL, PERSONALIZED):
        columns[f"{model} accuracy"] = table.apply(accuracy_in_words, axis=1, name=model)
    columns |= {
        f"minus {table.compared_with.iloc[0]}": table.difference_personalized.map(
            number_in_words, form="+.4f"
        ),
        "fine-tune epochs": table.selected_epoch.map(lambda e: "" if pd.isna(e) else int(e)),
        "clients hurt": table.hurt_share.map(share_in_words),
        "pooled, personalized": table.personalized_pooled_mean.map(number_in_words),
        "seeds": table.num_seeds,
        "diverged": table.num_diverged,
    }
    return pd.DataFrame(columns)


def caption(table: pd.DataFrame) -> str:
    """What the numbers are."""
    caveat = table.caveat.iloc[0]
    return (
        f"Ways to personalize the same FedAvg models of the last round: mean over "
        f"{table.num_clients.max()} evaluation clients, "
        f"then mean (std) over seeds. {table.compared_with.iloc[0].capitalize()} is the "
        f"experiment's own way; SGD unless Adam is "
        "named. Each way's fine-tune epochs were chosen on validation clients. Clients "
        "hurt: share whose personalized accuracy "
        "is below their initial one. Pooled: share of all test examples classified correctly."
        + (f" **{caveat}**" if caveat else "")
    )
