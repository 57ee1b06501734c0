"""`snakemake plan`: the jobs and bytes that it foretells are those of the run (its hours: `python
-m benchmarks.plan`)."""

import pandas as pd
import pytest

from tests.workflow.checkout import Checkout


def test_a_plan_counts_jobs_and_bytes_and_makes_nothing_else(done, tmp_path):
    checkout = Checkout(tmp_path)
    summary = checkout.snakemake("plan", "--cores", "1").stdout
    assert not (checkout.results / "runs").exists()
    table = pd.read_csv(checkout.results / "plan.csv").set_index("rule")
    total, jobs = table.loc["total"], checkout.planned()
    assert f"tiny: {total.jobs:.0f} jobs, {total.core_hours:.2f} core-hours" in summary
    assert table.drop("total").jobs.to_dict() == jobs
    assert total.jobs == sum(jobs.values())
    assert table.core_hours.min() > 0
    written = (
        sum(path.stat().st_size for path in (done.folder / "results").rglob("*") if path.is_file())
        / 1e9
    )
    assert total.written_gb == pytest.approx(written, rel=0.5)


def test_of_what_is_done_nothing_is_planned(done):
    try:
        assert "tiny: nothing is left to do" in done.snakemake("plan", "--cores", "1").stdout
    finally:
        for path in [*done.results.glob("plan.*"), done.results / "logs/plan.log"]:
            path.unlink(missing_ok=True)
