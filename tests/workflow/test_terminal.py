"""How much the workflow says."""

import re

import pytest

from tests.workflow.checkout import Checkout


def test_a_run_is_a_line_per_job_and_a_few(done):
    lines = done.said.splitlines()
    counts = [m for line in lines if (m := re.match(r"[\d:]{8} +(\d+)/(\d+) +\d+%  \w", line))]
    total = int(counts[-1][2])
    assert [int(count[1]) for count in counts] == list(range(1, total + 1))
    assert total > 30
    assert len(lines) <= total + 8
    assert lines[-1] == "Open results/tiny/report.html"


@pytest.mark.parametrize("config", [None, "tiny.yaml", "config/emnist62.yaml"])
def test_a_dry_run_is_one_screen(tmp_path, config):
    run = Checkout(tmp_path).snakemake("-n", configfile=config)
    lines = run.stdout.splitlines()
    assert 20 < len(lines) <= 50
    assert re.match(r"results/\w+: \d+ jobs to do, roughly .* of one core", lines[0])
    assert re.search(r"^  train_fedavg +\d+  not there yet$", run.stdout, re.MULTILINE)
    assert lines[-1].startswith("A dry run: nothing was done.")


def test_a_misplaced_target_is_one_sentence(tmp_path):
    checkout = Checkout(tmp_path)
    run = checkout.snakemake("--cores", "1", "--configfile", "a.yaml", "figures", configfile=None,
                             check=False)  # fmt: skip
    assert run.returncode == 1
    assert run.stderr.splitlines()[1:] == [
        "`figures` stands behind --configfile, which takes it for a second config file; put "
        "targets first, as in: snakemake figures --cores all --configfile ..."
    ]


def test_the_graph_of_rules_is_all_that_it_prints(done):
    graph = done.snakemake("--rulegraph").stdout
    assert graph.startswith("digraph snakemake_dag {")
    assert graph.rstrip().endswith("}")
    mermaid = done.snakemake("--rulegraph", "mermaid-js").stdout
    assert mermaid.startswith("---\ntitle: DAG\n---\nflowchart TB\n")
