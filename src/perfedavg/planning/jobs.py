"""The jobs of the workflow: which runs share one, what it is called, what it may use."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from string import Formatter
from typing import Any

from perfedavg.algorithms.spec import RunSpec
from perfedavg.config.experiment import Config
from perfedavg.data.sources import DataSize
from perfedavg.planning.comparison_runs import comparison_runs
from perfedavg.planning.limits import job_seconds, limits
from perfedavg.planning.runs import baseline_runs, grid_runs, reference_runs, stage2_runs
from perfedavg.planning.workload import Runs, SizeAtHand, Workload, schedule
from perfedavg.training.settings import BaselineSpec

LABELS = {"clients": "m", "seed": "s"}
"""What stands before the value of a wildcard in a run's id and in a job's name."""


@dataclass(frozen=True)
class Job:
    """The jobs of one rule. Of a rule without runs there is one.

    ``pattern`` is the id of its runs with wildcards; runs that differ in the ``packed`` ones alone
    share a job. A job on the back end uses the config's workers, or its GPU. ``parent`` is the id
    of the run, with wildcards, from which those of a job start."""

    rule: str
    workload: Workload
    runs: Runs = ()
    pattern: str = ""
    packed: frozenset[str] = frozenset()
    on_back_end: bool = False
    parent: str = ""

    @cached_property
    def _wildcards(self) -> list[str]:
        """Of one job."""
        fields = [name for _, name, _, _ in Formatter().parse(self.pattern) if name]
        return [name for name in fields if name not in self.packed]

    @property
    def name(self) -> str:
        """Name of the job's log and benchmark, with its wildcards."""
        return "-".join([self.rule, *(f"{LABELS.get(w, '')}{{{w}}}" for w in self._wildcards)])

    @property
    def log(self) -> str:
        """Path of its log."""
        return f"{results(self.workload.config)}/logs/{self.name}.log"

    @property
    def benchmark(self) -> str:
        """Path of its benchmark."""
        return f"{results(self.workload.config)}/benchmarks/{self.name}.jsonl"

    def paths(self, *templates: str) -> list[str]:
        """The files of one job, in the order of its runs: each template with the run's id, in which
        the job's wildcards are left open, for ``{run}``."""
        open_fields = {name: f"{{{name}}}" for name in self._wildcards}
        ids = [self.pattern.format(**facts(run) | open_fields) for run in self.runs]
        return [t.replace("{run}", run_id) for t in templates for run_id in dict.fromkeys(ids)]

    def parent_paths(self, *templates: str) -> list[str]:
        """The files of the run from which the job's runs start."""
        return [t.replace("{run}", self.parent) for t in templates] if self.parent else []

    def per_seed(self, other: Job, template: str) -> list[str]:
        """Files of another rule's runs, one per seed of the job."""
        seeds = ["{seed}"]
        if "seed" in self.packed:
            seeds = list(dict.fromkeys(str(run.seed) for run in self.runs))
        return [template.replace("{run}", other.pattern.replace("{seed}", s)) for s in seeds]

    def all_paths(self, *templates: str) -> list[str]:
        """The files of all jobs."""
        return [t.replace("{run}", run.run_id) for t in templates for run in self.runs]

    def of(self, wildcards: Mapping[str, str]) -> Runs:
        """The runs of the job with these wildcards."""
        return [run for run in self.runs if wildcards.items() <= facts(run).items()]

    def settings(self, wildcards: Mapping[str, str]) -> list[dict[str, Any]]:
        """The same as plain values, which Snakemake can compare."""
        return [run.model_dump(mode="json") for run in self.of(dict(wildcards))]

    def weight(self, wildcards: Mapping[str, str]) -> tuple[float, int]:
        """Of the job with these wildcards: seconds of one core on the machine of reference, and the
        number of its runs."""
        runs = self.of(wildcards)
        return job_seconds(self.workload, self.rule, runs), len(runs)

    def schedules(self, wildcards: Mapping[str, str]) -> list[dict[str, Any]]:
        """Of each of these runs, the arguments of ``personalization.schedule.visits``."""
        config = self.workload.config
        return [schedule(config, self.rule, run) for run in self.of(dict(wildcards))]

    @property
    def threads(self) -> int:
        """The batched back end is one process."""
        execution = self.workload.config.execution
        batched = execution.backend.kind == "batched" and self.on_back_end
        return 1 if batched else execution.workers

    @property
    def limits(self) -> dict[str, Any]:
        """What a cluster allows a job; one that is started again gets more."""

        def limit(name: str) -> Callable[[Mapping[str, str], int], int]:
            def of_job(wildcards: Mapping[str, str], attempt: int) -> int:
                runs = self.of(dict(wildcards))
                first = limits(self.workload, self.rule, runs, self.on_back_end)
                return attempt * getattr(first, name)

            return of_job

        on_gpu = self.on_back_end and self.workload.config.execution.backend.device == "cuda"
        by_name = {name: limit(name) for name in ("mem_mb", "runtime")}
        return by_name | ({"gpu": 1} if on_gpu else {})

    @property
    def found_modules(self) -> list[str]:
        """The modules found by their names that its runs are trained by."""
        return sorted({module for run in self.runs for module in run.found_modules})


