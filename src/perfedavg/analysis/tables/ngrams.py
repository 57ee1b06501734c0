"""Table ``ngrams``: networks that predict the next token beside n-grams."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from perfedavg.analysis.choices import Selection
from perfedavg.analysis.columns import ACCURACIES, CAVEAT, COUNTS, POOLED_MEANS
from perfedavg.analysis.formats import accuracy_in_words, number_in_words
from perfedavg.analysis.paired import LOCAL_ONLY, baseline_models, paired_table
from perfedavg.analysis.runs import local_work, stage1
from perfedavg.data.ngrams import NAMES, ngram_accuracies
from perfedavg.data.store import ClientStore
from perfedavg.storage.tables import EVALUATION, TRAINING, Column

TITLE = "n-grams and networks"
SECTION = "How accurate are the initial and the personalized model?"
CAPTION = (
    "What the networks have learned: their accuracy beside that of n-grams, which predict the most "
    "frequent next token after none, one or two tokens of the training clients' data."
)
ROWS = (
    "One row per model: n-grams, which have no personalized model and no seeds, then every FedAvg "
    "setting and the models of table `baselines` at their last round, on the same evaluation "
    "clients."
)
CONTRACT = {
    "model": Column("str", "-", "name"),
    "num_seeds": Column("int 0..", "runs", "runs, diverged ones included; 0 of n-grams"),
    "num_diverged": COUNTS["num_diverged"],
    "num_clients": COUNTS["num_clients"],
    **ACCURACIES,
    **POOLED_MEANS,
    "caveat": CAVEAT,
}


def asked(config: Any) -> bool:
    """Where every position of token sequences has a label."""
    return config.data.kind == "tokens" and bool(config.data.label_shape)


def settings(reference: str, config: Any) -> dict[str, Any]:
    """The reference setting, and how many tokens there are."""
    return {"reference": reference, "num_values": config.data.num_values}


def compute(
    store: Path,
    split: pd.DataFrame,
    evaluation: pd.DataFrame,
    runs: pd.DataFrame,
    selection: Selection,
    reference: str,
    num_values: int,
) -> pd.DataFrame:
    """``split`` is the client split."""
    opened = ClientStore(store)
    groups = split.groupby("client_group").client_index
    training, evaluated = (groups.get_group(group).to_numpy() for group in (TRAINING, EVALUATION))
    labels = [np.count_nonzero(opened.client(int(i)).test_y >= 0) for i in evaluated]
    rows = []
    for n, accuracy in ngram_accuracies(opened, training, evaluated, num_values).items():
        pooled = np.nansum(accuracy * labels) / np.sum(labels)
        row = {"model": NAMES[n], "num_seeds": 0, "num_diverged": 0, "num_clients": len(evaluated)}
        rows.append(row | {"initial_mean": np.nanmean(accuracy), "initial_pooled_mean": pooled})
    grid = stage1(runs)
    column, letter = local_work(grid)
    models = {
        f"FedAvg, M = {run.clients_per_round}, {letter} = {run[column]:.0f}": run.setting
        for _, run in grid.iterrows()
    }
    models |= {
        name: setting
        for name, setting in baseline_models(runs, selection, reference).items()
        if setting not in models.values()
    }
    networks = paired_table(evaluation, runs, selection, models, next(iter(models)))
    untrained = [column for column in networks if column.startswith("initial")]
    networks.loc[networks.model == LOCAL_ONLY, untrained] = np.nan
    table = pd.concat([pd.DataFrame(rows), networks], ignore_index=True)
    return table.reindex(columns=list(CONTRACT)).assign(caveat=runs.caveat.iloc[0])


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The same table for people."""
    columns: dict[str, Any] = {"model": table.model}
    for model in ("initial", "personalized"):
        columns[f"{model} accuracy"] = table.apply(accuracy_in_words, axis=1, name=model)
        columns[f"pooled, {model}"] = table[f"{model}_pooled_mean"].map(number_in_words)
    seeds = table.num_seeds.astype(object).mask(table.num_seeds == 0, "")
    return pd.DataFrame(columns | {"seeds": seeds})


def caption(table: pd.DataFrame) -> str:
    """What the numbers are."""
    return (
        f"Next-token accuracy on {table.num_clients.max()} evaluation clients: mean over clients, "
        "then mean (std) over seeds. An n-gram predicts the most frequent next token after the "
        "n - 1 tokens before it in the training clients' data. Pooled: share of all test labels."
    )
