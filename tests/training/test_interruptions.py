"""Runs that are stopped go on to the same bytes; a saved state of something else is left alone."""

import shutil

import pytest

from perfedavg.algorithms.federated import FederatedRun
from perfedavg.data.store import ClientStore, write_store
from perfedavg.training import federated as run_module
from perfedavg.training import resume
from perfedavg.training.federated import train_runs
from tests.conftest import make_client, make_spec
from tests.training.runs import VALIDATION, files, later, train


def test_an_interrupted_run_resumes_to_the_same_bytes(store, tmp_path, monkeypatch, caplog):
    specs = [
        make_spec(),
        make_spec(
            run_id="fedavg-m2-e2-s0", local_epochs=2, server={"optimizer": "adam", "lr": 0.01}
        ),
    ]
    train(store, tmp_path / "whole", specs)
    rounds_played = []
    original = FederatedRun.round

    def round_that_dies(self, state, number, *rest):
        rounds_played.append((self.spec.run_id, number))
        if (
            rounds_played.count(("fedavg-m2-e2-s0", 3)) == 1
            and number == 3
            and self.spec.run_id == "fedavg-m2-e2-s0"
        ):
            raise KeyboardInterrupt
        return original(self, state, number, *rest)

    monkeypatch.setattr(FederatedRun, "round", round_that_dies)
    with pytest.raises(KeyboardInterrupt):
        train(store, tmp_path / "stopped", specs)
    assert not (tmp_path / "stopped/runs").exists(), "nothing half-done where results belong"
    rounds_played.clear()
    rounds_played.append(("fedavg-m2-e2-s0", 3))  # it dies no more
    monkeypatch.setattr(FederatedRun, "round", original)
    with caplog.at_level("INFO", logger="perfedavg"):
        train(store, tmp_path / "stopped", specs)
    assert "fedavg-m2-e1-s0 resumes after round 3" in caplog.text, (
        "a finished run of the job is not trained again"
    )
    assert "fedavg-m2-e2-s0 resumes after round 2" in caplog.text
    assert files(tmp_path / "stopped/runs") == files(tmp_path / "whole/runs")


@pytest.mark.parametrize("where", ["_is_finite", "save_tensors", "round"])
def test_wherever_a_run_is_told_to_stop_the_rounds_before_are_kept(
    store, tmp_path, monkeypatch, caplog, where
):
    """In round 2's training, its check for finite numbers, or as its checkpoint is written."""
    spec = make_spec(evaluated_rounds=(2, 3))
    train(store, tmp_path / "whole", [spec])
    place = FederatedRun if where == "round" else run_module
    original, calls = getattr(place, where), []

    def stop_once(*args):
        calls.append(args)
        if len(calls) == (1 if where == "save_tensors" else 2):
            raise SystemExit(143)
        return original(*args)

    monkeypatch.setattr(place, where, stop_once)
    with pytest.raises(SystemExit):
        train(store, tmp_path / "stopped", [spec])
    with caplog.at_level("INFO", logger="perfedavg"):
        train(store, tmp_path / "stopped", [spec])
    assert "resumes after round 1" in caplog.text
    assert files(tmp_path / "stopped/runs") == files(tmp_path / "whole/runs")


def test_a_saved_state_of_another_config_starts_anew(store, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(resume.Resume, "remove", lambda self: None)
    train(store, tmp_path, [make_spec()])
    monkeypatch.undo()
    changed = make_spec(client={"lr": 0.2, "batch_size": 5})
    with caplog.at_level("INFO", logger="perfedavg"):
        train(store, tmp_path, [changed])
    assert "starts anew" in caplog.text
    train(store, tmp_path / "fresh", [changed])
    assert files(tmp_path / "runs") == files(tmp_path / "fresh/runs")


def interrupted(store, folder, training, monkeypatch):
    """Train two rounds of three, then stop with the state saved."""
    monkeypatch.setattr(resume, "SAVE_EVERY_SECONDS", 0.0)
    original = FederatedRun.round

    def stop_in_round_3(self, state, number, *rest):
        if number == 3:
            raise KeyboardInterrupt
        return original(self, state, number, *rest)

    monkeypatch.setattr(FederatedRun, "round", stop_in_round_3)
    with pytest.raises(KeyboardInterrupt):
        train_runs([make_spec()], store, training, VALIDATION, folder / "runs", folder / "resume")
    monkeypatch.undo()


@pytest.mark.parametrize("change", ["training clients", "data"])
def test_a_saved_state_of_other_clients_or_data_starts_anew(
    store, tmp_path, monkeypatch, caplog, change
):
    interrupted(store, tmp_path, [0, 1, 2], monkeypatch)
    training = [0, 1, 2]
    if change == "training clients":
        training = [6, 7, 8]
    else:
        write_store(
            tmp_path / "other",
            [make_client(i + 50, n_train=3 + i) for i in range(12)],
            num_classes=62,
        )
        store = ClientStore(tmp_path / "other")
    with caplog.at_level("INFO", logger="perfedavg"):
        for folder in (tmp_path, tmp_path / "fresh"):
            train_runs(
                [make_spec()], store, training, VALIDATION, folder / "runs", folder / "resume"
            )
    assert "starts anew" in caplog.text
    assert files(tmp_path / "runs") == files(tmp_path / "fresh/runs")


def test_a_saved_state_of_another_parent_starts_anew(store, tmp_path, monkeypatch):
    monkeypatch.setattr(resume.Resume, "remove", lambda self: None)
    parent, child = (
        make_spec(),
        later(make_spec(), algorithm="reptile", local_epochs=None, local_steps=2),
    )
    train(store, tmp_path, [parent])
    train(store, tmp_path, [child])
    first = (tmp_path / "runs/later-s0/model.safetensors").read_bytes()
    monkeypatch.undo()
    shutil.rmtree(tmp_path / "runs")
    shutil.rmtree(tmp_path / "resume" / parent.run_id)
    train(store, tmp_path, [make_spec(client={"lr": 0.05, "batch_size": 5})])
    train(store, tmp_path, [child])
    assert (tmp_path / "runs/later-s0/model.safetensors").read_bytes() != first
