"""Figure ``interpolation``: from FedSGD (λ = 0) to FedAvg (λ = 1) and past it, by the weight of the
gradients after the first."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from perfedavg.analysis.algorithms import POINTS
from perfedavg.analysis.figures.style import (
    COLORS,
    MARKERS,
    add_footer,
    save_figure,
    say_empty,
    seeds_in_words,
    use_style,
)
from perfedavg.analysis.rates import EQUAL_ROUNDS
from perfedavg.analysis.summary import INITIAL, PERSONALIZED
from perfedavg.storage.tables import write_table

INTERPOLATION = {"family": "str", "rate": "float 0..", **POINTS}

WEIGHTS = {"rest": "w = (1, λ, …, λ)", "powers": "w = (1, λ, λ², …)"}


def interpolation_data(points: pd.DataFrame, places: list[dict]) -> pd.DataFrame:
    """One row a (family, λ, seed) at equal rounds, from the ``points`` of the comparison.
    ``places``: family, λ and entry."""
    points = points[points.basis == EQUAL_ROUNDS]
    return pd.DataFrame(places, columns=["family", "rate", "entry"]).merge(points, on="entry")[
        list(INTERPOLATION)
    ]


def interpolation_figure(
    data: pd.DataFrame, rounds: int, steps: int, caveat: str, base: str | Path
) -> None:
    """Draw ``data``: a column a family; above both accuracies against λ, below what fine-tuning
    gains."""
    write_table(INTERPOLATION, data, Path(base).with_suffix(".csv"))
    use_style()
    figure, axes = plt.subplots(
        2, 2, figsize=(7.2, 5.0), sharex=True, sharey="row", height_ratios=(3, 2)
    )
    for (above, below), (family, title) in zip(axes.T, WEIGHTS.items(), strict=True):
        own = data[data.family == family]
        gains = own.personalized - own.initial
        for axis, values, color, marker, label in (
            (above, own.initial, COLORS[INITIAL], MARKERS[INITIAL], "initial model"),
            (
                above,
                own.personalized,
                COLORS[PERSONALIZED],
                MARKERS[PERSONALIZED],
                "personalized model",
            ),
            (below, gains, "0.25", "s", None),
        ):
            mean = values.groupby(own.rate).mean()
            axis.plot(
                own.rate, values, marker, color=color, markersize=3, alpha=0.5, markeredgewidth=0
            )
            axis.plot(
                mean.index,
                mean,
                color=color,
                marker=marker,
                markersize=5,
                linewidth=1.4,
                label=label,
            )
        below.axhline(0, color="0.6", linewidth=0.8, linestyle=":")
        for axis in (above, below):
            for at in (0, 1):
                axis.axvline(at, color="0.6", linewidth=0.8, linestyle=":")
        if own.empty:
            say_empty(above)
        above.set_title(title, fontsize=9)
        for at, height, name in ((0, 0.97, "FedSGD"), (1, 0.03, "FedAvg")):
            place = {"ha": "left", "va": "top" if height > 0.5 else "bottom"}
            above.annotate(
                f" {name}",
                (at, height),
                xycoords=("data", "axes fraction"),
                fontsize=7,
                color="0.35",
                **place,
            )
        below.set_xlabel("λ, weight of the gradients after the first", fontsize=8)
    axes[0, 0].set_ylabel("accuracy", fontsize=8)
    axes[1, 0].set_ylabel("gain by fine-tuning", fontsize=8)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False, fontsize=8)
    clients = (
        ""
        if data.empty
        else f"n = {data.num_clients.max()} evaluation clients, "
        f"{seeds_in_words(data.seed.nunique())} "
    )
    what = (
        f"{clients}{rounds} rounds of {steps} local steps. The server learning rate makes "
        f"up for the weights, times a factor "
        "that validation clients chose for every λ, as they did the fine-tune epochs."
    )
    add_footer(figure, [what, caveat])
    save_figure(figure, base)
