"""One page: tables, the figures beside it, selection, runs, provenance and where the time went."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from perfedavg.analysis.provenance import job_times
from perfedavg.analysis.summary import note_for, read_runs_table
from perfedavg.analysis.table1 import TABLE1, caption, readable
from perfedavg.files import read_json, write_text
from perfedavg.tables import read_table


def write_report(path: str | Path, results: str | Path) -> None:
    """Write the page from what lies in the folder ``results`` of one experiment."""
    results = Path(results)
    provenance = read_json(results / "provenance.json")
    runs = read_runs_table(results / "runs.csv")
    table1 = read_table(TABLE1, results / "tables/table1.csv")
    card = pd.read_csv(results / "tables/data_card.csv")
    card["value"] = card["value"].map("{:g}".format)
    times = job_times(results / "logs")
    startup, work = times.startup_seconds.sum(), times.work_seconds.sum()
    dataset = runs.dataset.iloc[0]
    environment = Environment(
        loader=PackageLoader("perfedavg", "analysis"), autoescape=select_autoescape(["j2", "html"]), undefined=StrictUndefined
    )
    page = environment.get_template("report.html.j2").render(
        experiment=provenance["config"]["experiment"],
        dataset=dataset,
        note=note_for(dataset),
        table1=_table(readable(table1)),
        caption=caption(table1, runs["rounds"].max()).split(" **")[0],
        data_card=_table(card[["quantity", "value", "unit"]]),
        selection=read_json(results / "selection.json"),
        num_runs=len(runs),
        diverged=runs.loc[runs.status.str.startswith("diverged"), ["run_id", "status"]].to_dict("records"),
        provenance=provenance,
        config=_flat(provenance["config"]),
        times=_table(times.round(1)),
        startup_share=startup / max(startup + work, 1e-9),
        total_minutes=(startup + work) / 60,
    )
    write_text(path, page)


def _table(frame: pd.DataFrame) -> str:
    return frame.to_html(index=False, border=0, na_rep="", escape=True)


def _flat(config: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """``{"a": {"b": 1}}`` as ``[("a.b", "1")]``."""
    rows: list[tuple[str, str]] = []
    for key, value in config.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", ", ".join(map(str, value)) if isinstance(value, list) else str(value)))
    return rows
