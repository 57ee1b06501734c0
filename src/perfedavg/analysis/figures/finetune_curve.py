"""Figure ``finetune_curve``: accuracy against fine-tune epoch, for FedAvg, Personalized FedAvg and
the baselines."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.ticker import MaxNLocator

from perfedavg.analysis.comparison import LOCAL_ONLY
from perfedavg.analysis.figures.style import (
    SERIES,
    add_footer,
    save_figure,
    say_empty,
    seeds_in_words,
    use_style,
)
from perfedavg.analysis.selection import setting_of
from perfedavg.analysis.summary import mean_over_clients
from perfedavg.storage.tables import write_table

FINETUNE_CURVE = {
    "name": "str",
    "setting": "str",
    "seed": "int 0..",
    "round": "int 0..",
    "epoch": "int 0..",
    "accuracy": "float? 0..1",
    "pooled": "float? 0..1",
    "num_clients": "int 1..",
    "caveat": "str",
}


def finetune_curve_data(
    evaluation: pd.DataFrame, runs: pd.DataFrame, models: dict[str, str]
) -> pd.DataFrame:
    """What the figure shows: one row a (model, seed, fine-tune epoch) at the run's last round."""
    names = {setting: name for name, setting in models.items()}
    means = mean_over_clients(evaluation).merge(
        runs[["run_id", "seed", "rounds", "caveat"]], on="run_id"
    )
    means = means.assign(setting=means.run_id.map(setting_of))
    means = means[means.setting.isin(names) & (means["round"] == means["rounds"])]
    return means.assign(name=means.setting.map(names))[list(FINETUNE_CURVE)]


def finetune_curve_figure(
    data: pd.DataFrame,
    models: dict[str, str],
    local_epochs: int | None,
    caveat: str,
    base: str | Path,
) -> None:
    """Draw ``data``: a panel a mean; points are seeds, lines their mean. Local-only training has no
    fine-tuning, so it is a line at its accuracy after ``local_epochs``, the number chosen on
    validation clients."""
    write_table(FINETUNE_CURVE, data, Path(base).with_suffix(".csv"))
    use_style()
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.6), sharey=True)
    titles = {
        "accuracy": "mean over evaluation clients",
        "pooled": "pooled over their test examples",
    }
    for axis, (column, title) in zip(axes, titles.items(), strict=True):
        for i, (name, setting) in enumerate(models.items()):
            color, marker = SERIES[i % len(SERIES)]
            own = data[data.setting == setting]
            if setting == LOCAL_ONLY:
                level = own.loc[own.epoch == local_epochs, column].mean()
                axis.axhline(
                    level,
                    color=color,
                    linewidth=1.2,
                    linestyle="--",
                    label=f"{name}, {local_epochs} epochs",
                )
                continue
            axis.plot(
                own.epoch,
                own[column],
                marker,
                color=color,
                markersize=2.5,
                alpha=0.6,
                markeredgewidth=0,
            )
            mean = own.groupby("epoch")[column].mean()
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
        axis.set_title(title, fontsize=8)
        axis.set_xlabel("fine-tune epoch (0: initial model)", fontsize=8)
        axis.xaxis.set_major_locator(MaxNLocator(11, integer=True))
    axes[0].set_ylabel("accuracy", fontsize=8)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize=7)
    clients = "" if data.empty else f"n = {data.num_clients.max():.0f} evaluation clients, "
    add_footer(figure, [clients + seeds_in_words(data.seed.nunique()), caveat])
    save_figure(figure, base)
