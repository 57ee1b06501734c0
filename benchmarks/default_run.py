"""Wall time of the default run at two states of the source, and where it goes.

    python benchmarks/default_run.py 7eb9bba

runs `snakemake --cores all` on config/config.yaml of a git revision, then of the working tree, each
in a fresh temporary folder, as often as --turns asks, in turns: the machine drifts, so only numbers
of one call may be compared. Every run uses this Python and its packages; the source is the copy's
own. It prints the wall seconds of each run and their ratio, the number of jobs, how much of the
jobs' time is start-up (interpreter and imports), and the time by rule. A turn takes two default
runs, so minutes. Nothing else should run meanwhile."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from statistics import median

import pandas as pd
import yaml

from perfedavg.analysis.provenance import job_times
from perfedavg.config.load import load_config
from perfedavg.runtime.errors import PerfedavgError

ROOT = Path(__file__).parents[1]
WORKING_TREE = "working tree"


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.before == options.after:
        parser.error("the two states are the same one.")
    if options.turns < 1:
        parser.error("--turns must be at least 1.")
    if not Path(options.config).is_file():
        parser.error(f"there is no config {options.config}.")
    config = Path(options.config).resolve()
    revisions = [options.before, options.after]
    walls: dict[str, list[float]] = {name: [] for name in revisions}
    times: dict[str, list[pd.DataFrame]] = {name: [] for name in revisions}
    try:
        experiment = load_config(yaml.safe_load(config.read_text(encoding="utf-8"))).experiment
        for turn in range(options.turns):
            for revision in revisions if turn % 2 == 0 else reversed(revisions):
                with tempfile.TemporaryDirectory(
                    prefix="default-run-", dir=options.folder
                ) as folder:
                    _copy(revision, Path(folder))
                    seconds = _run(Path(folder), config, options.cores)
                    walls[revision].append(seconds)
                    times[revision].append(job_times(Path(folder) / f"results/{experiment}/logs"))
                print(f"turn {turn + 1}, {revision}: {seconds:.1f} s", flush=True)
    except PerfedavgError as error:
        sys.exit(f"Error: {error}")
    print(f"\n{_summary(walls, times)}\n\n{_by_rule(times)}")
    ratios = [before / after for before, after in zip(*walls.values(), strict=True)]
    print(
        f"\n{options.after} is {median(ratios):.2f} times as fast as {options.before} "
        f"(median of {len(ratios)} turns)."
    )


def _copy(revision: str, folder: Path) -> None:
    """The source of ``revision`` in ``folder``; of the working tree, the files that git tracks or
    would."""
    if revision != WORKING_TREE:
        archive = subprocess.run(
            ["git", "archive", revision], cwd=ROOT, capture_output=True, check=False
        )
        if archive.returncode:
            raise PerfedavgError(
                f"git knows no revision `{revision}`: {archive.stderr.decode().strip()}"
            )
        with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
            files.extractall(folder, filter="data")
        return
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(
        listed, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def _run(folder: Path, config: Path, cores: str) -> float:
    """Wall seconds of one run in ``folder``."""
    log = folder / "run.log"
    command = [sys.executable, "-m", "snakemake", "--cores", cores, "--configfile", str(config)]
    # The package is installed from one of the two states; PYTHONPATH comes before it.
    environment = os.environ | {"PYTHONPATH": str(folder / "src")}
    began = time.perf_counter()
    with log.open("w") as output:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    seconds = time.perf_counter() - began
    if done.returncode:
        last = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        raise PerfedavgError(f"the run failed; its output ends:\n{last}")
    return seconds


def _summary(walls: dict[str, list[float]], times: dict[str, list[pd.DataFrame]]) -> str:
    rows = []
    for revision, tables in times.items():
        jobs, startup, work = (
            sum(t[c].sum() for t in tables) / len(tables)
            for c in ("jobs", "startup_seconds", "work_seconds")
        )
        share = startup / (startup + work)
        rows.append((revision, median(walls[revision]), jobs, startup, work, f"{share:.0%}"))
    columns = [
        "source",
        "wall s (median)",
        "jobs",
        "start-up core-s",
        "work core-s",
        "start-up share",
    ]
    return pd.DataFrame(rows, columns=columns).to_string(index=False, float_format="%.1f")


def _by_rule(times: dict[str, list[pd.DataFrame]]) -> str:
    """Jobs, start-up and work of each rule, means over turns, one state beside the other."""
    states = {
        revision: pd.concat(tables).groupby("rule").mean() for revision, tables in times.items()
    }
    table = pd.concat(states, axis=1).rename(
        columns={"startup_seconds": "start-up s", "work_seconds": "work s"}
    )
    last = table.columns[-1]
    return table.sort_values(last, ascending=False).to_string(float_format="%.1f", na_rep="-")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", help="a git revision: commit, tag or branch")
    parser.add_argument(
        "after",
        nargs="?",
        default=WORKING_TREE,
        help="another one (default: the working tree, uncommitted edits too)",
    )
    parser.add_argument(
        "--turns", type=int, default=1, help="runs of each, in turns (default: %(default)s)"
    )
    parser.add_argument("--cores", default="all", help="cores for Snakemake (default: %(default)s)")
    parser.add_argument(
        "--config",
        default=ROOT / "config/config.yaml",
        help="one config for both, valid in both (default: config/config.yaml)",
    )
    parser.add_argument(
        "--folder",
        help="where the temporary folders are made, on a disk with some 100 MB (default: "
        "the system's)",
    )
    return parser


if __name__ == "__main__":
    main()
