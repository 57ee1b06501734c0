"""`snakemake plan`: what it foretells against what the run then costs, in the same call."""

import resource

import pandas as pd
import pytest

from tests.workflow.checkout import Checkout


def cpu_seconds():
    """Of all processes that this one has started, and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def planned_row(checkout):
    """The plan's total."""
    return pd.read_csv(checkout.results / "plan.csv").set_index("rule").loc["total"]


# The first is mostly start-up, in the second the work outweighs it.
CONFIGS = {
    "short jobs": ["seeds=[0]"],
    "long jobs": [
        "seeds=[0]",
        "algorithms=",
        "data={writers: 60, median_examples: 40}",
        "split={training_clients: 40}",
        "federated={rounds: 60, clients_per_round: [4, 20], local_epochs: [2, 5], client: {batch_size: 20}}",
        "reference={clients_per_round: 4, local_work: 5}",
        "evaluation={every: 10, intermediate_clients: 10}",
        "theory={rounds: [10, 60]}",
        "personalization={epochs: 10, batch_size: 20}",
        "centralized={passes: 10, batch_size: 20}",
    ],
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_plan_is_right_within_30_percent(tmp_path, name):
    checkout, config = Checkout(tmp_path), ["--config", *CONFIGS[name]]
    summary = checkout.snakemake("plan", "--cores", "1", *config).stdout
    assert not (checkout.results / "runs").exists(), "a plan makes nothing"
    total = planned_row(checkout)
    assert f"tiny: {total.jobs:.0f} jobs, {total.core_hours:.2f} core-hours" in summary
    before = cpu_seconds()
    jobs = sum(checkout.planned(*config).values())
    snakemake = cpu_seconds() - before  # the plan is of the jobs, not of Snakemake's own start
    before = cpu_seconds()
    checkout.snakemake("--cores", "1", *config)
    spent = cpu_seconds() - before - snakemake
    print(f"{name}: planned {3600 * total.core_hours:.0f} core-seconds, spent {spent:.0f}")
    assert total.jobs == jobs
    assert spent / 1.3 < 3600 * total.core_hours < spent * 1.3
    written = sum(path.stat().st_size for path in (checkout.folder / "results").rglob("*") if path.is_file()) / 1e9
    print(f"{name}: planned {total.written_gb:.4f} GB, written {written:.4f}")
    assert "Nothing is left to do" in checkout.snakemake("plan", "--cores", "1", *config).stdout
