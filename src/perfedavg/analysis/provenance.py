"""Where results come from, and where the time went."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from perfedavg.runtime.errors import reading
from perfedavg.runtime.job import TIMING_LINE
from perfedavg.runtime.machine import git_commit, machine_facts, package_versions
from perfedavg.storage.files import read_json

_TIMING = re.compile(
    re.escape(TIMING_LINE)
    .replace(r"\{startup:\.2f\}", r"([\d.]+)")
    .replace(r"\{work:\.2f\}", r"([\d.]+)")
    + "$"
)


def provenance(config: dict[str, Any], data_sha256: str) -> dict[str, Any]:
    """What ran: source, packages, machine, data and the whole config."""
    return {
        "git_commit": git_commit(),
        "packages": package_versions(),
        "machine": machine_facts(),
        "data_sha256": data_sha256,
        "config": config,
    }


def parts_of(results: Path) -> list[dict[str, Any]]:
    """What :func:`provenance` told, of every part in which the results were made.

    Raises:
        PerfedavgError: a file is damaged.
    """
    parts = []
    for path in sorted(results.glob("provenance*.json"), key=lambda p: (len(p.name), p.name)):
        with reading(path):
            parts.append(read_json(path))
    return parts


def times_of(results: Path) -> pd.DataFrame:
    """:func:`job_times` of an experiment's folder, or of what was kept of it: ``times.csv``."""
    kept = results / "times.csv"
    return pd.read_csv(kept) if kept.exists() else job_times(results / "logs")


def job_times(logs: str | Path) -> pd.DataFrame:
    """Time of the jobs that have left a log, one row per rule: ``rule, jobs, startup_seconds,
    work_seconds``.

    Start-up is interpreter and imports, from the start of the process to the first line of the
    step."""
    rows = []
    for log in sorted(Path(logs).glob("*.log")):
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        match = _TIMING.match(lines[-1]) if lines else None
        if match:
            rows.append((log.stem.split("-")[0], float(match[1]), float(match[2])))
    table = pd.DataFrame(rows, columns=["rule", "startup_seconds", "work_seconds"])
    grouped = table.groupby("rule", as_index=False)
    return grouped.agg(
        jobs=("rule", "size"),
        startup_seconds=("startup_seconds", "sum"),
        work_seconds=("work_seconds", "sum"),
    ).sort_values("work_seconds", ascending=False, ignore_index=True)
