"""One page: tables, the figures beside it, selection, runs, provenance and where the time went."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from perfedavg.analysis.choices import Selection
from perfedavg.analysis.provenance import job_times
from perfedavg.analysis.runs import read_runs_table
from perfedavg.data.sets import data_set
from perfedavg.storage.files import read_json, write_text


def write_report(path: Path, products: list[dict[str, Any]]) -> None:
    """Write the page from what lies beside it in the results folder of one experiment.

    Args:
        products: what ``Product.on_page`` gives, in the order of the page.
    """
    results = path.parent
    provenance = read_json(results / "provenance.json")
    runs = read_runs_table(results / "runs.csv")
    tried = runs.study == "comparison"
    diverged = runs.status.str.startswith("diverged")
    times = job_times(results / "logs")
    startup, work = times.startup_seconds.sum(), times.work_seconds.sum()
    shown = []
    for product in products:
        table = f"tables/{product['name']}.md"
        shown.append(product | (_shown(results / table) if product["kind"] == "table" else {}))
    environment = Environment(
        loader=PackageLoader("perfedavg", "analysis"),
        autoescape=select_autoescape(["j2", "html"]),
        undefined=StrictUndefined,
    )
    page = environment.get_template("report.html.j2").render(
        experiment=provenance["config"]["experiment"],
        data=data_set(provenance["config"]["data"]),
        caveat=runs.caveat.iloc[0],
        sections=[(name, list(of)) for name, of in groupby(shown, lambda p: p["section"])],
        selection=Selection.load(results / "selection.json"),
        num_runs=len(runs),
        diverged=runs.loc[diverged & ~tried, ["run_id", "status"]].to_dict("records"),
        num_tried=int(tried.sum()),
        num_tried_diverged=int((diverged & tried).sum()),
        provenance=provenance,
        config=_flat(provenance["config"]),
        times=_table(times.round(1)),
        startup_share=startup / max(startup + work, 1e-9),
        total_minutes=(startup + work) / 60,
    )
    write_text(path, page)


def _shown(path: Path) -> dict[str, str]:
    """Caption and HTML of a table's Markdown form; the caveat in bold stands at the top of the page
    already."""
    caption, table = path.read_text(encoding="utf-8").split("\n\n", 1)
    header, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()
    ]
    caption = caption.split(" **")[0].strip()
    return {"caption": caption, "html": _table(pd.DataFrame(rows, columns=header))}


def _table(frame: pd.DataFrame) -> str:
    return frame.to_html(index=False, border=0, na_rep="", escape=True)


def _flat(config: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """``{"a": {"b": 1}}`` as ``[("a.b", "1")]``; a dash where there is nothing."""
    rows: list[tuple[str, str]] = []
    for key, value in config.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            values = value if isinstance(value, list) else [value]
            text = ", ".join(str(one) for one in values if one is not None)
            rows.append((f"{prefix}{key}", text or "-"))
    return rows
