"""Draw anew, from the kept metrics of an experiment, all that they suffice for: tables, figures and
the article: ``python -m tools.redraw docs/results/claims/emnist62-claims FOLDER``.

Of results that were made in several parts, the article names all sources and machines, and its
config is that of the last part without what no run was made for."""

from __future__ import annotations

import argparse
import re
import shutil
from pathlib import Path
from typing import Any

from perfedavg.analysis.article import write_article
from perfedavg.analysis.claims.experiment import commits, read
from perfedavg.analysis.claims.registration import FILE, entries, registered
from perfedavg.analysis.inputs import INPUTS
from perfedavg.analysis.products import Product, all_products
from perfedavg.analysis.runs import read_runs_table
from perfedavg.config.load import load_config
from perfedavg.runtime.errors import PerfedavgError, reading
from perfedavg.storage.files import read_json, sha256_of, write_json

PROJECT = Path(__file__).parents[1]
TARGETS, PROTOCOL = (
    PROJECT / "config" / name for name in ("paper_targets.csv", "paper_protocol.yaml")
)


def provenance(kept: Path) -> dict[str, Any]:
    """What ran, of all parts."""
    files = sorted(kept.glob("provenance*.json"), key=lambda path: (len(path.name), path.name))
    parts = []
    for file in files:
        with reading(file):
            parts.append(read_json(file))
    merged = parts[-1] | {"config": _that_ran(parts[-1]["config"], kept)}
    first, *further = dict.fromkeys(part["git_commit"] for part in parts)
    merged["git_commit"] = " and ".join([first, *(commit[:12] for commit in further)])
    processors = dict.fromkeys(part["machine"]["processor"] for part in parts)
    merged["machine"] = parts[-1]["machine"] | {"processor": " and ".join(processors)}
    return merged


def _that_ran(config: dict[str, Any], kept: Path) -> dict[str, Any]:
    """The config without studies of which no run was kept."""
    runs, studies = read_runs_table(kept / "runs.csv"), dict(config["studies"])
    if not any(kept.glob("theory/*.parquet")):
        studies["theory"] = None
    variants = runs.variant[runs.study == "stage2"]
    if studies["stage2"] and all(re.match("continued|reptile", variant) for variant in variants):
        studies["stage2"] |= {"control_work": None, "control_rate_divisor": None}
    return config | {"studies": studies}


def redraw(kept: Path, folder: Path) -> list[Product]:
    """Write below ``folder``; what was drawn.

    Raises:
        PerfedavgError: a file is damaged.
    """
    facts = provenance(kept)
    config = load_config(facts["config"])
    values = read(kept) | {"style": {}, "other_data": None, "paper": INPUTS["paper"]([TARGETS])}
    grid = values["runs"].run_id[values["runs"].study == "grid"]
    values["grid_evaluation"] = values["evaluation"][values["evaluation"].run_id.isin(grid)]
    claims = entries(PROJECT / FILE) | {"sha256": sha256_of(PROJECT / FILE)}
    values["registered"] = registered(commits(kept))
    known = {"config": config, "reference": values["reference"], "claims": claims}
    known |= {"ways": None, "interpolated": None}
    drawn = [p for p in all_products() if p.asked(config) and values.keys() >= set(p.inputs)]
    for product in drawn:
        base = folder / f"{product.kind}s/{product.name}"
        base.parent.mkdir(parents=True, exist_ok=True)
        product.write(values | product.settings(known), base)
    for name in ("runs.csv", "selection.json", "split.csv", "times.csv"):
        shutil.copyfile(kept / name, folder / name)
    write_json(folder / "provenance.json", facts)
    shown = [product.on_page() for product in drawn]
    article = folder / "article.pdf"
    write_article(article, shown, config.data.kind, config.network, PROTOCOL, TARGETS)
    return drawn


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.redraw", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("kept", type=Path, help="folder that tools.keep_metrics has written")
    parser.add_argument("folder", type=Path, help="where tables, figures and article go")
    options = parser.parse_args()
    try:
        drawn = redraw(options.kept, options.folder)
    except PerfedavgError as error:
        raise SystemExit(f"Error: {error}") from None
    names = ", ".join(f"{product.kind} {product.name}" for product in drawn)
    print(f"{options.folder}: {names}, article.pdf")


if __name__ == "__main__":
    main()
