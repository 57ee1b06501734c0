"""Figure ``strategies``: accuracy against fine-tune epoch, for every way to personalize the
reference runs' last models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.ticker import MaxNLocator

from perfedavg.analysis.figures.style import (
    SERIES,
    add_footer,
    save_figure,
    say_empty,
    seeds_in_words,
    use_style,
)
from perfedavg.analysis.selection import selected_epochs, setting_of
from perfedavg.analysis.strategies import selection_of_ways
from perfedavg.analysis.summary import mean_over_clients
from perfedavg.personalization.settings import FineTuning
from perfedavg.storage.tables import EVALUATION, write_table

STRATEGIES_FIGURE = {
    "strategy": "str",
    "fine_tune_lr": "float 0..",
    "seed": "int 0..",
    "round": "int 0..",
    "epoch": "int 0..",
    "accuracy": "float? 0..1",
    "pooled": "float? 0..1",
    "num_clients": "int 1..",
    "selected_epoch": "int 1..",
    "caveat": "str",
}

LAYERS = {"all": "all layers", "last": "last layer only", "all_but_last": "all but the last layer"}
OPTIMIZERS = {"sgd": "SGD", "adam": "Adam"}
RING = {"markersize": 10, "markerfacecolor": "none", "markeredgewidth": 1.2}


def strategies_data(
    rows: pd.DataFrame, runs: pd.DataFrame, ways: Sequence[FineTuning]
) -> pd.DataFrame:
    """What the figure shows: one row a (way, seed, fine-tune epoch) at the runs' last round;
    ``rows`` and ``runs`` as from ``as_runs``."""
    selected = selected_epochs(selection_of_ways(rows, runs))
    means = mean_over_clients(rows[rows.client_group == EVALUATION])
    means = means.merge(runs[["run_id", "seed", "rounds", "caveat"]], on="run_id").query(
        "round == rounds"
    )
    strategy = means.run_id.map(setting_of)
    rates = {way.strategy: way.lr for way in ways}
    means = means.assign(
        strategy=strategy, fine_tune_lr=strategy.map(rates), selected_epoch=strategy.map(selected)
    )
    return means[list(STRATEGIES_FIGURE)]


def strategies_figure(
    data: pd.DataFrame, ways: Sequence[FineTuning], caveat: str, base: str | Path
) -> None:
    """Draw ``data``: a panel an optimizer, a colour and marker the layers trained; points are
    seeds, lines their mean, rings the chosen epochs. In panels that do not hold the first way, its
    line stands in grey."""
    write_table(STRATEGIES_FIGURE, data, Path(base).with_suffix(".csv"))
    use_style()
    optimizers = list(dict.fromkeys(way.optimizer for way in ways))
    figure, axes = plt.subplots(
        1, len(optimizers), figsize=(1.8 + 2.7 * len(optimizers), 3.9), sharey=True, squeeze=False
    )
    for axis, optimizer in zip(axes[0], optimizers, strict=True):
        if optimizer != ways[0].optimizer:
            mean = _mean(data, ways[0])
            axis.plot(
                mean.index,
                mean,
                color="0.6",
                linewidth=1.4,
                label=f"for comparison: {_label(ways[0])}",
            )
        shown = [way for way in ways if way.optimizer == optimizer]
        for i, way in enumerate(shown):
            color, marker = SERIES[list(LAYERS).index(way.layers)]
            own, mean = data[data.strategy == way.strategy], _mean(data, way)
            aside = 0.14 * (
                i - (len(shown) - 1) / 2
            )  # else the points of several ways hide each other
            axis.plot(
                own.epoch + aside,
                own.accuracy,
                marker,
                color=color,
                markersize=2.5,
                alpha=0.6,
                markeredgewidth=0,
            )
            axis.plot(
                mean.index,
                mean,
                color=color,
                marker=marker,
                markersize=3.5,
                linewidth=1.4,
                label=_label(way),
            )
            chosen = mean[mean.index.isin(own.selected_epoch)]
            axis.plot(chosen.index, chosen, "o", color=color, **RING)
        axis.plot([], [], "o", color="0.35", **RING, label="epoch chosen on validation clients")
        if data.empty:
            say_empty(axis)
        axis.set_xlabel("fine-tune epoch (0: initial model)", fontsize=8)
        axis.xaxis.set_major_locator(MaxNLocator(11, integer=True))
        axis.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False, fontsize=7)
    axes[0, 0].set_ylabel("accuracy, mean over evaluation clients", fontsize=8)
    clients = "" if data.empty else f"n = {data.num_clients.max():.0f} evaluation clients, "
    add_footer(figure, [clients + seeds_in_words(data.seed.nunique()), caveat])
    save_figure(figure, base)


def _mean(data: pd.DataFrame, way: FineTuning) -> pd.Series:
    return data[data.strategy == way.strategy].groupby("epoch").accuracy.mean()


def _label(way: FineTuning) -> str:
    return f"{LAYERS[way.layers]}, {OPTIMIZERS[way.optimizer]}, rate {way.lr:g}"
