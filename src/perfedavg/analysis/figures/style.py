"""One look for all figures: legible at paper size, colour-blind safe, and the same bytes for the same data."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from perfedavg.analysis.summary import INITIAL, PERSONALIZED
from perfedavg.files import atomic

_SAFE = [
    to_rgb(color)
    for color in ("#0173B2", "#DE8F05", "#029E73", "#D55E00", "#CC78BC", "#CA9161", "#FBAFE4", "#949494", "#ECE133", "#56B4E9")
]
"""Seaborn's palette `colorblind`. Written down here with its theme: importing seaborn took longer than drawing some figures."""
_INK = ".15"
_SCALE = 0.8  # its context `paper`
_TEXT, _SMALL_TEXT = 12 * _SCALE, 11 * _SCALE
_THEME = {
    "font.family": ["DejaVu Sans"],
    "font.size": _TEXT,
    "text.color": _INK,
    "lines.linewidth": 1.5 * _SCALE,
    "lines.markersize": 6 * _SCALE,
    "lines.solid_capstyle": "round",
    "patch.edgecolor": "w",
    "patch.force_edgecolor": True,
    "patch.linewidth": 1.0 * _SCALE,
    "legend.fontsize": _SMALL_TEXT,
    "legend.title_fontsize": _TEXT,
    "grid.color": ".8",
    "axes.axisbelow": True,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.labelsize": _TEXT,
    "axes.titlesize": _TEXT,
    "axes.linewidth": 1.25 * _SCALE,
    "axes.prop_cycle": plt.cycler(color=_SAFE),
}
for _axis in ("xtick", "ytick"):
    _THEME |= {
        f"{_axis}.color": _INK,
        f"{_axis}.labelsize": _SMALL_TEXT,
        f"{_axis}.major.size": 6 * _SCALE,
        f"{_axis}.major.width": 1.25 * _SCALE,
        f"{_axis}.minor.size": 4 * _SCALE,
        f"{_axis}.minor.width": 1.0 * _SCALE,
    }

COLORS = {INITIAL: _SAFE[0], PERSONALIZED: _SAFE[1]}
SERIES = [(_SAFE[i], marker) for i, marker in zip((0, 1, 2, 3, 4, 7, 8), "oDs^vPX", strict=True)]
"""(colour, marker) of the first, second, ... of several models in one panel."""
MANY = [(_SAFE[i % 10], marker) for i, marker in enumerate("oDs^vPX<>*hp")]
"""The same where there are many."""
MARKERS = {INITIAL: "o", PERSONALIZED: "D"}


def use_style() -> None:
    """Set the shared style."""
    plt.rcParams |= _THEME | {
        "svg.hashsalt": "perfedavg",  # else ids in the SVG differ from run to run
        "svg.fonttype": "none",
        "pdf.fonttype": 42,
        "savefig.dpi": 200,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.35,
        "grid.linewidth": 0.5,
        "figure.constrained_layout.use": True,
    }


def add_footer(figure: Figure, lines: list[str]) -> None:
    """Small print under the figure: what is shown, n and units; what the data are."""
    characters = int(figure.get_figwidth() * 20)  # of this size that fit into the width
    text = "\n".join(part for line in lines for part in wrap(line, characters))
    figure.supxlabel(text, fontsize=7, color="0.35", x=0.01, ha="left")


def seeds_in_words(n: int) -> str:
    """What points and lines are, for the footer."""
    return f"points: {n} seeds; lines: their mean." if n > 1 else "one seed." if n else ""


def say_empty(axis: Axes, why: str = "all runs diverged") -> None:
    """Say on a panel why it shows nothing."""
    axis.text(0.5, 0.5, why, transform=axis.transAxes, ha="center", fontsize=7, color="0.25")


def save_figure(figure: Figure, base: str | Path) -> None:
    """Write ``<base>.png``, ``.pdf`` and ``.svg`` without dates, so that equal data give equal bytes."""
    base = Path(base)
    no_date = {"png": {"Software": None}, "pdf": {"CreationDate": None, "ModDate": None}, "svg": {"Date": None}}
    for kind, metadata in no_date.items():
        with atomic(base.with_suffix(f".{kind}")) as temporary:
            figure.savefig(temporary, format=kind, metadata=metadata)
    plt.close(figure)
