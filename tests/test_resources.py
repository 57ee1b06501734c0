"""Work is counted as by hand, limits follow from it, and every rule declares them."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from perfedavg.config.experiment import load_config
from perfedavg.data.sources import DataSize
from perfedavg.planning.calibration import calibrate
from perfedavg.planning.limits import LIMIT, SHORTEST_MINUTES, needs
from perfedavg.planning.workload import EVALUATE, Activity, Counting
from perfedavg.runtime.errors import PerfedavgError

ROOT = Path(__file__).parents[1]
TINY = yaml.safe_load((ROOT / "tests/workflow/tiny.yaml").read_text())
DATA = DataSize(clients=16, train=10, test=3)
ONE = {"clients": "4", "seed": "0"}


def counting(data=DATA, **changes):
    merged = {
        key: TINY.get(key, {}) | value if isinstance(value, dict) else value
        for key, value in changes.items()
    }
    return Counting(load_config(TINY | merged), data)


def test_the_work_of_a_training_job_is_what_one_counts_by_hand():
    # 4 rounds of 4 clients, 1 and 2 epochs of 10 examples; 3 validation clients with 3 test
    # examples after rounds 2 and 4.
    expected = {Activity("train", "", 5): 4 * 4 * (1 + 2) * 10, EVALUATE: 2 * 2 * 3 * 3}
    assert counting().of_job("train_fedavg", ONE) == expected
    everything = counting().of_job("train_fedavg", {})
    assert everything[EVALUATE] == 8 * 2 * 3 * 3, "of all runs: (M, E, seed)"
    # Entries: fedsgd, fedavg(E=1), maml(K=2), fomaml(2) then reptile(2), and two in-between
    # families of 2 weights; 2 rates.
    of_maml = counting().of_job("train_algorithms", {"setting": "maml.x1", "seed": "0"})
    rounds = max(run.rounds for run in counting().entries if run.run_id == "maml.x1-s0")
    assert of_maml[Activity("train", "maml", 5)] == rounds * 2 * (2 + 1) * 5


def test_the_work_of_a_fine_tuning_job_is_what_one_counts_by_hand():
    # 5 evaluation clients in the last round, 2 of them in the one before; 3 validation clients in
    # the last; 2 epochs; 2 runs.
    assert counting().of_job("personalize", ONE) == {
        Activity("fine-tune", "full", 5): 2 * (5 + 3 + 2) * 2 * 10
    }
    centralized = counting().of_job("train_centralized", {"seed": "0"})
    assert centralized[Activity("centralized", "", 5)] == 3 * 8 * 10
    assert counting().of_job("table1", {}) == {}


def test_limits_grow_with_the_work_and_shrink_with_the_workers():
    def of(rounds, **changes):  # looked at but once, so that training is all the work
        once = {"federated": {"rounds": rounds}, "evaluation": {"every": rounds}, "theory": None}
        return needs(counting(**once, **changes), "train_fedavg", ONE)

    small, large = of(4), of(400_000)
    assert small.runtime == SHORTEST_MINUTES
    seconds = 400_000 * 4 * 3 * 10 * 0.05e-3
    assert large.runtime == pytest.approx(LIMIT * seconds / 60, rel=0.02)
    shared = of(400_000, workers=4)
    assert shared.runtime == pytest.approx(large.runtime / 4, abs=1)
    assert shared.mem_mb > large.mem_mb
    assert needs(counting(model="cnn_emnist"), "train_fedavg", ONE).mem_mb > small.mem_mb


def test_only_jobs_on_the_back_end_take_a_gpu():
    on_gpu = counting(backend={"kind": "batched", "device": "cuda"})
    assert needs(on_gpu, "train_fedavg", ONE).gpu == 1
    assert needs(on_gpu, "train_centralized", {"seed": "0"}).gpu == 0
    assert needs(counting(), "train_fedavg", ONE).gpu == 0


def test_the_declared_size_is_the_drawn_one():
    data = load_config(TINY).data
    drawn = list(data.model_copy(update={"writers": 100}).clients())
    declared = data.size
    assert declared.clients == data.writers
    assert declared.train == pytest.approx(
        np.mean([len(client.train_y) for client in drawn]), rel=0.1
    )


def test_every_rule_declares_what_it_needs():
    text = "\n".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    blocks = re.split(r"(?m)^ *(?:use )?rule ", text)[1:]
    jobs = [block for block in blocks if "log:" in block and "localrule" not in block]
    assert len(jobs) > 25
    for block in jobs:
        name = re.match(r"(?:\w+ as )?(\w+)", block)[1]
        assert f'**needs("{name}")' in block, name


def test_the_batched_back_end_is_one_process_whatever_the_workers():
    def of(**changes):
        return needs(
            counting(federated={"rounds": 400_000}, backend={"kind": "batched"}, **changes),
            "train_fedavg",
            ONE,
        )

    assert of(workers=4) == of(workers=1)


def test_archives_can_be_planned_before_they_are_there():
    """The limits and costs of every job of a config on an archive; converting is not tried out."""
    config = load_config(yaml.safe_load((ROOT / "config/emnist62-small.yaml").read_text()))
    work = Counting(config, config.data.size).of_job("build_store", {})
    costs = calibrate(config, config.data.size, work, seconds=0.01)
    assert [activity.kind for activity in work] == ["convert"]
    assert all(costs.seconds[activity] > 0 for activity in work)


def test_bfloat16_is_refused_where_it_would_be_float32():
    with pytest.raises(PerfedavgError, match="cnn_emnist_bf16"):
        counting(model="cnn_emnist_bf16", backend={"kind": "batched"})
