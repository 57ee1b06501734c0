# What all rules share: the validated experiment, its paths, and the values of its jobs.

import os
import sys
from importlib.metadata import version

from perfedavg.analysis.claims.statistics import NAMES
from perfedavg.analysis.products import all_products
from perfedavg.config.claims import load_claims
from perfedavg.config.load import load_config, load_further
from perfedavg.models import module
from perfedavg.planning.comparison_runs import compared_rounds, gradient_budget, interpolation
from perfedavg.planning.jobs import Jobs, results
from perfedavg.planning.runs import reptile_kinds, strategies
from perfedavg.planning.workload import SizeAtHand
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.runtime.secrets import masked

if " " in sys.executable:
    raise WorkflowError(
        "Snakemake cannot start jobs with a Python whose path has a space "
        f"({sys.executable}); move the project."
    )

try:
    experiment = load_config(config)
    further = load_further(experiment, PROJECT)
    CLAIMS = load_claims(os.path.relpath(PROJECT / "config/claims.yaml"), NAMES)
except PerfedavgError as error:
    raise WorkflowError(masked(str(error)))

if workflow.is_main_process:
    for sentence in experiment.said_at_start:
        logger.info(sentence)

# Further experiments of the same call: this workflow once more for each, its rules with the
# experiment's name before theirs. What two share, a client store, the first one makes.
MADE = {experiment.data.store_name}
for also in further:
    other, prefix = f"experiment {also.config.experiment}", f"{also.config.experiment}_"

    module:
        name: other
        snakefile:
            "../Snakefile"
        config:
            also.raw

    if also.config.data.store_name in MADE:

        use rule * from other exclude download, build_store as prefix*

    else:

        use rule * from other as prefix*

    MADE.add(also.config.data.store_name)


def of_others(target):
    """What a target of the further experiments asks for."""
    names = [f"{also.config.experiment}_{target}" for also in further]
    return [file for name in names for file in getattr(rules, name).input]


def results_of(name):
    """The files of another experiment that show that it is finished; of None, none."""
    if name is None:
        return []
    files = [f"results/{name}/{file}" for file in ("runs.csv", "selection.json", "report.html")]
    known = {also.config.experiment for also in further}
    if name not in known and not all(map(os.path.exists, files)):
        raise WorkflowError(
            f"The config names the experiment `{name}`, which is not finished ({files[-1]} is "
            "missing): run it first, or name its config in `also`."
        )
    return files


RESULTS = results(experiment)
STORE = f"results/data/{experiment.data.store_name}"
STUDIES = experiment.studies

# By rule: log, benchmark, limits, and the runs of a job, whose wildcards stand in its pattern.
JOBS = Jobs(experiment, SizeAtHand(experiment.data, Path(STORE)))

# Of all experiments of the call, by name.
ALL_JOBS = {experiment.experiment: JOBS}
for also in further:
    store = Path(f"results/data/{also.config.data.store_name}")
    ALL_JOBS[also.config.experiment] = Jobs(also.config, SizeAtHand(also.config.data, store))

# Seen from the working folder.
SCRIPTS = os.path.relpath(PROJECT / "workflow/scripts")

# One shared environment for every rule.
ENVIRONMENT = "../../environment.yml"


wildcard_constraints:
    **JOBS.constraints,


def code(script, *modules):
    """For `params`: the code that a script's results come from, one value per module, so that
    editing one reruns what depends on it and nothing else. Modules found by name are given."""
    path = f"{SCRIPTS}/{script}"
    return [f"{script} {source.code_hash(path)[:8]}", *source.code(path, *modules)]


def packages(*names):
    """Versions of the packages that results come from: another version is another result."""
    return {name: version(name) for name in names}


def with_rate(way, study):
    """A way to fine-tune, with the rate of a study that has its own."""
    return way | ({"lr": study.fine_tuning_lr} if study and study.fine_tuning_lr else {})


def weight(job):
    """Of a job, the experiment, seconds of work and the number of its runs: for the terminal."""
    name = next(iter(Path(next(iter(job.log or job.output))).parts[1:]), "")
    of_rule = ALL_JOBS.get(name, JOBS)[job.rule.name.removeprefix(f"{name}_")]
    return name, *of_rule.weight(job.wildcards_dict)


TORCH = packages("numpy", "torch")
NETWORK = module(experiment.network)
DATA_SET = f"perfedavg.data.sets.{experiment.data.dataset}"
