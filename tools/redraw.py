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
from perfedavg.analysis.provenance import parts_of
from perfedavg.analysis.runs import read_runs_table
from perfedavg.config.experiment import Config
from perfedavg.config.load import load_config
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.storage.files import sha256_of, write_json

PROJECT = Path(__file__).parents[1]
TARGETS, PROTOCOL = (
    PROJECT / "config" / name for name in ("paper_targets.csv", "paper_protocol.yaml")
)


def provenance(kept: Path) -> dict[str, Any]:
    """What ran, of all parts."""
    parts = parts_of(kept)
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


def draw(
    kept: Path, config: Config, folder: Path, claims_file: Path = PROJECT / FILE, only: str = ""
) -> list[Product]:
    """Write the products, or those of one name, below ``folder``; what was drawn.

    Raises:
        PerfedavgError: a file is damaged.
    """
    values = read(kept) | {"style": {}, "other_data": None, "paper": INPUTS["paper"]([TARGETS])}
    grid = values["runs"].run_id[values["runs"].study == "grid"]
    values["grid_evaluation"] = values["evaluation"][values["evaluation"].run_id.isin(grid)]
    claims = entries(claims_file) | {"sha256": sha256_of(claims_file)}
    values["registered"] = registered(commits(kept))
    known = {"config": config, "reference": values["reference"], "claims": claims}
    known |= {"ways": None, "interpolated": None}
    possible = [p for p in all_products() if p.asked(config) and values.keys() >= set(p.inputs)]
    drawn = [product for product in possible if only in ("", product.name)]
    for product in drawn:
        base = folder / f"{product.kind}s/{product.name}"
        base.parent.mkdir(parents=True, exist_ok=True)
        product.write(values | product.settings(known), base)
    return drawn


def redraw(kept: Path, folder: Path) -> list[Product]:
    """Write all products and the article below ``folder``; what was drawn.

    Raises:
        PerfedavgError: a file is damaged.
    """
    facts = provenance(kept)
    config = load_config(facts["config"])
    drawn = draw(kept, config, folder)
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
