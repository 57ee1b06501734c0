"""Models side by side on the same evaluation clients: stage 2 with its controls, and FedAvg with
the baselines.

Initial and personalized accuracy at each run's last round; the personalized model is taken after
the fine-tune epoch that did best on validation clients for its own setting. Differences are paired:
within a seed, then their mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from perfedavg.analysis.selection import selected_epochs, setting_of
from perfedavg.analysis.summary import INITIAL, PERSONALIZED

COMPARISON = {
    "model": "str",
    "setting": "str",
    "rounds": "int? 0..",
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
    "hurt_share": "float? 0..1",
    "compared_with": "str",
    "difference_initial": "float? -1..1",
    "difference_personalized": "float? -1..1",
    "caveat": "str",
}

STAGE1, PERSONALIZED_FEDAVG = "FedAvg", "Personalized FedAvg"
LOCAL_ONLY = "local-only"
"""The setting of local-only runs."""

KINDS = {
    "adam": "Adam",
    "sgd": "SGD",
    "momentum": "momentum",
    "nesterov": "Nesterov",
    "yogi": "Yogi",
    "adagrad": "Adagrad",
}
"""Kinds of Reptile's server optimizer, in words."""


def stage2_models(runs: pd.DataFrame, selection: dict[str, Any], reference: str) -> dict[str, str]:
    """What the table and the figure ``stage2`` show: name to setting. Of each kind of Reptile, the
    one chosen on validation."""
    models = {"FedAvg, stage 1": reference}
    models |= {f"Reptile/{KINDS[kind]}": setting for kind, setting in selection["reptile"].items()}
    controls = runs[(runs.stage == 2) & (runs.algorithm == "fedavg")].run_id.map(setting_of)
    for setting in dict.fromkeys(controls):
        models[control_name(setting.split(".", 1)[1])] = setting
    return models


def control_name(variant: str) -> str:
    """A control of stage 2 in words."""
    if variant == "continued":
        return "FedAvg continued"
    if variant.startswith("rate-div"):
        return f"FedAvg, client rate / {variant.removeprefix('rate-div')}"
    return f"FedAvg, {variant[0].upper()} = {variant[1:]}"


def baseline_models(
    runs: pd.DataFrame, selection: dict[str, Any], reference: str
) -> dict[str, str]:
    """What the table ``baselines`` and the figures of single clients show: name to setting."""
    models = {STAGE1: reference}
    if "adam" in selection["reptile"]:
        models[PERSONALIZED_FEDAVG] = selection["reptile"]["adam"]
    others = {
        "centralized, best": "centralized-best",
        "centralized, level with FedAvg": "centralized-matched",
        "local only": LOCAL_ONLY,
    }
    known = set(runs.run_id.map(setting_of))
    return models | {name: setting for name, setting in others.items() if setting in known}


def paired_clients(
    evaluation: pd.DataFrame, runs: pd.DataFrame, selection: dict[str, Any], models: dict[str, str]
) -> pd.DataFrame:
    """One row a (model, seed, evaluation client) at the run's last round: ``model, setting, run_id,
    seed, client_id, num_train, num_test, initial, personalized``. Diverged runs have none."""
    selected = selected_epochs(selection)
    frames = []
    for name, setting in models.items():
        own = runs[(runs.run_id.map(setting_of) == setting)].set_index("run_id")
        rows = evaluation[evaluation.run_id.isin(own.index)]
        rows = rows[rows["round"] == rows.run_id.map(own["rounds"])]
        keys = ["run_id", "client_id", "num_train", "num_test"]
        before = rows[rows.epoch == 0].set_index(keys).accuracy.rename(INITIAL)
        after = (
            rows[rows.epoch == (selected[setting] or -1)]
            .set_index(keys)
            .accuracy.rename(PERSONALIZED)
        )
        both = pd.concat([before, after], axis=1).reset_index()
        frames.append(both.assign(model=name, setting=setting, seed=both.run_id.map(own.seed)))
    columns = [
        "model",
        "setting",
        "run_id",
        "seed",
        "client_id",
        "num_train",
        "num_test",
        INITIAL,
        PERSONALIZED,
    ]
    return pd.concat(frames, ignore_index=True)[columns]


def hurt_share(clients: pd.DataFrame) -> float:
    """Share of (seed, client) pairs whose personalized accuracy is below their initial one; clients
    without a test left out."""
    tested = clients.dropna(subset=[INITIAL, PERSONALIZED])
    return float((tested[PERSONALIZED] < tested[INITIAL]).mean()) if len(tested) else float("nan")


