"""What `snakemake plan` predicts against what the run then costs: `python -m benchmarks.plan`.

Two variants of the tests' tiny experiment, one of short jobs, where start-up decides, and one of
long jobs, each in a fresh copy: first the plan, then the run, on one core. Compared are
core-seconds of the jobs, without Snakemake's own start."""

from __future__ import annotations

import argparse
import resource
import tempfile
from pathlib import Path

import pandas as pd

from tests.workflow.checkout import Checkout

CONFIGS = {
    "short jobs": ["seeds=[0]"],
    "long jobs": [
        "seeds=[0]",
        "data={writers: 60, median_examples: 40}",
        "split={training_clients: 40}",
        "training={rounds: 60, clients_per_round: [4, 20], local_epochs: [2, 5], client: "
        "{batch_size: 20}}",
        "evaluation={every: 10, intermediate_clients: 10, fine_tuning: {epochs: 10, batch_size: "
        "20}}",
        "studies={comparison: null, reference: {clients_per_round: 4, local_work: 5}, theory: "
        "{rounds: [10, 60]}, centralized: {passes: 10, batch_size: 20}}",
    ],
}


def main() -> None:
    """The command line."""
    argparse.ArgumentParser(
        prog="python -m benchmarks.plan", description=__doc__.split("\n\n")[0]
    ).parse_args()
    for name, values in CONFIGS.items():
        with tempfile.TemporaryDirectory() as folder:
            checkout, config = Checkout(Path(folder) / "copy"), ["--config", *values]
            checkout.snakemake("plan", "--cores", "1", *config)
            planned = (
                pd.read_csv(checkout.results / "plan.csv").set_index("rule").loc["total"].core_hours
                * 3600
            )
            before = _cpu_seconds()
            checkout.planned(*config)
            start = _cpu_seconds() - before
            before = _cpu_seconds()
            checkout.snakemake("--cores", "1", *config)
            spent = _cpu_seconds() - before - start
        print(
            f"{name}: planned {planned:.0f} core-seconds, spent {spent:.0f}; planned / "
            f"spent = {planned / spent:.2f}",
            flush=True,
        )


def _cpu_seconds() -> float:
    """Of all processes that this one has started, and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
