"""What a config costs before hours are spent on it: jobs, core-hours, GPU-hours and gigabytes, by
rule."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from perfedavg.planning.calibration import ANALYSIS, TRAINING, Costs, calibrate
from perfedavg.planning.jobs import Jobs
from perfedavg.planning.limits import written_megabytes
from perfedavg.planning.workload import Work, Workload
from perfedavg.storage.files import write_text
from perfedavg.storage.tables import write_table

PLAN = {
    "rule": "str",
    "jobs": "int 1..",
    "seconds_per_job": "float 0..",
    "core_hours": "float 0..",
    "gpu_hours": "float 0..",
    "written_gb": "float 0..",
    "memory_limit_mb": "int 1..",
    "time_limit_minutes": "int 1..",
}

TOTAL = "total"


class PlannedJob(NamedTuple):
    """One job of the workflow's graph."""

    rule: str
    wildcards: dict[str, str]
    threads: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def plan(planned: Sequence[PlannedJob], jobs: Jobs) -> tuple[pd.DataFrame, float]:
    """The table, one row per rule and their total, and the hours of the longest chain of jobs that
    wait for each other.

    Calibrates the activities that these jobs consist of on this machine: half a minute to two.
    Limits are the rules' own, from the data's declared size.
    """
    workload, config = jobs.workload, jobs.workload.config
    declared = Jobs(config, config.data.size)
    runs = [jobs[job.rule].of(job.wildcards) for job in planned]
    works = [workload.of_job(job.rule, r) for job, r in zip(planned, runs, strict=True)]
    costs = calibrate(config, workload.data, set().union(*works))
    seconds = [_core_seconds(work, costs) for work in works]
    rows = []
    for job, job_runs, job_seconds in zip(planned, runs, seconds, strict=True):
        limits = declared[job.rule].limits
        rows.append(
            {
                "rule": job.rule,
                "jobs": 1,
                "core_hours": job_seconds / 3600,
                "gpu_hours": ("gpu" in limits) * job_seconds / 3600,
                "written_gb": written_megabytes(workload, job.rule, job_runs) / 1000,
                "memory_limit_mb": limits["mem_mb"](job.wildcards, 1),
                "time_limit_minutes": limits["runtime"](job.wildcards, 1),
            }
        )
    how = dict.fromkeys(("jobs", "core_hours", "gpu_hours", "written_gb"), "sum")
    how |= dict.fromkeys(("memory_limit_mb", "time_limit_minutes"), "max")
    rows = pd.DataFrame(rows)
    by_rule = rows.groupby("rule", sort=False).agg(how)
    table = by_rule.sort_values("core_hours", ascending=False).reset_index()
    table = pd.concat([table, rows.agg(how).to_frame().T.assign(rule=TOTAL)], ignore_index=True)
    whole = ["jobs", "memory_limit_mb", "time_limit_minutes"]
    table[whole] = table[whole].astype("int64")
    table["seconds_per_job"] = 3600 * table.core_hours / table.jobs
    elapsed = [job_seconds / job.threads for job, job_seconds in zip(planned, seconds, strict=True)]
    parts = ("core_hours", "gpu_hours", "written_gb")
    table = table[list(PLAN)].astype(dict.fromkeys(parts, float))
    return table, _longest_chain(planned, elapsed)


def write_plan(
    table: pd.DataFrame, chain: float, submitted: int, workload: Workload, path: str | Path
) -> str:
    """Write ``path`` (Markdown) and the CSV beside it; return the summary, a few sentences.

    Args:
        chain: hours of the longest chain of jobs.
        submitted: jobs that a cluster would see, small ones put together.
    """
    total, cores = table.set_index("rule").loc[TOTAL], os.cpu_count() or 1
    here = max(total.core_hours / cores, chain)
    summary = (
        f"{workload.config.experiment}: {total.jobs:.0f} jobs, {total.core_hours:.2f} core-hours, "
        f"{total.gpu_hours:.2f} GPU-hours, {total.written_gb:.2f} GB written.\n"
        f"On this machine ({cores} cores): about {_hours(here)}. By profiles/slurm: {submitted} "
        f"jobs submitted, {_hours(chain)} or more, plus waiting; a job's memory limit is at most "
        f"{total.memory_limit_mb} MB, its time limit {_hours(total.time_limit_minutes / 60)}.\n"
    )
    left = "What is left to do, by rule; core-hours from a calibration on this machine, on one core"
    path = Path(path)
    write_table(PLAN, table, path.with_suffix(".csv"))
    shown = table.round({"seconds_per_job": 1, "core_hours": 3, "gpu_hours": 3, "written_gb": 3})
    sizes = "{} clients, on average {:.1f} train and {:.1f} test examples".format(*workload.data)
    lines = [summary, f"{left}.\n", shown.to_markdown(index=False), "", f"Data: {sizes}.\n"]
    write_text(path, "\n".join(lines))
    return summary


def _core_seconds(work: Work, costs: Costs) -> float:
    start = costs.start_up[TRAINING if work else ANALYSIS]
    return start + sum(examples * costs.seconds[activity] for activity, examples in work.items())


def _longest_chain(jobs: Sequence[PlannedJob], seconds: Sequence[float]) -> float:
    """Hours until the last job could be done if none had to wait for a core."""
    maker = {path: n for n, job in enumerate(jobs) for path in job.outputs}
    ends: dict[int, float] = {}

    def end(n: int) -> float:
        if n not in ends:
            before = {maker[path] for path in jobs[n].inputs if path in maker}
            ends[n] = seconds[n] + max(map(end, before), default=0.0)
        return ends[n]

    return max(map(end, range(len(jobs))), default=0.0) / 3600


def _hours(hours: float) -> str:
    return f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.0f} minutes"