def comparison(
    evaluation: pd.DataFrame,
    runs: pd.DataFrame,
    selection: dict[str, Any],
    models: dict[str, str],
    against: str,
) -> pd.DataFrame:
    """One row a model, in the order of ``models``; differences are to the model ``against``, seed
    by seed."""
    clients = paired_clients(evaluation, runs, selection, models)
    by_seed = {name: _by_seed(own) for name, own in clients.groupby("model")}
    empty = _by_seed(clients.iloc[:0])
    selected = selected_epochs(selection)
    rows = []
    for name, setting in models.items():
        own, seeds = clients[clients.model == name], by_seed.get(name, empty)
        of_setting = runs[runs.run_id.map(setting_of) == setting]
        stops = of_setting["rounds"].unique()
        row: dict[str, Any] = {
            "model": name,
            "setting": setting,
            "rounds": stops[0]
            if len(stops) == 1
            else None,  # centralized runs stop where validation says
            "num_seeds": len(of_setting),
            "num_diverged": int(of_setting.status.str.startswith("diverged").sum()),
            "num_clients": int(own.client_id.nunique()),
        }
        for model in (INITIAL, PERSONALIZED):
            row |= {f"{model}_mean": seeds[model].mean(), f"{model}_std": seeds[model].std(ddof=1)}
        for model in (INITIAL, PERSONALIZED):
            row[f"{model}_pooled_mean"] = seeds[f"{model}_pooled"].mean()
        row |= {
            "selected_epoch": selected[setting],
            "hurt_share": hurt_share(own),
            "compared_with": against,
        }
        for model in (INITIAL, PERSONALIZED):
            row[f"difference_{model}"] = (
                (seeds[model] - by_seed.get(against, empty)[model]).mean()
                if name != against
                else np.nan
            )
        rows.append({**row, "caveat": runs.caveat.iloc[0]})
    return pd.DataFrame(rows)


def _by_seed(clients: pd.DataFrame) -> pd.DataFrame:
    """Indexed by seed: mean over clients, and pooled over their test examples."""
    means = clients.groupby("seed")[[INITIAL, PERSONALIZED]].mean()
    for model in (INITIAL, PERSONALIZED):
        correct = (clients[model] * clients.num_test).groupby(clients.seed).sum()
        means[f"{model}_pooled"] = correct / clients.num_test.groupby(clients.seed).sum()
    return means


def accuracy_in_words(row: pd.Series, name: str) -> str:
    """``mean (std)`` of the initial or the personalized model."""
    if pd.isna(row[f"{name}_mean"]):
        return "diverged" if row.num_diverged else ""
    return f"{row[f'{name}_mean']:.4f}" + (
        "" if pd.isna(row[f"{name}_std"]) else f" ({row[f'{name}_std']:.4f})"
    )


def number_in_words(value: float, form: str = ".4f") -> str:
    """A number, or nothing where there is none."""
    return "" if pd.isna(value) else format(value, form)


def share_in_words(value: float) -> str:
    """A share in whole percent, or nothing where there is none."""
    return "" if pd.isna(value) else f"{100 * value:.0f} %"


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The same table for people."""
    # What local-only training starts from is no model worth a number.
    table = table.copy()
    untrained = ["initial_mean", "initial_pooled_mean", "difference_initial", "hurt_share"]
    table.loc[table.setting == LOCAL_ONLY, untrained] = np.nan

    against = table.compared_with.iloc[0]
    columns: dict[str, Any] = {"model": table.model, "rounds": table.apply(_duration, axis=1)}
    for model in (INITIAL, PERSONALIZED):
        columns[f"{model} accuracy"] = table.apply(accuracy_in_words, axis=1, name=model)
        columns[f"minus {against}, {model}"] = table[f"difference_{model}"].map(
            number_in_words, form="+.4f"
        )
    columns["fine-tune epochs"] = table.selected_epoch.map(lambda e: "" if pd.isna(e) else int(e))
    columns["clients hurt"] = table.hurt_share.map(share_in_words)
    for model in (INITIAL, PERSONALIZED):
        columns[f"pooled, {model}"] = table[f"{model}_pooled_mean"].map(number_in_words)
    columns |= {"seeds": table.num_seeds, "diverged": table.num_diverged}
    return pd.DataFrame(columns)


def _duration(row: pd.Series) -> str:
    if row.setting == LOCAL_ONLY:
        return ""
    if row.setting.startswith("centralized"):
        return "passes chosen by seed" if pd.isna(row["rounds"]) else f"{row['rounds']:.0f} passes"
    return f"{row['rounds']:.0f}"


def caption(table: pd.DataFrame, what: str) -> str:
    """What the numbers are."""
    caveat = table.caveat.iloc[0]
    return (
        f"{what} Accuracy at the last round (of centralized models: at the pass chosen on "
        f"validation clients): mean over "
        f"{table.num_clients.max()} evaluation clients, then mean (std) over seeds. "
        f"Fine-tune epochs were chosen on validation "
        "clients. Clients hurt: share whose personalized accuracy is below their initial "
        "one. Pooled: share of all test examples "
        "classified correctly." + (f" **{caveat}**" if caveat else "")
    )
