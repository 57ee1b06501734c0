"""What a dry run would do, and why, on one screen."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from snakemake_logger_plugin_perfedavg.texts import changed, counted, duration, listed

Weight = Callable[[Any], tuple[str, float, int]]
END = "A dry run: nothing was done. Every job with its files: add --logger-perfedavg-off."


def screen(dag: Any, weight: Weight, width: int) -> list[str]:
    """The lines: by experiment, jobs of one kind that are due for the same reason, the runs that
    are trained, and what is up to date."""
    needed = {job for job in dag.needrun_jobs(exclude_finished=False) if job.output or job.log}
    order = {job: n for n, level in enumerate(dag.toposorted(needed)) for job in level}
    jobs = sorted(needed, key=lambda job: (order[job], job.rule.name))
    weights = {job: weight(job) for job in jobs}
    lines = []
    for experiment in dict.fromkeys(name for name, _, _ in weights.values()):
        own = [job for job in jobs if weights[job][0] == experiment]
        seconds = sum(weights[job][1] for job in own)
        work = f"{seconds / 3600:.0f} h" if seconds > 36000 else duration(seconds)
        lines.append(
            f"results/{experiment}: {counted(len(own), 'job')} to do, roughly {work} of one core"
        )
        lines += _of_experiment(dag, experiment, own, width)
    idle = {j.rule.name for j in dag.jobs if j not in needed and (j.output or j.log)}
    if idle := sorted(idle - {job.rule.name for job in needed}):
        lines.append(listed(["Nothing is due for " + idle[0], *idle[1:]], 2 * width))
    return [*lines, END]


def _of_experiment(dag: Any, experiment: str, jobs: Sequence[Any], width: int) -> list[str]:
    groups: dict[tuple[str, str], list[Any]] = {}
    for job in jobs:
        groups.setdefault((_family(job, experiment), _why(dag, job, experiment)), []).append(job)
    left = max(len(family) for family, _ in groups) + 2
    lines = []
    for (family, why), members in groups.items():
        lines.append(f"  {family:<{left}}{len(members):>3}  {why}"[:width])
        indent = " " * (left + 7)
        if family in ("tables", "figures"):
            names = [job.rule.name.split(f"{family[:-1]}_", 1)[1] for job in members]
        else:
            names = sorted({run for job in members for run in _trained(job)})
        if names:
            lines.append(indent + listed(names, width - len(indent)))
    return lines


def _family(job: Any, experiment: str) -> str:
    """Of a table or figure all of them, else the rule."""
    rule = job.rule.name.removeprefix(f"{experiment}_")
    for kind in ("table", "figure"):
        if rule.startswith(f"{kind}_"):
            return f"{kind}s"
    return rule


def _trained(job: Any) -> list[str]:
    """The runs that a job trains."""
    files = [Path(str(file)) for file in job.output]
    return [file.parent.name for file in files if file.name == "run.json"]


def _why(dag: Any, job: Any, experiment: str) -> str:
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
    if files := sorted(map(str, set(reason.updated_input) - set(reason.updated_input_run))):
        whys.append(f"changed: {listed(map(os.path.relpath, files), 60)}")
    if reason.software_stack_changed:
        whys.append("environment.yml changed")
    if reason.noio or reason.nooutput:
        whys.append("always done")
    if not whys and reason.updated_input_run:
        makers = {
            maker.rule.name.removeprefix(f"{experiment}_")
            for maker, files in dag.dependencies[job].items()
            if set(map(str, files)) & set(map(str, reason.updated_input_run))
        }
        whys.append(f"new input from {listed(sorted(makers), 60)}")
    return ", ".join(whys)
