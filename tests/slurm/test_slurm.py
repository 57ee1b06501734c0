"""`--profile profiles/slurm` on a real Slurm (`cluster.sh up`): the same bytes as here, also of
jobs that were ended."""

import re
import shutil
import subprocess
import time
from importlib.util import find_spec

import pytest
import yaml

from tests.workflow.checkout import OWN_OUTPUT, Checkout


def slurm(*command):
    return subprocess.run(
        command, capture_output=True, text=True, timeout=20, check=False
    ).stdout.split()


pytestmark = [
    pytest.mark.skipif(
        not find_spec("snakemake_executor_plugin_slurm"),
        reason="needs the extra: pip install -e '.[slurm]'",
    ),
    pytest.mark.skipif(
        not shutil.which("sinfo") or not slurm("sinfo", "--noheader"),
        reason="no Slurm here: tests/slurm/cluster.sh up",
    ),
]


def different(first, second):
    """Names of results that are not the same bytes in both, or only in one."""
    a, b = first.products(), second.products()
    return sorted(a.keys() ^ b.keys()) + [
        name for name in a.keys() & b.keys() if a[name] != b[name]
    ]


def test_the_tiny_experiment_gives_the_same_bytes(done, tmp_path):
    there = Checkout(tmp_path)
    output = there.snakemake("--profile", "profiles/slurm", OWN_OUTPUT).stderr
    assert different(done, there) == []
    submitted, jobs = (
        output.count("submitted with SLURM jobid"),
        int(output.split("\ntotal")[1].split()[0]),
    )
    assert submitted < 0.75 * jobs, "small jobs go together"
    assert "Nothing to be done" in there.snakemake("--profile", "profiles/slurm").stderr


def jobs_of(checkout):
    """Slurm's ids of the jobs that were submitted so far."""
    return re.findall(r"with SLURM jobid (\d+)", (checkout.folder / "snakemake.log").read_text())


def one_long_run(checkout, rounds):
    """Leave one run of the tiny experiment, of so many rounds."""
    config = yaml.safe_load((checkout.folder / "tiny.yaml").read_text())
    config["seeds"] = [0]
    config["studies"] |= {"stage2": None, "comparison": None, "theory": None, "strategies": []}
    config["training"] |= {"rounds": rounds, "clients_per_round": [4], "local_epochs": [2]}
    config["evaluation"]["every"] = rounds
    (checkout.folder / "tiny.yaml").write_text(yaml.safe_dump(config))


def test_training_that_scancel_or_the_time_limit_ends_resumes(tmp_path):
    here, there = Checkout(tmp_path / "here"), Checkout(tmp_path / "there")
    one_long_run(here, 200)
    began = time.monotonic()
    here.snakemake("--cores", "1", "federated")
    timing = (here.results / "logs/train_fedavg-s0.log").read_text().rsplit("work ", 1)[1]
    rounds = int(200 * 150 / float(timing.split()[0]))  # two and a half minutes
    for checkout in (here, there):
        one_long_run(checkout, rounds)
    assert time.monotonic() - began < 300
    log = there.results / "logs/train_fedavg-s0.log"
    # The third attempt gets the time that it needs, the second one does not: limits are whole
    # minutes.
    limits = "train_fedavg:runtime=1 if attempt < 3 else 30"
    run = there.start(
        "--profile", "profiles/slurm", OWN_OUTPUT, "federated", "--set-resources", limits
    )
    while not (log.exists() and "round/s" in log.read_text()):
        assert run.poll() is None, "it ended before it trained"
        time.sleep(0.5)
    resumed = []
    slurm("scancel", *jobs_of(there))
    while run.poll() is None:
        said = re.search(r"resumes after round (\d+)", log.read_text() if log.exists() else "")
        if said and int(said[1]) not in resumed:
            resumed.append(int(said[1]))
        time.sleep(0.5)
    assert run.returncode == 0
    assert len(resumed) == 2, "each attempt has a log of its own"
    assert 0 < resumed[0] < resumed[1] < rounds
    ids = ",".join(jobs_of(there)[-3:])
    states = slurm(
        "squeue", "--noheader", "--states=all", f"--jobs={ids}", "--format=%T", "--sort=i"
    )
    assert states == ["CANCELLED", "TIMEOUT", "COMPLETED"]
    here.snakemake("--cores", "1", "federated")
    assert different(here, there) == []
