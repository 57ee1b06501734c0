"""Every table in three forms: CSV for programs, Markdown for people, LaTeX for papers; and numbers
in words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from perfedavg.analysis.latex import to_latex
from perfedavg.analysis.products import call
from perfedavg.storage.files import write_text
from perfedavg.storage.tables import write_table


def make(module: ModuleType, values: Mapping[str, Any], base: str | Path) -> None:
    """Compute a table and write ``<base>.csv`` (checked against its contract), ``<base>.md`` and
    ``<base>.tex`` (as shown to people, under its caption).

    Args:
        module: of the product.
        values: what its functions ask for.
    """
    table, base = call(module.compute, values), Path(base)
    shown, caption = (call(function, values, table) for function in (module.shown, module.caption))
    caveat = table.caveat.iloc[0] if len(table) else "All runs diverged: nothing could be measured."
    if caveat:
        caption += f" **{caveat}**"
    write_table(module.CONTRACT, table, base.with_suffix(".csv"))
    markdown = shown.to_markdown(index=False, disable_numparse=True)
    write_text(base.with_suffix(".md"), f"{caption}\n\n{markdown}\n")
    plain = caption.replace("**", "")
    write_text(base.with_suffix(".tex"), to_latex(shown.astype(str), plain, f"tab:{base.name}"))


def accuracy_in_words(row: pd.Series, name: str) -> str:
    """``mean (std)`` of the initial or the personalized model."""
    mean, std = row[f"{name}_mean"], row[f"{name}_std"]
    if pd.isna(mean):
        return "diverged" if row.num_diverged else ""
    return f"{mean:.4f}" + ("" if pd.isna(std) else f" ({std:.4f})")


def number_in_words(value: float, form: str = ".4f") -> str:
    """A number, or nothing where there is none."""
    return "" if pd.isna(value) else format(value, form)


def share_in_words(value: float) -> str:
    """A share in whole percent, or nothing where there is none."""
    return "" if pd.isna(value) else f"{100 * value:.0f} %"


def edge(value: float, lowest: float, highest: float) -> str:
    """``lowest`` or ``highest`` where what was chosen is at the edge of what was tried, else empty:
    beyond the edge there may be a better one."""
    if lowest == highest or lowest < value < highest or value != value:
        return ""
    return "lowest" if value == lowest else "highest"


def epoch_in_words(row: pd.Series) -> str:
    """The selected fine-tune epoch, and whether it is at the edge of those tried."""
    said = f" ({row.epoch_at_edge} tried)" if row.epoch_at_edge else ""
    return number_in_words(row.selected_epoch, ".0f") + said


def diverged_in_words(row: pd.Series) -> int | str:
    """How many runs diverged; where some did, how many clients while they were fine-tuned."""
    runs, clients = row.num_diverged, row.num_diverged_clients
    return f"{runs}, and {clients} clients" if clients else runs
