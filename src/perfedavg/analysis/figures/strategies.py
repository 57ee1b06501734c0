"""Figure ``strategies``: accuracy against fine-tune epoch, for every way to personalize the
reference runs' last models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from perfedavg.analysis.columns import ACCURACY, CAVEAT, EPOCH, NUM_CLIENTS, POOLED, SEED
from perfedavg.analysis.figures.style import (
    MEAN,
    RUNS,
    SERIES,
    WIDTH,
    add_answer,
    add_footer,
    num_clients_in_words,
    say_on_panel,
    seeds_in_words,
    subplots,
)
from perfedavg.analysis.strategies import Ways, ways_as_settings
from perfedavg.analysis.summary import mean_over_clients
from perfedavg.storage.tables import Column

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "ways to personalize"
SECTION = "Which way to fine-tune is best?"
CAPTION = (
    "Which layers should be fine-tuned, and by which optimizer? Ways to personalize the same "
    "FedAvg models: accuracy after each fine-tune epoch, mean over evaluation clients. A ring "
    "marks the epoch chosen on validation clients."
)
ALT = "Accuracy against fine-tune epoch for each way to fine-tune"
ROWS = "One row per (way to personalize, seed, fine-tune epoch), at the reference runs' last round."
CONTRACT = {
    "strategy": Column("str", "-", "way to personalize, as in `tables/strategies.csv`"),
    "fine_tune_lr": Column("float 0..", "-", "its learning rate"),
    "seed": SEED,
    "round": Column("int 0..", "rounds", "last round"),
    "epoch": EPOCH,
    "accuracy": ACCURACY,
    "pooled": POOLED,
    "num_clients": NUM_CLIENTS,
    "selected_epoch": Column("int 1..", "epochs", "the way's epoch selected on validation clients"),
    "caveat": CAVEAT,
}

LAYERS = {"all": "all layers", "last": "last layer only", "all_but_last": "all but the last layer"}
OPTIMIZERS = {"sgd": "SGD", "adam": "Adam"}
RING = {"markersize": 8, "markerfacecolor": "none", "markeredgewidth": 1.2}


def asked(config: Any) -> bool:
    """Where there are further ways."""
    return bool(config.studies.strategies)


def settings(reference: str, ways: Ways) -> dict[str, Any]:
    """The reference setting and the ways."""
    return {"reference": reference, "ways": ways}


def compute(
    ordinary_rows: pd.DataFrame,
    strategy_rows: pd.DataFrame,
    runs: pd.DataFrame,
    reference: str,
    ways: Ways,
) -> pd.DataFrame:
    """Every way at the reference runs' last round."""
    evaluation, runs, selection = ways_as_settings(
        ordinary_rows, strategy_rows, runs, reference, ways
    )
    means = mean_over_clients(evaluation)
    means = means.merge(runs[["run_id", "setting", "seed", "rounds", "caveat"]], on="run_id")
    means = means[means["round"] == means["rounds"]]
    return means.assign(
        strategy=means.setting,
        fine_tune_lr=means.setting.map({way["strategy"]: way["lr"] for way in ways}),
        selected_epoch=means.setting.map(selection.epochs),
    )[list(CONTRACT)]


def draw(data: pd.DataFrame, ways: Ways, caveat: str) -> Figure:
    """A panel per optimizer, a colour and marker for the layers trained; points are seeds, lines
    their mean, rings the selected epochs. In panels that do not hold the first way, its line stands
    in grey."""
    from matplotlib.ticker import MaxNLocator

    optimizers = list(dict.fromkeys(way["optimizer"] for way in ways))
    figure, axes = subplots(1, len(optimizers), figsize=(WIDTH, 3.9), sharey=True, squeeze=False)
    for axis, optimizer in zip(axes[0], optimizers, strict=True):
        if optimizer != ways[0]["optimizer"]:
            mean = _mean(data, ways[0])
            label = f"for comparison: {_label(ways[0])}"
            axis.plot(mean.index, mean, color="0.6", linewidth=1, label=label)
        shown = [way for way in ways if way["optimizer"] == optimizer]
        for i, way in enumerate(shown):
            style = SERIES[list(LAYERS).index(way["layers"])]
            rows, mean = data[data.strategy == way["strategy"]], _mean(data, way)
            # Else the points of several ways hide each other.
            aside = 0.14 * (i - (len(shown) - 1) / 2)
            axis.plot(rows.epoch + aside, rows.accuracy, **style | RUNS)
            axis.plot(mean.index, mean, **style, **MEAN, label=_label(way))
            chosen = mean[mean.index.isin(rows.selected_epoch)]
            axis.plot(chosen.index, chosen, "o", color=style["color"], **RING)
        axis.plot([], [], "o", color="0.35", **RING, label="epoch chosen on validation clients")
        if data.empty:
            say_on_panel(axis)
        axis.set_xlabel("fine-tune epoch (0: initial model)")
        axis.xaxis.set_major_locator(MaxNLocator(11, integer=True))
        axis.legend(loc="lower left", bbox_to_anchor=(0, 1))
    axes[0, 0].set_ylabel("accuracy, mean over evaluation clients")
    what = num_clients_in_words(data) + seeds_in_words(data.seed.nunique())
    add_answer(figure, _answer(data, ways))
    add_footer(figure, [what, caveat])
    return figure


def _answer(data: pd.DataFrame, ways: Ways) -> str:
    """Accuracy of every way at its chosen epoch, the highest first."""
    chosen = data[data.epoch == data.selected_epoch].groupby("strategy").accuracy.mean()
    labels = {way["strategy"]: _label(way) for way in ways}
    ranked = chosen.sort_values(ascending=False).items()
    said = [f"{labels[strategy]}: {mean:.3f}" for strategy, mean in ranked]
    return f"At the chosen epochs: {'; '.join(said[:3])}." if said else ""


def _mean(data: pd.DataFrame, way: dict[str, Any]) -> pd.Series:
    return data[data.strategy == way["strategy"]].groupby("epoch").accuracy.mean()


def _label(way: dict[str, Any]) -> str:
    return f"{LAYERS[way['layers']]}, {OPTIMIZERS[way['optimizer']]}, rate {way['lr']:g}"
