# What all rules share: the validated experiment, its paths, and the values of its jobs.

import os
import sys
from importlib.metadata import version

from perfedavg.analysis.products import all_products
from perfedavg.config.load import load_config
from perfedavg.planning.comparison_runs import compared_rounds, gradient_budget, interpolation
from perfedavg.planning.jobs import Jobs, results
from perfedavg.planning.runs import reptile_kinds, strategies
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.runtime.secrets import masked

if " " in sys.executable:
    raise WorkflowError(
        "Snakemake cannot start jobs with a Python whose path has a space "
        f"({sys.executable}); move the project."
    )

try:
    experiment = load_config(config)
except PerfedavgError as error:
    raise WorkflowError(masked(str(error)))

RESULTS = results(experiment)
STORE = f"results/data/{experiment.data.store_name}"
STUDIES = experiment.studies

# By rule: log, benchmark, limits, and the runs of a job, whose wildcards stand in its pattern.
JOBS = Jobs(experiment, experiment.data.size)

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


TORCH = packages("numpy", "torch")
NETWORK = f"perfedavg.models.{experiment.model}"
DATA_SET = f"perfedavg.data.sets.{experiment.data.dataset}"
