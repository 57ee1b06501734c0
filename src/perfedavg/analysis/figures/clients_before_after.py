"""Figure ``clients_before_after``: every client's accuracy before and after fine-tuning, and the
gain against its size."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator, NullFormatter

from perfedavg.analysis.comparison import hurt_share
from perfedavg.analysis.figures.style import SERIES, add_footer, save_figure, say_empty, use_style
from perfedavg.analysis.summary import INITIAL, PERSONALIZED
from perfedavg.storage.tables import write_table

CLIENTS_BEFORE_AFTER = {
    "model": "str",
    "setting": "str",
    "seed": "int 0..",
    "client_id": "str",
    "num_train": "int 0..",
    "num_test": "int 0..",
    "initial": "float? 0..1",
    "personalized": "float? 0..1",
    "caveat": "str",
}

SIZE_GROUPS = 4


def gain_by_size(clients: pd.DataFrame) -> pd.DataFrame:
    """Mean gain of the clients in each quarter of client sizes: ``num_train`` (median), ``gain``,
    and its standard error over clients, whose gains are means over seeds."""
    gains = clients.assign(gain=clients[PERSONALIZED] - clients[INITIAL])
    by_client = (
        gains.groupby("client_id")
        .agg(num_train=("num_train", "first"), gain=("gain", "mean"))
        .dropna()
    )
    if by_client.empty:
        return pd.DataFrame(columns=["num_train", "gain", "error"])
    quarter = pd.qcut(
        by_client.num_train.rank(method="first"), min(SIZE_GROUPS, len(by_client)), labels=False
    )
    grouped = by_client.groupby(quarter)
    return pd.DataFrame(
        {
            "num_train": grouped.num_train.median(),
            "gain": grouped.gain.mean(),
            "error": grouped.gain.sem(),
        }
    )


def clients_before_after_figure(
    clients: pd.DataFrame, models: Collection[str], caveat: str, base: str | Path
) -> None:
    """Draw ``clients`` (of ``comparison.paired_clients``): a column a model, a point a (client,
    seed)."""
    data = clients.assign(caveat=caveat)[list(CLIENTS_BEFORE_AFTER)]
    write_table(CLIENTS_BEFORE_AFTER, data, Path(base).with_suffix(".csv"))
    use_style()
    figure, axes = plt.subplots(
        2,
        len(models),
        figsize=(max(2.4 * len(models), 4.8), 5.0),
        squeeze=False,
        sharey="row",
        sharex="row",
    )
    jitter = np.random.default_rng(0).uniform(
        -0.006, 0.006, (2, len(data))
    )  # points of small test splits coincide
    for i, name in enumerate(models):
        own, color = data[data.model == name], SERIES[i % len(SERIES)][0]
        dx, dy = jitter[:, data.model == name]
        top, bottom = axes[0, i], axes[1, i]
        top.plot([0, 1], [0, 1], color="0.5", linewidth=0.8)
        top.plot(
            own[INITIAL] + dx,
            own[PERSONALIZED] + dy,
            "o",
            color=color,
            markersize=2.5,
            alpha=0.5,
            markeredgewidth=0,
        )
        top.set_title(
            f"{name}\n{100 * hurt_share(own):.0f} % hurt" if len(own) else name, fontsize=8
        )
        if own.empty:
            say_empty(top)
            say_empty(bottom)
        top.set_xlabel("initial accuracy", fontsize=8)
        gain = own[PERSONALIZED] - own[INITIAL]
        bottom.axhline(0, color="0.5", linewidth=0.8)
        bottom.plot(
            own.num_train,
            gain + dy,
            "o",
            color=color,
            markersize=2.5,
            alpha=0.35,
            markeredgewidth=0,
        )
        groups = gain_by_size(own)
        bottom.errorbar(
            groups.num_train,
            groups.gain,
            groups.error,
            color="black",
            marker="s",
            markersize=3,
            linewidth=1,
            capsize=2,
        )
        bottom.set_xscale("log")
        bottom.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        bottom.xaxis.set_major_formatter("{x:g}")
        bottom.xaxis.set_minor_formatter(NullFormatter())
        bottom.set_xlabel("train examples of the client", fontsize=8)
    lowest = np.nanmin(data[[INITIAL, PERSONALIZED]].to_numpy(), initial=1.0)
    axes[0, 0].set(xlim=(max(lowest - 0.05, -0.02), 1.02), ylim=(max(lowest - 0.05, -0.02), 1.02))
    axes[0, 0].set_ylabel("personalized accuracy", fontsize=8)
    axes[1, 0].set_ylabel("gain in accuracy", fontsize=8)
    n, seeds = data.client_id.nunique(), data.seed.nunique()
    what = (
        f"A point is one of n = {n} evaluation clients in one of {seeds} "
        f"seed{'s' if seeds > 1 else ''}, moved by at most 0.006; "
        "hurt: below the diagonal. Squares: mean gain of the clients in each quarter of "
        "sizes, ± standard error over clients."
    )
    add_footer(figure, [what, caveat])
    save_figure(figure, base)
