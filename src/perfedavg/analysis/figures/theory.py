"""Figure ``theory``: the identity of FedAvg, FedSGD and FOMAML beside its controls, and how the
algorithms' updates lie to each other as the number of local steps K grows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from perfedavg.analysis.columns import CAVEAT, SEED
from perfedavg.analysis.figures.style import (
    MEAN,
    RUNS,
    SERIES,
    SMALL,
    WIDTH,
    add_answer,
    add_footer,
    add_legend,
    say_on_panel,
    subplots,
)
from perfedavg.storage.tables import Column

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

TITLE = "FedAvg's update and MAML"
SECTION = "Is FedAvg's update a meta-learning one?"
CAPTION = (
    "Is FedAvg's update made of meta-learning updates? (a) FedAvg's update of K local steps minus "
    "FedSGD's and FOMAML(1)'s to FOMAML(K - 1)'s, and two controls in which a condition is broken. "
    "How near the algorithms' averaged updates come to each other is another matter: (b, c) "
    "directions, (d) lengths, at models along the reference run."
)
ALT = (
    "Residual of the identity between FedAvg, FedSGD and FOMAML, and directions and lengths of the "
    "updates"
)
ROWS = "One row per (panel, name, round, K, seed, kind of batches)."
CONTRACT = {
    "panel": Column(
        "str",
        "-",
        "`identity`, `cosine with FedAvg` (of E = K epochs), `cosine with MAML` or `norm relative "
        "to MAML` (exact MAML(K))",
    ),
    "name": Column("str", "-", "the residual or the algorithm"),
    "round": Column("int 1..", "rounds", "round of the reference run's model"),
    "k": Column("int 1..", "steps", "K, local steps (of FedAvg(E = K): epochs)"),
    "seed": SEED,
    "batches": Column("str", "-", "`full-batch` or `mini-batch`"),
    "value": Column(
        "float?", "see `panel`", "residual relative to FedAvg(K), cosine, or ratio of norms"
    ),
    "caveat": CAVEAT,
}

IDENTITY, LENGTHS = "identity", "norm relative to MAML"
FEDAVG, MAML = "cosine with FedAvg", "cosine with MAML"
PANELS = {
    IDENTITY: {
        "identity": "residual",
        "control: unequal weights": "residual_unequal_weights",
        "control: other batches": "residual_other_batches",
    },
    FEDAVG: {
        "FedSGD": "cos_fedsgd_fedavg",
        "FOMAML(K)": "cos_fomaml_fedavg",
        "MAML(K), exact": "cos_maml_fedavg",
        "Reptile(K)": "cos_reptile_fedavg",
    },
    MAML: {
        "FedSGD": "cos_fedsgd_maml",
        "FOMAML(K)": "cos_fomaml_maml",
        "MAML(K), as printed": "cos_maml_printed_maml",
    },
    LENGTHS: {
        "FedSGD": "norm_ratio_fedsgd_maml",
        "FOMAML(K)": "norm_ratio_fomaml_maml",
        "MAML(K), as printed": "norm_ratio_maml_printed_maml",
    },
}
"""What each panel shows: name to column of the table."""

_TITLES = {
    IDENTITY: "(a) FedSGD + FOMAMLs = FedAvg?\n      What is left (rounding: $10^{-16}$)",
    FEDAVG: "(b) Same direction as FedAvg?\n      1: the same, 0: at right angles",
    MAML: "(c) Same direction as exact MAML?\n      1: the same, 0: at right angles",
    LENGTHS: "(d) How long, beside exact MAML?\n      1: as long",
}
_LABELS = {
    IDENTITY: "difference / FedAvg's update",
    FEDAVG: "cosine with FedAvg, E = K epochs",
    MAML: "cosine with exact MAML(K)",
    LENGTHS: "length / length of exact MAML(K)",
}
_ALGORITHMS = {name: i for i, name in enumerate([*PANELS[FEDAVG], "MAML(K), as printed"])}
_RESIDUALS = dict(zip(PANELS[IDENTITY], (5, 4, 6), strict=True))
"""Which style each has: their places in ``SERIES``, whose colours the config may change."""
_MINI = {"linestyle": "-"}
_FULL = {"linestyle": "--", "linewidth": 0.9, "markerfacecolor": "white", "markersize": 3.5}
_ZERO = 1e-18
"""Where a residual of exactly 0 stands on the log axis."""


def asked(config: Any) -> bool:
    """Where there is a theory experiment."""
    return bool(config.studies.theory)


def settings(config: Any) -> dict[str, int]:
    """How many clients are in a cohort, and how many models (checkpoints times seeds) there are."""
    return {
        "clients": config.studies.theory.clients,
        "models": len(config.studies.theory.rounds) * len(config.seeds),
    }


def compute(theory_rows: pd.DataFrame, caveat: str) -> pd.DataFrame:
    """What the panels show of all that was measured."""
    keys = ["round", "k", "seed", "batches", "caveat"]
    table = theory_rows.sort_values(keys[:4], ignore_index=True).assign(caveat=caveat)
    parts = [
        table[keys].assign(panel=panel, name=name, value=table[column])
        for panel, shown in PANELS.items()
        for name, column in shown.items()
    ]
    return pd.concat(parts, ignore_index=True)[list(CONTRACT)]


def draw(data: pd.DataFrame, caveat: str, clients: int, models: int) -> Figure:
    """Four panels; a log axis for the residuals."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = subplots(2, 2, figsize=(WIDTH, 6.4))
    for axis, panel in zip(axes.flat, PANELS, strict=True):
        styles = _RESIDUALS if panel == IDENTITY else _ALGORITHMS
        for i, name in enumerate(PANELS[panel]):
            rows = data[(data.panel == panel) & (data.name == name)]
            if panel == IDENTITY:
                rows = rows.assign(value=rows.value.where(rows.value != 0, _ZERO))
            _draw(axis, rows, SERIES[styles[name]], shift=0.05 * (i - 1))
        axis.set_title(_TITLES[panel], loc="left")
        axis.set_ylabel(_LABELS[panel])
        axis.set_xlabel("local steps K")
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        if data.empty:
            say_on_panel(axis)
            axis.set_xticks([])
    add_answer(figure, _answer(data))
    _finish(figure, axes)
    done = data[["round", "seed"]].drop_duplicates()
    rounds, seeds = ", ".join(map(str, sorted(done["round"].unique()))), done.seed.nunique()
    missing = f" of {models}, whose runs did not diverge before" if len(done) < models else ""
    what = (
        f"n = {len(done)} checkpoint{'s' * (len(done) != 1)}{missing} (rounds {rounds}; "
        f"{seeds} seed{'s' * (seeds > 1)}), "
        f"each with {clients} training clients. Points: a checkpoint, mini-batches; lines: mean "
        "over checkpoints. Full-batch: a step uses all of a client's examples."
    )
    add_footer(figure, [what if len(data) else "", caveat])
    return figure


