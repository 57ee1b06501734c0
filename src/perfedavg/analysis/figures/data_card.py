"""Figure ``data_card``: a contact sheet (a row a writer), client sizes and the labels."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from perfedavg.analysis.figures.style import add_footer, save_figure, use_style
from perfedavg.storage.tables import write_table

DATA_CARD_FIGURE = {"shown": "str", "index": "int 0..", "value": "float 0..", "caveat": "str"}


def data_card_figure(
    shown: np.ndarray | list[str],
    num_train: np.ndarray,
    label_counts: np.ndarray,
    dataset: str,
    caveat: str,
    base: str | Path,
) -> None:
    """Draw the card.

    Args:
        shown: images ``[clients, images, h, w]`` in [0, 1], or a line of text per client.
        num_train: train examples of every client.
        label_counts: train examples of every class.
    """
    bars = [("train examples of a client", i, n) for i, n in enumerate(num_train)]
    bars += [
        ("share of a label", i, share) for i, share in enumerate(label_counts / label_counts.sum())
    ]
    data = pd.DataFrame(bars, columns=["shown", "index", "value"]).assign(caveat=caveat)
    write_table(DATA_CARD_FIGURE, data, Path(base).with_suffix(".csv"))
    use_style()
    figure = plt.figure(figsize=(7.2, 5.6))
    grid = figure.add_gridspec(2, 2, height_ratios=[2.2, 1])
    axis = figure.add_subplot(grid[0, :])
    writers, height, kind = len(shown), 1, "examples"
    if isinstance(shown, list):
        axis.set_ylim(writers, 0)
        for row, line in enumerate(shown):
            axis.text(0.01, row + 0.5, line[:90], fontsize=6, family="monospace", va="center")
    else:
        _, images, height, width = shown.shape
        kind = "images"
        axis.imshow(
            shown.transpose(0, 2, 1, 3).reshape(writers * height, images * width),
            cmap="gray",
            vmin=0,
            vmax=1,
        )
    axis.set(xticks=[], yticks=[(i + 0.5) * height for i in range(writers)])
    axis.set_yticklabels([f"writer {i + 1}" for i in range(writers)], fontsize=6)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.grid(False)
    axis.set_title(f"{dataset}: train {kind} of {writers} clients, one a row", fontsize=8)
    sizes = figure.add_subplot(grid[1, 0])
    sizes.hist(num_train, bins=40, color="C0")
    sizes.set_xlabel(f"train examples a client (median {np.median(num_train):.0f})", fontsize=8)
    sizes.yaxis.set_major_locator(MaxNLocator(integer=True))
    sizes.set_ylabel("clients", fontsize=8)
    labels = figure.add_subplot(grid[1, 1])
    labels.bar(
        np.arange(len(label_counts)), label_counts / label_counts.sum(), color="C0", width=0.9
    )
    meaning = " (0-9 digits, 10-35 A-Z, 36-61 a-z)" if kind == "images" else ""
    labels.set_xlabel(f"label{meaning}", fontsize=8)
    labels.set_ylabel("share of examples", fontsize=8)
    add_footer(
        figure, [f"n = {len(num_train)} clients, {num_train.sum():,} train examples.", caveat]
    )
    save_figure(figure, base)
