# What all rules share: the validated experiment, its paths, and which library files a script depends on.

import os
import re
import sys
from importlib.metadata import version
from pathlib import Path

from perfedavg.algorithm_entries import (
    algorithm_runs,
    compared_rounds,
    entries,
    gradient_budget,
    in_between,
    settings_of_entries,
)
from perfedavg.analysis.summary import PAPER_DATASET
from perfedavg.baselines.settings import BEST, MATCHED
from perfedavg.config import every, load_config
from perfedavg.data.sizes import declared_size
from perfedavg.data.sources import content
from perfedavg.errors import PerfedavgError
from perfedavg.experiment import (
    baseline_runs,
    local_work,
    reference_setting,
    reptile_kinds,
    stage1_runs,
    stage2_runs,
    stage2_variants,
    work_letter,
)
from perfedavg.imports import PACKAGE, source_closure
from perfedavg.resources import ON_BACK_END
from perfedavg.resources import needs as limits
from perfedavg.work import Counting

if " " in sys.executable:
    raise WorkflowError(f"Snakemake cannot start jobs with a Python whose path has a space ({sys.executable}); move the project.")

try:
    experiment = load_config(config)
except PerfedavgError as error:
    raise WorkflowError(str(error))

RESULTS = f"results/{experiment.experiment}"
STORE = f"results/data/{experiment.store_name}"
STAGE1, STAGE2, BASELINES = stage1_runs(experiment), stage2_runs(experiment), baseline_runs(experiment)
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
    """The package's source files that results come from: those that any script imports but the plan's."""
    scripts = {script.name for script in Path(SCRIPTS).glob("*.py")} - {"plan.py"}
    return sorted({file for script in scripts for file in library(script)})


def packages(*names):
    """Versions of the packages that a step's numbers come from: another version is another result."""
    return {name: version(name) for name in names}


COUNTING = Counting(experiment, declared_size(experiment.data))


def needs(rule_name):
    """The limits that a cluster gives a rule's jobs, from the size of their work; a job that is started again gets more."""

    def limit(name):
        return lambda wildcards, attempt: attempt * getattr(limits(COUNTING, rule_name, dict(wildcards)), name)

    names = ["mem_mb", "runtime"]
    if experiment.backend.device == "cuda" and rule_name in ON_BACK_END:
        return {name: limit(name) for name in names} | {"gpu": 1}
    return {name: limit(name) for name in names}


HAS_ARCHIVE = hasattr(experiment.data, "archive")
STORE_SCRIPT = "convert_emnist62.py" if HAS_ARCHIVE else "build_glyphs62.py"
DOWNLOADED = f"results/data/downloads/{experiment.store_name}.tar.bz2"

PERSONALIZE_PARAMS = {
    "packages": packages("numpy", "torch"),
    "personalization": experiment.personalization.model_dump(mode="json", exclude={"shown_epochs"}),
    "validation_at_every_round": experiment.evaluation.validation_at_every_round,
    "intermediate_clients": experiment.evaluation.intermediate_clients,
    "split_seed": experiment.split.seed,
}

# By setting of the algorithm comparison: the rounds at which its entry may be compared.
COMPARED_ROUNDS = {
    setting: compared_rounds(experiment.algorithms, entries(experiment.algorithms)[name])
    for name, settings in (settings_of_entries(experiment.algorithms) if experiment.algorithms else {}).items()
    for setting in settings
}


def per_run(path):
    """`path`, which holds `{run_id}`, for the runs of one job: one (M, seed) with all its local work, or one run."""
    pattern = path.format(run_id="fedavg-m{clients}-{work}-s{seed}")
    amounts = [f"{work_letter(experiment)}{n}" for n in local_work(experiment)]
    return expand(pattern, work=amounts, allow_missing=True) if experiment.federated.pack else [pattern]


def per_variant(path):
    """The same for stage 2: all variants of one seed, or one run."""
    pattern = path.format(run_id=f"{REFERENCE}.{{variant}}-s{{seed}}")
    return expand(pattern, variant=stage2_variants(experiment), allow_missing=True) if experiment.federated.pack else [pattern]


def per_entry(path):
    """The same for the algorithm comparison: all of one seed, or one run."""
    pattern = path.format(run_id="{setting}-s{seed}")
    return expand(pattern, setting=ENTRY_SETTINGS, allow_missing=True) if experiment.federated.pack else [pattern]


def runs_of_job(wildcards):
    """The settings of the runs of one job, as plain values that Snakemake can compare."""
    work = getattr(wildcards, "work", None)
    return [
        run.model_dump(mode="json")
        for run in STAGE1
        if run.clients_per_round == int(wildcards.clients)
        and run.seed == int(wildcards.seed)
        and work in (None, run.setting.rsplit("-", 1)[1])
    ]


def runs_of_stage2_job(wildcards):
    """The same for stage 2."""
    variant = getattr(wildcards, "variant", None)
    return [
        run.model_dump(mode="json")
        for run in STAGE2
        if run.seed == int(wildcards.seed) and variant in (None, run.setting.removeprefix(f"{REFERENCE}."))
    ]


def runs_of_entry_job(wildcards):
    """The same for the algorithm comparison."""
    setting = getattr(wildcards, "setting", None)
    return [
        run.model_dump(mode="json") for run in ENTRY_RUNS if run.seed == int(wildcards.seed) and setting in (None, run.setting)
    ]


def compared_rounds_of_job(wildcards):
    """By setting of the job's runs: the rounds at which its entry may be compared."""
    return {run["setting"]: COMPARED_ROUNDS[run["setting"]] for run in runs_of_entry_job(wildcards)}


def baselines_of_seed(algorithm, wildcards):
    """The same for the baselines of one seed."""
    seed = int(wildcards.seed)
    return [run.model_dump(mode="json") for run in BASELINES if (run.algorithm, run.seed) == (algorithm, seed)]


def job_name(rule_name):
    """Name of the log and the benchmark of a job over one or more runs."""
    return f"{rule_name}-m{{clients}}-s{{seed}}" if experiment.federated.pack else f"{rule_name}-m{{clients}}-{{work}}-s{{seed}}"


def stage2_job_name(rule_name):
    """The same for stage 2."""
    return f"{rule_name}-s{{seed}}" if experiment.federated.pack else f"{rule_name}-{{variant}}-s{{seed}}"


def entry_job_name(rule_name):
    """The same for the algorithm comparison."""
    return f"{rule_name}-s{{seed}}" if experiment.federated.pack else f"{rule_name}-{{setting}}-s{{seed}}"
