"""Figure ``interpolation``: from FedSGD (λ = 0) to FedAvg (λ = 1) and past it, by the weight of the
gradients after the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from perfedavg.analysis.choices import EQUAL_ROUNDS, ServerRates
from perfedavg.analysis.figures.style import (
    COLORS,
    LINES,
    MARKERS,
    MEAN,
    RUNS,
    SMALL,
    WIDTH,
    add_answer,
    add_footer,
    add_legend,
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
    "Does more of the meta-gradient buy personalization, and at what cost in initial accuracy? "
    "Both accuracies from FedSGD to FedAvg and past it, against λ, the weight of a client's "
    "gradients after its first, and what fine-tuning gains."
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
        2, 2, figsize=(WIDTH, 4.6), sharex=True, sharey="row", height_ratios=(3, 2)
    )
    for (above, below), (family, title) in zip(axes.T, WEIGHTS.items(), strict=True):
        rows = data[data.family == family]
        gains = rows.personalized - rows.initial
        curves: list[tuple] = [
            (above, rows[m], {"color": COLORS[m], "marker": MARKERS[m], "linestyle": LINES[m]}, m)
            for m in (PERSONALIZED, INITIAL)
        ]
        curves.append((below, gains, {"color": "0.2", "marker": "s", "linestyle": "-"}, None))
        for axis, values, style, model in curves:
            mean = values.groupby(rows.rate).mean()
            axis.plot(rows.rate, values, **style | RUNS)
            label = f"{model} model" if model else None
            axis.plot(mean.index, mean, **style, **MEAN, label=label)
        below.axhline(0, color="0.6", linewidth=0.8, linestyle=":")
        for axis in (above, below):
            for weight in (0, 1):
                axis.axvline(weight, color="0.6", linewidth=0.8, linestyle=":")
        if rows.empty:
            say_on_panel(above)
        above.set_title(title)
        text = {
            "xycoords": ("data", "axes fraction"),
            "fontsize": SMALL,
            "color": "0.3",
            "ha": "left",
        }
        above.annotate(" FedSGD", (0, 0.97), va="top", **text)
        above.annotate(" FedAvg", (1, 0.03), va="bottom", **text)
        below.set_xlabel("λ, weight of later gradients")
    axes[0, 0].set_ylabel("accuracy")
    axes[1, 0].set_ylabel("gain by fine-tuning")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    add_answer(figure, _answer(data))
    add_legend(figure, 2, handles, labels)
    clients = num_clients_in_words(data)
    clients += f"{seeds_in_words(data.seed.nunique())} " if clients else ""
    what = (
        f"{clients}{server_rates.rounds} rounds of {local_steps} local steps. The server learning "
        "rate makes up for the weights, times a factor that validation clients chose for every λ, "
        "as they did the fine-tune epochs."
    )
    add_footer(figure, [what, caveat])
    return figure


def _answer(data: pd.DataFrame) -> str:
    """Initial and personalized accuracy at FedSGD, FedAvg and the largest λ of the family whose
    later gradients weigh alike."""
    means = data[data.family == "rest"].groupby("rate")[[INITIAL, PERSONALIZED]].mean()
    said = [
        f"λ = {rate:g}: {row[INITIAL]:.3f}, {row[PERSONALIZED]:.3f}"
        for rate, row in means.iterrows()
    ]
    return (
        f"Initial and personalized accuracy, weights (1, λ, …, λ): {'; '.join(said)}."
        if said
        else ""
    )
