"""Table 1 (section 5): accuracy at the last round and rounds to the target, for every M and E.

Accuracy is the mean over evaluation clients at the last round, never at the best one; mean and std
(n - 1) are over seeds; pooled accuracy is the share of all their test labels. Diverged runs are
counted and left out of the means. Rounds to the target are a mean over the runs that reached it (a
diverged run can have, before it diverged); those that did not are counted beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from perfedavg.analysis.choices import Selection
from perfedavg.analysis.claims.inference import welch_of_summaries
from perfedavg.analysis.columns import (
    ACCURACIES,
    CAVEAT,
    COUNTS,
    EPOCH_AT_EDGE,
    GRID,
    POOLED_MEANS,
    SELECTED_EPOCH,
)
from perfedavg.analysis.formats import diverged_in_words, epoch_in_words, number_in_words
from perfedavg.analysis.paired import at_edge, difference_in_words
from perfedavg.analysis.runs import local_work, stage1
from perfedavg.analysis.summary import (
    INITIAL,
    PERSONALIZED,
    diverged_clients,
    initial_and_personalized,
    mean_over_clients,
    rounds_to_target,
)
from perfedavg.data.sets import data_set
from perfedavg.data.store import ClientStore
from perfedavg.storage.tables import Column

TITLE = "Table 1"
SECTION = "How accurate are the initial and the personalized model?"
CAPTION = (
    "Accuracy at the last round and rounds to the target, for every M and E: mean and standard "
    "deviation over seeds, mean over evaluation clients."
)
ROWS = (
    "One row per (M, E). Further columns `personalized_epoch<k>_mean`: accuracy after k fine-tune "
    "epochs, for each of `evaluation.fine_tuning.shown_epochs`. Where all clients are the paper's "
    "(EMNIST-62), columns `paper_<column>` hold its values (`config/paper_targets.csv`) and "
    "`difference_initial`, `difference_personalized` (with `_low` and `_high`, the ends of their "
    "95 % intervals), `difference_rounds_to_target_initial`, "
    "`difference_rounds_to_target_personalized` ours minus the paper's, empty where the paper has "
    "no such row or, for rounds, another target."
)
CONTRACT = {
    **GRID,
    **COUNTS,
    **ACCURACIES,
    **POOLED_MEANS,
    "selected_epoch": SELECTED_EPOCH,
    "epoch_at_edge": EPOCH_AT_EDGE,
    "rounds_to_target_initial": Column(
        "float? 1..",
        "rounds",
        "first personalized round (of possibly fewer clients) at or above the target, mean over "
        "the runs that reached it",
    ),
    "rounds_to_target_personalized": Column(
        "float? 1..", "rounds", "the same for the personalized model"
    ),
    "unreached_initial": Column("int 0..", "runs", "runs that never reached the target"),
    "unreached_personalized": Column("int 0..", "runs", "the same for the personalized model"),
    "target": Column("float 0..1", "accuracy", "the target"),
    "caveat": CAVEAT,
}


def settings(config: Any) -> dict[str, Any]:
    """The target accuracy and the fine-tune epochs shown beside the selected one."""
    return {
        "target": config.evaluation.target_accuracy,
        "shown_epochs": list(config.evaluation.fine_tuning.shown_epochs),
        "data_block": config.data.content,
    }


def compute(
    grid_evaluation: pd.DataFrame,
    runs: pd.DataFrame,
    selection: Selection,
    paper: pd.DataFrame | None,
    target: float,
    shown_epochs: list[int],
    store: Path | None = None,
    data_block: dict[str, Any] | None = None,
) -> pd.DataFrame:
    """One row per (M, local work), in the order of ``runs``; beside the ``paper``'s, if they are
    given and the store holds the paper's clients."""
    if paper is not None and store is not None:
        ids = ClientStore(store).column("client_id")
        paper = paper if data_set(data_block).are_the_papers(ids) else None
    runs = stage1(runs)
    curves = initial_and_personalized(grid_evaluation, runs, selection)
    by_epoch = mean_over_clients(grid_evaluation)
    rows = []
    for key, group in runs.groupby(list(GRID), sort=False, dropna=False):
        last = group["rounds"].iloc[0]
        curves_of_group = curves[curves.run_id.isin(group.run_id)]
        final = curves_of_group[curves_of_group["round"] == last]
        row: dict[str, Any] = dict(zip(GRID, key, strict=True))
        row |= {
            "num_seeds": len(group),
            "num_diverged": int(group.status.str.startswith("diverged").sum()),
            "num_clients": int(final.num_clients.max()) if len(final) else 0,
            "num_diverged_clients": diverged_clients(
                grid_evaluation, group, selection.epochs[group.setting.iloc[0]]
            ),
        }
        for model in (INITIAL, PERSONALIZED):
            accuracy = final.loc[final.model == model, "accuracy"]
            row |= {f"{model}_mean": accuracy.mean(), f"{model}_std": accuracy.std(ddof=1)}
            row[f"{model}_pooled_mean"] = final.loc[final.model == model, "pooled"].mean()
        row["selected_epoch"] = selection.epochs[group.setting.iloc[0]]
        row["epoch_at_edge"] = at_edge(grid_evaluation, group, row["selected_epoch"])
        unreached = {}
        # The same rounds for both models, or the one evaluated more often would be favoured; all
        # rounds where nothing is personalized.
        personalized = curves_of_group[curves_of_group.model == PERSONALIZED]
        common = (curves_of_group if personalized.empty else personalized)["round"]
        compared = curves_of_group[curves_of_group["round"].isin(common)]
        for model in (INITIAL, PERSONALIZED):
            curves_of_model = compared[compared.model == model].groupby("run_id")
            needed = [rounds_to_target(curve, target) for _, curve in curves_of_model]
            reached = pd.Series(needed, dtype=float).dropna()
            row[f"rounds_to_target_{model}"] = reached.mean()
            unreached[f"unreached_{model}"] = len(group) - len(reached)
        row |= unreached | {"target": target, "caveat": group.caveat.iloc[0]}
        means = by_epoch[by_epoch.run_id.isin(group.run_id) & (by_epoch["round"] == last)]
        for epoch in shown_epochs:
            accuracy = means.accuracy[means.epoch == epoch]
            row[f"personalized_epoch{epoch}_mean"] = accuracy.mean()
        rows.append(row)
    table = pd.DataFrame(rows)
    return table if paper is None else beside_the_paper(table, paper)


