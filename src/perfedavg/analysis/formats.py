"""Every table in three forms: CSV for programs, Markdown for people, LaTeX for papers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from perfedavg.storage.files import write_text
from perfedavg.storage.tables import Contract, write_table


def write_three_forms(
    contract: Contract, table: pd.DataFrame, shown: pd.DataFrame, caption: str, base: str | Path
) -> None:
    """Write ``<base>.csv`` (``table``, checked against ``contract``), ``<base>.md`` and
    ``<base>.tex`` (``shown``)."""
    base = Path(base)
    write_table(contract, table, base.with_suffix(".csv"))
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
