"""Models side by side on the same evaluation clients: stage 2 with its controls, FedAvg with the
baselines, ways to personalize.

Initial and personalized accuracy at each run's last round; the personalized model is taken after
the fine-tune epoch that did best on validation clients for its own setting. Differences are paired:
within a seed, then their mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from perfedavg.analysis.choices import Selection
from perfedavg.analysis.claims.inference import t_test
from perfedavg.analysis.columns import (
    ACCURACIES,
    CAVEAT,
    COMPARED_WITH,
    COUNTS,
    DIFFERENCE,
    DIFFERENCE_ENDS,
    EPOCH_AT_EDGE,
    HURT_SHARE,
    POOLED_MEANS,
    SELECTED_EPOCH,
    SETTING,
)
from perfedavg.analysis.formats import (
    accuracy_in_words,
    diverged_in_words,
    edge,
    epoch_in_words,
    number_in_words,
    share_in_words,
)
from perfedavg.analysis.runs import local_work, stage1
from perfedavg.analysis.summary import INITIAL, PERSONALIZED, diverged_clients
from perfedavg.storage.tables import Column

PAIRED = {
    "model": Column("str", "-", "name"),
    "setting": SETTING,
    "rounds": Column(
        "int? 0..",
        "rounds",
        "last round, of centralized runs pass (which validation clients choose seed by seed)",
    ),
    **COUNTS,
    **ACCURACIES,
    **POOLED_MEANS,
    "selected_epoch": SELECTED_EPOCH,
    "hurt_share": HURT_SHARE,
    "compared_with": COMPARED_WITH,
    "difference_initial": DIFFERENCE,
    "difference_personalized": DIFFERENCE,
    **{
        f"difference_{model}_{end}": column
        for model in (INITIAL, PERSONALIZED)
        for end, column in DIFFERENCE_ENDS.items()
    },
    "epoch_at_edge": EPOCH_AT_EDGE,
    "caveat": CAVEAT,
}

FEDAVG_CONTINUED = "FedAvg continued"
CENTRALIZED_BEST, CENTRALIZED_MATCHED = "centralized, best", "centralized, level with FedAvg"
LOCAL_ONLY = "local only"
"""Names of models."""

KINDS = {"sgd": "SGD", "momentum": "momentum"}
"""Kinds of Reptile's server optimizer whose words are not just their names."""


def settings_of(runs: pd.DataFrame) -> pd.DataFrame:
    """Indexed by setting: its first run's columns of ``runs.csv``."""
    return runs.drop_duplicates("setting").set_index("setting")


def stage2_models(runs: pd.DataFrame, selection: Selection, reference: str) -> dict[str, str]:
    """What the table and the figure ``stage2`` show: name to setting. Of each kind of Reptile, the
    one chosen on validation."""
    models = {"FedAvg, stage 1": reference}
    for kind, setting in selection.reptile.items():
        models[f"Reptile/{KINDS.get(kind, kind.capitalize())}"] = setting
    settings = settings_of(runs)
    controls = settings[(settings.study == "stage2") & (settings.algorithm == "fedavg")]
    parent = settings.loc[reference]
    return models | {_control(run, parent): setting for setting, run in controls.iterrows()}


def _control(run: pd.Series, parent: pd.Series) -> str:
    """A control of stage 2 in words: what differs from its parent."""
    if run.client_lr != parent.client_lr:
        return f"FedAvg, client rate / {parent.client_lr / run.client_lr:g}"
    for column, letter in (("local_epochs", "E"), ("local_steps", "K")):
        if pd.notna(run[column]) and run[column] != parent[column]:
            return f"FedAvg, {letter} = {run[column]:.0f}"
    return FEDAVG_CONTINUED


def reference_in_words(runs: pd.DataFrame, reference: str) -> str:
    """Which setting "FedAvg" is."""
    run = settings_of(runs).loc[reference]
    work, letter = local_work(stage1(runs))
    return (
        f"FedAvg is the reference setting, M = {run.clients_per_round:.0f} and "
        f"{letter} = {run[work]:.0f}."
    )


