"""What each config costs, from its plan: ``python -m tools.costs`` measures this machine (some
minutes, with nothing else running), writes ``docs/results/costs.csv`` and fills the table between
``<!-- costs -->`` and ``<!-- end -->`` of the README. ``--fill`` fills the table alone."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from perfedavg.runtime.machine import machine_facts
from perfedavg.storage.files import write_text

PROJECT = Path(__file__).parents[1]
COSTS, README = PROJECT / "docs/results/costs.csv", PROJECT / "README.md"
CONFIGS = {
    "config": ("the default: two small experiments on built-in data", ""),
    "emnist62": ("the paper's protocol: for a cluster", ""),
    "emnist62-small": ("the same with fewer clients, rounds and seeds", ""),
    "emnist62-algorithms": ("all algorithms side by side", " algorithms"),
    "emnist62-claims": ("what decides the paper's claims, on 415 writers", ""),
    "shakespeare": ("Shakespeare, the field's standard: for a cluster", ""),
    "shakespeare-small": ("Shakespeare with fewer rounds", ""),
    "shakespeare-algorithms": ("all algorithms through Shakespeare's LSTM", " algorithms"),
}
"""By config: what it is, and the target to ask for."""
_TOTAL = re.compile(r"^(\S+): (\d+) jobs, ([\d.]+) core-hours, [\d.]+ GPU-hours, ([\d.]+) GB", re.M)
_BLOCK = re.compile(r"<!-- costs -->\n.*?<!-- end -->", re.DOTALL)


def measured() -> pd.DataFrame:
    """One row per config; a config with a second experiment is the sum of both."""
    rows = []
    facts = machine_facts()
    for name in CONFIGS:
        with TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "snakemake", "plan", "--cores", "1"]
            command += ["--snakefile", str(PROJECT / "Snakefile"), "--directory", folder]
            command += ["--configfile", str(PROJECT / f"config/{name}.yaml")]
            print(f"{name} ...", file=sys.stderr)
            run = subprocess.run(command, capture_output=True, text=True, check=False)
        found = _TOTAL.findall(run.stdout)
        if run.returncode or not found:
            raise SystemExit(f"The plan of config/{name}.yaml failed:\n{run.stdout}{run.stderr}")
        sums = pd.DataFrame([list(map(float, row[1:])) for row in found]).sum()
        rows.append(
            {
                "config": name,
                "jobs": int(sums[0]),
                "core_hours": round(sums[1], 2),
                "gigabytes": round(sums[2], 2),
                "processor": facts["processor"],
                "cores": facts["cores"],
            }
        )
    return pd.DataFrame(rows)


def table(costs: pd.DataFrame) -> str:
    """The README's table."""
    lines = ["| what | command | jobs | core-hours | disk |", "|---|---|---|---|---|"]
    for row in costs.itertuples():
        what, target = CONFIGS[row.config]
        file = f" --configfile config/{row.config}.yaml" if row.config != "config" else ""
        disk = f"{row.gigabytes:.1f} GB" if row.gigabytes >= 0.1 else "under 0.1 GB"
        hours = f"{row.core_hours:.2g}" if row.core_hours < 10 else f"{row.core_hours:,.0f}"
        command = f"`.venv/bin/snakemake{target} --cores all{file}`"
        lines.append(f"| {what} | {command} | {row.jobs} | {hours} | {disk} |")
    first = costs.iloc[0]
    lines += [
        "",
        f"*Jobs, hours of one core and disk as the plan has them, measured on {first.processor}, "
        f"{first.cores} cores (`python -m tools.costs`); your own: `snakemake plan`.*",
    ]
    return "\n".join(lines)


def filled(page: str, costs: pd.DataFrame) -> str:
    """The page with the table that these costs give."""
    return _BLOCK.sub(lambda _: f"<!-- costs -->\n{table(costs)}\n<!-- end -->", page)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.costs", description=__doc__)
    parser.add_argument("--fill", action="store_true", help="only fill the table")
    if not parser.parse_args().fill:
        costs = measured()
        write_text(COSTS, costs.to_csv(index=False, lineterminator="\n"))
    write_text(README, filled(README.read_text(encoding="utf-8"), pd.read_csv(COSTS)))


if __name__ == "__main__":
    main()
