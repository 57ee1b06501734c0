"""Another workflow uses this one as a module, with a config of its own."""

import os
import subprocess
import sys

import yaml

from tests.workflow.checkout import ROOT, Checkout

SNAKEFILE = """
configfile: "theirs.yaml"

module perfedavg:
    snakefile: "{root}/workflow/Snakefile"
    config: config["personalization study"]

use rule * from perfedavg as perfedavg_*

rule clients:
    default_target: True
    input:
        card="results/theirs/tables/data_card.csv",
    output:
        "clients.txt",
    shell:
        "tail -n +2 {{input.card}} | cut -d , -f 1-3 > {{output}}"
"""


def snakemake(folder, *arguments):
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    run = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr


def test_another_workflow_uses_this_one_with_its_own_config(tmp_path):
    config = yaml.safe_load((ROOT / "tests/workflow/tiny.yaml").read_text()) | {
        "experiment": "theirs",
        "also": ["further.yaml"],
    }
    (tmp_path / "further.yaml").write_text(
        yaml.safe_dump(config | {"experiment": "further", "also": []})
    )
    (tmp_path / "theirs.yaml").write_text(
        yaml.safe_dump({"title": "not ours", "personalization study": config})
    )
    (tmp_path / "Snakefile").write_text(SNAKEFILE.format(root=ROOT))
    snakemake(tmp_path)
    assert (tmp_path / "clients.txt").read_text()
    assert {path.name for path in (tmp_path / "results").iterdir()} == {"data", "theirs"}
    everything = snakemake(tmp_path, "--dry-run", "perfedavg_all")
    for rule in (
        "train_fedavg",
        "train_stage2",
        "table_algorithms",
        "figure_rounds",
        "write_report",
        "further_train_fedavg",
        "further_write_report",
    ):
        assert f"rule perfedavg_{rule}:" in everything
    assert "further_build_store" not in everything, "they share a store"
    assert "report.html.j2" in everything, "found from another folder"
    snakemake(tmp_path, "perfedavg_plan")
    assert "train_fedavg" in (tmp_path / "results/theirs/plan.csv").read_text()
    own = Checkout(tmp_path / "own")
    own.snakemake("--cores", "1", "results/tiny/tables/data_card.csv")
    assert (own.results / "tables/data_card.csv").read_bytes() == (
        tmp_path / "results/theirs/tables/data_card.csv"
    ).read_bytes()
