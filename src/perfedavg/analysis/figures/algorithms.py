"""Figure ``algorithms``: personalized against initial accuracy, one point per run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from perfedavg.analysis.choices import BASES, EQUAL_GRADIENTS, ServerRates
from perfedavg.analysis.figures.style import MANY, RUNS, add_footer, say_on_panel, subplots
from perfedavg.analysis.points import POINTS, points
from perfedavg.analysis.server_rates import costs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "all algorithms"
SECTION = "How do the algorithms compare?"
CAPTION = (
    "Personalized against initial accuracy of all algorithms, one point per run, at equal rounds "
    "and at equal gradient evaluations. Above the dotted line fine-tuning helps. Each algorithm's "
    "server learning rate was chosen on validation clients."
)
ALT = (
    "Personalized against initial accuracy of every algorithm, at equal rounds and at equal "
    "gradient evaluations"
)
ROWS = "One row per (entry, basis, seed)."
CONTRACT = POINTS

_RUN = RUNS | {"markersize": 3, "alpha": 0.55}
_MEAN = {"markersize": 7, "alpha": 0.8, "markeredgecolor": "white"}


def asked(config: Any) -> bool:
    """Where there is an algorithm comparison."""
    return bool(config.studies.comparison)


def settings(config: Any) -> dict[str, Any]:
    """The entries shown, and what a Hessian-vector product costs."""
    block = config.studies.comparison
    return {"entries": list(block.entries), "hessian_vector_product": block.hessian_vector_product}


def compute(
    comparison_evaluation: pd.DataFrame,
    runs: pd.DataFrame,
    comparison_rounds: pd.DataFrame,
    server_rates: ServerRates,
    hessian_vector_product: float,
    entries: list[str],
) -> pd.DataFrame:
    """The points of the entries; those of the interpolation have their own figure."""
    spent = costs(comparison_rounds, hessian_vector_product)
    data = points(comparison_evaluation, runs, spent, server_rates)
    return data[data.entry.isin(entries)]


def draw(data: pd.DataFrame, server_rates: ServerRates, entries: list[str], caveat: str) -> Figure:
    """A panel per basis; small points are runs, large ones the mean over seeds."""
    figure, axes = subplots(1, 2, figsize=(7.2, 4.1), sharex=True, sharey=True)
    for axis, basis in zip(axes, BASES, strict=True):
        panel = data[data.basis == basis]
        for i, entry in enumerate(entries):
            color, marker = MANY[i % len(MANY)]
            rows = panel[panel.entry == entry]
            axis.plot(rows.initial, rows.personalized, marker=marker, color=color, **_RUN)
            mean = rows.initial.mean(), rows.personalized.mean()
            axis.plot(*mean, marker, color=color, label=entry, **_MEAN)
        title, why_empty = basis, "all runs diverged"
        if basis == EQUAL_GRADIENTS:
            title += f" ({server_rates.budget:g} mini-batch gradients)"
            why_empty += ", or none is within the budget"
        if panel.empty:
            say_on_panel(axis, why_empty)
        axis.axline((0.5, 0.5), slope=1, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
        axis.set_title(title, fontsize=8)
        axis.set_xlabel("initial accuracy", fontsize=8)
    axes[0].set_ylabel("personalized accuracy", fontsize=8)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False, fontsize=7)
    clients = "" if data.empty else f"n = {data.num_clients.max()} evaluation clients; "
    seeds = data.seed.nunique()
    shown = "one seed." if seeds else ""
    if seeds > 1:
        shown = f"small points: runs ({seeds} seeds); large ones: their mean."
    what = (
        f"{clients}{shown} Above the dotted line fine-tuning helps. Each algorithm's server "
        "learning rate and fine-tune epochs were chosen on validation clients."
    )
    add_footer(figure, [what, caveat])
    return figure
