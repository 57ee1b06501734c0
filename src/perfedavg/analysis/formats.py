"""Every table in three forms: CSV for programs, Markdown for people, LaTeX for papers; and numbers
in words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

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
    write_text(
        base.with_suffix(".md"),
        f"{caption}\n\n{shown.to_markdown(index=False, disable_numparse=True)}\n",
    )
    latex = shown.map(_escape).rename(columns=_escape).style.hide(axis="index")
    plain = _escape(caption.replace("**", ""))
    write_text(
        base.with_suffix(".tex"),
        latex.to_latex(hrules=True, caption=plain, label=f"tab:{base.name}", position="t"),
    )


def _escape(value: object) -> str:
    return (
        str(value).replace("%", r"\%").replace("_", r"\_").replace("&", r"\&").replace("#", r"\#")
    )


def accuracy_in_words(row: pd.Series, name: str) -> str:
    """``mean (std)`` of the initial or the personalized model."""
    if pd.isna(row[f"{name}_mean"]):
        return "diverged" if row.num_diverged else ""
    return f"{row[f'{name}_mean']:.4f}" + (
        "" if pd.isna(row[f"{name}_std"]) else f" ({row[f'{name}_std']:.4f})"
    )


def number_in_words(value: float, form: str = ".4f") -> str:
    """A number, or nothing where there is none."""
    return "" if pd.isna(value) else format(value, form)


def share_in_words(value: float) -> str:
    """A share in whole percent, or nothing where there is none."""
    return "" if pd.isna(value) else f"{100 * value:.0f} %"