def beside_the_paper(table: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """``table`` with the paper's values as ``paper_*`` and ours minus theirs as ``difference_*``;
    empty where the paper has no such row, and for rounds where our target is another one."""
    keys = ["clients_per_round", "local_epochs"]
    names = {name: f"paper_{name}" for name in paper.columns if name not in keys}
    theirs = paper.rename(columns=names).astype({"local_epochs": "Int64"})
    merged = table.astype({"local_epochs": "Int64"}).merge(theirs, on=keys, how="left")
    same_target = merged.target == merged.paper_target
    for model in (INITIAL, PERSONALIZED):
        merged[f"difference_{model}"] = merged[f"{model}_mean"] - merged[f"paper_{model}_mean"]
        ends = merged.apply(_welch, axis=1, model=model, result_type="expand")
        merged[[f"difference_{model}_low", f"difference_{model}_high"]] = ends
        rounds = f"rounds_to_target_{model}"
        difference = merged[rounds] - merged[f"paper_{rounds}"]
        merged[f"difference_{rounds}"] = difference.where(same_target)
    return merged


PAPERS_RUNS = 10
"""Runs per row of the paper's table, which are unknown: about 7 to 14."""


def _welch(row: pd.Series, model: str) -> tuple[float, float]:
    """The 95 % interval of a difference to the paper's mean; nan where there is none."""
    ours = [row[f"{model}_mean"], row[f"{model}_std"]]
    theirs = [row[f"paper_{model}_mean"], row[f"paper_{model}_std"]]
    n = row.num_seeds - row.num_diverged
    if n < 2 or pd.isna([*ours, *theirs]).any():
        return float("nan"), float("nan")
    estimate = welch_of_summaries(*ours, n, *theirs, PAPERS_RUNS, 0)
    return estimate.low, estimate.high


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The same table for people: ``mean (std)``, unreached and diverged runs in words."""
    target = f"{table.target.iloc[0]:g}"

    def accuracy(row: pd.Series, name: str) -> str:
        if pd.isna(row[f"{name}_mean"]):
            return "diverged"
        std = row[f"{name}_std"]
        return f"{row[f'{name}_mean']:.4f}" + ("" if pd.isna(std) else f" ({std:.4f})")

    def rounds(row: pd.Series, name: str) -> str:
        if name == PERSONALIZED and pd.isna(row.selected_epoch):
            return "diverged"
        mean, missed = row[f"rounds_to_target_{name}"], row[f"unreached_{name}"]
        if pd.isna(mean):
            return f"never ({missed} of {row.num_seeds})"
        return f"{mean:.1f}" + (f" (never: {missed} of {row.num_seeds})" if missed else "")

    work, letter = local_work(table)
    columns = {
        "M": table.clients_per_round,
        letter: table[work],
        "initial accuracy": table.apply(accuracy, axis=1, name=INITIAL),
        "personalized accuracy": table.apply(accuracy, axis=1, name=PERSONALIZED),
        "fine-tune epochs": table.apply(epoch_in_words, axis=1),
    }
    for name in _by_epoch(table):
        epoch = name.removeprefix("personalized_epoch").removesuffix("_mean")
        columns[f"after epoch {epoch}"] = table[name].map(number_in_words)
    columns |= {
        f"rounds to {target}, initial": table.apply(rounds, axis=1, name=INITIAL),
        f"rounds to {target}, personalized": table.apply(rounds, axis=1, name=PERSONALIZED),
        "pooled, initial": table.initial_pooled_mean.map(number_in_words),
        "pooled, personalized": table.personalized_pooled_mean.map(number_in_words),
        "seeds": table.num_seeds,
        "diverged": table.apply(diverged_in_words, axis=1),
    }
    if "paper_target" in table.columns:
        for model in (INITIAL, PERSONALIZED):
            values = table.apply(accuracy, axis=1, name=f"paper_{model}").replace("diverged", "")
            difference = table.apply(difference_in_words, axis=1, model=model)
            columns |= {f"paper: {model}": values, f"difference, {model}": difference}
            needed = table[f"paper_rounds_to_target_{model}"].map(number_in_words, form="g")
            columns[f"paper: rounds to 0.8, {model}"] = needed
    return pd.DataFrame(columns)


def _by_epoch(table: pd.DataFrame) -> list[str]:
    return [c for c in table.columns if c.startswith("personalized_epoch")]


def caption(table: pd.DataFrame, runs: pd.DataFrame) -> str:
    """What the numbers are."""
    paper = (
        " Columns headed paper: are the paper's, on the full data; differences to them have 95 % "
        f"intervals by Welch's t, as if its rows were {PAPERS_RUNS} runs (how many is unknown)."
    )
    letter = local_work(table)[1]
    work = "epochs" if letter == "E" else "steps"
    epochs = [c.removeprefix("personalized_epoch").removesuffix("_mean") for c in _by_epoch(table)]
    after = (
        f" After epoch {' / '.join(epochs)}: personalized accuracy after so many fine-tune epochs."
    )
    return (
        f"M clients per round, {letter} local {work}. "
        f"Accuracy after {stage1(runs)['rounds'].max()} rounds: mean over "
        f"{table.num_clients.max()} evaluation clients, then mean (std) over seeds. Fine-tune "
        f"epochs were chosen on validation clients. Rounds to {table.target.iloc[0]:g}: the first "
        "evaluated round at or above it, mean over the runs that reached it; rounds before the "
        "last may evaluate fewer clients. Pooled: share of all test labels that are predicted "
        "correctly. Diverged: runs that broke down."
        + (after if epochs else "")
        + (paper if "paper_target" in table.columns else "")
    )
