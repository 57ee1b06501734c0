"""Figure ``ngrams``: the accuracy of next-token networks beside that of n-grams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from perfedavg.analysis.figures.style import COLORS, MARKERS, WIDTH, add_footer, subplots
from perfedavg.analysis.summary import INITIAL, PERSONALIZED
from perfedavg.analysis.tables import ngrams

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "n-grams and networks"
SECTION = ngrams.SECTION
CAPTION = ngrams.CAPTION
ALT = "Next-token accuracy of n-grams and of networks before and after fine-tuning"
ROWS = "The rows of table `ngrams`."
CONTRACT = ngrams.CONTRACT

asked, settings, compute = ngrams.asked, ngrams.settings, ngrams.compute


def draw(data: pd.DataFrame, caveat: str) -> Figure:
    """One line per model; bars are standard deviations over seeds."""
    figure, axis = subplots(figsize=(WIDTH, 1.1 + 0.28 * len(data)))
    places = np.arange(len(data))
    is_ngram = data.num_seeds == 0
    axis.plot(data.initial_mean[is_ngram], places[is_ngram], "s", color="0.35", label="n-gram")
    for level in data.initial_mean[is_ngram]:
        axis.axvline(level, color="0.35", linewidth=0.7, linestyle=":")
    for model in (INITIAL, PERSONALIZED):
        rows = data[~is_ngram]
        axis.errorbar(
            rows[f"{model}_mean"],
            places[~is_ngram],
            xerr=rows[f"{model}_std"],
            fmt=MARKERS[model],
            color=COLORS[model],
            markersize=5,
            linewidth=1,
            label=f"network, {model}",
        )
    axis.set_yticks(places, data.model)
    axis.set_ylim(len(data) - 0.5, -0.5)
    axis.set_xlabel("next-token accuracy, mean over evaluation clients")
    figure.legend(loc="outside upper center", ncols=3)
    seeds = data.num_seeds.max()
    bars = f"; bars: standard deviation over {seeds} seeds." if seeds > 1 else "; one seed."
    add_footer(figure, [f"n = {data.num_clients.max()} evaluation clients{bars}", caveat])
    return figure
