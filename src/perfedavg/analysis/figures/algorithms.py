"""Figure ``algorithms``: personalized against initial accuracy, one point a run."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from perfedavg.analysis.algorithms import POINTS
from perfedavg.analysis.figures.style import MANY, add_footer, save_figure, say_empty, use_style
from perfedavg.analysis.rates import EQUAL_GRADIENTS, EQUAL_ROUNDS
from perfedavg.storage.tables import write_table


def algorithms_figure(
    data: pd.DataFrame, entries: list[str], budget: float, caveat: str, base: str | Path
) -> None:
    """Draw ``data``, the ``points`` of the comparison: a panel a basis; small points are runs,
    large ones the mean over seeds."""
    write_table(POINTS, data, Path(base).with_suffix(".csv"))
    use_style()
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 4.1), sharex=True, sharey=True)
    for axis, basis in zip(axes, (EQUAL_ROUNDS, EQUAL_GRADIENTS), strict=True):
        panel = data[data.basis == basis]
        for i, entry in enumerate(entries):
            color, marker = MANY[i % len(MANY)]
            own = panel[panel.entry == entry]
            axis.plot(
                own.initial,
                own.personalized,
                marker,
                color=color,
                markersize=3,
                alpha=0.55,
                markeredgewidth=0,
            )
            axis.plot(
                own.initial.mean(),
                own.personalized.mean(),
                marker,
                color=color,
                markersize=7,
                alpha=0.8,  # where several lie on one spot, all are seen
                markeredgecolor="white",
                label=entry,
            )
        if panel.empty:
            say_empty(
                axis,
                "all runs diverged, or none is within the budget"
                if basis == EQUAL_GRADIENTS
                else "all runs diverged",
            )
        axis.axline((0.5, 0.5), slope=1, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
        axis.set_title(
            basis if basis == EQUAL_ROUNDS else f"{basis} ({budget:g} mini-batch gradients)",
            fontsize=8,
        )
        axis.set_xlabel("initial accuracy", fontsize=8)
    axes[0].set_ylabel("personalized accuracy", fontsize=8)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False, fontsize=7)
    clients = "" if data.empty else f"n = {data.num_clients.max()} evaluation clients; "
    seeds = data.seed.nunique()
    shown = (
        f"small points: runs ({seeds} seeds); large ones: their mean."
        if seeds > 1
        else "one seed."
        if seeds
        else ""
    )
    what = (
        f"{clients}{shown} Above the dotted line fine-tuning helps. Each algorithm's "
        f"server learning rate and fine-tune "
        "epochs were chosen on validation clients."
    )
    add_footer(figure, [what, caveat])
    save_figure(figure, base)