def baseline_models(runs: pd.DataFrame, selection: Selection, reference: str) -> dict[str, str]:
    """What the table ``baselines`` and the figures of single clients show: name to setting."""
    models = {"FedAvg": reference}
    if "adam" in selection.reptile:
        models["Personalized FedAvg"] = selection.reptile["adam"]
    settings = settings_of(runs)
    names = {
        ("centralized", "best"): CENTRALIZED_BEST,
        ("centralized", "matched"): CENTRALIZED_MATCHED,
        ("local_only", ""): LOCAL_ONLY,
    }
    for setting, run in settings[settings.study == "baseline"].iterrows():
        models[names[run.algorithm, run.variant]] = setting
    return models


def paired_clients(
    evaluation: pd.DataFrame, runs: pd.DataFrame, selection: Selection, models: dict[str, str]
) -> pd.DataFrame:
    """One row per (model, seed, evaluation client) at the run's last round: ``model, setting,
    run_id, seed, client_id, num_train, num_test, num_test_labels, initial, personalized``.
    Diverged runs have none."""
    keys = ["run_id", "client_id", "num_train", "num_test", "num_test_labels"]
    frames = []
    for name, setting in models.items():
        runs_of_model = runs[runs.setting == setting].set_index("run_id")
        rows = evaluation[evaluation.run_id.isin(runs_of_model.index)]
        rows = rows[rows["round"] == rows.run_id.map(runs_of_model["rounds"])]
        epoch = selection.epochs[setting] or -1  # none was selected if all its runs diverged
        before, after = (rows[rows.epoch == e].set_index(keys).accuracy for e in (0, epoch))
        both = pd.concat([before.rename(INITIAL), after.rename(PERSONALIZED)], axis=1).reset_index()
        seeds = both.run_id.map(runs_of_model.seed)
        frames.append(both.assign(model=name, setting=setting, seed=seeds))
    columns = ["model", "setting", "run_id", "seed", *keys[1:], INITIAL, PERSONALIZED]
    return pd.concat(frames, ignore_index=True)[columns]


def hurt_share(clients: pd.DataFrame) -> float:
    """Share of (seed, client) pairs whose personalized accuracy is below their initial one; clients
    without a test left out."""
    tested = clients.dropna(subset=[INITIAL, PERSONALIZED])
    return float((tested[PERSONALIZED] < tested[INITIAL]).mean()) if len(tested) else float("nan")


def paired_table(
    evaluation: pd.DataFrame,
    runs: pd.DataFrame,
    selection: Selection,
    models: dict[str, str],
    against: str,
) -> pd.DataFrame:
    """One row per model, in the order of ``models``; differences are to the model ``against``, seed
    by seed."""
    clients = paired_clients(evaluation, runs, selection, models)
    by_seed = {name: _by_seed(rows) for name, rows in clients.groupby("model")}
    empty = _by_seed(clients.iloc[:0])
    rows = []
    for name, setting in models.items():
        clients_of_model, seeds = clients[clients.model == name], by_seed.get(name, empty)
        of_setting = runs[runs.setting == setting]
        stops = of_setting["rounds"].unique()
        row: dict[str, Any] = {
            "model": name,
            "setting": setting,
            # Centralized runs stop where validation says.
            "rounds": stops[0] if len(stops) == 1 else None,
            "num_seeds": len(of_setting),
            "num_diverged": int(of_setting.status.str.startswith("diverged").sum()),
            "num_clients": int(clients_of_model.client_id.nunique()),
            "num_diverged_clients": diverged_clients(
                evaluation, of_setting, selection.epochs[setting]
            ),
        }
        for model in (INITIAL, PERSONALIZED):
            row |= {f"{model}_mean": seeds[model].mean(), f"{model}_std": seeds[model].std(ddof=1)}
        for model in (INITIAL, PERSONALIZED):
            row[f"{model}_pooled_mean"] = seeds[f"{model}_pooled"].mean()
        row |= {
            "selected_epoch": selection.epochs[setting],
            "hurt_share": hurt_share(clients_of_model),
            "compared_with": against,
        }
        for model in (INITIAL, PERSONALIZED):
            difference = seeds[model] - by_seed.get(against, empty)[model]
            row |= difference_over_seeds(model, difference if name != against else [])
        row["epoch_at_edge"] = at_edge(evaluation, of_setting, selection.epochs[setting])
        rows.append({**row, "caveat": runs.caveat.iloc[0]})
    return pd.DataFrame(rows)


