"""Figure ``split_sensitivity``: the grid with sorted against shuffled client ids, from two
experiments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from perfedavg.analysis.choices import Selection
from perfedavg.analysis.claims.inference import welch
from perfedavg.analysis.columns import CAVEAT, GRID, NUM_CLIENTS, SEED, SETTING
from perfedavg.analysis.figures.style import (
    COLORS,
    RUNS,
    SMALL,
    WIDTH,
    add_answer,
    add_footer,
    add_legend,
    say_on_panel,
    subplots,
)
from perfedavg.analysis.inputs import evaluation_rows
from perfedavg.analysis.runs import read_runs_table, stage1
from perfedavg.analysis.summary import INITIAL, PERSONALIZED, initial_and_personalized
from perfedavg.storage.tables import Column

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "sorted against shuffled client ids"
SECTION = "What are the data like?"
CAPTION = (
    "Does it matter how clients were split? Whether the paper sorted or shuffled its client ids "
    "before it took the first 2,500 for training is unknown. Accuracy at the last round with "
    "either order; each has evaluation clients of its own, so that they differ in these too."
)
ALT = "Initial and personalized accuracy of every setting with either order of client ids"
ROWS = "One row per (setting, model, order of ids, seed), at the last round."
CONTRACT = {
    "setting": SETTING,
    **GRID,
    "model": Column("str", "-", "`initial` or `personalized`"),
    "split": Column("str", "-", "order of the ids: `sorted`, `shuffled` or `file`"),
    "seed": SEED,
    "accuracy": Column("float 0..1", "accuracy", "mean over its evaluation clients"),
    "num_clients": NUM_CLIENTS,
    "caveat": CAVEAT,
}


def asked(config: Any) -> bool:
    """Where another experiment with the other order is named."""
    return bool(config.studies.other_split)


def compute(
    grid_evaluation: pd.DataFrame,
    runs: pd.DataFrame,
    selection: Selection,
    other_split: Path,
    caveat: str,
) -> pd.DataFrame:
    """The settings that both experiments have."""
    theirs = stage1(read_runs_table(other_split / "runs.csv"))
    files = [other_split / f"personalization/{run_id}.parquet" for run_id in theirs.run_id]
    rows = evaluation_rows([file for file in files if file.exists()])
    chosen = Selection.load(other_split / "selection.json")
    sides = [_at_end(grid_evaluation, stage1(runs), selection), _at_end(rows, theirs, chosen)]
    both = set(sides[0].setting) & set(sides[1].setting)
    data = pd.concat(sides, ignore_index=True)
    return data[data.setting.isin(both)].assign(caveat=caveat)[list(CONTRACT)]


def _at_end(rows: pd.DataFrame, runs: pd.DataFrame, selection: Selection) -> pd.DataFrame:
    curves = initial_and_personalized(rows, runs, selection)
    return curves[curves["round"] == runs["rounds"].max()].assign(split=runs.split.iloc[0])


def _in_words(row: pd.Series) -> str:
    """A setting by its M and E, or K."""
    letter, work = ("E", row.local_epochs) if pd.notna(row.local_epochs) else ("K", row.local_steps)
    return f"M = {row.clients_per_round}, {letter} = {work:.0f}"


def draw(data: pd.DataFrame, caveat: str) -> Figure:
    """A panel per model, a line per setting and order; the difference beside it."""
    settings = {
        setting: _in_words(rows.iloc[0]) for setting, rows in data.groupby("setting", sort=False)
    }
    orders = list(dict.fromkeys(data.split))
    size = (WIDTH, 1.9 + 0.3 * max(1, len(settings)))
    figure, axes = subplots(1, 2, figsize=size, sharey=True)
    said = []
    for axis, model in zip(axes, (INITIAL, PERSONALIZED), strict=True):
        for row, setting in enumerate(settings):
            at = data[(data.setting == setting) & (data.model == model)]
            values = [at.accuracy[at.split == order].to_numpy() for order in orders]
            for order, side in enumerate(values):
                place = row + 0.3 * order - 0.15
                axis.plot(side, [place] * len(side), "o", color=COLORS[model], **RUNS)
                face = "white" if order else COLORS[model]
                style = {"markerfacecolor": face, "markersize": 5}
                style["label"] = orders[order] if not row else None
                axis.plot(side.mean(), place, "s" if order else "o", color=COLORS[model], **style)
            if len(values) == 2 and min(map(len, values)) > 1:
                found = welch(values[0], values[1], 0.0)
                text = "{:+.1f}\n[{:+.1f}, {:+.1f}]".format(*(100 * v for v in found[:3]))
                style = {"xycoords": ("axes fraction", "data"), "va": "center", "fontsize": 6}
                axis.annotate(text, (1.01, row), annotation_clip=False, **style)
                said.append((abs(found.estimate), f"{100 * found.estimate:+.1f} points, {model}, "
                             f"{settings[setting]}, 95 % interval {100 * found.low:+.1f} to "
                             f"{100 * found.high:+.1f}"))  # fmt: skip
        if not settings:
            say_on_panel(axis, "no setting in both experiments")
        axis.set_title(f"{model} model")
        axis.set_xlabel("accuracy, mean over clients")
    axes[0].set_yticks(range(len(settings)), list(settings.values()), fontsize=SMALL)
    axes[0].set_ylim(max(1, len(settings)) - 0.5, -0.5)
    if said:
        what = " minus ".join(orders)
        add_answer(figure, f"Largest difference, {what}: {max(said)[1]}.")
    handles, names = axes[0].get_legend_handles_labels()
    add_legend(figure, 2, handles, [f"{name} ids" for name in names])
    by_order = data.groupby("split")
    clients = ", ".join(f"{n} ({order})" for order, n in by_order.num_clients.max().items())
    seeds = ", ".join(f"{n} ({order})" for order, n in by_order.seed.nunique().items())
    what = (
        f"Small points: seeds, {seeds}; large ones: their mean; n = {clients} evaluation clients. "
        "Beside: difference in points with its 95 % interval (Welch, over seeds)."
    )
    add_footer(figure, [what, caveat])
    return figure