class Jobs(dict[str, Job]):
    """The jobs of an experiment by rule, those of rules without runs too."""

    def __init__(self, config: Config, data: DataSize | SizeAtHand) -> None:
        self.workload = Workload(config, data)
        grid, references = grid_runs(config), reference_runs(config)
        stage2, comparison = stage2_runs(config), comparison_runs(config)
        baselines, strategies = baseline_runs(config), config.studies.strategies
        self.references = Job("", self.workload, references, references[0].setting + "-s{seed}")
        centralized = [run for run in baselines if run.algorithm == "centralized"]
        reference = self.references.pattern
        of_grid, of_setting = "fedavg-m{clients}-{work}-s{seed}", "{setting}-s{seed}"
        of_stage2 = references[0].setting + ".{variant}-s{seed}"
        for rule, runs, pattern, *packed in (
            ("train_fedavg", grid, of_grid, "clients", "work"),
            ("train_stage2", stage2, of_stage2, "variant"),
            ("train_comparison", comparison, of_setting, "setting"),
            ("personalize", grid, of_grid, "work", "seed"),
            ("personalize_stage2", stage2, of_stage2, "variant", "seed"),
            ("personalize_strategies", strategies and references, reference, "seed"),
            ("validate_comparison", comparison, of_setting, "setting", "seed"),
            ("evaluate_comparison", comparison, of_setting, "setting", "seed"),
        ):
            self._add(rule, runs, pattern, packed, on_back_end=True)
        self._add("measure_theory", config.studies.theory and references, reference, ["seed"])
        self._add("train_centralized", centralized, "centralized-s{seed}", [])
        self._add("personalize_centralized", centralized, "centralized-{variant}-s{seed}", ["seed"])
        local_only = [run for run in baselines if run.algorithm == "local_only"]
        self._add("train_local_only", local_only, "local-only-s{seed}", ["seed"])

    def _add(
        self,
        rule: str,
        runs: Runs | None,
        pattern: str,
        packed: Iterable[str],
        on_back_end: bool = False,
    ) -> None:
        shared = set(packed) if self.workload.config.execution.pack else set()
        if rule == "personalize_centralized":  # both ways to stop one training
            shared.add("variant")
        parent = self.references.pattern if rule == "train_stage2" else ""
        job = Job(rule, self.workload, runs or (), pattern, frozenset(shared), on_back_end, parent)
        self[rule] = job

    def __missing__(self, rule: str) -> Job:
        return Job(rule, self.workload)

    @property
    def constraints(self) -> dict[str, str]:
        """Of every wildcard, its values as a regular expression."""
        values: dict[str, set[str]] = {name: set() for name in FACTS}
        for job in self.values():
            named = [name for name in FACTS if f"{{{name}}}" in job.pattern]
            for run in job.runs:
                for name in named:
                    values[name].add(re.escape(facts(run)[name]))
        return {name: "|".join(sorted(filter(None, v))) or "none" for name, v in values.items()}


def results(config: Config) -> str:
    """The experiment's folder."""
    return f"results/{config.experiment}"


FACTS = ("clients", "work", "variant", "setting", "seed")


def facts(run: RunSpec | BaselineSpec) -> dict[str, str]:
    """The values of the wildcards that tell a run from others."""
    clients, work = "", ""
    if isinstance(run, RunSpec):
        clients = str(run.clients_per_round)
        work = f"e{run.local_epochs}" if run.local_epochs else f"k{run.local_steps}"
    values = (clients, work, run.variant, run.setting, str(run.seed))
    return dict(zip(FACTS, values, strict=True))
