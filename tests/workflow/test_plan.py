"""`snakemake plan`: the jobs and bytes that it foretells are those of the run (its hours: `python -m benchmarks.plan`)."""

import pandas as pd
import pytest

from tests.workflow.checkout import Checkout


def test_a_plan_counts_jobs_and_bytes_and_makes_nothing_else(tmp_path):
    checkout, config = Checkout(tmp_path), ["--config", "seeds=[0]"]
    summary = checkout.snakemake("plan", "--cores", "1", *config).stdout
    assert not (checkout.results / "runs").exists()
    table = pd.read_csv(checkout.results / "plan.csv").set_index("rule")
    total, jobs = table.loc["total"], checkout.planned(*config)
    assert f"tiny: {total.jobs:.0f} jobs, {total.core_hours:.2f} core-hours" in summary
    assert table.drop("total").jobs.to_dict() == jobs
    assert total.jobs == sum(jobs.values())
    assert table.core_hours.min() > 0
    checkout.snakemake("--cores", "2", *config)
    written = sum(path.stat().st_size for path in (checkout.folder / "results").rglob("*") if path.is_file()) / 1e9
    assert total.written_gb == pytest.approx(written, rel=0.5)
    assert "Nothing is left to do" in checkout.snakemake("plan", "--cores", "1", *config).stdout