def _answer(data: pd.DataFrame) -> str:
    """The largest residual of the identity, and the smallest of either control."""
    rows = data[(data.panel == IDENTITY) & (data.k > 1)]
    by_name = rows.groupby("name").value
    if rows.value.dropna().empty:
        return ""
    highest, lowest = by_name.max(), by_name.min()
    controls = [name for name in PANELS[IDENTITY] if name != IDENTITY]
    return (
        f"The identity holds to {highest[IDENTITY]:.0e} of FedAvg's update; "
        f"where a condition is broken, {lowest[controls].min():.2g} and more is left."
    )


def _draw(axis: Axes, rows: pd.DataFrame, style: dict[str, Any], shift: float) -> None:
    """One name: single models as points and their mean as a line, for mini-batches; for full
    batches a dashed mean with open markers."""
    mini, full = (rows[rows.batches == batches] for batches in ("mini-batch", "full-batch"))
    means = full.groupby("k").value.mean()
    axis.plot(means.index, means, **style | MEAN | _FULL)
    axis.plot(mini.k + shift, mini.value, **style | RUNS)
    means = mini.groupby("k").value.mean()
    axis.plot(means.index, means, **style | MEAN | _MINI)


def _finish(figure: Figure, axes: np.ndarray) -> None:
    """Scales and legends."""
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FixedLocator

    def handles(styles: dict[str, int]) -> list[Line2D]:
        kinds = {name: SERIES[i] | MEAN | _MINI for name, i in styles.items()}
        return [Line2D([], [], label=name, **kind) for name, kind in kinds.items()]

    identity, *directions, lengths = axes.flat
    identity.set_yscale("log")
    identity.set_ylim(_ZERO / 10, 10)
    powers = range(-16, 1, 4)
    identity.yaxis.set_major_locator(FixedLocator([_ZERO, *(10.0**p for p in powers)]))
    identity.yaxis.set_minor_locator(FixedLocator([]))
    identity.set_yticklabels(["0", *(f"$10^{{{p}}}$" for p in powers)])
    place = {"loc": "center", "bbox_to_anchor": (0.5, 0.37)}
    identity.legend(handles=handles(_RESIDUALS), **place)
    text = "K = 1: both sides are FedSGD"
    identity.annotate(text, (1, _ZERO), (30, -3), textcoords="offset points", fontsize=SMALL)
    for axis in directions:
        axis.axhline(0, color="0.6", linewidth=0.8, linestyle=":")
        axis.set_ylim(top=1.03)
    lengths.axhline(1, color="0.6", linewidth=0.8, linestyle=":")
    lengths.set_ylim(bottom=0)
    lines = [
        Line2D([], [], color="0.3", marker="o", label=name, **MEAN | kind)
        for kind, name in ((_MINI, "mini-batch"), (_FULL, "full-batch"))
    ]
    lines = handles(_ALGORITHMS) + lines
    add_legend(figure, 4, lines, [line.get_label() for line in lines])
