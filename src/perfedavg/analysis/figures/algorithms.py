"""Figure ``algorithms``: initial and personalized accuracy of every algorithm, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from perfedavg.analysis.choices import BASES, EQUAL_GRADIENTS, EQUAL_ROUNDS, ServerRates
from perfedavg.analysis.figures.style import (
    COLORS,
    MARKERS,
    MEAN,
    RUNS,
    WIDTH,
    add_answer,
    add_footer,
    add_legend,
    say_on_panel,
    subplots,
)
from perfedavg.analysis.names import entry_in_words
from perfedavg.analysis.points import POINTS, points
from perfedavg.analysis.server_rates import costs
from perfedavg.analysis.summary import INITIAL, PERSONALIZED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "all algorithms"
SECTION = "How do the algorithms compare?"
CAPTION = (
    "Which algorithm gives the best initial model, and which the best personalized one? Accuracy "
    "of both, at equal rounds and at equal gradient evaluations; the line between them is what "
    "fine-tuning gains. Each algorithm's server learning rate and fine-tune epochs were chosen on "
    "validation clients; the table says where a choice was at the edge of what was tried."
)
ALT = (
    "Initial and personalized accuracy of every algorithm, at equal rounds and at equal gradient "
    "evaluations"
)
ROWS = "One row per (entry, basis, seed)."
CONTRACT = POINTS


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
    """A panel per basis, a row per algorithm: small points are runs, large ones their mean."""
    from matplotlib.ticker import MaxNLocator

    size = (WIDTH, 1.7 + 0.27 * len(entries))
    figure, axes = subplots(1, 2, figsize=size, sharex=True, sharey=True)
    models = (INITIAL, PERSONALIZED)
    for axis, basis in zip(axes, BASES, strict=True):
        panel = data[data.basis == basis]
        for row, entry in enumerate(entries if len(panel) else ()):
            rows = panel[panel.entry == entry]
            if rows.empty:
                affordable = server_rates.entries[entry].chosen[basis]
                why = "diverged" if affordable else "above the budget"
                place = {"xycoords": ("axes fraction", "data"), "va": "center", "fontsize": 6.5}
                axis.annotate(why, (0.03, row), color="0.35", style="italic", **place)
                continue
            axis.plot([rows[m].mean() for m in models], [row, row], color="0.55", linewidth=1.2)
            for model, aside in zip(models, (-0.16, 0.16), strict=True):
                style = {"color": COLORS[model], "marker": MARKERS[model]}
                if len(rows) > 1:
                    axis.plot(rows[model], [row + aside] * len(rows), **style | RUNS)
                label = f"{model} model"
                filled = {} if model == PERSONALIZED else {"markerfacecolor": "white"}
                large = {"linestyle": "", "label": label, **MEAN, "markersize": 5, **filled}
                axis.plot(rows[model].mean(), row, **style | large)
        title = "At equal rounds"
        if basis == EQUAL_GRADIENTS:
            title = f"At equal gradient evaluations ({server_rates.budget:,.0f})"
        if panel.empty:  # said once, in the place of all rows
            say_on_panel(axis, _why_empty(server_rates, entries, basis))
        axis.set_title(title, loc="left")
        axis.set_xlabel("accuracy, mean over evaluation clients")
        axis.xaxis.set_major_locator(MaxNLocator(6))
        axis.grid(visible=False, axis="y")
    axes[0].set_yticks(range(len(entries)), [entry_in_words(entry) for entry in entries])
    axes[0].set_ylim(len(entries) - 0.5, -0.6)
    axes[0].set_xlim(left=0)
    handles = {}
    for axis in axes:
        handles |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    add_answer(figure, _answer(data[data.basis == EQUAL_ROUNDS]))
    add_legend(figure, 2, list(handles.values()), list(handles))
    clients = "" if data.empty else f"n = {data.num_clients.max()} evaluation clients; "
    seeds = data.seed.nunique()
    shown = "one seed." if seeds else ""
    if seeds > 1:
        shown = f"small points: runs ({seeds} seeds); large ones: their mean."
    what = f"{clients}{shown} Rates and fine-tune epochs chosen on validation clients."
    add_footer(figure, [what.strip(), caveat])
    return figure


def _why_empty(server_rates: ServerRates, entries: list[str], basis: str) -> str:
    affordable = [bool(server_rates.entries[entry].chosen[basis]) for entry in entries]
    if all(affordable):
        return "all runs diverged"
    if any(affordable):
        return "all are above the budget or diverged"
    return "none is within the budget"


def _answer(data: pd.DataFrame) -> str:
    """The highest mean of either kind at equal rounds, and the largest gain."""
    means = data.groupby("entry")[[INITIAL, PERSONALIZED]].mean()
    if means.empty:
        return ""
    said = []
    for model in (INITIAL, PERSONALIZED):
        said.append(f"{means[model].max():.3f} {model}, {entry_in_words(means[model].idxmax())}")
    gain = means[PERSONALIZED] - means[INITIAL]
    return (
        f"Highest at equal rounds: {'; '.join(said)}. Largest gain by fine-tuning: "
        f"{gain.max():+.3f}, {entry_in_words(gain.idxmax())}."
    )
