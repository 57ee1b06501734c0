# What all rules share: the validated experiment, its paths, and which library files a script depends on.

import os
import re
import sys
from importlib.metadata import version
from pathlib import Path

from perfedavg.planning.comparison_runs import (
    algorithm_runs,
    compared_rounds,
    entries,
    gradient_budget,
    interpolation,
    settings_of_entries,
)
from perfedavg.analysis.summary import PAPER_DATASET
from perfedavg.training.settings import BEST, MATCHED
from perfedavg.config.experiment import every, load_config
from perfedavg.data.sizes import declared_size
from perfedavg.data.sources import content
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.planning.runs import (
    baseline_runs,
    local_work,
    reference_setting,
    reptile_kinds,
    stage1_runs,
    stage2_runs,
    stage2_variants,
    work_letter,
)
from perfedavg.runtime.source import PACKAGE, source_closure
from perfedavg.planning.limits import ON_BACK_END
from perfedavg.planning.limits import needs as limits
from perfedavg.planning.workload import Counting

if " " in sys.executable:
    raise WorkflowError(
        f"Snakemake cannot start jobs with a Python whose path has a space ({sys.executable}); move the project."
    )

try:
    experiment = load_config(config)
except PerfedavgError as error:
    raise WorkflowError(str(error))

RESULTS = f"results/{experiment.experiment}"
STORE = f"results/data/{experiment.store_name}"
STAGE1, STAGE2, BASELINES = (
    stage1_runs(experiment),
    stage2_runs(experiment),
    baseline_runs(experiment),
)
RUN_IDS = [run.run_id for run in [*STAGE1, *STAGE2, *BASELINES]]
ENTRY_RUNS = algorithm_runs(experiment)
ENTRY_RUN_IDS = [run.run_id for run in ENTRY_RUNS]
ENTRY_SETTINGS = list(dict.fromkeys(run.setting for run in ENTRY_RUNS))
REFERENCE = reference_setting(experiment)
STOPS = [BEST, MATCHED]

# Where this workflow lies, seen from the working folder: another workflow that uses it as a module has its own.
PROJECT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]
SCRIPTS = os.path.relpath(PROJECT / "workflow/scripts")
PAPER_TARGETS = os.path.relpath(PROJECT / "config/paper_targets.csv")

# One shared environment for every rule.
ENVIRONMENT = "../../environment.yml"


wildcard_constraints:
    clients=r"\d+",
    work=r"[ek]\d+",
    seed=r"\d+",
    setting="|".join(re.escape(setting) for setting in ENTRY_SETTINGS) or "none",
    variant="|".join(re.escape(variant) for variant in stage2_variants(experiment)) or "none",


def library(script):
    """The package's source files that a script imports: editing one reruns what depends on it, and nothing else."""
    return [os.path.relpath(file) for file in source_closure(f"{SCRIPTS}/{script}")]


def library_of_all():
    """The package's source files that results come from: all that any script imports, but for what only plans."""
    scripts = [script.name for script in Path(SCRIPTS).glob("*.py") if script.name != "plan.py"]
    return sorted({file for script in scripts for file in library(script)})


def packages(*names):
    """Versions of the packages that a step's numbers come from: another version is another result."""
    return {name: version(name) for name in names}


COUNTING = Counting(experiment, declared_size(experiment.data))


def needs(rule_name):
    """The limits that a cluster gives a rule's jobs, from the size of their work; a job that is started again gets more."""

    def limit(name):
        return lambda wildcards, attempt: attempt * getattr(
            limits(COUNTING, rule_name, dict(wildcards)), name
        )

    names = ["mem_mb", "runtime"]
    if experiment.backend.device == "cuda" and rule_name in ON_BACK_END:
        return {name: limit(name) for name in names} | {"gpu": 1}
    return {name: limit(name) for name in names}


# The batched back end is one process.
BACK_END_THREADS = 1 if experiment.backend.kind == "batched" else experiment.workers

HAS_ARCHIVE = hasattr(experiment.data, "archive")
STORE_SCRIPT = "convert_emnist62.py" if HAS_ARCHIVE else "build_glyphs62.py"
DOWNLOADED = f"results/data/downloads/{experiment.store_name}.tar.bz2"

PERSONALIZE_PARAMS = {
    "packages": packages("numpy", "torch"),
    "ways": [experiment.personalization.model_dump(mode="json", exclude={"shown_epochs"})],
    "intermediate_clients": experiment.evaluation.intermediate_clients,
    "split_seed": experiment.split.seed,
}

# By setting of the algorithm comparison: the rounds at which its entry may be compared.
COMPARED_ROUNDS = {
    setting: compared_rounds(experiment.algorithms, entries(experiment.algorithms)[name])
    for name, settings in (
        settings_of_entries(experiment.algorithms) if experiment.algorithms else {}
    ).items()
    for setting in settings
}


# By part of the experiment: its runs, and their ids as a pattern. The runs of one job are those that its wildcards match.
STAGE1_ID, STAGE2_ID, ENTRY_ID = (
    "fedavg-m{clients}-{work}-s{seed}",
    f"{REFERENCE}.{{variant}}-s{{seed}}",
    "{setting}-s{seed}",
)
REFERENCES = [run for run in STAGE1 if run.setting == REFERENCE]
VALUES = {
    "clients": experiment.federated.clients_per_round,
    "work": [f"{work_letter(experiment)}{n}" for n in local_work(experiment)],
    "variant": list(stage2_variants(experiment)),
    "setting": ENTRY_SETTINGS,
    "seed": experiment.seeds,
}


def packed(path, *names):
    """The files of one job: `path` with all values of the wildcards `names`, or the pattern alone where runs share no job."""
    return (
        expand(path, **{name: VALUES[name] for name in names}, allow_missing=True)
        if experiment.federated.pack
        else [path]
    )


def each_stop(path):
    """The same for centralized runs, with every way to stop them first."""
    return [file for stop in STOPS for file in packed(path.replace("{stop}", stop), "seed")]


def job_name(packed_name, name):
    """Name of the log and the benchmark of a job: the first where runs share jobs."""
    return packed_name if experiment.federated.pack else name


def settings_of(runs):
    """A function for `params`: the settings of those of `runs` that are of the job, as plain values Snakemake can compare."""

    def of_job(wildcards):
        return [
            run.model_dump(mode="json")
            for run in runs
            if all(value == _value(run, name) for name, value in wildcards.items())
        ]

    return of_job


def _value(run, wildcard):
    if wildcard == "clients":
        return str(run.clients_per_round)
    if wildcard == "work":
        return run.setting.rsplit("-", 1)[1]
    if wildcard == "variant":
        return run.setting.removeprefix(f"{REFERENCE}.")
    return str(getattr(run, wildcard))


def schedules(runs, schedule):
    """A function for `params`: per run of the job, the arguments of `personalization.schedule.visits`."""
    return lambda wildcards: [schedule(run) for run in settings_of(runs)(wildcards)]


def at_evaluated_rounds(personalized_rounds=None):
    """The visits of the grid and of stage 2."""
    return lambda run: {
        "compared_rounds": [run["rounds"]],
        "evaluated_rounds": run["evaluated_rounds"],
        "personalized_rounds": personalized_rounds,
        "validation_at_every_round": experiment.evaluation.validation_at_every_round,
    }


def at_last_round(run):
    """The visits of further ways to personalize and of local-only training."""
    return {"compared_rounds": [run["rounds"]]}


def baselines(algorithm):
    """The settings of the job's baselines of one kind, likewise."""
    return settings_of([run for run in BASELINES if run.algorithm == algorithm])
