"""Figure ``theory``: the identity of FedAvg, FedSGD and FOMAML beside its controls, and how the
algorithms' updates lie to each other as the number of local steps K grows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from perfedavg.analysis.columns import CAVEAT, SEED
from perfedavg.analysis.figures.style import MEAN, RUNS, SERIES, add_footer, say_on_panel, subplots
from perfedavg.storage.tables import Column

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

TITLE = "FedAvg's update and MAML"
SECTION = "Is FedAvg's update a meta-learning one?"
CAPTION = (
    "FedAvg's update of K local steps is FedSGD's plus FOMAML(1)'s to FOMAML(K - 1)'s (a: what is "
    "left, and two controls in which a condition is broken). How near FOMAML and the printed form "
    "come to exact MAML is another matter: the directions and lengths of the algorithms' averaged "
    "updates (b, c, d), at models along the reference run."
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
    IDENTITY: "(a) FedAvg(K) = FedSGD + Σ FOMAML(j), j = 1..K − 1",
    FEDAVG: "(b) direction, beside FedAvg of E = K epochs",
    MAML: "(c) direction, beside exact MAML(K)",
    LENGTHS: "(d) length, beside exact MAML(K)",
}
_LABELS = {
    IDENTITY: "difference, relative to FedAvg(K)",
    FEDAVG: "cosine of averaged updates",
    MAML: "cosine of averaged updates",
    LENGTHS: "norm / norm of exact MAML(K)",
}
_ALGORITHMS = dict(zip([*PANELS[FEDAVG], "MAML(K), as printed"], SERIES, strict=False))
_RESIDUALS = dict(zip(PANELS[IDENTITY], [("0.15", "o"), ("C5", "P"), ("C7", "X")], strict=True))
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

    figure, axes = subplots(2, 2, figsize=(7.2, 5.8))
    for axis, panel in zip(axes.flat, PANELS, strict=True):
        styles = _RESIDUALS if panel == IDENTITY else _ALGORITHMS
        for i, name in enumerate(PANELS[panel]):
            rows = data[(data.panel == panel) & (data.name == name)]
            if panel == IDENTITY:
                rows = rows.assign(value=rows.value.where(rows.value != 0, _ZERO))
            _draw(axis, rows, *styles[name], shift=0.05 * (i - 1))
        axis.set_title(_TITLES[panel], fontsize=8, loc="left")
        axis.set_ylabel(_LABELS[panel], fontsize=8)
        axis.set_xlabel("local steps K", fontsize=8)
        axis.tick_params(labelsize=7)
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        if data.empty:
            say_on_panel(axis)
            axis.set_xticks([])
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


def _draw(axis: Axes, rows: pd.DataFrame, color: str, marker: str, shift: float) -> None:
    """One name: single models as points and their mean as a line, for mini-batches; a dashed mean
    for full batches."""
    mini, full = (rows[rows.batches == batches] for batches in ("mini-batch", "full-batch"))
    means = full.groupby("k").value.mean()
    axis.plot(means.index, means, "--", color=color, linewidth=1)
    small = RUNS | {"alpha": 0.5}
    axis.plot(mini.k + shift, mini.value, marker=marker, color=color, **small)
    means = mini.groupby("k").value.mean()
    axis.plot(means.index, means, color=color, marker=marker, **MEAN)


def _finish(figure: Figure, axes: np.ndarray) -> None:
    """Scales and legends."""
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FixedLocator

    def handles(styles: dict[str, tuple]) -> list[Line2D]:
        return [
            Line2D([], [], color=c, marker=m, label=name, **MEAN) for name, (c, m) in styles.items()
        ]

    identity, *directions, lengths = axes.flat
    identity.set_yscale("log")
    identity.set_ylim(_ZERO / 10, 10)
    powers = range(-16, 1, 4)
    identity.yaxis.set_major_locator(FixedLocator([_ZERO, *(10.0**p for p in powers)]))
    identity.yaxis.set_minor_locator(FixedLocator([]))
    identity.set_yticklabels(["0", *(f"$10^{{{p}}}$" for p in powers)])
    style = {"frameon": False, "fontsize": 7}
    place = {"loc": "center", "bbox_to_anchor": (0.5, 0.37)}
    identity.legend(handles=handles(_RESIDUALS), **place, **style)
    text = "K = 1: both sides are FedSGD"
    identity.annotate(text, (1, _ZERO), (30, -3), textcoords="offset points", fontsize=6.5)
    for axis in directions:
        axis.axhline(0, color="0.6", linewidth=0.8, linestyle=":")
        axis.set_ylim(top=1.03)
    lengths.axhline(1, color="0.6", linewidth=0.8, linestyle=":")
    lengths.set_ylim(bottom=0)
    lines = [
        Line2D([], [], color="0.3", linestyle=line, label=name)
        for line, name in (("-", "mini-batch"), ("--", "full-batch"))
    ]
    lines = handles(_ALGORITHMS) + lines
    figure.legend(handles=lines, loc="outside upper center", ncols=4, **style)
