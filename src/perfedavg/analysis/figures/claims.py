"""Figure ``claims``: the effect of every claim that was measured, seed by seed, with its interval,
its margin and, where there is one, the paper's value."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from perfedavg.analysis.choices import Selection, ServerRates
from perfedavg.analysis.claims.experiment import asked, measures, others, settings  # noqa: F401
from perfedavg.analysis.claims.registration import post_hoc
from perfedavg.analysis.claims.statistics import NAMES
from perfedavg.analysis.claims.verdicts import NOT_TESTED, Claim, decide
from perfedavg.analysis.columns import CAVEAT
from perfedavg.analysis.figures.style import WIDTH, add_answer, add_footer, subplots
from perfedavg.storage.tables import Column

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "the paper's claims, effect by effect"
SECTION = "Did the paper's claims hold?"
CAPTION = (
    "Which claims hold? Effects of the claims, positive as claimed: each seed a point, the mean "
    "with its 95 % interval over seeds, the margin (the smallest effect that matters) and the "
    "paper's own value."
)
ALT = (
    "One line per claim: points of single seeds, their mean with an interval, zero and the margin "
    "as vertical marks, the paper's value as a diamond, and the verdict in words."
)
ROWS = (
    "One row per (claim, seed), and one without a seed where the effect is no mean over seeds. Of "
    "a claim with several components, the one that the verdict hangs on."
)
FOUND = [f"perfedavg.analysis.claims.statistics.{name}" for name in NAMES]
CONTRACT = {
    "id": Column("str", "-", "of the claim"),
    "claim": Column("str", "-", "the claim"),
    "component": Column("str", "-", "which of its components the numbers are of; may be empty"),
    "unit": Column("str", "-", "of the numbers"),
    "verdict": Column("str", "-", "`supported`, `refuted`, `inconclusive` or `not tested`"),
    "seed": Column("int? 0..", "-", "seed"),
    "value": Column("float?", "`unit`", "its effect"),
    "estimate": Column("float?", "`unit`", "mean over seeds"),
    "ci_low": Column("float?", "`unit`", "95 % interval over seeds"),
    "ci_high": Column("float?", "`unit`", "95 % interval over seeds"),
    "margin": Column("float 0..", "`unit`", "smallest effect that matters"),
    "paper": Column("float?", "`unit`", "the paper's own value"),
    "caveat": CAVEAT,
}
COLORS = {
    "supported": ("#029E73", "o"),
    "refuted": ("#D55E00", "s"),
    "inconclusive": ("0.45", "D"),
    NOT_TESTED: ("0.45", "^"),
}
"""Colour and marker of the mean by verdict."""


def compute(
    evaluation: pd.DataFrame,
    comparison_evaluation: pd.DataFrame,
    grid_validation: pd.DataFrame,
    theory_rows: pd.DataFrame,
    runs: pd.DataFrame,
    selection: Selection,
    server_rates: ServerRates | None,
    registered: Mapping[str, Any],
    other_data: Path | None,
    reference: str,
    claims: Mapping[str, Any],
    undecided: str,
) -> pd.DataFrame:
    """The claims that were measured, in their order."""
    found = measures(
        evaluation, comparison_evaluation, grid_validation, theory_rows, runs, selection,
        server_rates, reference, claims, undecided,
    )  # fmt: skip
    late = post_hoc(claims, registered, set() if undecided else set(runs.seed))
    rows = []
    entries = [Claim(**entry) for entry in claims["claims"]]
    for verdict in decide(entries, found, others(other_data), late):
        lead = verdict.lead
        if lead is None:
            continue
        claim, estimate = verdict.claim, lead.estimate
        row = {
            "id": claim.id,
            "claim": claim.claim,
            "component": lead.name,
            "unit": claim.unit,
            "verdict": NOT_TESTED if undecided else verdict.verdict,
            "estimate": estimate.estimate,
            "ci_low": estimate.low,
            "ci_high": estimate.high,
            "margin": claim.margin,
            "paper": claim.paper,
        }
        seeds = {None: None} if lead.by_seed is None else lead.by_seed.to_dict()
        rows += [{**row, "seed": seed, "value": value} for seed, value in seeds.items()]
    table = pd.DataFrame(rows, columns=[c for c in CONTRACT if c != "caveat"])
    return table.assign(caveat=runs.caveat.iloc[0])


def draw(data: pd.DataFrame, claims: Mapping[str, Any], undecided: str, caveat: str) -> Figure:
    """A panel of accuracies and one of log ratios; a line per claim."""
    data = data[data.estimate.notna()]
    if data.empty:
        return _nothing(len(claims["claims"]), caveat)
    accuracy = data.unit == "accuracy"
    panels = [rows for rows in (data[accuracy], data[~accuracy]) if len(rows)]
    lines = [rows.id.nunique() for rows in panels]
    size = (WIDTH, 1.9 + 0.24 * sum(lines))
    ratios = {"height_ratios": lines}
    figure, axes = subplots(len(panels), 1, figsize=size, squeeze=False, gridspec_kw=ratios)
    for axis, rows in zip(axes[:, 0], panels, strict=True):
        _panel(axis, rows)
    if undecided:
        answer = "Nothing is decided here: what these runs show."
    else:
        counts = data.drop_duplicates("id").verdict.value_counts()
        words = ", ".join(f"{counts[v]} {v}" for v in COLORS if v in counts)
        answer = f"Of {counts.sum()} claims measured: {words}."
    add_answer(figure, answer)
    what = (
        "Circles: seeds; larger markers with bars: their mean and its 95 % interval over seeds "
        "(clients fixed). Vertical line: no effect; tick: the margin; open diamond: the paper. "
        "Verdicts are adjusted within families of claims."
    )
    if undecided:
        what += f" These runs may not decide: {undecided}."
    add_footer(figure, [what, caveat])
    return figure


def _nothing(num_claims: int, caveat: str) -> Figure:
    """Where there is no effect to draw: a sentence, and no axis."""
    figure, axis = subplots(figsize=(WIDTH, 0.8))
    axis.remove()
    add_answer(
        figure, f"No effect of the {num_claims} claims could be measured: its runs are missing."
    )
    add_footer(figure, [caveat])
    return figure


def _panel(axis: Axes, rows: pd.DataFrame) -> None:
    ids = list(dict.fromkeys(rows.id))
    scale = 100 if rows.unit.iloc[0] == "accuracy" else 1
    for line, name in enumerate(ids):
        of_claim = rows[rows.id == name]
        first = of_claim.iloc[0]
        color, marker = COLORS[first.verdict]
        axis.plot(
            scale * of_claim.value.astype(float), [line] * len(of_claim), "o", color=color,
            markersize=3, alpha=0.45, markeredgewidth=0,
        )  # fmt: skip
        if pd.notna(first.ci_low):
            axis.plot(
                [scale * first.ci_low, scale * first.ci_high],
                [line] * 2,
                color=color,
                linewidth=1.6,
            )
        axis.plot(scale * first.estimate, line, marker, color=color, markersize=5.5)
        if first.margin:
            axis.plot(scale * first.margin, line, "|", color="0.15", markersize=9)
        if pd.notna(first.paper):
            axis.plot(
                scale * first.paper, line, "D", markerfacecolor="none", markeredgecolor="0.15",
                markersize=4.5,
            )  # fmt: skip
        axis.annotate(
            first.verdict, (1.01, line), xycoords=("axes fraction", "data"), va="center",
            fontsize=7, color=color,
        )  # fmt: skip
    axis.axvline(0, color="0.5", linewidth=0.8)
    axis.set_yticks(range(len(ids)), ids, fontsize=6.5)
    axis.set_ylim(len(ids) - 0.4, -0.6)
    units = {"accuracy": "effect as claimed, points of accuracy"}
    text = units.get(rows.unit.iloc[0], "effect as claimed, logarithm of a ratio")
    axis.set_xlabel(text, fontsize=8)
