"""Before the first job: content decides, the folder's own sources run, a dead owner's lock is no
lock."""

import os
import random
import subprocess
import sys
import time
from contextlib import nullcontext

import pytest
import torch
import yte

from perfedavg.config.load import check_keys
from perfedavg.runtime import owners
from perfedavg.runtime.errors import PerfedavgError
from tests.workflow.checkout import ROOT, Checkout

SIGNED = """
import sys, time
from pathlib import Path
from perfedavg.runtime import owners
print(owners.register(Path(sys.argv[1]), sys.argv[2]), flush=True)
time.sleep(60)
"""


def test_a_copy_with_other_time_stamps_has_nothing_to_do_and_runs_its_own_sources(done, tmp_path):
    """As after a branch switch, a sync or a restored backup: no file is younger for its content."""
    copy = done.copy(tmp_path / "a copy & more")
    order = random.Random(0)
    for folder, _, names in os.walk(copy.folder):
        for name in names:
            stamp = 1.7e9 + order.randrange(10**6)
            os.utime(f"{folder}/{name}", (stamp, stamp))
    assert copy.planned() == {}
    with copy.edit("src/perfedavg/data/splits.py", new="\nprint('THE COPY RUNS')\n"):
        output = copy.snakemake("--cores", "1", "results/tiny/split.csv")
    assert "THE COPY RUNS" in output.stdout
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = [sys.executable, "-m", "snakemake", "-n", "-s", copy.folder / "workflow/Snakefile"]
    run = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, check=False)
    assert run.returncode == 0, "with the default config: " + run.stderr
    assert "results/demo" in run.stdout + run.stderr


def test_after_a_kill_the_same_command_goes_on(tmp_path):
    """Of the run alone, which is the harder case: its jobs are orphans for a moment."""
    checkout = Checkout(tmp_path / "killed")
    n = 10**6
    config = (f"training={{rounds: {n}}}", f"evaluation={{every: {n}}}", "studies={theory: null}")
    arguments = ("--cores", "1", "results/tiny/runs/fedavg-m4-e2-s0/run.json", "--config", *config)
    run = checkout.start(*arguments)
    log, until = checkout.results / "logs/train_fedavg-s0.log", time.monotonic() + 60
    while not (log.exists() and "round/s" in log.read_text()):
        assert time.monotonic() < until
        assert run.poll() is None, (checkout.folder / "snakemake.log").read_text()
        time.sleep(0.1)
    refused = checkout.snakemake(*arguments, check=False)
    assert refused.returncode, "two runs at once do not collide"
    assert "Locked by a run on" in refused.stderr
    run.kill()
    run.wait()
    assert any((checkout.folder / ".snakemake/locks").iterdir())
    left = ["results/tiny/.a.csv.1.tmp", "results/data/.unpacked-a/1", "results/data/.parts-a/1"]
    left = [checkout.folder / name for name in [*left, "results/data/downloads/tmpa"]]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    again = ("--cores", "1", "results/tiny/split.csv", "--forcerun", "split_clients")
    checkout.snakemake(*again, "--config", *config)
    assert not (checkout.folder / ".snakemake/locks").exists()
    assert not list((checkout.folder / ".snakemake/owners").iterdir()), "no orphan is at work"
    assert not any(path.exists() for path in left)


def test_another_configuration_and_a_missing_gpu_are_refused_before_the_first_job(done, tmp_path):
    copy = done.copy(tmp_path / "copy")
    before = copy.products()
    arguments = ("--cores", "1", "federated", "--config", "training={client: {lr: 0.04}}")
    run = copy.snakemake(*arguments, check=False)
    assert run.returncode
    assert "client.lr: 0.05 there, 0.04 now" in run.stderr
    if torch.cuda.is_available():
        return
    cuda = "execution={backend: {kind: batched, device: cuda}, overwrite: true}"
    run = copy.snakemake(*arguments, cuda, check=False)
    assert run.returncode
    assert "torch finds no GPU" in run.stderr
    assert copy.products() == before


def test_a_home_that_cannot_be_written_to_is_not_needed(tmp_path, monkeypatch):
    """Snakemake keeps a cache there, and fails where it cannot."""
    for home, said in ((tmp_path, None), ("/dev/null/home", str(tmp_path / ".snakemake/cache"))):
        for name in ("XDG_CACHE_HOME", "MPLCONFIGDIR"):
            monkeypatch.setenv(name, "")
            monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.chdir(tmp_path)
        yte.process_yaml((ROOT / "profiles/default/profile.yaml").read_text())
        assert os.environ.get("XDG_CACHE_HOME") == said


def test_a_path_that_snakemake_cannot_take_is_refused(tmp_path):
    run = Checkout(tmp_path / "a{b}").snakemake("-n", check=False)
    said = run.stdout + run.stderr
    assert "a{b} has a `{` in its path" in said
    assert "Traceback" not in said


def test_only_a_lock_whose_owners_have_all_ended_is_abandoned(tmp_path):
    own = owners.register(tmp_path, "run")
    assert not owners.is_abandoned(tmp_path, own), "whoever locked did not sign"
    for kind in ("run", "job"):
        command = [sys.executable, "-c", SIGNED, tmp_path, kind]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
            assert kind in other.stdout.readline()
            assert not owners.is_abandoned(tmp_path, own, seconds=0.5)
            other.kill()
        assert owners.is_abandoned(tmp_path, own)
    (tmp_path / "run@another-host@12-ab").touch()
    assert not owners.is_abandoned(tmp_path, own), "of another host nothing is known"


@pytest.mark.parametrize(
    ("text", "key", "lines"),
    [
        ("a: 1\nb: {c: 1}\na: 2\n", "a", "1 and 3"),
        ("a: {b: [{c: 1,\n c: 2}]}", "c", "1 and 2"),
        ('{"a": 1,\n"b": 2,\n"a": 3}', "a", "1 and 3"),
        ("a: {b: 1}\nc: {b: 1}\nd: [{b: 1}, {b: 1}]\n", None, ""),
    ],
)
def test_a_key_that_stands_twice_is_named(tmp_path, text, key, lines):
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8-sig")
    said = rf"`{key}` stands twice in .*, in lines {lines}; "
    with pytest.raises(PerfedavgError, match=said) if key else nullcontext():
        check_keys(path)
