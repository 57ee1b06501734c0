"""One page: tables, the figures beside it, selection, runs, provenance and where the time went."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from perfedavg.analysis import comparison, table1
from perfedavg.analysis.provenance import job_times
from perfedavg.analysis.summary import read_runs_table, stage1
from perfedavg.files import read_json, write_text
from perfedavg.tables import read_table


def write_report(path: str | Path, results: str | Path, tables: list[str]) -> None:
    """Write the page from what lies in the folder ``results`` of one experiment; ``tables`` are the names of its tables."""
    results = Path(results)
    provenance = read_json(results / "provenance.json")
    runs = read_runs_table(results / "runs.csv")
    first = read_table(table1.TABLE1, results / "tables/table1.csv")
    compared = {}
    for name in {"baselines", "stage2"} & set(tables):
        table = read_table(comparison.COMPARISON, results / f"tables/{name}.csv")
        compared[name] = _table(comparison.readable(table)), _plain(comparison.caption(table, ""))
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
        note=runs.note.iloc[0],
        table1=_table(table1.readable(first)),
        caption=_plain(table1.caption(first, stage1(runs)["rounds"].max())),
        compared=compared,
        has_stage2="stage2" in compared,
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


def _plain(caption: str) -> str:
    """A caption without the note, which stands at the top of the page."""
    return caption.split(" **")[0].strip()


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
