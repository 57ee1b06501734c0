"""Centralized training against torch's own optimizer; stopping and resuming; local-only
training."""

import numpy as np
import pandas as pd
import pytest
import torch

from perfedavg.models import MODELS
from perfedavg.models.steps import to_examples
from perfedavg.randomness import StreamKey, stream, torch_stream
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.storage.checkpoints import load_tensors
from perfedavg.training import resume
from perfedavg.training.centralized import CentralizedRun
from perfedavg.training.settings import Centralized
from perfedavg.training.stopping import choose_passes, settle

TRAINING, VALIDATION = [0, 1, 2, 3, 4], [5, 6, 7]


def make_run(store, folder, **changes):
    settings = Centralized(
        **({"passes": 3, "batch_size": 7, "lr": 0.05, "momentum": 0.8, "decay": 0.5} | changes)
    )
    return CentralizedRun(
        "centralized-s0", "cnn_small", 0, settings, store, TRAINING, VALIDATION, folder
    )


def test_three_passes_equal_torch_s_nesterov(store, tmp_path):
    run = make_run(store, tmp_path)
    run.train()
    model = MODELS["cnn_small"]
    parameters = [
        p.requires_grad_() for p in model.init(torch_stream(StreamKey(0, "initial parameters")))
    ]
    optimizer = torch.optim.SGD(parameters, lr=0.05, momentum=0.8, nesterov=True)
    clients = [store.client(i) for i in TRAINING]
    x, y = (np.concatenate([getattr(c, part) for c in clients]) for part in ("train_x", "train_y"))
    pooled, losses = to_examples(model, x, y), []
    for number in (1, 2, 3):
        order = torch.from_numpy(stream(StreamKey(0, "centralized", number)).permutation(len(y)))
        assert sorted(order.tolist()) == list(range(len(y)))
        losses.append([])
        for batch in order.split(7):
            loss = torch.nn.functional.cross_entropy(
                model.logits(parameters, pooled.features[batch], None), pooled.labels[batch]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[-1] += [loss.item()] * len(batch)
        optimizer.param_groups[0]["lr"] *= 0.5
    torch.testing.assert_close(
        run.parameters, [p.detach() for p in parameters], rtol=1e-4, atol=1e-6
    )
    rows = pd.DataFrame(run.rows)
    assert rows["pass"].tolist() == [1, 2, 3]
    assert rows.lr.tolist() == [0.05, 0.025, 0.0125]
    assert rows.train_loss.tolist() == pytest.approx([np.mean(part) for part in losses], rel=1e-4)


def test_results_and_checkpoints(store, tmp_path):
    run = make_run(store, tmp_path / "resume")
    run.train()
    run.write_results(tmp_path / "run")
    files = {str(p.relative_to(tmp_path / "run")) for p in (tmp_path / "run").rglob("*.*")}
    assert files == {"passes.parquet", *(f"checkpoints/round_{n}.safetensors" for n in (1, 2, 3))}
    assert not (tmp_path / "resume/centralized-s0").exists()
    last = load_tensors(tmp_path / "run/checkpoints/round_3.safetensors")[0]
    assert all(
        (last[name] == p).all() for name, p in MODELS["cnn_small"].named(run.parameters).items()
    )
    model, accuracies = MODELS["cnn_small"], []
    for i in VALIDATION:
        client = store.client(i)
        logits = model.logits(run.parameters, model.features(client.test_x), None)
        accuracies.append((logits.argmax(1).numpy() == client.test_y).mean())
    assert run.rows[-1]["validation_accuracy"] == pytest.approx(np.mean(accuracies))


@pytest.mark.parametrize("stop_after", [3, 7, 10])
def test_a_run_that_is_stopped_resumes_to_the_same_bytes(store, tmp_path, monkeypatch, stop_after):
    whole = make_run(store, tmp_path / "a")
    whole.train()
    monkeypatch.setattr(resume, "SAVE_EVERY_SECONDS", 0.0)
    stopped, step, calls = make_run(store, tmp_path / "b"), CentralizedRun._step, []

    def step_until_killed(self, batch, lr):
        calls.append(batch)
        if len(calls) > stop_after:
            raise KeyboardInterrupt
        return step(self, batch, lr)

    monkeypatch.setattr(CentralizedRun, "_step", step_until_killed)
    with pytest.raises(KeyboardInterrupt):
        stopped.train()
    monkeypatch.setattr(CentralizedRun, "_step", step)
    again = make_run(store, tmp_path / "b")
    again.train()
    assert again.rows == whole.rows
    assert all(torch.equal(a, b) for a, b in zip(again.parameters, whole.parameters, strict=True))
    for n in (1, 2, 3):
        path = f"centralized-s0/checkpoints/round_{n}.safetensors"
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes()


def test_a_state_of_other_settings_starts_anew(store, tmp_path):
    make_run(store, tmp_path).train()
    other, fresh = make_run(store, tmp_path, lr=0.01), make_run(store, tmp_path / "fresh", lr=0.01)
    other.train()
    fresh.train()
    assert other.rows == fresh.rows


PASSES = pd.DataFrame({"pass": [1, 2, 3, 4, 5], "validation_accuracy": [0.2, 0.5, 0.7, 0.71, 0.69]})


def reference(initial, group="validation"):
    """Two clients around ``initial`` at the last round; epoch 1 and an earlier round are there to
    be overlooked."""
    rows = [(10, 0, initial - 0.1), (10, 0, initial + 0.1), (10, 1, 0.2), (5, 0, 0.2)]
    return pd.DataFrame(rows, columns=["round", "epoch", "accuracy"]).assign(client_group=group)


def test_where_centralized_training_is_stopped():
    assert choose_passes(PASSES, reference(0.56), 10) == {"best": 4, "matched": 2}
    assert choose_passes(PASSES, reference(0.69), 10) == {"best": 4, "matched": 3}, (
        "not the later pass that is nearer"
    )
    assert choose_passes(PASSES, reference(0.64).iloc[:0], 10) == {"best": 4}
    run = {"variant": "matched", "rounds": 5, "parent_run_id": None}
    assert settle(run, PASSES, reference(0.56), "fedavg-s0", 10) == run | {
        "rounds": 2,
        "parent_run_id": "fedavg-s0",
    }
    run = {"variant": "best", "rounds": 5, "parent_run_id": None}
    assert settle(run, PASSES, reference(0.56), "fedavg-s0", 10) == run | {"rounds": 4}


def test_what_diverged_is_called_so(store, tmp_path):
    run = {"variant": "matched", "rounds": 5, "parent_run_id": None}
    assert settle(run, PASSES, reference(0.5).iloc[:0], "fedavg-s0", 10)["status"].startswith(
        "diverged: fedavg-s0"
    )
    assert (
        settle(run, PASSES.iloc[:3], reference(0.5), "fedavg-s0", 10)["status"]
        == "diverged at pass 4"
    )
    diverging = make_run(store, tmp_path, lr=1e30)
    diverging.train()
    diverging.write_results(tmp_path / "out")
    passes = pd.read_parquet(tmp_path / "out/passes.parquet")
    assert len(passes) < 3
    assert settle(run | {"rounds": 3}, passes, reference(0.5), "fedavg-s0", 10)[
        "status"
    ].startswith("diverged at pass")


def test_evaluation_clients_cannot_decide_where_to_stop():
    with pytest.raises(PerfedavgError, match="validation clients alone"):
        choose_passes(PASSES, reference(0.56, "evaluation"), 10)
