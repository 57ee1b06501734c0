"""One look for all figures: legible at paper size, colour-blind safe, and the same bytes for the
same data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import wrap
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from perfedavg.analysis.products import call
from perfedavg.analysis.summary import INITIAL, PERSONALIZED
from perfedavg.storage.files import atomic
from perfedavg.storage.tables import write_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 5.5
"""Inches, of every figure: the text width of a paper, so that text is printed at its own size."""

COLORS = {INITIAL: "#0173B2", PERSONALIZED: "#C65D00"}
MARKERS = {INITIAL: "o", PERSONALIZED: "D"}
LINES = {INITIAL: "--", PERSONALIZED: "-"}
SERIES: list[dict[str, Any]] = [
    {"color": color, "marker": marker, "linestyle": line}
    for color, marker, line in (
        ("#02785A", "s", "-"),
        ("#8F3F82", "^", (0, (1, 1))),
        ("#1B1B1B", "P", (0, (7, 2))),
        ("#6A7F10", "X", "-."),
        ("#7A5230", "v", (0, (5, 1, 1, 1, 1, 1))),
        ("#A8163F", "<", "--"),
        ("#6A4BC4", ">", (0, (3, 1, 1, 1))),
    )
]
"""Colour, marker and line of the first, second, ... of several models, which are neither the
initial nor the personalized one: dark enough on white, apart for the colour-blind, and told apart
in grey by marker and line."""

RUNS: dict[str, Any] = {"linestyle": "", "markersize": 2.2, "alpha": 0.55, "markeredgewidth": 0}
"""How single runs look, and"""
MEAN = {"markersize": 4, "linewidth": 1.2}
"""their mean."""
OPEN = {"markersize": 5.5, "markerfacecolor": "white", "markeredgewidth": 1.1, "linestyle": ""}
"""A mean over another set of clients than that of the line."""
WHOLE = {"clip_on": False, "in_layout": False}
"""Markers are drawn whole where an axis ends at 1, the best accuracy."""
SMALL = 7
"""Points, the smallest text."""
_PNG = {"dpi": 200}


def make(module: ModuleType, values: Mapping[str, Any], base: str | Path) -> None:
    """Compute a figure's data and write ``<base>.csv`` (checked against its contract), then draw
    it: ``<base>.png``, ``.pdf`` and ``.svg``.

    Args:
        module: of the product.
        values: what its functions ask for; ``style``: the config's block ``figures``.
    """
    data = call(module.compute, values)
    write_table(module.CONTRACT, data, Path(base).with_suffix(".csv"))
    with _styled(values.get("style") or {}):
        save_figure(call(module.draw, values, data), base)


@contextmanager
def _styled(asked: Mapping[str, Any]) -> Iterator[None]:
    """Colours and dots per inch as the config asks for; afterwards as before."""
    colors, series, dots = dict(COLORS), [dict(one) for one in SERIES], _PNG["dpi"]
    COLORS.update({model: asked.get(model, color) for model, color in COLORS.items()})
    for one, color in zip(SERIES, asked.get("series", ()), strict=False):
        one["color"] = color
    _PNG["dpi"] = asked.get("dpi", dots)
    try:
        yield
    finally:
        COLORS.update(colors)
        SERIES[:] = series
        _PNG["dpi"] = dots


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
        # Text looks the same everywhere: as outlines, and from a font that is in the file.
        "svg.fonttype": "path",
        "pdf.fonttype": 42,
        "savefig.dpi": _PNG["dpi"],
        "font.size": 8,
        **{f"axes.{part}size": 8 for part in ("title", "label")},
        **{f"{part}.labelsize": SMALL for part in ("xtick", "ytick")},
        **{f"{axis}tick.major.size": 3 for axis in "xy"},
        "axes.linewidth": 0.8,
        "legend.fontsize": SMALL,
        "legend.frameon": False,
        "legend.handlelength": 2.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.35,
        "grid.linewidth": 0.5,
        "figure.constrained_layout.use": True,
    }


def _wrapped(figure: Figure, text: str, size: float) -> str:
    return "\n".join(wrap(text, int(figure.get_figwidth() * 137 / size)))


def add_footer(figure: Figure, lines: list[str]) -> None:
    """Small print under the figure: what is shown, n and units; what the data are."""
    text = "\n".join(_wrapped(figure, line, SMALL) for line in lines if line)
    figure.supxlabel(text, fontsize=SMALL, color="0.3", x=0.01, ha="left")


def add_answer(figure: Figure, answer: str) -> None:
    """The figure's answer to its question, in numbers, above it; the page shows it as text too.
    Before the legend."""
    if not answer:
        return
    figure.set_label(answer)
    text = _wrapped(figure, answer, 9.6)
    height = figure.get_figheight()
    figure.text(0.01, 1 - 0.03 / height, text, fontsize=8, fontweight="bold", va="top")
    taken = (0.06 + 0.14 * (1 + text.count("\n"))) / height
    figure.get_layout_engine().set(rect=(0, 0, 1, 1 - taken))


def add_legend(figure: Figure, ncols: int, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """A legend of all panels, above them and below the answer."""
    layout = figure.get_layout_engine()
    top = layout.get()["rect"][3] if layout.get()["rect"] else 1
    style = {"loc": "upper center", "bbox_to_anchor": (0, 0, 1, top), "borderaxespad": 0}
    legend = figure.legend(handles, labels, ncols=ncols, columnspacing=1.2, **style)
    legend.set_in_layout(False)
    taken = legend.get_window_extent(figure.canvas.get_renderer()).height / figure.bbox.height
    layout.set(rect=(0, 0, 1, top - taken))


def label_ends(axis: Axes, ends: Sequence[tuple[str, float, float, str]]) -> None:
    """Name lines at their right ends, in the place of a legend; the last thing that is drawn.

    Args:
        ends: of every line its name, the coordinates of its end, and its colour.
    """
    from scipy.optimize import isotonic_regression

    ends = sorted((end for end in ends if end[2] == end[2]), key=lambda end: end[2])
    if not ends:
        return
    axis.figure.draw_without_rendering()  # so that the layout is known
    low, high = axis.get_ylim()
    gap = 1.25 * SMALL / 72 * axis.figure.dpi / axis.get_window_extent().height
    steps = gap * np.arange(len(ends))
    heights = [(y - low) / (high - low) for _, _, y, _ in ends]
    # The nearest places that are at least a line's height apart.
    places = isotonic_regression(heights - steps).x + steps
    places -= max(places[-1] - 1, 0)
    for (name, x, y, color), place in zip(ends, places, strict=True):
        text = {"textcoords": "axes fraction", "va": "center", "fontsize": SMALL, "color": color}
        arrow = {"arrowstyle": "-", "color": color, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 4}
        arrow["relpos"] = (0, 0.5)  # from where the name begins, so that it crosses no other
        axis.annotate(name, (x, y), (1.06, place), arrowprops=arrow, annotation_clip=False, **text)


def whole_runs(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the seeds that were evaluated longest, so that a line is a mean over the same
    runs all along: one that diverged on the way has its points alone."""
    times = rows.groupby("seed")["round"].nunique()
    return rows[rows.seed.isin(times.index[times == times.max()])]


