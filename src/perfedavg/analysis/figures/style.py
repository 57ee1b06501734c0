"""One look for all figures: legible at paper size, colour-blind safe, and the same bytes for the
same data."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from perfedavg.analysis.summary import INITIAL, PERSONALIZED
from perfedavg.storage.files import atomic

_SAFE = sns.color_palette("colorblind")
COLORS = {INITIAL: _SAFE[0], PERSONALIZED: _SAFE[1]}
SERIES = [(_SAFE[i], marker) for i, marker in zip((0, 1, 2, 3, 4, 7, 8), "oDs^vPX", strict=True)]
"""(colour, marker) of the first, second, ... of several models in one panel."""
MANY = [(_SAFE[i % 10], marker) for i, marker in enumerate("oDs^vPX<>*hp")]
"""The same where there are many."""
MARKERS = {INITIAL: "o", PERSONALIZED: "D"}


def use_style() -> None:
    """Set the shared style."""
    sns.set_theme(context="paper", style="ticks", palette="colorblind", font="DejaVu Sans")
    plt.rcParams |= {
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
    """Write ``<base>.png``, ``.pdf`` and ``.svg`` without dates, so that equal data give equal
    bytes."""
    base = Path(base)
    no_date = {
        "png": {"Software": None},
        "pdf": {"CreationDate": None, "ModDate": None},
        "svg": {"Date": None},
    }
    for kind, metadata in no_date.items():
        with atomic(base.with_suffix(f".{kind}")) as temporary:
            figure.savefig(temporary, format=kind, metadata=metadata)
    plt.close(figure)
