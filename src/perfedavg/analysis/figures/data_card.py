"""Figure ``data_card``: a contact sheet (one row per writer), client sizes and the labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from perfedavg.analysis.columns import CAVEAT
from perfedavg.analysis.figures.style import add_footer, subplot_mosaic
from perfedavg.data.caveat import caveat
from perfedavg.data.describe import examples_shown
from perfedavg.data.store import ClientStore
from perfedavg.storage.tables import Column

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "data card"
SECTION = "What are the data like?"
CAPTION = "The data: a contact sheet with one writer per row, client sizes and labels."
ALT = "Contact sheet, client sizes and labels"
IMAGE = "png"
ROWS = (
    "The bars of the figure; its contact sheet shows the first train images of 12 clients spread "
    "over the store."
)
SIZES, SHARES = "train examples of a client", "share of a label"
CONTRACT = {
    "shown": Column("str", "-", f"`{SIZES}` or `{SHARES}`"),
    "index": Column("int 0..", "-", "the client's position in the store, or the label"),
    "value": Column("float 0..", "examples, or share of train examples", "height"),
    "caveat": CAVEAT,
}


def settings(config: Any) -> dict[str, Any]:
    """The data set."""
    return {"data_block": config.data.content}


def compute(store: Path, split: pd.DataFrame, data_block: dict[str, Any]) -> pd.DataFrame:
    """Train examples of every client, and every class's share of them."""
    clients = ClientStore(store)
    counts = clients.label_counts().sum(0)
    bars = {SIZES: clients.column("num_train"), SHARES: counts / counts.sum()}
    parts = [
        pd.DataFrame({"shown": shown, "index": range(len(heights)), "value": heights})
        for shown, heights in bars.items()
    ]
    said = caveat(clients, split, data_block)
    return pd.concat(parts, ignore_index=True).assign(caveat=said)


def draw(data: pd.DataFrame, store: Path, data_block: dict[str, Any]) -> Figure:
    """The first train images of clients spread over the store, and the bars."""
    from matplotlib.ticker import MaxNLocator

    examples = examples_shown(ClientStore(store))
    num_train, shares = (data[data.shown == shown].value for shown in (SIZES, SHARES))
    figure, axes = subplot_mosaic("ii;sl", figsize=(7.2, 5.6), height_ratios=[2.2, 1])
    axis, sizes, labels = (axes[panel] for panel in "isl")
    clients, height, kind, meaning = len(examples), 1, "examples", ""
    if isinstance(examples, list):
        axis.set_ylim(clients, 0)
        for row, line in enumerate(examples):
            axis.text(0.01, row + 0.5, line[:90], fontsize=6, family="monospace", va="center")
    else:
        _, images, height, width = examples.shape
        kind, meaning = "images", " (0-9 digits, 10-35 A-Z, 36-61 a-z)"
        sheet = examples.transpose(0, 2, 1, 3).reshape(clients * height, images * width)
        axis.imshow(sheet, cmap="gray", vmin=0, vmax=1)
    axis.set(xticks=[], yticks=[(i + 0.5) * height for i in range(clients)])
    axis.set_yticklabels([f"writer {i + 1}" for i in range(clients)], fontsize=6)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.grid(False)
    title = f"{data_block['dataset']}: train {kind} of {clients} clients, one per row"
    axis.set_title(title, fontsize=8)
    sizes.hist(num_train, bins=40, color="C0")
    sizes.set_xlabel(f"train examples per client (median {np.median(num_train):.0f})", fontsize=8)
    sizes.yaxis.set_major_locator(MaxNLocator(integer=True))
    sizes.set_ylabel("clients", fontsize=8)
    labels.bar(np.arange(len(shares)), shares, color="C0", width=0.9)
    labels.set_xlabel(f"label{meaning}", fontsize=8)
    labels.set_ylabel("share of examples", fontsize=8)
    what = f"n = {len(num_train)} clients, {num_train.sum():,.0f} train examples."
    add_footer(figure, [what, data.caveat.iloc[0]])
    return figure
