"""Figure ``rounds``: initial and personalized accuracy against communication rounds, for every M
and E."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from perfedavg.analysis.choices import Selection
from perfedavg.analysis.columns import (
    ACCURACY,
    CAVEAT,
    EPOCH,
    GRID,
    NUM_CLIENTS,
    SAME_CLIENTS,
    SEED,
)
from perfedavg.analysis.figures.style import (
    COLORS,
    LINES,
    MARKERS,
    OPEN,
    RUNS,
    WIDTH,
    add_answer,
    add_footer,
    add_legend,
    say_on_panel,
    subplots,
    whole_runs,
)
from perfedavg.analysis.runs import local_work, stage1
from perfedavg.analysis.summary import (
    INITIAL,
    PERSONALIZED,
    initial_and_personalized,
    with_same_clients,
)
from perfedavg.storage.tables import Column

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "accuracy against rounds"
SECTION = "How accurate are the initial and the personalized model?"
CAPTION = (
    "How fast do both models learn, for every M and E? Accuracy of the initial model, which all "
    "clients share, and of the personalized one, fine-tuned on each client's own train split, on "
    "the client's test split. Lines are means over runs and over the clients that are evaluated "
    "in every round; where those are not all, open markers are means over all evaluation clients "
    "at the last round."
)
ALT = "Initial and personalized accuracy against communication rounds, a panel for every M and E"
ROWS = "One row per (run, evaluated round, model)."
CHART = {
    "x": "round",
    "y": "accuracy_same_clients",
    "x_label": "round",
    "y_label": "accuracy",
    "series": {
        "clients_per_round": "M = ",
        "local_epochs": "E = ",
        "local_steps": "K = ",
        "model": "",
    },
}
CONTRACT = {
    **GRID,
    "seed": SEED,
    "round": Column("int 1..", "rounds", "evaluated round"),
    "model": Column("str", "-", "`initial` or `personalized`"),
    "epoch": EPOCH,
    "accuracy": ACCURACY,
    "num_clients": NUM_CLIENTS,
    **SAME_CLIENTS,
    "caveat": CAVEAT,
}


LINE_WIDTH = 1.2


def settings(config: Any) -> dict[str, float]:
    """The target accuracy."""
    return {"target": config.evaluation.target_accuracy}


def compute(
    grid_evaluation: pd.DataFrame, runs: pd.DataFrame, selection: Selection
) -> pd.DataFrame:
    """The runs of the grid."""
    curves = initial_and_personalized(grid_evaluation, stage1(runs), selection)
    return with_same_clients(curves, grid_evaluation, runs, selection)[list(CONTRACT)]


def draw(data: pd.DataFrame, runs: pd.DataFrame, target: float) -> Figure:
    """Every setting has its panel, with the number of its runs that diverged, if any did."""
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    runs = stage1(runs)
    work, letter = local_work(runs)
    cohorts, works = sorted(runs.clients_per_round.unique()), sorted(runs[work].unique())
    size = (WIDTH, 1.5 + max(2.2, 1.35 * len(cohorts)))
    figure, axes = subplots(
        len(cohorts), len(works), figsize=size, sharex=True, sharey=True, squeeze=False
    )
    last = runs["rounds"].max()
    fewer = (data.num_same_clients < data.num_clients).any()
    for row, cohort in zip(axes, cohorts, strict=True):
        for axis, amount in zip(row, works, strict=True):
            panel = data[(data.clients_per_round == cohort) & (data[work] == amount)]
            setting = runs[(runs.clients_per_round == cohort) & (runs[work] == amount)]
            diverged = setting.status.str.startswith("diverged").sum()
            if setting.empty:
                say_on_panel(axis, "not trained")
            if diverged:
                say_on_panel(axis, f"{diverged} of {len(setting)} runs diverged", height=0.04)
            axis.axhline(target, color="0.45", linewidth=0.8, linestyle=":")
            for model in (INITIAL, PERSONALIZED):
                rows = panel[panel.model == model]
                color, marker, line = COLORS[model], MARKERS[model], LINES[model]
                by_round = whole_runs(rows).groupby("round").accuracy_same_clients
                mean, low, high = by_round.mean(), by_round.min(), by_round.max()
                axis.fill_between(mean.index, low, high, color=color, alpha=0.15, linewidth=0)
                axis.plot(mean.index, mean, color=color, linewidth=LINE_WIDTH, linestyle=line)
                points = {"marker": marker, "color": color, **RUNS}
                axis.plot(rows["round"], rows.accuracy_same_clients, **points)
                at_end = rows[rows["round"] == last].accuracy.mean()
                if fewer:
                    axis.plot(last, at_end, marker=marker, color=color, clip_on=False, **OPEN)
            axis.set_title(f"M = {cohort}, {letter} = {int(amount)}")
    handles = []
    for model in (INITIAL, PERSONALIZED):  # as in the panels: a line, and runs as small points
        style = RUNS | {"color": COLORS[model], "marker": MARKERS[model]}
        style |= {"linestyle": LINES[model], "linewidth": LINE_WIDTH, "alpha": 1}
        handles.append(Line2D([], [], label=f"{model} model", **style))
    if fewer:
        every = f"all {data.num_clients.max()} clients, last round"
        handles.append(Line2D([], [], marker="o", color="0.3", label=every, **OPEN))
    style = {"color": "0.45", "linewidth": 0.8, "linestyle": ":"}
    handles.append(Line2D([], [], label=f"target {target:g}", **style))
    add_answer(figure, _answer(data[data["round"] == last], work, letter))
    add_legend(figure, 4, handles, [handle.get_label() for handle in handles])
    figure.supylabel("accuracy, mean over clients", fontsize=8)
    figure.align_labels()
    for axis in axes[-1]:
        axis.set_xlabel("communication round")
    axes[0, 0].set_xlim(0, last * 1.05)
    shown = data[["accuracy", "accuracy_same_clients"]]
    lowest = shown.min().min()
    axes[0, 0].set_ylim(bottom=max(0.0, lowest - 0.05) if lowest == lowest else 0.0)
    axes[0, 0].xaxis.set_major_locator(MaxNLocator(4, integer=True))
    add_footer(figure, [_what(data, runs), runs.caveat.iloc[0]])
    return figure


def _answer(at_end: pd.DataFrame, work: str, letter: str) -> str:
    """The highest accuracy of either model, and where."""
    means = at_end.groupby(["model", "clients_per_round", work]).accuracy.mean().dropna()
    if means.empty:
        return "No run reached the last round."
    said = []
    for model, of_model in means.groupby(level="model"):
        _, cohort, amount = of_model.idxmax()
        said.append(f"{of_model.max():.3f} {model} at M = {cohort}, {letter} = {amount:.0f}")
    return "Highest mean accuracy at the last round: " + "; ".join(said) + "."


def _what(data: pd.DataFrame, runs: pd.DataFrame) -> str:
    at_end = data["round"] == runs["rounds"].max()
    clients = "no run reached the last round"
    if at_end.any():
        last, same = data[at_end].num_clients.max(), data.num_same_clients.max()
        clients = f"n = {last:.0f} evaluation clients at the last round"
        if same < last:
            clients += f" (open markers); lines: the {same:.0f} of them evaluated in every round"
    n = runs.seed.nunique()
    seeds = "One seed."
    if n > 1:
        seeds = f"Points: {n} seeds; line: mean of those that did not diverge; band: min to max."
    return f"{seeds} {clients}. Fine-tune epochs chosen on validation clients."
