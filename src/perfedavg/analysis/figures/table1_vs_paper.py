"""Figure ``table1_vs_paper``: our Table 1 beside the paper's, one panel per kind of model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from perfedavg.analysis.choices import Selection
from perfedavg.analysis.columns import CAVEAT
from perfedavg.analysis.figures.style import (
    COLORS,
    WIDTH,
    add_answer,
    add_footer,
    say_on_panel,
    subplots,
)
from perfedavg.analysis.summary import INITIAL, PERSONALIZED
from perfedavg.analysis.tables import table1
from perfedavg.storage.tables import Column

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Table 1 beside the paper's"
SECTION = "Did the paper's claims hold?"
CAPTION = (
    "How near are our accuracies to the paper's? Mean and standard deviation over seeds for every "
    "M and E, ours filled, the paper's open; the paper's are on the full data."
)
ALT = (
    "Two panels, initial and personalized accuracy; per M and E our mean as a filled marker and "
    "the paper's as an open one, each with its standard deviation."
)
ROWS = "One row per (M, E, kind of model)."
CONTRACT = {
    "clients_per_round": Column("int 1..", "clients", "M"),
    "local_epochs": Column("int 1..", "epochs", "E"),
    "model": Column("str", "-", "`initial` or `personalized`"),
    "mean": Column("float? 0..1", "accuracy", "ours, mean over seeds"),
    "std": Column("float? 0..", "accuracy", "ours, standard deviation over seeds"),
    "num_seeds": Column("int 1..", "seeds", "ours"),
    "paper_mean": Column("float? 0..1", "accuracy", "the paper's"),
    "paper_std": Column("float? 0..", "accuracy", "the paper's, over about 7 to 14 runs"),
    "caveat": CAVEAT,
}
settings = table1.settings


def asked(config: Any) -> bool:
    """Where the data are the paper's and the grid counts epochs."""
    return config.data.is_the_papers and bool(config.training.local_epochs)


def compute(
    grid_evaluation: pd.DataFrame,
    runs: pd.DataFrame,
    selection: Selection,
    paper: pd.DataFrame,
    target: float,
    shown_epochs: list[int],
    store: Path,
    data_block: dict[str, Any],
) -> pd.DataFrame:
    """The rows of Table 1."""
    table = table1.compute(
        grid_evaluation, runs, selection, paper, target, shown_epochs, store, data_block
    )
    rows = []
    for row in table.to_dict("records"):
        for model in (INITIAL, PERSONALIZED):
            rows.append(
                {
                    **{k: row[k] for k in ("clients_per_round", "local_epochs", "num_seeds")},
                    "model": model,
                    "mean": row[f"{model}_mean"],
                    "std": row[f"{model}_std"],
                    "paper_mean": row.get(f"paper_{model}_mean"),
                    "paper_std": row.get(f"paper_{model}_std"),
                    "caveat": row["caveat"],
                }
            )
    return pd.DataFrame(rows)[list(CONTRACT)]


def draw(data: pd.DataFrame, caveat: str) -> Figure:
    """A panel per kind of model, a line per (M, E)."""
    cells = list(dict.fromkeys(zip(data.clients_per_round, data.local_epochs, strict=True)))
    figure, axes = subplots(1, 2, figsize=(WIDTH, 1.9 + 0.28 * len(cells)), sharey=True)
    for axis, model in zip(axes, (INITIAL, PERSONALIZED), strict=True):
        rows = data[data.model == model].reset_index(drop=True)
        for prefix, offset, face in (("", -0.12, COLORS[model]), ("paper_", 0.12, "white")):
            mean, std = rows[f"{prefix}mean"].astype(float), rows[f"{prefix}std"].astype(float)
            axis.errorbar(
                mean, rows.index + offset, xerr=std.fillna(0), fmt="s" if prefix else "o",
                color=COLORS[model], markerfacecolor=face, markersize=5, linewidth=1.2,
                label="the paper, full data" if prefix else "ours",
            )  # fmt: skip
        if rows["mean"].isna().all():
            say_on_panel(axis)
        axis.set_title(f"{model} model", fontsize=8)
        axis.set_xlabel("accuracy", fontsize=8)
    axes[0].set_yticks(range(len(cells)), [f"M = {m}, E = {e}" for m, e in cells], fontsize=8)
    axes[0].set_ylim(len(cells) - 0.5, -0.5)
    axes[0].legend(loc="best", fontsize=7, frameon=False)
    far = (data["mean"] - data.paper_mean).astype(float).groupby(data.model).mean()
    words = [f"{m} {100 * far[m]:+.1f}" for m in (INITIAL, PERSONALIZED) if pd.notna(far.get(m))]
    if words:
        add_answer(
            figure, f"Ours minus the paper's, mean over settings: {', '.join(words)} points."
        )
    seeds = data.num_seeds.max() if len(data) else 0
    add_footer(
        figure,
        [
            f"Bars: standard deviation over {seeds} seeds of ours, over about 7 to 14 runs of the "
            "paper's.",
            caveat,
        ],
    )
    return figure
