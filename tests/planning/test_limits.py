"""Work is counted as by hand, limits follow from it, and every rule declares them."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from perfedavg.config.load import load_config
from perfedavg.data.sets import data_set
from perfedavg.data.sources import DataSize
from perfedavg.data.store import write_store
from perfedavg.planning.calibration import calibrate
from perfedavg.planning.jobs import Jobs
from perfedavg.planning.limits import LIMIT, SHORTEST_MINUTES
from perfedavg.planning.workload import EVALUATE, Activity, SizeAtHand
from perfedavg.runtime.errors import PerfedavgError
from tests.conftest import make_client
from tests.data.published import as_folder, as_tar, h5_files, make_writers

ROOT = Path(__file__).parents[2]
TINY = yaml.safe_load((ROOT / "tests/workflow/tiny.yaml").read_text())
DATA = DataSize(clients=16, train=10, test=3)
ONE = {"clients": "4", "seed": "0"}


def merged(block, changes):
    """``block`` with ``changes``, block by block."""
    both = {
        k: merged(block[k], v) for k, v in changes.items() if isinstance(v, dict) and k in block
    }
    return block | changes | both


def jobs(data=DATA, **changes):
    return Jobs(load_config(merged(TINY, changes)), data)


def work(rule, wildcards, **changes):
    """Of the job of a rule with these wildcards."""
    of = jobs(**changes)
    return of.workload.of_job(rule, of[rule].of(wildcards))


def limit(name, rule, wildcards, **changes):
    return jobs(**changes)[rule].limits[name](wildcards, attempt=1)


def test_the_work_of_a_training_job_is_what_one_counts_by_hand():
    # 4 rounds of 4 clients, 1 and 2 epochs of 10 examples; 3 validation clients with 3 test
    # examples after rounds 2 and 4.
    expected = {Activity("train", "", 5): 4 * 4 * (1 + 2) * 10, EVALUATE: 2 * 2 * 3 * 3}
    assert work("train_fedavg", ONE) == expected
    everything = work("train_fedavg", {})
    assert everything[EVALUATE] == 8 * 2 * 3 * 3, "of all runs: (M, E, seed)"
    # Entries: fedsgd, fedavg(E=1), maml(K=2), fomaml(2) then reptile(2), and two in-between
    # families of 2 weights; 2 rates.
    of_maml = work("train_comparison", {"setting": "maml.x1", "seed": "0"})
    rounds = max(run.rounds for run in jobs()["train_comparison"].runs if run.entry == "maml")
    assert of_maml[Activity("train", "maml", 5)] == rounds * 2 * (2 + 1) * 5


def test_the_work_of_a_fine_tuning_job_is_what_one_counts_by_hand():
    # 5 evaluation clients in the last round, 2 of them in the one before; 3 validation clients in
    # the last; 2 epochs; 2 runs.
    assert work("personalize", ONE) == {Activity("fine-tune", "full", 5): 2 * (5 + 3 + 2) * 2 * 10}
    centralized = work("train_centralized", {"seed": "0"})
    assert centralized[Activity("centralized", "", 5)] == 3 * 8 * 10
    assert work("table1", {}) == {}


def test_limits_grow_with_the_work_and_shrink_with_the_workers():
    def of(rounds, **changes):  # evaluated but once, so that training is all the work
        once = {
            "training": {"rounds": rounds},
            "evaluation": {"every": rounds},
            "studies": {"theory": None},
        }
        names = ("runtime", "mem_mb")
        return [limit(name, "train_fedavg", ONE, **once, **changes) for name in names]

    (small, small_mb), (large, large_mb) = of(4), of(400_000)
    assert small == SHORTEST_MINUTES
    seconds = 400_000 * 4 * 3 * 10 * 0.05e-3
    assert large == pytest.approx(LIMIT * seconds / 60, rel=0.02)
    shared, shared_mb = of(400_000, execution={"workers": 4})
    assert shared == pytest.approx(large / 4, abs=1)
    assert shared_mb > large_mb
    assert limit("mem_mb", "train_fedavg", ONE, model="cnn_emnist") > small_mb


def test_a_job_that_is_started_again_gets_more():
    of = jobs()["train_fedavg"].limits["mem_mb"]
    assert of(ONE, attempt=3) == 3 * of(ONE, attempt=1)


def test_only_jobs_on_the_back_end_take_a_gpu():
    on_gpu = jobs(execution={"backend": {"kind": "batched", "device": "cuda"}})
    assert on_gpu["train_fedavg"].limits["gpu"] == 1
    assert "gpu" not in on_gpu["train_centralized"].limits
    assert "gpu" not in jobs()["train_fedavg"].limits


def test_runs_that_share_a_job_and_runs_that_do_not():
    packed, single = jobs()["train_fedavg"], jobs(execution={"pack": False})["train_fedavg"]
    runs = [f"fedavg-m{m}-e{e}" for m in (2, 4) for e in (1, 2)]
    assert packed.paths("runs/{run}/a", "{run}") == [
        *(f"runs/{run}-s{{seed}}/a" for run in runs),
        *(f"{run}-s{{seed}}" for run in runs),
    ]
    assert packed.name == "train_fedavg-s{seed}"
    assert [run.run_id for run in packed.of({"seed": "1"})] == [f"{run}-s1" for run in runs]
    assert single.paths("{run}") == ["fedavg-m{clients}-{work}-s{seed}"]
    assert single.name == "train_fedavg-m{clients}-{work}-s{seed}"
    one = single.of({"clients": "4", "work": "e2", "seed": "0"})
    assert [run.run_id for run in one] == ["fedavg-m4-e2-s0"]
    stops = jobs(execution={"pack": False})["personalize_centralized"]
    assert stops.paths("{run}") == ["centralized-best-s{seed}", "centralized-matched-s{seed}"]


def test_the_declared_size_is_the_drawn_one():
    data = load_config(TINY).data
    drawn = list(data.model_copy(update={"writers": 100}).clients())
    declared = data.size
    assert declared.clients == data.writers
    assert declared.train == pytest.approx(
        np.mean([len(client.train_y) for client in drawn]), rel=0.1
    )


def test_limits_follow_from_the_store_as_soon_as_it_is_there(tmp_path):
    """Of an archive; the built-in data are as declared."""
    archive = data_set({"dataset": "emnist62", "archive": "own.zip"})
    size = SizeAtHand(archive, tmp_path)
    own = {"data": {"dataset": "emnist62", "archive": "own.zip", "sha256": "a" * 64}}
    of = Jobs(load_config(TINY | own), size)["train_fedavg"].limits["mem_mb"]
    before = of(ONE, attempt=1)
    assert size() == archive.size
    write_store(tmp_path, [make_client(i, n_train=5, n_test=2) for i in range(20)], 62)
    assert size() == DataSize(20, 5, 2)
    assert of(ONE, attempt=1) < before / 5
    (tmp_path / "clients.arrow").unlink()
    assert size() == DataSize(20, 5, 2), "it is read once"
    built_in = load_config(TINY).data
    assert SizeAtHand(built_in, tmp_path)() == built_in.size


def test_an_archive_of_one_s_own_asks_for_what_its_bytes_allow(tmp_path):
    """A fifth of a byte a pixel; never more than the public archive."""
    writers = make_writers({f"f{i}": (180, 20) for i in range(10)})
    files = h5_files(writers)
    for path in (as_folder(tmp_path / "data", files), as_tar(tmp_path / "a.tar.bz2", files)):
        parts = list(path.iterdir()) if path.is_dir() else [path]
        data = data_set({"dataset": "emnist62", "archive": str(path)})
        size = SizeAtHand(data, tmp_path / "store")()
        assert size.clients == math.ceil(
            5 * sum(p.stat().st_size for p in parts) / 784 / (size.train + size.test)
        )
        assert size.clients >= 10
        assert size.train == data.size.train
    with open(tmp_path / "a.tar.bz2", "ab") as file:
        file.truncate(10**9)  # sparse
    assert SizeAtHand(data, tmp_path / "store")().clients == data.size.clients


def test_every_rule_declares_what_it_needs():
    text = "\n".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    rules = [block for block in re.split(r"(?m)^ *rule ?\w*:", text)[1:] if "script:" in block]
    assert len(rules) > 10
    for block in rules:
        assert "log:\n" in block
        assert "**JOB.limits" in block or "localrule: True" in block


def test_the_batched_back_end_is_one_process_whatever_the_workers():
    def of(**execution):
        job = jobs(
            training={"rounds": 400_000}, execution={"backend": {"kind": "batched"}} | execution
        )["train_fedavg"]
        return job.threads, job.limits["runtime"](ONE, attempt=1)

    assert of(workers=4) == of(workers=1)


def test_archives_can_be_planned_before_they_are_there():
    """The limits and costs of every job of a config on an archive; converting is not tried out."""
    config = load_config(yaml.safe_load((ROOT / "config/emnist62-small.yaml").read_text()))
    work = Jobs(config, config.data.size).workload.of_job("build_store", [])
    costs = calibrate(config, config.data.size, work, seconds=0.01)
    assert [activity.kind for activity in work] == ["convert"]
    assert all(costs.seconds[activity] > 0 for activity in work)


def test_bfloat16_is_refused_where_it_would_be_float32():
    with pytest.raises(PerfedavgError, match="cnn_emnist_bf16"):
        jobs(model="cnn_emnist_bf16", execution={"backend": {"kind": "batched"}})
