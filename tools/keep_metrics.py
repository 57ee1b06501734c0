"""Keep what the verdicts of an experiment rest on, without its models and data:
``python -m tools.keep_metrics results/EXPERIMENT docs/results/claims/EXPERIMENT``.

Every run's metrics are compressed anew, and ``models.csv`` keeps the commit that trained each model
and the model's sha256. ``python -m perfedavg.analysis.claims`` and ``tools/recompute_claims.py``
read such a folder as they read the experiment's own.

With ``--add`` runs are added that were made elsewhere or later, with the same split: what is chosen
on validation clients, the verdicts and their table are made anew from all runs; Reptile's server
optimizer alone stays the one chosen. A run that is there already must have the same metrics."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from perfedavg.analysis.choices import Selection
from perfedavg.analysis.claims.registration import FILE, commit_of
from perfedavg.analysis.inputs import rows_of
from perfedavg.analysis.provenance import job_times, parts_of
from perfedavg.analysis.runs import RUNS, read_runs_table, write_runs_table
from perfedavg.analysis.selection import select
from perfedavg.config.load import load_config
from perfedavg.runtime.errors import PerfedavgError, reading
from perfedavg.storage.files import read_json, sha256_of, write_json
from perfedavg.storage.tables import VALIDATION, write_table
from tools.redraw import draw

CLAIMS = {
    "tables/claims.csv": "tables/claims.csv",
    "tables/claims.md": "tables/claims.txt",  # it is no page of the documentation
    "figures/claims.png": "figures/claims.png",
}
COPIED = CLAIMS | {
    name: name for name in ("runs.csv", "selection.json", "algorithms.json", "split.csv")
}
METRICS = ("personalization/*.parquet", "theory/*.parquet")


def keep(results: Path, kept: Path) -> None:
    """Write ``kept`` whole, or leave it as it was."""
    with _whole(kept) as folder:
        _copy(results, folder)
        _metrics(results, folder)
        pd.DataFrame(_models(results)).to_csv(folder / "models.csv", index=False)
        write_json(folder / "provenance.json", _without_places(results / "provenance.json"))
        job_times(results / "logs").to_csv(folder / "times.csv", index=False)


def add(results: Path, kept: Path, claims: Path = Path(FILE)) -> list[str]:
    """Add to ``kept`` the runs of ``results`` that were evaluated, and return their ids.

    Raises:
        PerfedavgError: the split is another one, or a run that is there has other metrics.
    """
    if (results / "split.csv").read_bytes() != (kept / "split.csv").read_bytes():
        raise PerfedavgError(
            f"{results} has another split of the clients than {kept}: its runs can't be added."
        )
    rates = [folder / "algorithms.json" for folder in (results, kept)]
    if all(file.exists() for file in rates) and read_json(rates[0]) != read_json(rates[1]):
        raise PerfedavgError(
            f"{rates[0]} has other choices of the comparison than {rates[1]}; add a comparison "
            "whole."
        )
    before = read_runs_table(kept / "runs.csv")
    files = [
        file
        for file in sorted(results.glob("runs/*/run.json"))
        if (results / f"personalization/{file.parent.name}.parquet").exists()
        and file.parent.name not in set(before.run_id)
    ]
    with _whole(kept) as folder:
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        _metrics(results, folder)
        if not files:
            return []
        write_runs_table(files, before.caveat.iloc[0], folder / "added.csv")
        added = read_runs_table(folder / "added.csv")
        (folder / "added.csv").unlink()
        runs = pd.concat([before, added], ignore_index=True)
        write_table(RUNS, runs, folder / "runs.csv")
        _choose(folder, runs)
        if rates[0].exists():
            shutil.copyfile(rates[0], folder / "algorithms.json")
        models = pd.concat([pd.read_csv(kept / "models.csv"), pd.DataFrame(_models(results))])
        models = models.drop_duplicates("run_id").sort_values("run_id")
        models.to_csv(folder / "models.csv", index=False)
        times = pd.concat([pd.read_csv(kept / "times.csv"), job_times(results / "logs")])
        times = times.groupby("rule", as_index=False).sum()
        times.sort_values("work_seconds", ascending=False).to_csv(folder / "times.csv", index=False)
        _further_provenance(results, folder)
        again = folder.parent / "again"
        config = load_config(parts_of(folder)[-1]["config"])
        draw(folder, config, again, claims, only="claims")
        for name in CLAIMS:
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(again / name, folder / CLAIMS[name])
    return list(added.run_id)


@contextmanager
def _whole(kept: Path) -> Iterator[Path]:
    """A folder of the same name to fill, which then takes the place of ``kept``."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".kept-") as temporary:
        folder = Path(temporary) / kept.name
        folder.mkdir()
        yield folder
        if kept.exists():
            os.replace(kept, Path(temporary) / "old")
        os.replace(folder, kept)


