"""Figure ``stage2``: initial and personalized accuracy against rounds, in stage 1 and then in stage
2 and its controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from perfedavg.analysis.choices import Selection
from perfedavg.analysis.columns import (
    ACCURACY,
    CAVEAT,
    EPOCH,
    NUM_CLIENTS,
    POOLED,
    SAME_CLIENTS,
    SEED,
    SETTING,
)
from perfedavg.analysis.figures.style import (
    MEAN,
    OPEN,
    RUNS,
    SERIES,
    SMALL,
    WIDTH,
    add_answer,
    add_footer,
    label_ends,
    num_clients_in_words,
    say_on_panel,
    seeds_in_words,
    subplots,
    whole_runs,
)
from perfedavg.analysis.paired import stage2_models
from perfedavg.analysis.runs import stage1
from perfedavg.analysis.summary import (
    INITIAL,
    PERSONALIZED,
    initial_and_personalized,
    with_same_clients,
)
from perfedavg.storage.tables import Column

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "stage 2 against rounds"
SECTION = "What does stage 2 add?"
CAPTION = (
    "Is stage 2 better than as many more rounds of FedAvg? Initial and personalized accuracy in "
    "stage 2 and in its controls, which all start from the same stage-1 models. Lines are means "
    "over the clients that are evaluated in every round; where those are not all, open markers "
    "right of the lines are means over all evaluation clients at the last round."
)
ALT = "Initial and personalized accuracy in stage 2 and its controls against rounds"
ROWS = "One row per (run, evaluated round, model)."
CHART = {
    "x": "round",
    "y": "accuracy_same_clients",
    "x_label": "round",
    "y_label": "accuracy",
    "series": {"name": "", "model": ""},
}
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
    **SAME_CLIENTS,
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
    curves = with_same_clients(curves, evaluation, runs, selection)
    return curves.assign(name=curves.setting.map(names))[list(CONTRACT)]


def draw(
    data: pd.DataFrame, runs: pd.DataFrame, selection: Selection, reference: str, caveat: str
) -> Figure:
    """A panel per kind of model."""
    from matplotlib.ticker import MaxNLocator

    models = stage2_models(runs, selection, reference)
    switch, last = stage1(runs)["rounds"].max(), data["round"].max()
    figure, axes = subplots(2, 1, figsize=(WIDTH, 5.6), sharex=True)
    first = next(iter(models))
    start = data[(data.name == first) & (data["round"] == switch)]
    first_shown = switch - 1.5 * (last - switch)
    shown = data[(data.name != first) | (data["round"] >= first_shown)]
    same, every = data.num_same_clients.max(), data.num_clients.max()
    aside = last + 0.05 * (last - shown["round"].min())  # where the means over all clients stand
    ends: dict[str, list] = {model: [] for model in (INITIAL, PERSONALIZED)}
    for axis, model in zip(axes, ends, strict=True):
        axis.axvline(switch, color="0.5", linewidth=0.8, linestyle=":")
        for i, name in enumerate(models):
            style = SERIES[(i - 1) % len(SERIES)]
            if name == first:
                style = {"color": "0.35", "marker": "*", "linestyle": "-"}
            rows = shown[(shown.name == name) & (shown.model == model)]
            axis.plot(rows["round"], rows.accuracy_same_clients, **style | RUNS)
            if name != first:  # a line from stage 1's end, where all start
                begun = start[(start.model == model) & start.seed.isin(rows.seed)]
                rows = pd.concat([begun, rows])
            rows = whole_runs(rows)
            mean = rows.groupby("round").accuracy_same_clients.mean()
            axis.plot(mean.index, mean, **style, **MEAN)
            if name == first or mean.empty:
                continue
            at, height = mean.index[-1], mean.iloc[-1]
            if same < every and at == last:
                at, height = aside, rows[rows["round"] == last].accuracy.mean()
                axis.plot(at, height, **style | OPEN)
            ends[model].append((name, at, height, style["color"]))
        if data.empty:
            say_on_panel(axis)
        # Above the names of the stages, which may stand left too.
        axis.set_title(f"{model} model", loc="left", pad=15 if model == INITIAL else None)
        axis.set_ylabel(f"accuracy, mean over {same} clients" if len(data) else "accuracy")
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes[1].set_xlabel("communication round")
    place = {"textcoords": "offset points", "xycoords": ("data", "axes fraction")}
    small = place | {"fontsize": SMALL, "color": "0.3", "ha": "right"}
    axes[0].annotate("stage 1", (switch, 1), (-4, 2), **small)
    axes[0].annotate("stage 2", (switch, 1), (4, 2), **small | {"ha": "left"})
    if same < every and last == last:
        axes[0].annotate(f"all {every}", (aside, 1), (0, 2), **small | {"ha": "center"})
    add_answer(figure, _answer(data[data["round"] == last]))
    clients = num_clients_in_words(data)
    if same < every:
        clients += f"open markers; lines are over the {same} evaluated in every round, "
    what = "Fine-tune epochs chosen on validation clients."
    if len(shown) < len(data):
        before = shown["round"].min()
        what += (
            f" Stage 1 is shown from round {before} on; accuracy against rounds, a figure of its"
        )
        what += " own, has all of it."
    add_footer(figure, [f"{clients}{seeds_in_words(data.seed.nunique())} {what}", caveat])
    for axis, named in zip(axes, ends.values(), strict=True):
        label_ends(axis, named)
    return figure


def _answer(at_end: pd.DataFrame) -> str:
    """Personalized accuracy of all models after stage 2, the highest first."""
    means = at_end[at_end.model == PERSONALIZED].groupby("name").accuracy.mean()
    said = [f"{mean:.3f} {name}" for name, mean in means.sort_values(ascending=False).items()]
    return "Personalized accuracy after stage 2: " + "; ".join(said) + "." if said else ""
