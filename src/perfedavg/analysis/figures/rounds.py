"""Figure ``rounds``: initial and personalized accuracy against communication rounds, for every M
and E."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from perfedavg.analysis.choices import Selection
from perfedavg.analysis.columns import ACCURACY, CAVEAT, EPOCH, GRID, NUM_CLIENTS, SEED
from perfedavg.analysis.figures.style import COLORS, MARKERS, add_footer, say_on_panel, subplots
from perfedavg.analysis.runs import local_work, stage1
from perfedavg.analysis.summary import INITIAL, PERSONALIZED, initial_and_personalized
from perfedavg.storage.tables import Column

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "accuracy against rounds"
SECTION = "How accurate are the initial and the personalized model?"
CAPTION = (
    "Initial and personalized accuracy against communication rounds. The initial model is the "
    "global one; the personalized model is fine-tuned on each client's own train split. Both are "
    "tested on the client's test split. A point is one seed, the line their mean, the band their "
    "minimum to maximum."
)
ALT = "Initial and personalized accuracy against communication rounds, a panel for every M and E"
ROWS = "One row per (run, evaluated round, model)."
CONTRACT = {
    **GRID,
    "seed": SEED,
    "round": Column("int 1..", "rounds", "evaluated round"),
    "model": Column("str", "-", "`initial` or `personalized`"),
    "epoch": EPOCH,
    "accuracy": ACCURACY,
    "num_clients": NUM_CLIENTS,
    "caveat": CAVEAT,
}

_POINT = {"markersize": 2.2, "alpha": 0.8, "markeredgewidth": 0}


def settings(config: Any) -> dict[str, float]:
    """The target accuracy."""
    return {"target": config.evaluation.target_accuracy}


def compute(
    grid_evaluation: pd.DataFrame, runs: pd.DataFrame, selection: Selection
) -> pd.DataFrame:
    """The runs of the grid."""
    curves = initial_and_personalized(grid_evaluation, stage1(runs), selection)
    return curves[list(CONTRACT)]


def draw(data: pd.DataFrame, runs: pd.DataFrame, target: float) -> Figure:
    """A point per seed, a line through the mean, a band from min to max.

    Every setting has its panel, with the number of its runs that diverged, if any did."""
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    runs = stage1(runs)
    work, letter = local_work(runs)
    cohorts, works = sorted(runs.clients_per_round.unique()), sorted(runs[work].unique())
    size = (max(4.8, 1.2 + 1.75 * len(works)), 1.2 + max(2.6, 1.6 * len(cohorts)))
    figure, axes = subplots(
        len(cohorts), len(works), figsize=size, sharex=True, sharey=True, squeeze=False
    )
    for row, cohort in zip(axes, cohorts, strict=True):
        for axis, amount in zip(row, works, strict=True):
            panel = data[(data.clients_per_round == cohort) & (data[work] == amount)]
            setting = runs[(runs.clients_per_round == cohort) & (runs[work] == amount)]
            diverged = setting.status.str.startswith("diverged").sum()
            if diverged:
                say_on_panel(axis, f"{diverged} of {len(setting)} runs diverged", height=0.04)
            axis.axhline(target, color="0.5", linewidth=0.8, linestyle=":")
            for model in (INITIAL, PERSONALIZED):
                rows = panel[panel.model == model]
                by_round = rows.groupby("round").accuracy
                mean, color = by_round.mean(), COLORS[model]
                low, high = by_round.min(), by_round.max()
                axis.fill_between(mean.index, low, high, color=color, alpha=0.2, linewidth=0)
                axis.plot(mean.index, mean, color=color, linewidth=1.4)
                axis.plot(rows["round"], rows.accuracy, MARKERS[model], color=color, **_POINT)
            axis.set_title(f"M = {cohort}, {letter} = {int(amount)}", fontsize=8)
    handles = []
    for model in (INITIAL, PERSONALIZED):
        style = {"color": COLORS[model], "marker": MARKERS[model], "markersize": 4}
        handles.append(Line2D([], [], linewidth=1.4, label=f"{model} model", **style))
    style = {"color": "0.5", "linewidth": 0.8, "linestyle": ":"}
    handles.append(Line2D([], [], label=f"target {target:g}", **style))
    figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False)
    figure.supylabel("accuracy, mean over clients", fontsize=8)
    for axis in axes[-1]:
        axis.set_xlabel("communication round", fontsize=8)
    axes[0, 0].set_xlim(0, runs["rounds"].max() * 1.04)
    lowest = data.accuracy.min()
    axes[0, 0].set_ylim(bottom=max(0.0, lowest - 0.05) if lowest == lowest else 0.0)
    axes[0, 0].xaxis.set_major_locator(MaxNLocator(5, integer=True))
    add_footer(figure, [_what(data, runs), runs.caveat.iloc[0]])
    return figure


def _what(data: pd.DataFrame, runs: pd.DataFrame) -> str:
    at_end = data["round"] == runs["rounds"].max()
    last, before = data[at_end].num_clients.max(), data[~at_end].num_clients.max()
    clients = "no run reached the last round"
    if at_end.any():
        clients = f"n = {last:.0f} evaluation clients at the last round"
    clients += f", {before:.0f} of them before" if before < last else ""
    n = runs.seed.nunique()
    seeds = f"Points: {n} seeds; line: their mean; band: min to max." if n > 1 else "One seed."
    return f"{seeds} {clients}. Fine-tune epochs chosen on validation clients."
