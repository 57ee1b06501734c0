"""One look for all figures: legible at paper size, colour-blind safe, and the same bytes for the
same data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import wrap
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pandas as pd

from perfedavg.analysis.products import call
from perfedavg.analysis.summary import INITIAL, PERSONALIZED
from perfedavg.storage.files import atomic
from perfedavg.storage.tables import write_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# seaborn's palette "colorblind", which is not imported where figures are only listed.
_SAFE = ["#0173B2", "#DE8F05", "#029E73", "#D55E00", "#CC78BC"]
_SAFE += ["#CA9161", "#FBAFE4", "#949494", "#ECE133", "#56B4E9"]
COLORS = {INITIAL: _SAFE[0], PERSONALIZED: _SAFE[1]}
SERIES = [(_SAFE[i], marker) for i, marker in zip((0, 1, 2, 3, 4, 7, 8), "oDs^vPX", strict=True)]
"""(colour, marker) of the first, second, ... of several models in one panel."""
MANY = [(_SAFE[i % 10], marker) for i, marker in enumerate("oDs^vPX<>*hp")]
"""The same where there are many."""
MARKERS = {INITIAL: "o", PERSONALIZED: "D"}


RUNS = {"linestyle": "", "markersize": 2.5, "alpha": 0.6, "markeredgewidth": 0}
"""How single runs look, and"""
MEAN = {"markersize": 3.5, "linewidth": 1.4}
"""their mean."""
WHOLE = {"clip_on": False, "in_layout": False}
"""Markers are drawn whole where an axis ends at 1, the best accuracy."""


def make(module: ModuleType, values: Mapping[str, Any], base: str | Path) -> None:
    """Compute a figure's data and write ``<base>.csv`` (checked against its contract), then draw
    it: ``<base>.png``, ``.pdf`` and ``.svg``.

    Args:
        module: of the product.
        values: what its functions ask for.
    """
    data = call(module.compute, values)
    write_table(module.CONTRACT, data, Path(base).with_suffix(".csv"))
    save_figure(call(module.draw, values, data), base)


def subplots(*args: Any, **kwargs: Any) -> tuple[Figure, Any]:
    """``matplotlib.pyplot.subplots`` in the shared style."""
    use_style()
    import matplotlib.pyplot as plt

    return plt.subplots(*args, **kwargs)


def subplot_mosaic(*args: Any, **kwargs: Any) -> tuple[Figure, dict[str, Axes]]:
    """``matplotlib.pyplot.subplot_mosaic`` in the shared style."""
    use_style()
    import matplotlib.pyplot as plt

    return plt.subplot_mosaic(*args, **kwargs)


def use_style() -> None:
    """Set the shared style."""
    import matplotlib
    import matplotlib.pyplot as plt
    import seaborn as sns

    matplotlib.use("agg")
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


def num_clients_in_words(data: pd.DataFrame) -> str:
    """How many evaluation clients ``data`` are a mean over, for the footer."""
    return "" if data.empty else f"n = {data.num_clients.max():.0f} evaluation clients, "


def say_on_panel(axis: Axes, text: str = "all runs diverged", height: float = 0.5) -> None:
    """Write on a panel, at this share of its height, why it shows nothing or not all."""
    axis.text(0.5, height, text, transform=axis.transAxes, ha="center", fontsize=7, color="0.25")


def save_figure(figure: Figure, base: str | Path) -> None:
    """Write ``<base>.png``, ``.pdf`` and ``.svg`` without dates, so that equal data give equal
    bytes."""
    import matplotlib.pyplot as plt

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
