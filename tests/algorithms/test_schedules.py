"""Schedules: runs of several stages are the stages one after another, also where a run is
interrupted; what a stage may hold."""

import pandas as pd
import pytest
import torch

from perfedavg.algorithms.federated import CohortClient, FederatedRun, ServerState
from perfedavg.algorithms.spec import LaterPhase, LocalTraining, Phase
from perfedavg.models.steps import to_examples
from perfedavg.storage.checkpoints import load_tensors
from perfedavg.training import resume
from tests.conftest import make_client, make_spec
from tests.training.test_federated import files, train

REPTILE = {
    "algorithm": "reptile",
    "local_epochs": None,
    "local_steps": 2,
    "client": {"lr": 0.05, "batch_size": 4},
    "server": {"optimizer": "adam", "lr": 0.01},
}
FOMAML = {
    "algorithm": "fomaml",
    "local_steps": 1,
    "client": {"lr": 0.1, "batch_size": 5},
    "server": {"optimizer": "sgd", "lr": 0.5},
}


def schedule(*later, **changes):
    """Two rounds of FedAvg(1) with momentum, then the later stages; five rounds in all."""
    return make_spec(
        run_id="schedule-s0",
        setting="schedule",
        rounds=5,
        evaluated_rounds=[1, 2, 3, 4, 5],
        then=later,
        **changes,
    )


PERSONALIZED_FEDAVG = schedule({**REPTILE, "first_round": 3})


def tensors(folder, run_id, file):
    return load_tensors(folder / "runs" / run_id / file)[0]


def assert_equal(got, expected):
    assert got.keys() == expected.keys()
    assert all((got[name] == expected[name]).all() for name in expected)


def rounds_of(folder, run_id):
    return pd.read_parquet(folder / "runs" / run_id / "rounds.parquet")


def test_a_schedule_is_its_stages_one_after_another(store, tmp_path):
    """Bit by bit a plain run of the first stage, and a run of the second one that has the first as
    its parent."""
    first = make_spec(rounds=2, evaluated_rounds=[1, 2])
    second = make_spec(
        run_id="later-s0",
        stage=2,
        parent_run_id=first.run_id,
        parent_rounds=2,
        rounds=5,
        evaluated_rounds=[3, 4, 5],
        **REPTILE,
    )
    for spec in (PERSONALIZED_FEDAVG, first, second):
        train(store, tmp_path, [spec])
    for number in range(1, 6):
        checkpoint = f"checkpoints/round_{number}.safetensors"
        separate = first if number <= 2 else second
        assert_equal(
            tensors(tmp_path, "schedule-s0", checkpoint),
            tensors(tmp_path, separate.run_id, checkpoint),
        )
    for file in ("model.safetensors", "server.safetensors"):
        assert_equal(tensors(tmp_path, "schedule-s0", file), tensors(tmp_path, "later-s0", file))
    separate = pd.concat(
        [rounds_of(tmp_path, spec.run_id) for spec in (first, second)], ignore_index=True
    )
    pd.testing.assert_frame_equal(
        rounds_of(tmp_path, "schedule-s0").drop(columns="run_id"), separate.drop(columns="run_id")
    )


def test_the_rounds_table_tells_the_stages_apart(store, tmp_path):
    spec = schedule({**REPTILE, "first_round": 3}, {**FOMAML, "first_round": 5})
    train(store, tmp_path, [spec])
    rounds = rounds_of(tmp_path, spec.run_id)
    assert rounds["round"].tolist() == [1, 2, 3, 4, 5]
    assert rounds["stage"].tolist() == [1, 1, 2, 2, 3]
    assert rounds.gradient_evaluations[2:].tolist() == [4, 4, 4], (
        "two clients with two gradients each"
    )


def cohort_of(model, sizes):
    clients = [make_client(i, n_train=n) for i, n in enumerate(sizes)]
    return [CohortClient(c.client_id, to_examples(model, c.train_x, c.train_y)) for c in clients]


def test_a_server_optimizer_starts_fresh_with_its_stage_alone_even_if_it_is_the_one_before_again():
    same = make_spec().model_dump(include={"algorithm", "local_epochs", "client", "server"})
    plain, staged = (
        FederatedRun(make_spec()),
        FederatedRun(make_spec(then=[{**same, "first_round": 2}])),
    )
    cohort = cohort_of(plain.model, [5, 8])
    first, _ = plain.round(plain.init(), 1, cohort)
    expected = ServerState(first.parameters, plain.spec.server.init(first.parameters))
    got = first
    for number in (2, 3):
        (got, _), (expected, _) = (
            staged.round(got, number, cohort),
            plain.round(expected, number, cohort),
        )
        for one, other in zip(
            [*got.parameters, *got.optimizer],
            [*expected.parameters, *expected.optimizer],
            strict=True,
        ):
            assert torch.equal(one, other)
    kept, _ = plain.round(first, 2, cohort)
    assert not torch.equal(kept.parameters[0], staged.round(first, 2, cohort)[0].parameters[0])


