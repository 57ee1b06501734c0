"""What a dry run would do, and why, on one screen."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from snakemake_logger_plugin_perfedavg.texts import changed, counted, duration, listed

Weight = Callable[[Any], tuple[str, float, int]]
PRODUCTS = ("tables", "figures")
ROOM = 45
"""Lines, with two experiments without the second ones."""
END = "A dry run: nothing was done. Every job with its files: add --logger-perfedavg-off."


def screen(dag: Any, weight: Weight, width: int) -> list[str]:
    """The lines: by experiment, jobs of one kind that are due for the same reason, their runs or
    products where there is room for that, and what is up to date."""
    needed = {job for job in dag.needrun_jobs(exclude_finished=False) if job.output or job.log}
    order = {job: n for n, level in enumerate(dag.toposorted(needed)) for job in level}
    jobs = sorted(needed, key=lambda job: (order[job], job.rule.name))
    weights = {job: weight(job) for job in jobs}
    short, long = [], []
    for experiment in dict.fromkeys(name for name, _, _ in weights.values()):
        own = [job for job in jobs if weights[job][0] == experiment]
        seconds = sum(weights[job][1] for job in own)
        work = f"{seconds / 3600:.0f} h" if seconds > 36000 else duration(seconds)
        title = (
            f"results/{experiment}: {counted(len(own), 'job')} to do, roughly {work} of one core"
        )
        lines = _of_experiment(dag, experiment, own, width)
        short += [title, *(line for line, _ in lines)]
        long += [title, *(part for both in lines for part in both if part)]
    idle = {j.rule.name for j in dag.jobs if j not in needed and (j.output or j.log)}
    idle = sorted(idle - {job.rule.name for job in needed})
    rest = [listed(["Nothing is due for " + idle[0], *idle[1:]], 2 * width)] if idle else []
    return [*(long if len(long) <= ROOM else short), *rest, END]


def _of_experiment(
    dag: Any, experiment: str, jobs: Sequence[Any], width: int
) -> list[tuple[str, str]]:
    """A line for each group of jobs, and a second one with names or nothing."""
    groups: dict[tuple[str, str], list[Any]] = {}
    for job in jobs:
        family = _family(job, experiment)
        groups.setdefault((family, _why(dag, job, experiment, family)), []).append(job)
    left = max(len(family) for family, _ in groups) + 2
    lines = []
    for (family, why), members in groups.items():
        indent = " " * (left + 7)
        if family in PRODUCTS:
            names = [job.rule.name.split(f"{family[:-1]}_", 1)[1] for job in members]
        else:
            names = sorted({run for job in members for run in _trained(job)})
        second = indent + listed(names, width - len(indent)) if names else ""
        lines.append((f"  {family:<{left}}{len(members):>3}  {why}"[:width], second))
    return lines


def _family(job: Any, experiment: str) -> str:
    """Of a table or figure all of them, else the rule."""
    rule = job.rule.name.removeprefix(f"{experiment}_")
    for kinds in PRODUCTS:
        if rule.startswith(f"{kinds[:-1]}_"):
            return kinds
    return rule


def _trained(job: Any) -> list[str]:
    """The runs that a job trains."""
    files = [Path(str(file)) for file in job.output]
    return [file.parent.name for file in files if file.name == "run.json"]


def _why(dag: Any, job: Any, experiment: str, family: str) -> str:
    """What Snakemake knows of the reason; that an earlier job gives new input only where there is
    no other."""
    reason, whys = dag.reason(job), []
    if reason.forced:
        whys.append("asked for by an option")
    if reason.missing_output:
        missing = len(set(reason.missing_output))
        some = any(os.path.lexists(str(file)) for file in job.output)
        whys.append(f"{counted(missing, 'file')} missing" if some else "not there yet")
    if reason.incomplete_output:
        whys.append("was interrupted")
    if reason.params_changed:
        modules, others = changed(reason.params_changed.only_old, reason.params_changed.only_new)
        whys += [f"code of {listed(modules, 60)} changed"] if modules else []
        whys += ["settings or package versions changed"] if others else []
    if reason.code_changed:
        whys.append("its script changed")
    if reason.input_changed:
        whys.append("has other inputs than before")
    files = sorted(map(str, set(reason.updated_input) - set(reason.updated_input_run)))
    if files and not reason.missing_output:
        whys.append(f"changed: {listed(map(os.path.relpath, files), 60)}")
    if reason.software_stack_changed:
        whys.append("environment.yml changed")
    if reason.noio or reason.nooutput:
        whys.append("always done")
    if not whys and reason.updated_input_run and family in PRODUCTS:
        return "new input"
    if not whys and reason.updated_input_run:
        makers = {
            maker.rule.name.removeprefix(f"{experiment}_")
            for maker, files in dag.dependencies[job].items()
            if set(map(str, files)) & set(map(str, reason.updated_input_run))
        }
        whys.append(f"new input from {listed(sorted(makers), 60)}")
    return ", ".join(whys)
