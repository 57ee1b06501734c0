"""Table ``data_card``: what the data are like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from perfedavg.analysis.columns import CAVEAT
from perfedavg.data.caveat import caveat
from perfedavg.data.describe import data_card, remarks
from perfedavg.data.store import ClientStore
from perfedavg.storage.tables import Column

TITLE = "data card"
SECTION = "What are the data like?"
CAPTION = "The data in numbers: clients, examples, labels, and how much clients differ."
FOLDED = True
ROWS = "One row per quantity."
CONTRACT = {
    "quantity": Column("str", "-", "what"),
    "value": Column("float", "see `unit`", "how much"),
    "unit": Column("str", "-", "its unit"),
    "caveat": CAVEAT,
}


def settings(config: Any) -> dict[str, Any]:
    """The data set, and what it is called."""
    return {"data_block": config.data.content, "called": config.data.called}


def compute(store: Path, split: pd.DataFrame, data_block: dict[str, Any]) -> pd.DataFrame:
    """Clients, examples and labels; ``split`` is the client split."""
    clients = ClientStore(store)
    return data_card(clients, split).assign(caveat=caveat(clients, split, data_block))


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The same table for people."""
    return table.assign(value=table.value.map(_in_words)).drop(columns="caveat")


def _in_words(value: float) -> str:
    """Whole numbers, and others to four digits."""
    return f"{value:.0f}" if value == round(value) or value >= 1000 else f"{value:.4g}"


def caption(table: pd.DataFrame, store: Path, called: str) -> str:
    """What is described, and what a reader has to know of it."""
    what = (
        f"The data set {called}. Label divergence: Jensen-Shannon divergence "
        "between a client's train labels and those of all. Share explained: of the variance, by "
        "the mean of each client. Permuted: the same with labels and examples shuffled among "
        "clients, which is what chance gives."
    )
    return " ".join([what, *remarks(ClientStore(store))])
