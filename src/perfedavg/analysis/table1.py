"""Table 1 (section 5): accuracy at the last round and rounds to the target, for every M and E.

Accuracy is the mean over evaluation clients at the last round, never at the best one; mean and std
(n - 1) are over seeds; pooled accuracy is the share of all their test examples. Diverged runs are
counted and left out of the means. Rounds to the target are a mean over the runs that reached it (a
diverged run can have, before it diverged); those that did not are counted beside it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from perfedavg.analysis.selection import selected_epochs, setting_of
from perfedavg.analysis.summary import (
    INITIAL,
    PERSONALIZED,
    initial_and_personalized,
    mean_over_clients,
    rounds_to_target,
)

TABLE1 = {
    "clients_per_round": "int 1..",
    "local_epochs": "int? 1..",
    "local_steps": "int? 1..",
    "num_seeds": "int 1..",
    "num_diverged": "int 0..",
    "num_clients": "int 0..",
    "initial_mean": "float? 0..1",
    "initial_std": "float? 0..",
    "personalized_mean": "float? 0..1",
    "personalized_std": "float? 0..",
    "initial_pooled_mean": "float? 0..1",
    "personalized_pooled_mean": "float? 0..1",
    "selected_epoch": "int? 1..",
    "rounds_to_target_initial": "float? 1..",
    "rounds_to_target_personalized": "float? 1..",
    "unreached_initial": "int 0..",
    "unreached_personalized": "int 0..",
    "target": "float 0..1",
    "caveat": "str",
}

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

SETTING = ["clients_per_round", "local_epochs", "local_steps"]


def table1(
    evaluation: pd.DataFrame,
    runs: pd.DataFrame,
    selection: dict[str, Any],
    target: float,
    shown_epochs: list[int],
) -> pd.DataFrame:
    """One row a (M, local work), in the order of ``runs``; columns as in the contract
    ``table1``."""
    curves = initial_and_personalized(evaluation, runs, selection)
    by_epoch = mean_over_clients(evaluation)
    selected = selected_epochs(selection)
    rows = []
    for key, group in runs.groupby(SETTING, sort=False, dropna=False):
        last = group["rounds"].iloc[0]
        own = curves[curves.run_id.isin(group.run_id)]
        final = own[own["round"] == last]
        row: dict[str, Any] = dict(zip(SETTING, key, strict=True))
        row |= {
            "num_seeds": len(group),
            "num_diverged": int(group.status.str.startswith("diverged").sum()),
            "num_clients": int(final.num_clients.max()) if len(final) else 0,
        }
        for model in (INITIAL, PERSONALIZED):
            accuracy = final.loc[final.model == model, "accuracy"]
            row |= {f"{model}_mean": accuracy.mean(), f"{model}_std": accuracy.std(ddof=1)}
            row[f"{model}_pooled_mean"] = final.loc[final.model == model, "pooled"].mean()
        row["selected_epoch"] = selected[setting_of(group.run_id.iloc[0])]
        unreached = {}
        # One grid for both models, or the one looked at more often would be favoured; all rounds
        # where nothing is personalized.
        grid = own[own.model == PERSONALIZED] if (own.model == PERSONALIZED).any() else own
        for model in (INITIAL, PERSONALIZED):
            runs_of_model = own[(own.model == model) & own["round"].isin(grid["round"])].groupby(
                "run_id"
            )
            needed = [rounds_to_target(curve, target) for _, curve in runs_of_model]
            reached = pd.Series(needed, dtype=float).dropna()
            row[f"rounds_to_target_{model}"] = reached.mean()
            unreached[f"unreached_{model}"] = len(group) - len(reached)
        row |= unreached | {"target": target, "caveat": group.caveat.iloc[0]}
        for epoch in shown_epochs:
            at = by_epoch[
                by_epoch.run_id.isin(group.run_id)
                & (by_epoch["round"] == last)
                & (by_epoch.epoch == epoch)
            ]
            row[f"personalized_epoch{epoch}_mean"] = at.accuracy.mean()
        rows.append(row)
    return pd.DataFrame(rows)


def beside_the_paper(table: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """``table`` with the paper's values as ``paper_*`` and ours minus theirs as ``difference_*``;
    empty where the paper has no such row, and for rounds where our target is another one."""
    keys = ["clients_per_round", "local_epochs"]
    renamed = paper.rename(
        columns={name: f"paper_{name}" for name in paper.columns if name not in keys}
    )
    merged = table.astype({"local_epochs": "Int64"}).merge(
        renamed.astype({"local_epochs": "Int64"}), on=keys, how="left"
    )
    for model in (INITIAL, PERSONALIZED):
        merged[f"difference_{model}"] = merged[f"{model}_mean"] - merged[f"paper_{model}_mean"]
        rounds = f"rounds_to_target_{model}"
        merged[f"difference_{rounds}"] = (merged[rounds] - merged[f"paper_{rounds}"]).where(
            merged.target == merged.paper_target
        )
    return merged


def readable(table: pd.DataFrame) -> pd.DataFrame:
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

    work, letter = (
        ("local_epochs", "E") if table.local_epochs.notna().all() else ("local_steps", "K")
    )
    columns = {
        "M": table.clients_per_round,
        letter: table[work],
        "initial accuracy": table.apply(accuracy, axis=1, name=INITIAL),
        "personalized accuracy": table.apply(accuracy, axis=1, name=PERSONALIZED),
        "fine-tune epochs": table.selected_epoch.map(lambda e: "" if pd.isna(e) else int(e)),
    }
    for name in (c for c in table.columns if c.startswith("personalized_epoch")):
        epoch = name.removeprefix("personalized_epoch").removesuffix("_mean")
        columns[f"after epoch {epoch}"] = table[name].map(
            lambda a: "" if pd.isna(a) else f"{a:.4f}"
        )
    columns |= {
        f"rounds to {target}, initial": table.apply(rounds, axis=1, name=INITIAL),
        f"rounds to {target}, personalized": table.apply(rounds, axis=1, name=PERSONALIZED),
        "pooled, initial": table.initial_pooled_mean.map(_number),
        "pooled, personalized": table.personalized_pooled_mean.map(_number),
        "seeds": table.num_seeds,
        "diverged": table.num_diverged,
    }
    if "paper_target" in table.columns:
        for model in (INITIAL, PERSONALIZED):
            values = table.apply(accuracy, axis=1, name=f"paper_{model}").replace("diverged", "")
            columns |= {
                f"paper: {model}": values,
                f"difference, {model}": table[f"difference_{model}"].map(_signed),
            }
            needed = table[f"paper_rounds_to_target_{model}"].map(
                lambda n: "" if pd.isna(n) else f"{n:g}"
            )
            columns[f"paper: rounds to 0.8, {model}"] = needed
    return pd.DataFrame(columns)


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.4f}"


def _signed(value: float) -> str:
    return "" if pd.isna(value) else f"{value:+.4f}"


def caption(table: pd.DataFrame, rounds: int) -> str:
    """What the numbers are."""
    caveat = table.caveat.iloc[0]
    return (
        f"Accuracy after {rounds} rounds: mean over {table.num_clients.max()} evaluation "
        f"clients, then mean (std) over seeds. "
        f"Fine-tune epochs were chosen on validation clients. Rounds to "
        f"{table.target.iloc[0]:g}: the first evaluated round at "
        "or above it, mean over the runs that reached it; rounds before the last may look "
        "at fewer clients. "
        "Pooled: share of all test examples classified correctly."
        + (
            " Columns headed paper: are the paper's, on the full data."
            if "paper_target" in table.columns
            else ""
        )
        + (f" **{caveat}**" if caveat else "")
    )
