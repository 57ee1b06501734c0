"""Clients spread over worker processes: the same bytes of every file for any number of workers."""

import subprocess

import pandas as pd
import psutil
import pytest
import torch

from perfedavg.algorithms.federated import FederatedRun
from perfedavg.algorithms.spec import Backend
from perfedavg.data.store import ClientStore, write_store
from perfedavg.execution.cohorts import training_back_end
from perfedavg.execution.held_out import fine_tuning_back_end
from perfedavg.personalization.settings import Personalization
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.runtime.pool import Pool
from perfedavg.training import resume
from perfedavg.training.federated import train_runs
from tests.conftest import make_client, make_spec, personalize
from tests.training.test_federated import files, later

FEDAVG = make_spec(model="cnn_emnist", clients_per_round=4, local_epochs=2)
MAML = make_spec(
    run_id="maml-s0",
    algorithm="maml",
    local_epochs=None,
    local_steps=2,
    model="cnn_emnist",
    clients_per_round=5,
)
STAGE2 = later(
    FEDAVG,
    algorithm="reptile",
    local_epochs=None,
    local_steps=2,
    server={"optimizer": "adam"},
    model="cnn_emnist",
    clients_per_round=4,
)


@pytest.fixture(scope="module")
def pools():
    """One, two and four workers: starting them takes seconds, so tests share them."""
    with Pool(1) as one, Pool(2) as two, Pool(4) as four:
        yield {1: one, 2: two, 4: four}


def train(store, folder, specs, pool):
    back_end = training_back_end(Backend(), pool, store)
    train_runs(specs, store, range(8), [9, 10], folder / "runs", folder / "resume", back_end)


def test_any_number_of_workers_gives_the_same_bytes(store, tmp_path, pools):
    for number in (1, 2, 4):
        for specs in ([FEDAVG, MAML], [STAGE2]):
            train(store, tmp_path / str(number), specs, pools[number])
    expected = files(tmp_path / "1")
    assert len(expected) == 3 * 4 + 3 * 2
    for number in (2, 4):
        assert files(tmp_path / str(number)) == expected
        assert len(pools[number]._workers) == number


def test_one_worker_is_no_process(store, tmp_path, monkeypatch):
    original = subprocess.Popen

    def only_git(command, *arguments, **more):
        assert command[0] == "git"
        return original(command, *arguments, **more)

    monkeypatch.setattr(subprocess, "Popen", only_git)
    with Pool(1) as pool:
        train(store, tmp_path, [make_spec()], pool)


def test_a_run_resumes_with_another_number_of_workers(store, tmp_path, pools, monkeypatch, caplog):
    """Also: an interrupted one leaves no process."""
    spec = make_spec(clients_per_round=4, local_epochs=2)
    train(store, tmp_path / "whole", [spec], pools[1])
    monkeypatch.setattr(resume, "SAVE_EVERY_SECONDS", 0.0)
    original = FederatedRun.round

    def stop_in_round_3(self, state, number, *rest):
        if number == 3:
            raise KeyboardInterrupt
        return original(self, state, number, *rest)

    for first, second in ((2, 4), (4, 1), (1, 2)):
        folder = tmp_path / f"{first}-{second}"
        monkeypatch.setattr(FederatedRun, "round", stop_in_round_3)
        with pytest.raises(KeyboardInterrupt):
            train(store, folder, [spec], pools[first])
        monkeypatch.setattr(FederatedRun, "round", original)
        caplog.clear()
        with caplog.at_level("INFO", logger="perfedavg"):
            train(store, folder, [spec], pools[second])
        assert "resumes after round 2" in caplog.text
        assert files(folder / "runs") == files(tmp_path / "whole/runs")


def test_an_error_in_a_worker_names_the_client_and_leaves_no_process(tmp_path):
    """In training and in personalization."""
    clients = [make_client(i) for i in range(12)]
    clients[3].train_y[:] = 99  # the model has 62 classes
    write_store(tmp_path / "store", clients, num_classes=100)
    store, spec = ClientStore(tmp_path / "store"), make_spec(clients_per_round=8)
    before = set(psutil.Process().children())
    why = "client c03, in a worker process: unexpected IndexError: Target 99 is out of bounds; "
    with Pool(2) as pool:
        with pytest.raises(PerfedavgError, match=f"^fedavg-m2-e1-s0, round 1, {why}"):
            train(store, tmp_path, [spec], pool)
        by_workers = fine_tuning_back_end(Backend(), pool)
        with pytest.raises(PerfedavgError, match=f"^fedavg-m2-e1-s0, round 0, {why}"):
            personalize(spec, None, store, {0: [2, 3]}, Personalization(epochs=1), [0], by_workers)
        assert set(psutil.Process().children()) <= before
    assert not (tmp_path / "runs").exists()


def test_any_number_of_workers_gives_the_same_rows(store, tmp_path, pools):
    spec = make_spec(rounds=6, evaluated_rounds=[2, 4, 6])
    train(store, tmp_path, [spec], pools[1])
    settings = Personalization(lr=0.1, batch_size=5, epochs=2)
    clients = {2: [5, 11], 4: [5, 11], 6: [9, 5, 6, 11, 8]}

    def rows(pool):
        checkpoints = tmp_path / "runs" / spec.run_id / "checkpoints"
        parts = [
            (checkpoints, clients, [4, 6]),
            (None, {0: [9, 5, 8]}, [0]),
            (tmp_path / "none", clients, [6]),
        ]
        back_end = fine_tuning_back_end(Backend(), pool)
        return [
            personalize(spec, folder, store, evaluated, settings, tuned, back_end)
            for folder, evaluated, tuned in parts
        ]

    expected = rows(pools[1])
    assert [len(part) for part in expected] == [2 * 1 + 2 * 3 + 5 * 3, 3 * 3, 0]
    assert expected[1].client_id.unique().tolist() == ["c09", "c05", "c08"]
    for pool in pools.values():
        for got, part in zip(rows(pool), expected, strict=True):
            pd.testing.assert_frame_equal(got, part, check_exact=True)


def test_workers_compute_with_one_torch_thread(store, tmp_path, monkeypatch):
    """Two would give other bits than one."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    spec, settings = make_spec(), Personalization(epochs=1)
    ask = [(), ()], ["a", "b"], [0, 0]
    with Pool(2) as trained, Pool(2) as personalized:
        train(store, tmp_path, [spec], trained)
        back_end = fine_tuning_back_end(Backend(), personalized)
        personalize(spec, None, store, {0: [2, 3]}, settings, [], back_end)
        for pool in (trained, personalized):
            assert pool.run(torch.get_num_threads, *ask) == [1, 1]