def _copy(results: Path, folder: Path) -> None:
    for name, kept_as in COPIED.items():
        if (results / name).exists():
            (folder / kept_as).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(results / name, folder / kept_as)


def _metrics(results: Path, folder: Path) -> None:
    """Every run's rows, compressed."""
    for file in (file for pattern in METRICS for file in sorted(results.glob(pattern))):
        table, target = pq.read_table(file), folder / file.relative_to(results)
        if target.exists() and not pq.read_table(target).equals(table):
            raise PerfedavgError(
                f"{file} has other rows than those kept of this run, {target.name}; keep one of "
                "them: nothing was added."
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, target, compression="zstd", compression_level=19)


def _models(results: Path) -> list[dict[str, str]]:
    """By model the commit that trained it and its checksum; of centralized runs the last pass."""
    models = {file.parent.name: file for file in results.glob("runs/*/model.safetensors")}
    for folder in results.glob("runs/centralized-*/checkpoints"):
        passes = folder.glob("round_*.safetensors")
        models[folder.parent.name] = max(passes, key=lambda f: int(f.stem.split("_")[1]))
    return [
        {"run_id": run_id, "git_commit": commit_of(file), "sha256": sha256_of(file)}
        for run_id, file in sorted(models.items())
    ]


def _choose(folder: Path, runs: pd.DataFrame) -> None:
    """What is chosen on validation clients, from all runs but those of the comparison, which has a
    file of its own."""
    there = runs[runs.study != "comparison"]
    rows = rows_of([folder / f"personalization/{run_id}.parquet" for run_id in there.run_id])
    path = folder / "selection.json"
    reptile = {kind: [setting] for kind, setting in Selection.load(path).reptile.items()}
    select(rows[rows.client_group == VALIDATION], there, reptile).save(path)


def _further_provenance(results: Path, folder: Path) -> None:
    number = len(list(folder.glob("provenance*.json"))) + 1
    write_json(folder / f"provenance-{number}.json", _without_places(results / "provenance.json"))


def _without_places(file: Path) -> Any:
    """The provenance, the archive by its name alone: where it lay is nobody's business."""
    with reading(file):
        facts = read_json(file)
        data = facts["config"].get("data", {})
    if data.get("archive") and "://" not in data["archive"]:
        data["archive"] = Path(data["archive"]).name
    return facts


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="folder of the experiment")
    parser.add_argument("kept", type=Path, help="folder to write")
    parser.add_argument("--add", action="store_true", help="add its runs to those kept there")
    arguments = parser.parse_args()
    asked = arguments.results / ("split.csv" if arguments.add else "runs.csv")
    if not asked.exists():
        parser.error(f"{arguments.results} holds no finished experiment: there is no {asked.name}.")
    try:
        if arguments.add:
            added = add(arguments.results, arguments.kept)
            print(f"added: {', '.join(added) or 'no run that was not there'}")
        else:
            keep(arguments.results, arguments.kept)
    except PerfedavgError as error:
        raise SystemExit(f"Error: {error}") from None
    files = [file for file in arguments.kept.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    print(f"{arguments.kept}: {len(files)} files, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
