"""From per-client rows to one number per run, round and kind of model: what the tables and figures
share."""

from __future__ import annotations

import numpy as np
import pandas as pd

from perfedavg.analysis.choices import Selection

INITIAL, PERSONALIZED = "initial", "personalized"


def mean_over_clients(evaluation: pd.DataFrame) -> pd.DataFrame:
    """One row per (run, round, epoch): ``accuracy``, the unweighted mean over clients, ``pooled``,
    the share of all their test labels, and ``num_clients``."""
    weighted = evaluation.assign(correct=evaluation.accuracy * evaluation.num_test_labels)
    grouped = weighted.groupby(["run_id", "round", "epoch"], as_index=False)
    means = grouped.agg(
        accuracy=("accuracy", "mean"),
        correct=("correct", "sum"),
        labels=("num_test_labels", "sum"),
        num_clients=("client_id", "nunique"),
    )
    return means.assign(pooled=means.correct / means.labels).drop(columns=["correct", "labels"])


def initial_and_personalized(
    evaluation: pd.DataFrame, runs: pd.DataFrame, selection: Selection
) -> pd.DataFrame:
    """One row per (run, evaluated round, model): accuracy of the initial model and of the one after
    the selected epoch of the run's setting, with the run's columns of ``runs.csv``."""
    runs = runs.assign(selected_epoch=runs.setting.map(selection.epochs))
    means = mean_over_clients(evaluation).merge(runs, on="run_id")
    initial = means[means.epoch == 0].assign(model=INITIAL)
    after = means[(means.epoch > 0) & (means.epoch == means.selected_epoch)]
    both = pd.concat([initial, after.assign(model=PERSONALIZED)])
    return both.sort_values(["run_id", "round", "model"], ignore_index=True)


def same_clients(evaluation: pd.DataFrame) -> pd.DataFrame:
    """The rows of the clients that were evaluated in every round of every run: rounds before the
    last may evaluate fewer clients."""
    keys = ["run_id", "round"]
    times = evaluation.drop_duplicates([*keys, "client_id"]).groupby("client_id").size()
    everywhere = times.index[times == len(evaluation[keys].drop_duplicates())]
    return evaluation[evaluation.client_id.isin(everywhere)]


def with_same_clients(
    curves: pd.DataFrame, evaluation: pd.DataFrame, runs: pd.DataFrame, selection: Selection
) -> pd.DataFrame:
    """The rows of :func:`initial_and_personalized` with ``accuracy_same_clients`` and
    ``num_same_clients``: the mean over those that were evaluated in all of these rounds."""
    shown = evaluation[evaluation.run_id.isin(curves.run_id)]
    same = initial_and_personalized(same_clients(shown), runs, selection)
    columns = {"accuracy": "accuracy_same_clients", "num_clients": "num_same_clients"}
    keys = ["run_id", "round", "model"]
    same = same[[*keys, *columns]].rename(columns=columns)
    joined = curves.merge(same, on=keys, how="left")
    return joined.assign(num_same_clients=joined.num_same_clients.fillna(0).astype(int))


def diverged_clients(evaluation: pd.DataFrame, runs: pd.DataFrame, epoch: int | None) -> int:
    """How many clients of these runs, at their last round, have a model after ``epoch`` epochs of
    fine-tuning whose loss is not finite. Clients without a test are left out."""
    rows = evaluation[evaluation.run_id.isin(runs.run_id) & evaluation.accuracy.notna()]
    last = rows.run_id.map(runs.set_index("run_id")["rounds"])
    rows = rows[(rows["round"] == last) & (rows.epoch == (epoch or -1))]
    return int((~np.isfinite(rows.loss.astype(float))).sum())


def rounds_to_target(curve: pd.DataFrame, target: float) -> float:
    """The first evaluated round whose accuracy is at or above ``target``; nan if there is none.

    Args:
        curve: columns ``round`` and ``accuracy`` of one run and one kind of model.
    """
    reached = curve.loc[curve.accuracy >= target, "round"]
    return float(reached.min()) if len(reached) else float("nan")