def difference_over_seeds(model: str, differences: pd.Series | list[float]) -> dict[str, float]:
    """``difference_<model>``, one number per seed averaged, and the ends of its 95 % interval; nan
    where there is none."""
    values, name = pd.Series(differences, dtype=float).dropna(), f"difference_{model}"
    row = {name: values.mean(), f"{name}_low": np.nan, f"{name}_high": np.nan}
    if len(values) > 1:
        estimate = t_test(values.to_numpy(), 0)
        row |= {f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return row


def at_edge(evaluation: pd.DataFrame, runs: pd.DataFrame, epoch: int | None) -> str:
    """``lowest`` or ``highest`` if a selected fine-tune epoch is the first or the last of those
    tried; else empty."""
    tried = evaluation.epoch[evaluation.run_id.isin(runs.run_id) & (evaluation.epoch > 0)]
    return "" if epoch is None or tried.empty else edge(epoch, tried.min(), tried.max())


def difference_in_words(row: pd.Series, model: str) -> str:
    """``+0.0123 [+0.0100, +0.0146]``, without an interval where there is one seed."""
    name = f"difference_{model}"
    ends = [row[f"{name}_low"], row[f"{name}_high"]]
    text = number_in_words(row[name], "+.4f")
    return text if pd.isna(ends).any() else f"{text} [{ends[0]:+.4f}, {ends[1]:+.4f}]"


def _by_seed(clients: pd.DataFrame) -> pd.DataFrame:
    """Indexed by seed: mean over clients, and pooled over their test labels."""
    means = clients.groupby("seed")[[INITIAL, PERSONALIZED]].mean()
    for model in (INITIAL, PERSONALIZED):
        correct = (clients[model] * clients.num_test_labels).groupby(clients.seed).sum()
        labels = clients.num_test_labels.groupby(clients.seed).sum()
        means[f"{model}_pooled"] = correct / labels
    return means


def paired_shown(table: pd.DataFrame) -> pd.DataFrame:
    """The same table for people."""
    # What local-only training starts from is no model worth a number.
    table = table.copy()
    untrained = ["initial_mean", "initial_pooled_mean", "hurt_share"]
    untrained += [f"difference_initial{end}" for end in ("", "_low", "_high")]
    table.loc[table.model == LOCAL_ONLY, untrained] = np.nan

    against = table.compared_with.iloc[0]
    columns: dict[str, Any] = {"model": table.model, "rounds": table.apply(_duration, axis=1)}
    for model in (INITIAL, PERSONALIZED):
        columns[f"{model} accuracy"] = table.apply(accuracy_in_words, axis=1, name=model)
        difference = table.apply(difference_in_words, axis=1, model=model)
        columns[f"minus {against}, {model}"] = difference
    columns["fine-tune epochs"] = table.apply(epoch_in_words, axis=1)
    columns["clients hurt"] = table.hurt_share.map(share_in_words)
    for model in (INITIAL, PERSONALIZED):
        columns[f"pooled, {model}"] = table[f"{model}_pooled_mean"].map(number_in_words)
    columns |= {"seeds": table.num_seeds, "diverged": table.apply(diverged_in_words, axis=1)}
    return pd.DataFrame(columns)


def _duration(row: pd.Series) -> str:
    if row.model == LOCAL_ONLY:
        return ""
    if row.model in (CENTRALIZED_BEST, CENTRALIZED_MATCHED):
        return "passes chosen by seed" if pd.isna(row["rounds"]) else f"{row['rounds']:.0f} passes"
    return f"{row['rounds']:.0f}"


def paired_caption(table: pd.DataFrame, what: str) -> str:
    """What the numbers are."""
    return (
        f"{what} Accuracy at the last round (of centralized models: at the pass chosen on "
        f"validation clients): mean over {table.num_clients.max()} evaluation clients, then mean "
        "(std) over seeds. Differences are paired by seed, with their 95 % interval over seeds in "
        "brackets. Fine-tune epochs were chosen on validation clients. Clients hurt: share "
        "whose personalized accuracy is below their initial one. Pooled: share of all test labels "
        "that are predicted correctly."
    )
