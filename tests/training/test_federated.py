"""A run's files, divergence, stages, and that evaluation clients cannot matter."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from perfedavg.algorithms.federated import FederatedRun
from perfedavg.analysis.selection import select
from perfedavg.data.store import ClientStore, write_store
from perfedavg.personalization.settings import Personalization
from perfedavg.storage.checkpoints import load_tensors
from perfedavg.storage.files import read_json
from perfedavg.training.centralized import CentralizedRun
from perfedavg.training.settings import Centralized
from perfedavg.training.stopping import choose_passes
from tests.conftest import make_client, make_spec, personalize
from tests.training.runs import EVALUATION, TRAINING, VALIDATION, files, later, train


def test_files_of_a_run(store, tmp_path):
    spec = make_spec()
    train(store, tmp_path, [spec])
    folder = tmp_path / "runs" / spec.run_id
    assert {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} == {
        "rounds.parquet",
        "timings.parquet",
        "run.json",
        "model.safetensors",
        "server.safetensors",
        "checkpoints/round_2.safetensors",
        "checkpoints/round_3.safetensors",
    }
    rounds = pd.read_parquet(folder / "rounds.parquet")
    assert rounds["round"].tolist() == [1, 2, 3]
    assert (rounds.bytes_up == 2 * 4 * 36_862).all(), "two clients send 36,862 floats"
    assert read_json(folder / "run.json")["status"] == "finished"
    model, metadata = load_tensors(folder / "model.safetensors")
    last, _ = load_tensors(folder / "checkpoints/round_3.safetensors")
    assert all((model[name] == last[name]).all() for name in model)
    assert metadata["seed"] == "0"
    assert metadata["round"] == "3"
    assert metadata["data_sha256"] == store.data_sha256
    assert json.loads(metadata["versions"])["torch"]
    assert not (tmp_path / "resume" / spec.run_id).exists()


def test_the_next_cohort_is_read_while_one_trains(store, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(ClientStore, "prefetch", lambda self, indices: calls.append(list(indices)))
    original = FederatedRun.round
    monkeypatch.setattr(
        FederatedRun,
        "round",
        lambda *args: calls.append(sorted(c.client_id for c in args[3])) or original(*args),
    )
    train(store, tmp_path, [make_spec()])
    fetched, trained = calls[0::2], calls[1::2]
    assert [[store.client(i).client_id for i in cohort] for cohort in fetched[:-1]] == trained[1:]


def test_training_uses_the_train_split_of_training_clients_alone(tmp_path):
    """Other test images, other validation and evaluation clients: the same model."""
    models = []
    for name, other in (("a", 0), ("b", 100)):
        clients = [make_client(i) for i in TRAINING]
        clients = [
            replace(c, test_x=255 - c.test_x, test_y=(c.test_y + 1) % 62) if other else c
            for c in clients
        ]
        clients += [make_client(i + other) for i in [*VALIDATION, *EVALUATION]]
        clients = [replace(c, client_id=f"c{i:02d}") for i, c in enumerate(clients)]
        write_store(tmp_path / name, clients, num_classes=62)
        train(ClientStore(tmp_path / name), tmp_path / f"{name}-out", [make_spec()])
        models.append(
            load_tensors(tmp_path / f"{name}-out/runs/fedavg-m2-e1-s0/model.safetensors")[0]
        )
    assert all((models[0][key] == models[1][key]).all() for key in models[0])


def test_a_model_that_overflows_in_the_server_step_has_diverged(store, tmp_path):
    spec = make_spec(client={"lr": 1e3, "batch_size": 5}, server={"optimizer": "sgd", "lr": 1e38})
    train(store, tmp_path, [spec])
    folder = tmp_path / "runs" / spec.run_id
    assert read_json(folder / "run.json")["status"].startswith("diverged at round")
    for path in folder.rglob("*.safetensors"):
        assert all(tensor.isfinite().all() for tensor in load_tensors(path)[0].values())


def test_a_diverging_run_ends_as_diverged_and_keeps_its_last_finite_model(store, tmp_path):
    spec = make_spec(
        client={"lr": 1e30, "batch_size": 5},
        rounds=6,
        evaluated_rounds=[1, 6],
        server={"optimizer": "sgd"},
    )
    train(store, tmp_path, [spec])
    folder = tmp_path / "runs" / spec.run_id
    status = read_json(folder / "run.json")["status"]
    rounds = pd.read_parquet(folder / "rounds.parquet")
    assert status == f"diverged at round {rounds['round'].max()}"
    assert not np.isfinite(rounds.iloc[-1][["train_loss", "update_norm"]].astype(float)).all()
    model, _ = load_tensors(folder / "model.safetensors")
    assert all(tensor.isfinite().all() for tensor in model.values())
    settings = Personalization(epochs=2)
    rows = personalize(spec, folder / "checkpoints", store, {6: VALIDATION}, settings, [6])
    assert len(rows) == 0
    assert (
        select(rows, pd.DataFrame([spec.model_dump()]), {}).settings["fedavg-m2-e1"].selected_epoch
        is None
    )


def test_evaluation_clients_filled_with_nan_leave_training_and_selection_unchanged(tmp_path):
    write_store(
        tmp_path / "clean", [make_client(i, dtype=np.float32) for i in range(12)], num_classes=62
    )
    poison(tmp_path / "clean", tmp_path / "poisoned", EVALUATION)
    assert np.isnan(ClientStore(tmp_path / "poisoned").client(9).train_x).all()
    assert np.isfinite(ClientStore(tmp_path / "poisoned").client(7).train_x).all()
    results = {}
    for name in ("clean", "poisoned"):
        store, spec = ClientStore(tmp_path / name), make_spec(local_epochs=2)
        train(store, tmp_path / f"{name}-out", [spec])
        checkpoints = tmp_path / f"{name}-out/runs" / spec.run_id / "checkpoints"
        settings = Personalization(epochs=3)
        rows = personalize(spec, checkpoints, store, {3: VALIDATION}, settings, [3])
        validation = rows.assign(client_group="validation")
        chosen = select(validation, pd.DataFrame([spec.model_dump()]), {})
        central = CentralizedRun(
            "c-s0",
            "cnn_small",
            0,
            Centralized(passes=2),
            store,
            TRAINING,
            VALIDATION,
            tmp_path / name,
        )
        central.train()
        stops = choose_passes(pd.DataFrame(central.rows), validation, 3)
        results[name] = (
            files(tmp_path / f"{name}-out"),
            json.dumps([repr(chosen), central.rows, stops]),
        )
    assert results["clean"] == results["poisoned"]


def poison(source, target, clients):
    """Copy a store; the copy's examples of ``clients`` are NaN. Its client table, and with it the
    data hash, stay."""
    shutil.copytree(source, target)
    store = ClientStore(source)
    batch = pa.ipc.open_file(str(source / "examples.arrow")).read_all().to_batches()[0]
    x = batch.column("x").values.to_numpy().reshape(len(batch), -1).copy()
    for index in clients:
        first = store.column("offset")[index]
        x[first : first + store.column("num_train")[index] + store.column("num_test")[index]] = (
            np.nan
        )
    column = pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), x.shape[1])
    with pa.ipc.new_file(str(target / "examples.arrow"), batch.schema) as file:
        file.write_batch(pa.record_batch([column, batch.column("y")], schema=batch.schema))


def test_a_stage_that_changes_nothing_equals_one_long_run(store, tmp_path):
    parent = make_spec()
    train(store, tmp_path, [parent])
    train(store, tmp_path, [later(parent, keeps_server_state=True)])
    train(store, tmp_path / "long", [make_spec(rounds=5, evaluated_rounds=[3, 4, 5])])
    continued, long = tmp_path / "runs/later-s0", tmp_path / "long/runs" / parent.run_id
    for file in ("model.safetensors", "server.safetensors", "checkpoints/round_4.safetensors"):
        expected, got = load_tensors(long / file)[0], load_tensors(continued / file)[0]
        assert expected.keys() == got.keys()
        assert all((got[name] == expected[name]).all() for name in expected), file
    rounds = pd.read_parquet(continued / "rounds.parquet")
    assert rounds["round"].tolist() == [4, 5]
    expected = pd.read_parquet(long / "rounds.parquet").train_loss[3:].tolist()
    assert rounds.train_loss.tolist() == expected
    fresh = later(parent)
    train(store, tmp_path / "fresh", [parent])
    train(store, tmp_path / "fresh", [fresh])
    other = load_tensors(tmp_path / "fresh/runs/later-s0/model.safetensors")[0]
    assert any(
        (other[name] != expected).any()
        for name, expected in load_tensors(long / "model.safetensors")[0].items()
    )


def test_a_stage_behind_a_diverged_one_is_diverged(store, tmp_path):
    parent = make_spec(client={"lr": 1e30, "batch_size": 5})
    train(store, tmp_path, [parent])
    child = later(parent, algorithm="reptile", local_epochs=None, local_steps=2)
    train(store, tmp_path, [child])
    assert read_json(tmp_path / "runs/later-s0/run.json")["status"] == "diverged before stage 2"
    assert pd.read_parquet(tmp_path / "runs/later-s0/rounds.parquet").empty
    assert not list((tmp_path / "runs/later-s0/checkpoints").iterdir())
