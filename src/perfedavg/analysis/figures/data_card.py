"""Figure ``data_card``: examples (one row per client), client sizes, labels, and how far clients'
labels differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from perfedavg.analysis.columns import CAVEAT
from perfedavg.analysis.figures.style import SERIES, SMALL, WIDTH, add_footer, subplot_mosaic
from perfedavg.data.caveat import LEFT_OUT, caveat
from perfedavg.data.describe import (
    client_word,
    clients_shown,
    examples_shown,
    label_divergences,
    remarks,
)
from perfedavg.data.sets import data_set
from perfedavg.data.sources import DataSet
from perfedavg.data.store import ClientStore
from perfedavg.storage.tables import Column

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "data card"
SECTION = "What are the data like?"
CAPTION = (
    "What does a client hold, and how far do clients differ? Examples with one client per row, "
    "client sizes, labels, and how far the labels of clients differ from those of all, beside "
    "what chance gives."
)
ALT = "Examples, client sizes, labels and label divergence of clients"
IMAGE = "png"
ROWS = (
    "The bars of the figure; it also shows the first train images of 10 clients spread over the "
    "store, of text their first line."
)
SIZES, SHARES = "train examples of a client", "share of a label"
DIVERGENCE, PERMUTED = "label divergence of a client", "label divergence, permuted clients"
MOST_NAMED = 15  # classes
MOST_TOKENS = 30  # whose names have room below their bars
CONTRACT = {
    "shown": Column("str", "-", f"`{SIZES}`, `{SHARES}`, `{DIVERGENCE}` or `{PERMUTED}`"),
    "index": Column("int 0..", "-", "the client's position in the store, or the label"),
    "value": Column("float 0..", "examples, share of train labels, or bits", "height"),
    "caveat": CAVEAT,
}


def settings(config: Any) -> dict[str, Any]:
    """The data set, what it is called, and whether its examples are shown."""
    data = {"data_block": config.data.content, "called": config.data.called}
    return data | {"show_examples": config.show_examples}


def compute(store: Path, split: pd.DataFrame, data_block: dict[str, Any]) -> pd.DataFrame:
    """Train examples of every client, every class's share of their labels, and the divergences of
    at most 500 clients."""
    clients = ClientStore(store)
    counts = clients.label_counts().sum(0)
    bars = {SIZES: clients.column("num_train"), SHARES: counts / counts.sum()}
    bars |= dict(zip((DIVERGENCE, PERMUTED), label_divergences(clients), strict=True))
    parts = [
        pd.DataFrame({"shown": shown, "index": range(len(heights)), "value": heights})
        for shown, heights in bars.items()
    ]
    said = caveat(clients, split, data_block)
    return pd.concat(parts, ignore_index=True).assign(caveat=said)


def draw(
    data: pd.DataFrame,
    store: Path,
    split: pd.DataFrame,
    data_block: dict[str, Any],
    called: str,
    show_examples: bool,
) -> Figure:
    """The examples, where they are shown, and the bars."""
    from matplotlib.ticker import MaxNLocator

    clients = ClientStore(store)
    layout, ratios, height = "sld", None, 2.2
    # Room for the names of tokens below their bars.
    widths = [1, 1.8, 1] if clients.label_shape else None
    if show_examples:
        layout, ratios = "iii;sld", [1 if clients.label_shape else 2.2, 1]
        height = 2 + 1.6 * ratios[0]
    figure, axes = subplot_mosaic(
        layout, figsize=(WIDTH, height), height_ratios=ratios, width_ratios=widths
    )
    if show_examples:
        _draw_examples(axes["i"], clients, called)
    sizes, labels, divergence = (axes[panel] for panel in "sld")
    values = {shown: rows.value.to_numpy() for shown, rows in data.groupby("shown")}
    examples = "windows" if clients.label_shape else "examples"
    num_train, word = values[SIZES], client_word(clients)
    sizes.hist(num_train, bins=_whole_bins(num_train), color=SERIES[0]["color"])
    # Where all are equal, one bar among whole numbers, not a panel full of it.
    low, high = sizes.get_xlim()
    middle, half = (low + high) / 2, max(high - low, 5) / 2
    sizes.set_xlim(middle - half, middle + half)
    sizes.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
    sizes.set_xlabel(f"train {examples} per {word}\n(median {np.median(num_train):g})")
    _draw_labels(labels, values[SHARES], clients, data_set(data_block))
    bins = np.linspace(0, max(values[DIVERGENCE].max(), values[PERMUTED].max(), 0.01), 31)
    divergence.hist(values[PERMUTED], bins=bins, color="0.75", label="labels shuffled")
    divergence.hist(
        values[DIVERGENCE], bins=bins, histtype="step", color=SERIES[0]["color"], label=f"{word}s"
    )
    divergence.set_xlabel(f"label divergence\nfrom all {word}s (bits)")
    divergence.set_ylim(top=1.35 * divergence.get_ylim()[1])  # room for the legend
    divergence.legend(fontsize=6, loc="upper right")
    for axis in (sizes, divergence):
        axis.set_ylabel(f"{word}s")
        axis.yaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    left_out = split.client_group.str.startswith(LEFT_OUT).sum()
    included = f" ({left_out:,} left out included)" if left_out else ""
    what = (
        f"n = {len(num_train):,} {word}s{included}, {num_train.sum():,.0f} train {examples}. "
        f"Labels shuffled: among {word}s, which is what chance gives."
    )
    add_footer(figure, [what, *remarks(clients), data.caveat.iloc[0]])
    return figure


def _whole_bins(sizes: np.ndarray, most: int = 40) -> np.ndarray:
    """Edges of bins of whole numbers, each around as many of them."""
    low, high = int(sizes.min()), int(sizes.max())
    step = -(-(high - low + 1) // most)
    return np.arange(low, high + step + 1, step) - 0.5


def _shortened(client_id: str, most: int = 16) -> str:
    half = most // 2
    long = len(client_id) > most
    return f"{client_id[: half - 1]}…{client_id[-half:]}" if long else client_id


def _draw_examples(axis: Axes, store: ClientStore, called: str) -> None:
    """The first train images of clients, or their first line, one client per row."""
    examples, height, kind = examples_shown(store), 1, "first train examples"
    if isinstance(examples, list):
        axis.set_ylim(len(examples), 0)
        for row, line in enumerate(examples):
            style = {"fontsize": SMALL, "family": "monospace", "va": "center", "clip_on": True}
            # A long line is cut off; else all panels would be narrower for it.
            axis.text(0.01, row + 0.5, line, **style, in_layout=False)
    else:
        gap = max(1, examples.shape[-1] // 14)
        examples = np.pad(examples, ((0, 0), (0, 0), (0, gap), (0, gap)), constant_values=1)
        clients, images, height, width = examples.shape
        kind = "train images"
        sheet = examples.transpose(0, 2, 1, 3).reshape(clients * height, images * width)
        axis.imshow(sheet, cmap="gray", vmin=0, vmax=1)
    axis.set(xticks=[], yticks=[(i + 0.5) * height for i in range(len(examples))])
    word = client_word(store)
    ids = store.column("client_id")[clients_shown(store)]
    axis.set_yticklabels([_shortened(client_id) for client_id in ids], fontsize=6)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.grid(False)
    title = f"{called}: {kind} of {len(examples)} {word}s, one per row"
    title += ", · is padding" if "padding" in store.metadata else ""
    axis.set_title(title)


def _draw_labels(axis: Axes, shares: np.ndarray, store: ClientStore, data: DataSet) -> None:
    """Shares of labels, by name where few have one; of tokens those that occur, the most frequent
    first, by name."""
    from matplotlib.ticker import MaxNLocator

    shown, what = np.arange(len(shares)), "label"
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    classes = json.loads(store.metadata.get("classes", "[]"))
    if 0 < len(classes) <= MOST_NAMED and not store.label_shape:
        names = [_shortened(name, 12) for name in classes]
        turned = {"rotation": 45, "ha": "right"} if sum(map(len, names)) > 24 else {}
        axis.set_xticks(np.arange(len(names)), names, **turned)
    if store.label_shape:
        what, num_tokens = "next token, most frequent first", np.count_nonzero(shares)
        shown = np.argsort(-shares, kind="stable")[: min(num_tokens, MOST_TOKENS)]
        if num_tokens > len(shown):
            what = f"next token, the {len(shown)} most frequent of {num_tokens}"
        names = [data.label_name(token) for token in shown.tolist()]
        axis.set_xticks(np.arange(len(shown)), names, fontsize=5.5)
        axis.tick_params(axis="x", length=0, pad=2)
        axis.grid(False, axis="x")
    axis.bar(np.arange(len(shown)), shares[shown], color=SERIES[0]["color"], width=0.9)
    axis.set_xlim(-0.9, len(shown) - 0.1)
    axis.set_xlabel(f"{what}\n({data.labels_are})" if data.labels_are else what)
    axis.set_ylabel("share of train labels")
