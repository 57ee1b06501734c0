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
    SMALL,
    WHOLE,
    WIDTH,
    add_answer,
    add_footer,
    label_ends,
    num_clients_in_words,
    say_on_panel,
    seeds_in_words,
    subplots,
)
from perfedavg.analysis.paired import LOCAL_ONLY, baseline_models, reference_in_words
from perfedavg.analysis.summary import mean_over_clients
from perfedavg.storage.tables import Column

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "accuracy against fine-tune epoch"
SECTION = "Whom does fine-tuning help?"
CAPTION = (
    "How much fine-tuning is right, and for which model? Accuracy after each fine-tune epoch: mean "
    "over evaluation clients, and pooled over their test labels; epoch 0 is the initial model, "
    "rings mark the epoch selected on validation clients."
)
ALT = "Accuracy against fine-tune epoch, mean over clients and pooled"
ROWS = "One row per (model, seed, fine-tune epoch), at the run's last round."
CHART = {
    "x": "epoch",
    "y": "accuracy",
    "x_label": "fine-tune epoch",
    "y_label": "accuracy",
    "series": {"name": ""},
}
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
    clients; where it is far from all others, words instead of a line that would squeeze them."""
    from matplotlib.ticker import MaxNLocator

    models = baseline_models(runs, selection, reference)
    figure, axes = subplots(2, 1, figsize=(WIDTH, 5.2), sharex=True)
    titles = {"accuracy": "Mean over evaluation clients", "pooled": "Pooled over their test labels"}
    ends: dict[str, list] = {column: [] for column in titles}
    for axis, (column, title) in zip(axes, titles.items(), strict=True):
        for i, (name, setting) in enumerate(models.items()):
            style, rows = SERIES[i % len(SERIES)], data[data.setting == setting]
            if name == LOCAL_ONLY or rows.empty:
                continue
            axis.plot(rows.epoch, rows[column], **style | RUNS, **WHOLE)
            mean = rows.groupby("epoch")[column].mean()
            axis.plot(mean.index, mean, **style, **MEAN, **WHOLE)
            ring = mean[mean.index == selection.epochs[setting]]
            axis.plot(ring.index, ring, color=style["color"], **_RING)
            ends[column].append((name, mean.index[-1], mean.iloc[-1], style["color"]))
        if data.empty:
            say_on_panel(axis)
        axis.set_title(title, loc="left")
        axis.set_ylabel("accuracy")
        axis.xaxis.set_major_locator(MaxNLocator(11, integer=True))
        low, high = axis.get_ylim()
        low, high = max(low, 0.0), min(high, 1.0)
        if LOCAL_ONLY in models:
            low, high = _local_only(axis, data, selection, models, column, (low, high), ends)
        axis.set_ylim(low, high)
    axes[1].set_xlabel("fine-tune epoch (0: initial model)")
    add_answer(figure, _answer(data, selection, models))
    shown = num_clients_in_words(data) + seeds_in_words(data.seed.nunique())
    what = f"{reference_in_words(runs, reference)} Rings: epoch selected on validation clients."
    if LOCAL_ONLY in models:
        what += " Local-only clients train a fresh model on their own data."
    add_footer(figure, [shown, what, caveat])
    for axis, named in zip(axes, ends.values(), strict=True):
        label_ends(axis, named)
    return figure


def _local_only(
    axis: Axes,
    data: pd.DataFrame,
    selection: Selection,
    models: dict[str, str],
    column: str,
    limits: tuple[float, float],
    ends: dict[str, list],
) -> tuple[float, float]:
    """Draw local-only training or say where it lies; the limits of the axis with it."""
    setting, (low, high) = models[LOCAL_ONLY], limits
    epochs = selection.epochs[setting]
    level = data.loc[(data.setting == setting) & (data.epoch == epochs), column].mean()
    if level != level:
        return limits
    style = SERIES[list(models).index(LOCAL_ONLY) % len(SERIES)]
    far = 0.5 * (high - low)
    if low - far < level < high + far:
        axis.axhline(level, **style | {"marker": ""}, linewidth=1.2)
        label = f"{LOCAL_ONLY}, {epochs} epochs"
        ends[column].append((label, axis.get_xlim()[1], level, style["color"]))
        margin = 0.05 * (high - low)
        return min(low, level - margin), max(high, level + margin)
    below = level < low
    text = f"{'below' if below else 'above'} this axis: {LOCAL_ONLY}, {epochs} epochs, {level:.3f}"
    place = {"transform": axis.transAxes, "ha": "right", "va": "bottom" if below else "top"}
    axis.text(0.99, 0.02 if below else 0.98, text, fontsize=SMALL, color=style["color"], **place)
    return limits


def _answer(data: pd.DataFrame, selection: Selection, models: dict[str, str]) -> str:
    """What fine-tuning for the selected epochs gains each model."""
    said = []
    for name, setting in models.items():
        rows = data[data.setting == setting].groupby("epoch").accuracy.mean()
        chosen = selection.epochs[setting]
        if name != LOCAL_ONLY and 0 in rows.index and chosen in rows.index:
            said.append(f"{rows[chosen] - rows[0]:+.3f} {name}")
    return f"Gain after the selected epochs: {'; '.join(said)}." if said else ""