@pytest.mark.parametrize("last_saved", [1, 2, 3, 4])
def test_a_schedule_that_was_interrupted_resumes_to_the_same_bytes(
    store, tmp_path, monkeypatch, caplog, last_saved
):
    train(store, tmp_path / "whole", [PERSONALIZED_FEDAVG])
    monkeypatch.setattr(resume, "SAVE_EVERY_SECONDS", 0.0)
    original = FederatedRun.round

    def round_that_dies(self, state, number, *rest):
        if number > last_saved:
            raise KeyboardInterrupt
        return original(self, state, number, *rest)

    monkeypatch.setattr(FederatedRun, "round", round_that_dies)
    with pytest.raises(KeyboardInterrupt):
        train(store, tmp_path / "stopped", [PERSONALIZED_FEDAVG])
    monkeypatch.undo()
    with caplog.at_level("INFO", logger="perfedavg"):
        train(store, tmp_path / "stopped", [PERSONALIZED_FEDAVG])
    assert f"resumes after round {last_saved}" in caplog.text
    assert files(tmp_path / "stopped/runs") == files(tmp_path / "whole/runs")


@pytest.mark.parametrize(
    ("work", "gradients", "products"),
    [
        ({"algorithm": "fedsgd"}, 1, 0),
        ({"algorithm": "fedavg", "local_steps": 3}, 3, 0),
        ({"algorithm": "reptile", "local_steps": 3}, 3, 0),
        ({"algorithm": "fomaml", "local_steps": 3}, 4, 0),
        ({"algorithm": "maml", "local_steps": 3}, 4, 3),
        ({"algorithm": "maml_printed", "local_steps": 3}, 4, 3),
        ({"algorithm": "weighted", "weights": [0, 1, 0, -0.5, 2]}, 5, 0),
    ],
    ids=lambda value: value["algorithm"] if isinstance(value, dict) else "",
)
def test_what_a_client_computes_in_a_round(work, gradients, products):
    """The same for both clients of the cohort, although one has fewer examples than the steps
    need."""
    run = FederatedRun(make_spec(**{"local_epochs": None} | work))
    _, diagnostics = run.round(run.init(), 1, cohort_of(run.model, [3, 40]))
    assert (diagnostics.gradient_evaluations, diagnostics.hessian_vector_products) == (
        2 * gradients,
        2 * products,
    )


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (
            {"algorithm": "weighted"},
            "`weights` belong to the algorithm `weighted`, which needs them",
        ),
        (
            {"algorithm": "fedavg", "weights": [1, 1]},
            "`weights` belong to the algorithm `weighted`",
        ),
        ({"algorithm": "weighted", "weights": []}, "weights"),
        ({"algorithm": "weighted", "weights": [0, 0]}, "one of the weights must not be 0"),
        ({"algorithm": "weighted", "weights": [1, float("nan")]}, "finite"),
        (
            {"algorithm": "weighted", "weights": [1], "local_steps": 1},
            "`weighted` takes neither local_epochs nor local_steps",
        ),
        (
            {"algorithm": "fedsgd", "local_steps": 1},
            "`fedsgd` takes neither local_epochs nor local_steps",
        ),
        (
            {"algorithm": "fedsgd", "local_epochs": 1},
            "`fedsgd` takes neither local_epochs nor local_steps",
        ),
        (
            {"algorithm": "fedavg", "local_steps": 1, "local_epochs": 1},
            "give only one of local_epochs and local_steps",
        ),
        (
            {"algorithm": "fomaml", "local_epochs": 1},
            "`fomaml` counts local_steps, not local_epochs",
        ),
        ({"algorithm": "maml", "local_epochs": 1}, "`maml` counts local_steps, not local_epochs"),
        ({"algorithm": "maml", "local_steps": 0}, "greater than 0"),
        ({"algorithm": "adamml"}, "algorithm"),
        ({"algorithm": "reptile", "averaging": "by size"}, "averaging"),
    ],
)
def test_local_work_that_makes_no_sense_is_refused(work, message):
    with pytest.raises(ValueError, match=message):
        LocalTraining(**work)


@pytest.mark.parametrize("algorithm", ["fedavg", "reptile", "fomaml", "maml", "maml_printed"])
def test_a_phase_needs_an_amount_of_work_that_its_local_work_may_leave_open(algorithm):
    work = LocalTraining(algorithm=algorithm)
    with pytest.raises(ValueError, match=f"`{algorithm}` needs local_steps or local_epochs"):
        Phase(**work.model_dump(), client={}, server={"optimizer": "sgd"})


def test_a_later_phase_needs_its_first_round():
    with pytest.raises(ValueError, match="first_round"):
        LaterPhase(**REPTILE)
