"""Figure ``clients_before_after``: every client's accuracy before and after fine-tuning, and the
gain against its size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from perfedavg.analysis.choices import Selection
from perfedavg.analysis.columns import CAVEAT, SEED, SETTING
from perfedavg.analysis.figures.style import (
    RUNS,
    SERIES,
    WHOLE,
    WIDTH,
    add_answer,
    add_footer,
    say_on_panel,
    subplots,
)
from perfedavg.analysis.paired import (
    CENTRALIZED_MATCHED,
    LOCAL_ONLY,
    baseline_models,
    hurt_share,
    paired_clients,
    reference_in_words,
)
from perfedavg.analysis.summary import INITIAL, PERSONALIZED
from perfedavg.storage.tables import Column

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "clients before and after"
SECTION = "Whom does fine-tuning help?"
CAPTION = (
    "Whom does fine-tuning hurt? Every evaluation client before and after it, and its gain against "
    "its number of train examples."
)
ALT = "Each client's accuracy before and after fine-tuning, and its gain against its size"
IMAGE = "png"
ROWS = "One row per (model, seed, evaluation client), at the run's last round."
CHART = {
    "x": "initial",
    "y": "personalized",
    "x_label": "initial",
    "y_label": "personalized",
    "series": {"model": ""},
    "points": {
        "client_id": "client ",
        "num_train": "train examples ",
        "num_test": "test examples ",
        "seed": "seed ",
    },
}
CONTRACT = {
    "model": Column("str", "-", "model, as in `baselines`"),
    "setting": SETTING,
    "seed": SEED,
    "client_id": Column("str", "-", "client"),
    "num_train": Column("int 0..", "examples", "its train examples"),
    "num_test": Column("int 0..", "examples", "its test examples"),
    "initial": Column("float? 0..1", "accuracy", "before fine-tuning"),
    "personalized": Column("float? 0..1", "accuracy", "after the selected epoch"),
    "caveat": CAVEAT,
}


def settings(reference: str) -> dict[str, str]:
    """The reference setting."""
    return {"reference": reference}


def personalized_models(runs: pd.DataFrame, selection: Selection, reference: str) -> dict[str, str]:
    """Name to setting of those models of table ``baselines`` whose initial model is trained."""
    models = baseline_models(runs, selection, reference)
    return {name: s for name, s in models.items() if name not in (LOCAL_ONLY, CENTRALIZED_MATCHED)}


def compute(
    evaluation: pd.DataFrame, runs: pd.DataFrame, selection: Selection, reference: str, caveat: str
) -> pd.DataFrame:
    """Both accuracies of every client."""
    models = personalized_models(runs, selection, reference)
    clients = paired_clients(evaluation, runs, selection, models)
    return clients.assign(caveat=caveat)[list(CONTRACT)]


SIZE_GROUPS = 4
SHIFT, SMALLEST_GAIN = 0.006, 0.05
ROOM = 1.2
"""Factor by which the axis of sizes goes past the smallest and the largest client."""
_MEAN = {"color": "black", "marker": "s", "markersize": 3, "linewidth": 1, "capsize": 2}


def shifts_along_diagonal(initial: np.ndarray, personalized: np.ndarray) -> np.ndarray:
    """By how much each point moves in both coordinates, else those of small test splits coincide:
    at most ``SHIFT``, and it stays between 0 and 1."""
    low = np.maximum(-SHIFT, -np.fmin(initial, personalized))
    high = np.minimum(SHIFT, 1 - np.fmax(initial, personalized))
    return low + (high - low) * np.random.default_rng(0).random(len(initial))


def gain_by_size(clients: pd.DataFrame) -> pd.DataFrame:
    """Mean gain of the clients in each quarter of client sizes: ``num_train`` (median), ``gain``,
    and its standard error over clients, whose gains are means over seeds."""
    gains = clients.assign(gain=clients[PERSONALIZED] - clients[INITIAL]).groupby("client_id")
    by_client = gains.agg(num_train=("num_train", "first"), gain=("gain", "mean")).dropna()
    if by_client.empty:
        return pd.DataFrame(columns=["num_train", "gain", "error"])
    ranks = by_client.num_train.rank(method="first")
    quarters = pd.qcut(ranks, min(SIZE_GROUPS, len(by_client)), labels=False)
    grouped = by_client.groupby(quarters)
    means = {"num_train": grouped.num_train.median(), "gain": grouped.gain.mean()}
    return pd.DataFrame({**means, "error": grouped.gain.sem()})


def draw(
    data: pd.DataFrame, runs: pd.DataFrame, selection: Selection, reference: str, caveat: str
) -> Figure:
    """A column per model, a point per (client, seed)."""
    from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator

    models = personalized_models(runs, selection, reference)
    size = (WIDTH, 4.6)
    figure, axes = subplots(2, len(models), figsize=size, squeeze=False, sharey="row", sharex="row")
    low, high = data.num_train[data.num_train > 0].agg(["min", "max"])
    sizes = FixedLocator([low]) if low == high else MaxNLocator(5, integer=True)
    if high >= 10 * low:  # the wider, the fewer numbers per decade have room
        subs = (1, 2, 5) if high < 30 * low else (1, 3) if high < 300 * low else (1,)
        sizes = LogLocator(subs=subs)
    shifts = shifts_along_diagonal(data[INITIAL].to_numpy(), data[PERSONALIZED].to_numpy())
    for i, name in enumerate(models):
        rows, color = data[data.model == name], SERIES[i % len(SERIES)]["color"]
        shift = shifts[data.model == name]
        top, bottom = axes[0, i], axes[1, i]
        top.plot([0, 1], [0, 1], color="0.5", linewidth=0.8)
        points = RUNS | {"marker": "o", "color": color, "alpha": 0.5}
        top.plot(rows[INITIAL] + shift, rows[PERSONALIZED] + shift, **points, **WHOLE)
        hurt = f"\n{100 * hurt_share(rows):.0f} % hurt" if len(rows) else ""
        top.set_title(name + hurt)
        if rows.empty:
            say_on_panel(top)
            say_on_panel(bottom)
        top.set_xlabel("initial accuracy")
        gain = rows[PERSONALIZED] - rows[INITIAL]
        bottom.axhline(0, color="0.5", linewidth=0.8)
        bottom.plot(rows.num_train, gain, **points | {"alpha": 0.35})
        groups = gain_by_size(rows)
        bottom.errorbar(groups.num_train, groups.gain, groups.error, **_MEAN)
        bottom.set_xscale("log")
        bottom.xaxis.set_major_locator(sizes)
        bottom.xaxis.set_major_formatter("{x:g}")
        bottom.xaxis.set_minor_locator(NullLocator())
        bottom.set_xlabel("train examples of the client\n(logarithmic)")
    accuracies = data[[INITIAL, PERSONALIZED]].to_numpy()
    lowest, highest = np.nanmin(accuracies, initial=1.0), np.nanmax(accuracies, initial=0.0)
    limits = max(min(lowest - 0.05, 0.9), 0.0), min(max(highest, lowest) + 0.05, 1.0)
    axes[0, 0].set(xlim=limits, ylim=limits)
    if np.isfinite(low):  # there are clients
        axes[1, 0].set_xlim(low / ROOM, high * ROOM)
    bottom, top = axes[1, 0].get_ylim()
    axes[1, 0].set_ylim(min(bottom, -SMALLEST_GAIN), max(top, SMALLEST_GAIN))
    axes[0, 0].set_ylabel("personalized accuracy")
    axes[1, 0].set_ylabel("gain in accuracy")
    n, seeds = data.client_id.nunique(), data.seed.nunique()
    what = (
        f"A point is one of n = {n} evaluation clients in one of {seeds} "
        f"seed{'s' if seeds > 1 else ''}; above, points are shifted along the diagonal at random "
        f"by up to {SHIFT} so that they do not overlap; hurt: below the diagonal. Squares: mean "
        "gain of the clients in each quarter of sizes, ± standard error over clients."
    )
    add_answer(figure, _answer(data, models))
    add_footer(figure, [what, reference_in_words(runs, reference), caveat])
    return figure


def _answer(data: pd.DataFrame, models: dict[str, str]) -> str:
    """Share of (client, seed) pairs that fine-tuning helps and hurts, by model."""
    said = []
    for name in models:
        rows = data[data.model == name]
        if len(rows):
            helped = (rows[PERSONALIZED] > rows[INITIAL]).sum() / (rows[INITIAL].notna()).sum()
            said.append(f"{name} {100 * helped:.0f} % and {100 * hurt_share(rows):.0f} %")
    return f"Share of clients helped and hurt: {', '.join(said)}." if said else ""
