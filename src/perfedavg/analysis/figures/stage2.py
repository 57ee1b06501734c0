"""Figure ``stage2``: initial and personalized accuracy against rounds, in stage 1 and then in stage
2 and its controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from perfedavg.analysis.choices import Selection
from perfedavg.analysis.columns import ACCURACY, CAVEAT, EPOCH, NUM_CLIENTS, POOLED, SEED, SETTING
from perfedavg.analysis.figures.style import (
    MEAN,
    RUNS,
    SERIES,
    add_footer,
    num_clients_in_words,
    say_on_panel,
    seeds_in_words,
    subplots,
)
from perfedavg.analysis.paired import stage2_models
from perfedavg.analysis.runs import stage1
from perfedavg.analysis.summary import INITIAL, PERSONALIZED, initial_and_personalized
from perfedavg.storage.tables import Column

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "stage 2 against rounds"
SECTION = "What does stage 2 add?"
CAPTION = (
    "Initial and personalized accuracy in stage 2 and its controls, against communication rounds. "
    "All start from the same stage-1 models; the controls spend the same extra rounds on FedAvg."
)
ALT = "Initial and personalized accuracy in stage 2 and its controls against rounds"
ROWS = "One row per (run, evaluated round, model)."
CONTRACT = {
    "name": Column("str", "-", "model, as in `stage2`"),
    "setting": SETTING,
    "seed": SEED,
    "round": Column("int 1..", "rounds", "evaluated round"),
    "model": Column("str", "-", "`initial` or `personalized`"),
    "epoch": EPOCH,
    "accuracy": ACCURACY,
    "pooled": POOLED,
    "num_clients": NUM_CLIENTS,
    "caveat": CAVEAT,
}


def asked(config: Any) -> bool:
    """Where there is a stage 2."""
    return bool(config.studies.stage2)


def settings(reference: str) -> dict[str, str]:
    """The reference setting."""
    return {"reference": reference}


def compute(
    evaluation: pd.DataFrame, runs: pd.DataFrame, selection: Selection, reference: str
) -> pd.DataFrame:
    """The models of table ``stage2``, stage 1 first."""
    curves = initial_and_personalized(evaluation, runs, selection)
    names = {setting: name for name, setting in stage2_models(runs, selection, reference).items()}
    curves = curves[curves.setting.isin(names)]
    return curves.assign(name=curves.setting.map(names))[list(CONTRACT)]


def draw(
    data: pd.DataFrame, runs: pd.DataFrame, selection: Selection, reference: str, caveat: str
) -> Figure:
    """A panel per kind of model; points are seeds, lines their mean."""
    from matplotlib.ticker import MaxNLocator

    models = stage2_models(runs, selection, reference)
    switch = stage1(runs)["rounds"].max()
    figure, axes = subplots(1, 2, figsize=(7.2, 3.6), sharey=True)
    first, *later = models
    start = data[(data.name == first) & (data["round"] == switch)]
    first_shown = switch - 1.5 * (data["round"].max() - switch)
    shown = data[(data.name != first) | (data["round"] >= first_shown)]
    for axis, model in zip(axes, (INITIAL, PERSONALIZED), strict=True):
        axis.axvline(switch, color="0.6", linewidth=0.8, linestyle=":")
        for i, name in enumerate([first, *later]):
            color, marker = ("0.35", "o") if name == first else SERIES[(i - 1) % len(SERIES)]
            rows = shown[(shown.name == name) & (shown.model == model)]
            axis.plot(rows["round"], rows.accuracy, marker=marker, color=color, **RUNS)
            if name != first:  # a line from stage 1's end, where all start
                rows = pd.concat([start[start.model == model], rows])
            mean = rows.groupby("round").accuracy.mean()
            axis.plot(mean.index, mean, color=color, marker=marker, label=name, **MEAN)
        if data.empty:
            say_on_panel(axis)
        axis.set_title(f"{model} model", fontsize=8)
        axis.set_xlabel("communication round", fontsize=8)
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes[0].set_ylabel("accuracy, mean over evaluation clients", fontsize=8)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False, fontsize=7)
    last, before = data.num_clients.max(), data.num_clients.min()
    clients = num_clients_in_words(data)
    clients += f"{before:.0f} of them in rounds before a stage's last, " if before < last else ""
    what = "Dotted line: the switch to stage 2. Fine-tune epochs chosen on validation clients."
    add_footer(figure, [f"{clients}{seeds_in_words(data.seed.nunique())} {what}", caveat])
    return figure
