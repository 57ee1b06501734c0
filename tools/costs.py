"""What every config in ``config/`` costs, by ``snakemake plan``, as the table of the README:
``python -m tools.costs [CONFIG ...]``.

A plan measures the machine first, so nothing else should run beside it. Each config is planned in
an empty folder, so that nothing counts as done and the data have their published size. Its row goes
into ``docs/results/costs.csv`` at once, and the table into the README between ``<!-- costs -->``
and ``<!-- end -->``."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from perfedavg.runtime.machine import git_commit, machine_facts
from perfedavg.storage.files import write_text

PROJECT = Path(__file__).parents[1]
COSTS, PAGE = PROJECT / "docs/results/costs.csv", PROJECT / "README.md"
_BLOCK = re.compile(r"<!-- costs -->\n(?:.*?\n)??<!-- end -->", re.DOTALL)


def configs() -> list[str]:
    """The configs of experiments, as a user names them; not those that need another's results."""
    found = []
    for path in sorted((PROJECT / "config").glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        if re.search("^split:", text, re.M) and not re.search("^  other_", text, re.M):
            found.append(str(path.relative_to(PROJECT)))
    return found


def cost(config: str) -> dict[str, object]:
    """The row of one config: the sum over the experiments that it names."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "snakemake", "plan", "--cores", "1", "--directory", folder]
        command += ["--snakefile", PROJECT / "Snakefile", "--configfile", PROJECT / config]
        if subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode:
            sys.exit(f"{config} has no plan, for the reason above.")
        plans = [pd.read_csv(path) for path in sorted(Path(folder).glob("results/*/plan.csv"))]
    total = pd.concat(plan[plan.rule == "total"] for plan in plans)
    sums = total[["jobs", "core_hours", "written_gb"]].sum()
    return {
        "config": config,
        "jobs": int(sums.jobs),
        "core_hours": round(sums.core_hours, 3),
        "written_gb": round(sums.written_gb, 3),
        "git_commit": git_commit(),
        "processor": machine_facts()["processor"],
    }


def add(row: dict[str, object]) -> pd.DataFrame:
    """Put a row in the place of the config's earlier one; all rows."""
    table = pd.DataFrame([row])
    if COSTS.exists():
        before = pd.read_csv(COSTS)
        table = pd.concat([before[before.config != row["config"]], table])
    table = table.sort_values("config", ignore_index=True)
    write_text(COSTS, table.to_csv(index=False))
    return table


def filled(page: str, costs: pd.DataFrame) -> str:
    """The page with the table in its block, the smallest first."""
    lines = ["| config | jobs | core-hours | GB written |", "|---|--:|--:|--:|"]
    for row in costs.sort_values(["core_hours", "config"]).itertuples():
        name = f"[`{Path(row.config).name}`]({row.config})"
        hours, gigabytes = _short(row.core_hours), _short(row.written_gb)
        lines.append(f"| {name} | {row.jobs:,} | {hours} | {gigabytes} |")
    made = "; ".join(
        f"{processor}, commit {', '.join(sorted(set(part.git_commit.str[:8])))}"
        for processor, part in costs.groupby("processor")
    )
    lines += ["", f"By `python -m tools.costs` on {made}; another processor takes other hours."]
    text = "\n".join(lines)
    return _BLOCK.sub(lambda _: f"<!-- costs -->\n{text}\n<!-- end -->", page)


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.costs", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("config", nargs="*", help="which ones; without a name, all of them")
    for config in parser.parse_args().config or configs():
        table = add(cost(config))
        write_text(PAGE, filled(PAGE.read_text(encoding="utf-8"), table))
        print(table[table.config == config].to_string(index=False, header=False), flush=True)


if __name__ == "__main__":
    main()
