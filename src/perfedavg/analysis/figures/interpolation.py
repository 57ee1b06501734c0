"""Figure ``interpolation``: from FedSGD (λ = 0) to FedAvg (λ = 1) and past it, by the weight of the
gradients after the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from perfedavg.analysis.choices import EQUAL_ROUNDS, ServerRates
from perfedavg.analysis.figures.style import (
    COLORS,
    MARKERS,
    MEAN,
    RUNS,
    add_footer,
    num_clients_in_words,
    say_on_panel,
    seeds_in_words,
    subplots,
)
from perfedavg.analysis.points import POINTS, points
from perfedavg.analysis.server_rates import costs
from perfedavg.analysis.summary import INITIAL, PERSONALIZED
from perfedavg.storage.tables import Column

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "between FedSGD and FedAvg"
SECTION = "How do the algorithms compare?"
CAPTION = (
    "From FedSGD to FedAvg and past it: accuracy of the initial and the personalized model against "
    "λ, the weight of a client's gradients after its first, and what fine-tuning gains. Does more "
    "of the meta-gradient buy personalization, and at what cost in initial accuracy?"
)
ALT = (
    "Accuracy against the weight of the gradients after the first, from FedSGD to FedAvg and past "
    "it"
)
ROWS = "One row per (family, λ, seed), at equal rounds."
CONTRACT = {
    "family": Column("str", "-", "`rest`: w = (1, λ, ..., λ); `powers`: w = (1, λ, λ², ...)"),
    "rate": Column("float 0..", "-", "λ"),
    **POINTS,
    "entry": Column(
        "str",
        "-",
        "the entry with these weights: at λ = 0 and 1 a named algorithm, if the config has one",
    ),
}

WEIGHTS = {"rest": "w = (1, λ, …, λ)", "powers": "w = (1, λ, λ², …)"}


def asked(config: Any) -> bool:
    """Where the algorithm comparison has an interpolation."""
    return bool(config.studies.comparison and config.studies.comparison.interpolation)


def settings(config: Any, interpolated: list[dict[str, Any]]) -> dict[str, Any]:
    """The points of the interpolation (``family, rate, entry``), K, and what a Hessian-vector
    product costs."""
    block = config.studies.comparison
    return {
        "interpolated": interpolated,
        "local_steps": block.local_steps,
        "hessian_vector_product": block.hessian_vector_product,
    }


def compute(
    comparison_evaluation: pd.DataFrame,
    runs: pd.DataFrame,
    comparison_rounds: pd.DataFrame,
    server_rates: ServerRates,
    hessian_vector_product: float,
    interpolated: list[dict[str, Any]],
) -> pd.DataFrame:
    """The points of every family and λ."""
    spent = costs(comparison_rounds, hessian_vector_product)
    data = points(comparison_evaluation, runs, spent, server_rates)
    weights = pd.DataFrame(interpolated, columns=["family", "rate", "entry"])
    return weights.merge(data[data.basis == EQUAL_ROUNDS], on="entry")[list(CONTRACT)]


def draw(data: pd.DataFrame, server_rates: ServerRates, local_steps: int, caveat: str) -> Figure:
    """A column per family; above both accuracies against λ, below what fine-tuning gains."""
    figure, axes = subplots(
        2, 2, figsize=(7.2, 5.0), sharex=True, sharey="row", height_ratios=(3, 2)
    )
    for (above, below), (family, title) in zip(axes.T, WEIGHTS.items(), strict=True):
        rows = data[data.family == family]
        gains = rows.personalized - rows.initial
        curves: list[tuple] = [(below, gains, "0.25", "s", None)]
        for model in (PERSONALIZED, INITIAL):
            curves.insert(0, (above, rows[model], COLORS[model], MARKERS[model], f"{model} model"))
        for axis, values, color, marker, label in curves:
            mean = values.groupby(rows.rate).mean()
            small = RUNS | {"markersize": 3, "alpha": 0.5}
            axis.plot(rows.rate, values, marker=marker, color=color, **small)
            large = MEAN | {"markersize": 5, "label": label}
            axis.plot(mean.index, mean, color=color, marker=marker, **large)
        below.axhline(0, color="0.6", linewidth=0.8, linestyle=":")
        for axis in (above, below):
            for weight in (0, 1):
                axis.axvline(weight, color="0.6", linewidth=0.8, linestyle=":")
        if rows.empty:
            say_on_panel(above)
        above.set_title(title, fontsize=9)
        text = {"xycoords": ("data", "axes fraction"), "fontsize": 7, "color": "0.35", "ha": "left"}
        above.annotate(" FedSGD", (0, 0.97), va="top", **text)
        above.annotate(" FedAvg", (1, 0.03), va="bottom", **text)
        below.set_xlabel("λ, weight of the gradients after the first", fontsize=8)
    axes[0, 0].set_ylabel("accuracy", fontsize=8)
    axes[1, 0].set_ylabel("gain by fine-tuning", fontsize=8)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False, fontsize=8)
    clients = num_clients_in_words(data)
    clients += f"{seeds_in_words(data.seed.nunique())} " if clients else ""
    what = (
        f"{clients}{server_rates.rounds} rounds of {local_steps} local steps. The server learning "
        "rate makes up for the weights, times a factor that validation clients chose for every λ, "
        "as they did the fine-tune epochs."
    )
    add_footer(figure, [what, caveat])
    return figure
