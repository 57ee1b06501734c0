"""Table ``strategies``: ways to personalize the reference runs' last models, side by side on the
same evaluation clients."""

from __future__ import annotations

from typing import Any

import pandas as pd

from perfedavg.analysis.columns import (
    ACCURACIES,
    CAVEAT,
    COMPARED_WITH,
    COUNTS,
    DIFFERENCE,
    EPOCH_AT_EDGE,
    HURT_SHARE,
    POOLED_MEANS,
    SELECTED_EPOCH,
)
from perfedavg.analysis.formats import (
    accuracy_in_words,
    diverged_in_words,
    edge,
    epoch_in_words,
    number_in_words,
    share_in_words,
)
from perfedavg.analysis.paired import paired_table
from perfedavg.analysis.strategies import Ways, ways_as_settings
from perfedavg.analysis.summary import INITIAL, PERSONALIZED
from perfedavg.storage.tables import Column

TITLE = "ways to personalize"
SECTION = "Which way to fine-tune is best?"
CAPTION = (
    "Ways to personalize the same FedAvg models, which differ in what is trained, optimizer or "
    "rate, each at the fine-tune epoch chosen on validation clients."
)
ROWS = (
    "One row per way to personalize, all from the reference runs' last models and on the same "
    "evaluation clients; the first is `evaluation.fine_tuning`, the others are "
    "`studies.strategies`. All ways meet the same batches."
)
CONTRACT = {
    "strategy": Column("str", "-", "way to personalize, as in `personalization/<run_id>.parquet`"),
    "fine_tune_lr": Column("float 0..", "-", "its learning rate"),
    "trained_parameters": Column(
        "int 1..", "parameters", "how many it changes; the others are frozen"
    ),
    **COUNTS,
    **ACCURACIES,
    "personalized_pooled_mean": POOLED_MEANS["personalized_pooled_mean"],
    "selected_epoch": SELECTED_EPOCH,
    "epoch_at_edge": EPOCH_AT_EDGE,
    "hurt_share": HURT_SHARE,
    "compared_with": COMPARED_WITH,
    "difference_personalized": DIFFERENCE,
    "caveat": CAVEAT,
}


def asked(config: Any) -> bool:
    """Where there are further ways."""
    return bool(config.studies.strategies)


def settings(config: Any, reference: str, ways: Ways) -> dict[str, Any]:
    """The reference setting, the ways, and how many epochs each is tried for."""
    last_epoch = config.evaluation.fine_tuning.epochs
    return {"reference": reference, "ways": ways, "last_epoch": last_epoch}


def compute(
    ordinary_rows: pd.DataFrame,
    strategy_rows: pd.DataFrame,
    runs: pd.DataFrame,
    reference: str,
    ways: Ways,
    last_epoch: int,
) -> pd.DataFrame:
    """One row per way, in the order of ``ways``; differences are to the first."""
    evaluation, runs, selection = ways_as_settings(
        ordinary_rows, strategy_rows, runs, reference, ways
    )
    names = [way["strategy"] for way in ways]
    table = paired_table(evaluation, runs, selection, {name: name for name in names}, names[0])
    table = table.assign(
        strategy=names,
        fine_tune_lr=[way["lr"] for way in ways],
        epoch_at_edge=[edge(epoch, 1, last_epoch) for epoch in table.selected_epoch.astype(float)],
        trained_parameters=[way["trained_parameters"] for way in ways],
    )
    return table[list(CONTRACT)]


def shown(table: pd.DataFrame) -> pd.DataFrame:
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
        "fine-tune epochs": table.apply(epoch_in_words, axis=1),
        "clients hurt": table.hurt_share.map(share_in_words),
        "pooled, personalized": table.personalized_pooled_mean.map(number_in_words),
        "seeds": table.num_seeds,
        "diverged": table.apply(diverged_in_words, axis=1),
    }
    return pd.DataFrame(columns)


def caption(table: pd.DataFrame) -> str:
    """What the numbers are."""
    return (
        "Ways to personalize the same FedAvg models of the last round: mean over "
        f"{table.num_clients.max()} evaluation clients, then mean (std) over seeds. "
        f"{table.compared_with.iloc[0].capitalize()} is the experiment's own way; SGD unless Adam "
        "is named. Each way's fine-tune epochs were chosen on validation clients; lowest or "
        "highest tried: a better one may lie beyond. Clients hurt: "
        "share whose personalized accuracy is below their initial one. Pooled: share of all test "
        "examples classified correctly."
    )
