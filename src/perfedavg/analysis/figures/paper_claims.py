"""Figure ``paper_claims``: what the paper's own Table 1 carries, by the rules that decide ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from perfedavg.analysis.claims.of_paper import RUNS, verdicts
from perfedavg.analysis.columns import CAVEAT
from perfedavg.analysis.figures.claims import COLORS
from perfedavg.analysis.figures.style import WIDTH, add_answer, add_footer, subplots
from perfedavg.storage.tables import Column

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "what the paper's own Table 1 carries"
SECTION = "Did the paper's claims hold?"
CAPTION = (
    "Which of its claims does the paper's own Table 1 carry? Differences of its means with 95 % "
    "intervals by Welch's t, if each row is 7, 10 or 14 runs (how many is unknown); of a statement "
    "with several comparisons, the least certain one."
)
ALT = (
    "One line per statement about the paper's Table 1: the difference with three intervals, for 7, "
    "10 and 14 runs, zero, the margin, and the verdict at 10 runs in words."
)
ROWS = (
    "One row per (statement, number of runs per row of the paper's table). Of a statement with "
    "several comparisons, the weakest."
)
CONTRACT = {
    "id": Column("str", "-", "of the claim"),
    "statement": Column("str", "-", "what the table is asked"),
    "num_runs": Column("int 2..", "runs", "runs per row that are assumed"),
    "estimate": Column("float", "accuracy", "difference of the paper's means"),
    "ci_low": Column("float", "accuracy", "95 % interval, Welch"),
    "ci_high": Column("float", "accuracy", "95 % interval, Welch"),
    "t": Column("float", "-", "difference by its standard error"),
    "margin": Column("float 0..", "accuracy", "smallest effect that matters"),
    "p_value": Column("float 0..1", "-", "that the effect is at most 0; Holm over all statements"),
    "p_refute": Column("float 0..1", "-", "that it is at least the margin, or 0; likewise"),
    "verdict": Column("str", "-", "`supported`, `refuted` or `inconclusive`"),
    "caveat": CAVEAT,
}


def asked(config: Any) -> bool:
    """Where the data are the paper's."""
    return config.data.is_the_papers


def compute(paper: pd.DataFrame) -> pd.DataFrame:
    """Of the paper's numbers alone."""
    return verdicts(paper).assign(caveat="The paper's numbers alone, no run of ours.")


def draw(data: pd.DataFrame) -> Figure:
    """A line per statement, an interval per number of runs."""
    ids = list(dict.fromkeys(data.id))
    figure, axis = subplots(figsize=(WIDTH, 1.8 + 0.27 * len(ids)))
    for line, name in enumerate(ids):
        for offset, runs in zip((-0.22, 0, 0.22), RUNS, strict=True):
            row = data[(data.id == name) & (data.num_runs == runs)].iloc[0]
            color, marker = COLORS[row.verdict]
            axis.plot(
                [100 * row.ci_low, 100 * row.ci_high], [line + offset] * 2, color=color, linewidth=1
            )
            axis.plot(100 * row.estimate, line + offset, marker, color=color, markersize=3)
        middle = data[(data.id == name) & (data.num_runs == RUNS[1])].iloc[0]
        axis.plot(100 * middle.margin, line, "|", color="0.15", markersize=11)
        axis.annotate(
            middle.verdict, (1.01, line), xycoords=("axes fraction", "data"), va="center",
            fontsize=7, color=COLORS[middle.verdict][0],
        )  # fmt: skip
    labels = [data.statement[data.id == name].iloc[0].replace(": ", ":\n") for name in ids]
    axis.set_yticks(range(len(ids)), labels, fontsize=6)
    axis.set_ylim(len(ids) - 0.4, -0.6)
    axis.axvline(0, color="0.5", linewidth=0.8)
    axis.set_xlabel("difference of the paper's means, points of accuracy", fontsize=8)
    at_ten = data[data.num_runs == RUNS[1]].verdict.value_counts()
    words = ", ".join(f"{at_ten[v]} {v}" for v in COLORS if v in at_ten)
    add_answer(figure, f"Of {len(ids)} statements, at {RUNS[1]} runs per row: {words}.")
    add_footer(
        figure,
        [
            "From the paper's means and standard deviations alone. Each line: 95 % intervals for "
            "7, 10 and 14 runs per row, from top to bottom; tick: margin; in words the verdict at "
            "10 runs, Holm over all. C11 (rounds to 0.8) has no standard deviations."
        ],
    )
    return figure
