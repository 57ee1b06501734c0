"""One page: whether the claims held, tables, figures, selection, runs, provenance and where the
time went. Everything is in the one file: it can be mailed, and asks no network for anything."""

from __future__ import annotations

import re
from base64 import b64encode
from html import unescape
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from perfedavg.analysis.choices import Selection
from perfedavg.analysis.figures.style import SERIES
from perfedavg.analysis.products import CLAIMS
from perfedavg.analysis.provenance import job_times
from perfedavg.analysis.runs import read_runs_table
from perfedavg.data.sets import data_set
from perfedavg.runtime.errors import reading
from perfedavg.storage.files import read_json, write_text

_TYPES = {
    "svg": "image/svg+xml",
    "png": "image/png",
    "csv": "text/csv",
    "pdf": "application/pdf",
    "tex": "text/plain",
}
LARGEST = 250_000
"""Bytes of a file that the page offers for download; larger ones lie beside it."""


def write_report(path: Path, products: list[dict[str, Any]]) -> None:
    """Write the page from what lies beside it in the results folder of one experiment.

    Args:
        products: what ``Product.on_page`` gives, in the order of the page.
    """
    results = path.parent
    provenance = _provenance(results / "provenance.json")
    runs = read_runs_table(results / "runs.csv")
    selection = Selection.load(results / "selection.json")
    tried = runs.study == "comparison"
    diverged = runs.status.str.startswith("diverged")
    times = job_times(results / "logs")
    startup, work = times.startup_seconds.sum(), times.work_seconds.sum()
    shown = [product | _shown(product, results) for product in products]
    sections = [(name, list(of)) for name, of in groupby(shown, lambda p: p["section"])]
    environment = Environment(
        loader=PackageLoader("perfedavg", "analysis/page"),
        autoescape=select_autoescape(["j2", "html"]),
        undefined=StrictUndefined,
    )
    page = environment.get_template("report.html.j2").render(
        experiment=provenance["config"]["experiment"],
        data=provenance["data"],
        caveat=runs.caveat.iloc[0],
        claims=next((of for name, of in sections if name == CLAIMS), []),
        sections=[(name, of) for name, of in sections if name != CLAIMS],
        explored=any(product.get("chart") for product in shown),
        colors=provenance["config"].get("figures", {}).get("series", [s["color"] for s in SERIES]),
        selection=selection,
        num_runs=len(runs),
        diverged=runs.loc[diverged & ~tried, ["run_id", "status"]].to_dict("records"),
        num_tried=int(tried.sum()),
        num_tried_diverged=int((diverged & tried).sum()),
        provenance=provenance,
        config=_flat(provenance["config"]),
        packages=list((provenance["packages"] | provenance["machine"]).items()),
        times=_table(times.round(1)),
        selected=_selected(selection),
        startup_share=startup / max(startup + work, 1e-9),
        total_minutes=(startup + work) / 60,
    )
    write_text(path, page)


def _provenance(path: Path) -> dict[str, Any]:
    """What is in ``provenance.json``, which no checksum vouches for, if all is there that the page
    shows; ``data`` is the data set."""
    with reading(path):
        facts = read_json(path)
        text = f"{facts['git_commit']} {facts['data_sha256'][:16]} {facts['packages']['torch']}"
        for key in ("processor", "cores", "python"):
            text += str(facts["machine"][key])
        assert text.isprintable(), "no text"
        dict(facts["packages"] | facts["machine"]), str(facts["config"]["experiment"])
        return {"network": ""} | facts | {"data": data_set(facts["config"]["data"])}


def _shown(product: dict[str, Any], results: Path) -> dict[str, Any]:
    """What the page shows of a product: of a table its caption, head and rows, of a figure its
    image and its answer; and of both its files to download."""
    base, forms = results / f"{product['kind']}s" / product["name"], ("csv", "tex")
    facts: dict[str, Any] = {}
    if product["kind"] == "table":
        facts |= _read_table(base.with_suffix(".md"))
    else:
        # What is shown needs no second copy: the page is to be mailed.
        forms = ("csv", "pdf") if product["image"] == "svg" else ("csv", "pdf", "svg")
        facts["source"] = _inline(base.with_suffix(f".{product['image']}"))
        svg = base.with_suffix(".svg")
        with reading(svg):
            drawing = svg.read_text(encoding="utf-8")
        answer = re.search(r"<dc:description>(.*?)</dc:description>", drawing, re.DOTALL)
        facts["answer"] = " ".join(unescape(answer[1]).split()) if answer else ""
        if base.with_suffix(".csv").stat().st_size > LARGEST:
            facts["chart"] = None  # the page does not hold its data
    files = [base.with_suffix(f".{form}") for form in forms]
    facts["files"] = [
        {
            "name": file.name,
            "place": file.relative_to(results).as_posix(),
            "form": file.suffix[1:].upper(),
            "source": _inline(file) if file.stat().st_size <= LARGEST else None,
        }
        for file in files
    ]
    return facts


def _inline(file: Path) -> str:
    """A file as an address that holds it."""
    return f"data:{_TYPES[file.suffix[1:]]};base64,{b64encode(file.read_bytes()).decode()}"


def _read_table(path: Path) -> dict[str, Any]:
    """Caption, head and rows of a table's Markdown form; the caveat in bold stands at the top of
    the page already."""
    with reading(path):
        caption, table = path.read_text(encoding="utf-8").split("\n\n", 1)
        head, _, *rows = [
            [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
            for line in table.strip().splitlines()
        ]
    return {"caption": caption.split(" **")[0].strip(), "head": head, "rows": rows}


def _table(frame: pd.DataFrame) -> dict[str, Any]:
    """A frame as head and rows."""
    return {"head": list(frame.columns), "rows": frame.astype(str).to_numpy().tolist()}


def _selected(selection: Selection) -> dict[str, Any]:
    """What was selected for every setting, as head and rows."""

    def accuracy(value: float | None) -> str:
        return "" if value is None else f"{value:.4f}"

    rows = [
        [
            setting,
            str(chosen.selected_epoch or "diverged"),
            accuracy(chosen.initial_accuracy),
            accuracy(chosen.personalized_accuracy),
        ]
        for setting, chosen in selection.settings.items()
    ]
    return {
        "head": ["setting", "epoch", "initial, validation", "personalized, validation"],
        "rows": rows,
    }


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
