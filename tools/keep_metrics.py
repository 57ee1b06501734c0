"""Keep what the verdicts of an experiment rest on, without its models and data:
``python -m tools.keep_metrics results/EXPERIMENT docs/results/claims/EXPERIMENT``.

Every run's metrics are compressed anew, and ``models.csv`` keeps the commit that trained each model
and the model's sha256. ``python -m perfedavg.analysis.claims`` and ``tools/recompute_claims.py``
read such a folder as they read the experiment's own."""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from perfedavg.analysis.claims.registration import commit_of
from perfedavg.analysis.provenance import job_times
from perfedavg.storage.files import read_json, sha256_of, write_json

COPIED = {
    **{name: name for name in ("runs.csv", "selection.json", "algorithms.json", "split.csv")},
    "tables/claims.csv": "tables/claims.csv",
    "tables/claims.md": "tables/claims.txt",  # it is no page of the documentation
}
METRICS = ("personalization/*.parquet", "theory/*.parquet")


def _without_places(file: Path) -> Any:
    """The provenance, the archive by its name alone: where it lay is nobody's business."""
    facts = read_json(file)
    data = facts["config"].get("data", {})
    if data.get("archive") and "://" not in data["archive"]:
        data["archive"] = Path(data["archive"]).name
    return facts


def keep(results: Path, kept: Path) -> None:
    """Write ``kept`` whole, or leave it as it was."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".kept-") as temporary:
        folder = Path(temporary) / "new"
        for name, kept_as in COPIED.items():
            if (results / name).exists():
                (folder / kept_as).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(results / name, folder / kept_as)
        for file in (file for pattern in METRICS for file in sorted(results.glob(pattern))):
            target = folder / file.relative_to(results)
            target.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pq.read_table(file), target, compression="zstd", compression_level=19)
        with open(folder / "models.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("run_id", "git_commit", "sha256"))
            for model in sorted(results.glob("runs/*/model.safetensors")):
                writer.writerow((model.parent.name, commit_of(model), sha256_of(model)))
        write_json(folder / "provenance.json", _without_places(results / "provenance.json"))
        job_times(results / "logs").to_csv(folder / "times.csv", index=False)
        if kept.exists():
            os.replace(kept, Path(temporary) / "old")
        os.replace(folder, kept)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="folder of the finished experiment")
    parser.add_argument("kept", type=Path, help="folder to write")
    arguments = parser.parse_args()
    if not (arguments.results / "runs.csv").exists():
        parser.error(f"{arguments.results} holds no finished experiment: there is no runs.csv.")
    keep(arguments.results, arguments.kept)
    files = [file for file in arguments.kept.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    print(f"{arguments.kept}: {len(files)} files, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
