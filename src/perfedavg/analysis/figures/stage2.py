"""Figure ``stage2``: initial and personalized accuracy against rounds, in stage 1 and then in stage
2 and its controls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
from perfedavg.analysis.selection import setting_of
from perfedavg.analysis.summary import INITIAL, PERSONALIZED, initial_and_personalized
from perfedavg.storage.tables import write_table

STAGE2_FIGURE = {
    "name": "str",
    "setting": "str",
    "seed": "int 0..",
    "round": "int 1..",
    "model": "str",
    "epoch": "int 0..",
    "accuracy": "float? 0..1",
    "pooled": "float? 0..1",
    "num_clients": "int 1..",
    "caveat": "str",
}


def stage2_data(
    evaluation: pd.DataFrame, runs: pd.DataFrame, selection: dict[str, Any], models: dict[str, str]
) -> pd.DataFrame:
    """What the figure shows: one row a (run, evaluated round, model). ``models`` maps names to
    settings, stage 1 first."""
    curves = initial_and_personalized(evaluation, runs, selection)
    curves = curves.assign(setting=curves.run_id.map(setting_of))
    names = {setting: name for name, setting in models.items()}
    curves = curves[curves.setting.isin(names)]
    return curves.assign(name=curves.setting.map(names))[list(STAGE2_FIGURE)]


def stage2_figure(
    data: pd.DataFrame, models: dict[str, str], switch: int, caveat: str, base: str | Path
) -> None:
    """Draw ``data``: a panel a kind of model; points are seeds, lines their mean. ``switch`` is
    stage 1's last round."""
    write_table(STAGE2_FIGURE, data, Path(base).with_suffix(".csv"))
    use_style()
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.6), sharey=True)
    first, *later = models
    start = data[(data.name == first) & (data["round"] == switch)]
    shown = data[
        (data.name != first) | (data["round"] >= switch - 1.5 * (data["round"].max() - switch))
    ]
    for axis, model in zip(axes, (INITIAL, PERSONALIZED), strict=True):
        axis.axvline(switch, color="0.6", linewidth=0.8, linestyle=":")
        for i, name in enumerate([first, *later]):
            color, marker = ("0.35", "o") if name == first else SERIES[(i - 1) % len(SERIES)]
            own = shown[(shown.name == name) & (shown.model == model)]
            axis.plot(
                own["round"],
                own.accuracy,
                marker,
                color=color,
                markersize=2.5,
                alpha=0.6,
                markeredgewidth=0,
            )
            if name != first:  # a line from stage 1's end, where all start
                own = pd.concat([start[start.model == model], own])
            mean = own.groupby("round").accuracy.mean()
            axis.plot(
                mean.index,
                mean,
                color=color,
                marker=marker,
                markersize=3.5,
                linewidth=1.4,
                label=name,
            )
        if data.empty:
            say_empty(axis)
        axis.set_title(f"{model} model", fontsize=8)
        axis.set_xlabel("communication round", fontsize=8)
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes[0].set_ylabel("accuracy, mean over evaluation clients", fontsize=8)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False, fontsize=7)
    last, before = data.num_clients.max(), data.num_clients.min()
    clients = "" if data.empty else f"n = {last:.0f} evaluation clients, "
    clients += f"{before:.0f} of them in rounds before a stage's last, " if before < last else ""
    what = "Dotted line: the switch to stage 2. Fine-tune epochs chosen on validation clients."
    add_footer(figure, [f"{clients}{seeds_in_words(data.seed.nunique())} {what}", caveat])
    save_figure(figure, base)