def seeds_in_words(n: int) -> str:
    """What points and lines are, for the footer."""
    return f"points: {n} seeds; lines: their mean." if n > 1 else "one seed." if n else ""


def num_clients_in_words(data: pd.DataFrame) -> str:
    """How many evaluation clients ``data`` are a mean over, for the footer."""
    return "" if data.empty else f"n = {data.num_clients.max():.0f} evaluation clients, "


def say_on_panel(axis: Axes, text: str = "all runs diverged", height: float = 0.5) -> None:
    """Write on a panel, at this share of its height, why it shows nothing or not all."""
    axis.text(0.5, height, text, transform=axis.transAxes, ha="center", fontsize=SMALL, color="0.2")


def save_figure(figure: Figure, base: str | Path) -> None:
    """Write ``<base>.png``, ``.pdf`` and ``.svg`` without dates, so that equal data give equal
    bytes."""
    import matplotlib.pyplot as plt

    base, answer = Path(base), figure.get_label()
    no_date = {
        "png": {"Software": None},
        "pdf": {"CreationDate": None, "ModDate": None, "Title": base.name, "Subject": answer},
        "svg": {"Date": None, "Title": base.name, "Description": answer},
    }
    for kind, metadata in no_date.items():
        with atomic(base.with_suffix(f".{kind}")) as temporary:
            figure.savefig(temporary, format=kind, metadata=metadata)
    plt.close(figure)
