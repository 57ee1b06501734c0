"""Figure ``finetune_curve``: accuracy against fine-tune epoch, for FedAvg, Personalized FedAvg and
the baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from perfedavg.analysis.choices import Selection
from perfedavg.analysis.columns import ACCURACY, CAVEAT, EPOCH, NUM_CLIENTS, POOLED, SEED, SETTING
from perfedavg.analysis.figures.style import (
    MEAN,
    RUNS,
    SERIES,
    WHOLE,
    add_footer,
    num_clients_in_words,
    say_on_panel,
    seeds_in_words,
    subplots,
)
from perfedavg.analysis.paired import LOCAL_ONLY, baseline_models, reference_in_words
from perfedavg.analysis.summary import mean_over_clients
from perfedavg.storage.tables import Column

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "accuracy against fine-tune epoch"
SECTION = "Whom does fine-tuning help?"
CAPTION = (
    "Accuracy after each fine-tune epoch: mean over evaluation clients, and pooled over their test "
    "labels; epoch 0 is the initial model, rings mark the epoch selected on validation clients."
)
ALT = "Accuracy against fine-tune epoch, mean over clients and pooled"
ROWS = "One row per (model, seed, fine-tune epoch), at the run's last round."
CONTRACT = {
    "name": Column("str", "-", "model, as in `baselines`"),
    "setting": SETTING,
    "seed": SEED,
    "round": Column("int 0..", "rounds", "last round"),
    "epoch": EPOCH,
    "accuracy": ACCURACY,
    "pooled": POOLED,
    "num_clients": NUM_CLIENTS,
    "caveat": CAVEAT,
}


_RING = {"marker": "o", "markersize": 8, "markerfacecolor": "none", "linestyle": "", **WHOLE}


def settings(reference: str) -> dict[str, str]:
    """The reference setting."""
    return {"reference": reference}


def compute(
    evaluation: pd.DataFrame, runs: pd.DataFrame, selection: Selection, reference: str
) -> pd.DataFrame:
    """The models of table ``baselines``."""
    models = baseline_models(runs, selection, reference)
    names = {setting: name for name, setting in models.items()}
    means = mean_over_clients(evaluation).merge(
        runs[["run_id", "setting", "seed", "rounds", "caveat"]], on="run_id"
    )
    means = means[means.setting.isin(names) & (means["round"] == means["rounds"])]
    return means.assign(name=means.setting.map(names))[list(CONTRACT)]


def draw(
    data: pd.DataFrame, runs: pd.DataFrame, selection: Selection, reference: str, caveat: str
) -> Figure:
    """A panel per kind of mean; points are seeds, lines their mean. Local-only training has no
    fine-tuning, so it is a line at its accuracy after the number of epochs selected on validation
    clients."""
    from matplotlib.ticker import MaxNLocator

    models = baseline_models(runs, selection, reference)
    figure, axes = subplots(1, 2, figsize=(7.2, 3.6), sharey=True)
    titles = {"accuracy": "mean over evaluation clients", "pooled": "pooled over their test labels"}
    for axis, (column, title) in zip(axes, titles.items(), strict=True):
        for i, (name, setting) in enumerate(models.items()):
            color, marker = SERIES[i % len(SERIES)]
            rows = data[data.setting == setting]
            if name == LOCAL_ONLY:
                local_epochs = selection.epochs[setting]
                level = rows.loc[rows.epoch == local_epochs, column].mean()
                label = f"{name}, {local_epochs} epochs"
                axis.axhline(level, color=color, linewidth=1.2, linestyle="--", label=label)
                continue
            axis.plot(rows.epoch, rows[column], marker=marker, color=color, **RUNS, **WHOLE)
            mean = rows.groupby("epoch")[column].mean()
            style = {"color": color, "marker": marker, **MEAN, **WHOLE}
            axis.plot(mean.index, mean, label=name, **style)
            ring = mean[mean.index == selection.epochs[setting]]
            axis.plot(ring.index, ring, color=color, **_RING)
        if data.empty:
            say_on_panel(axis)
        axis.set_title(title, fontsize=8)
        axis.set_xlabel("fine-tune epoch (0: initial model)", fontsize=8)
        axis.xaxis.set_major_locator(MaxNLocator(11, integer=True))
    low, high = axes[0].get_ylim()
    axes[0].set_ylim(max(low, 0.0), min(high, 1.0))
    axes[0].set_ylabel("accuracy", fontsize=8)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize=7)
    shown = num_clients_in_words(data) + seeds_in_words(data.seed.nunique())
    what = f"{reference_in_words(runs, reference)} Rings: epoch selected on validation clients."
    if LOCAL_ONLY in models:
        what += " Local-only clients train a fresh model on their own data."
    add_footer(figure, [shown, what, caveat])
    return figure
