"""The theory experiment: the identity in float64, its controls, and the whole row by brute
force."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from perfedavg.data.store import ClientStore, write_store
from perfedavg.models import MODELS
from perfedavg.randomness import StreamKey, stream, torch_stream
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.storage.checkpoints import load_tensors
from perfedavg.storage.files import read_json, write_json
from perfedavg.training import theory
from perfedavg.training.federated import train_runs
from perfedavg.training.resume import Resume
from perfedavg.training.theory import (
    COMPARED,
    FULL_BATCH,
    MINI_BATCH,
    compare,
    make_cohort,
    measure_theory,
)
from tests.conftest import make_client, make_spec

TRAINING = list(range(9))
LR, SIZE = 0.1, 5


@pytest.fixture
def trained(store, tmp_path):
    train_runs([make_spec()], store, TRAINING, [9], tmp_path / "runs", tmp_path / "resume")
    return tmp_path


def measure(folder, store, spec=None, rounds=(2, 3), max_steps=3, clients=3, name="out"):
    spec = spec or make_spec()
    checkpoints, path = (
        folder / "runs" / spec.run_id / "checkpoints",
        folder / name / "theory.parquet",
    )
    measure_theory(
        spec, checkpoints, store, TRAINING, max_steps, clients, rounds, path, folder / "resume"
    )
    return pd.read_parquet(path)


def test_the_identity_holds_to_rounding_and_the_controls_are_far_from_it(trained, store):
    rows = measure(trained, store)
    keys = [(n, k, 0, b) for n in (2, 3) for b in (FULL_BATCH, MINI_BATCH) for k in (1, 2, 3)]
    assert list(rows[["round", "k", "seed", "batches"]].itertuples(index=False, name=None)) == keys
    assert (rows.residual < 1e-14).all()
    assert (rows.residual_other_batches > 1e-2).all()
    assert (rows.residual_unequal_weights > 1e-2).all()
    assert not rows.isna().any().any()
    cosines = rows.filter(like="cos_")
    assert (cosines.abs() <= 1).all().all()
    assert (cosines.min() < 0.99).all(), "no two of the algorithms are the same"
    assert not (trained / "resume/theory-fedavg-m2-e1-s0").exists()


def test_the_identity_holds_with_dropout(tmp_path):
    write_store(
        tmp_path / "store", [make_client(i, n_train=3 + i) for i in range(6)], num_classes=62
    )
    spec = make_spec(model="cnn_emnist")
    parameters = MODELS["cnn_emnist"].init(torch_stream(StreamKey(0, "x")))
    for batches in (FULL_BATCH, MINI_BATCH):
        cohort = make_cohort(spec, 1, ClientStore(tmp_path / "store"), range(6), 2, batches, 2)
        calls = []
        rows = compare(spec, parameters, cohort, 2, lambda calls=calls: calls.append(1))
        assert rows[1]["residual"] < 1e-13
        assert min(rows[1]["residual_other_batches"], rows[1]["residual_unequal_weights"]) > 1e-2
        assert len(calls) == 2 * theory._num_updates(batches, 2), "what the progress line counts to"


@pytest.mark.parametrize("batches", [FULL_BATCH, MINI_BATCH])
def test_a_row_by_brute_force(trained, store, batches):
    """K = 2 at round 3: flat vectors, whole Hessians of two directions by plain autograd, no code
    of the package's training."""
    row = measure(trained, store).query("round == 3 and k == 2 and batches == @batches").iloc[0]
    model = MODELS["cnn_small"]
    tensors, _ = load_tensors(trained / "runs/fedavg-m2-e1-s0/checkpoints/round_3.safetensors")
    shapes = list(model.shapes.values())
    start = torch.cat([tensors[name].flatten() for name in model.shapes]).double()
    expected = dict.fromkeys(COMPARED, 0)
    cohort = sorted(
        stream(StreamKey(0, "theory cohort", 3)).choice(TRAINING, size=3, replace=False)
    )
    clients = [store.client(int(i)) for i in cohort]
    total = sum(len(c.train_y) for c in clients)
    equal = by_examples = fomaml1 = 0
    for c in clients:
        x = model.features(c.train_x).double()
        y, n = torch.tensor(c.train_y.astype(np.int64)), len(c.train_y)

        def loss(theta, batch, x=x, y=y):
            parts = torch.split(theta, [int(np.prod(s)) for s in shapes])
            logits = model.logits(
                [p.view(s) for p, s in zip(parts, shapes, strict=True)], x[batch], None
            )
            return F.cross_entropy(logits, y[batch])

        def gradient(theta, batch, loss=loss):
            theta = theta.clone().requires_grad_()
            return torch.autograd.grad(loss(theta, batch), theta)[0]

        def product(theta, batch, v, loss=loss):
            return torch.autograd.functional.hvp(lambda t: loss(t, batch), theta, v)[1]

        # A shuffle that fits its buffer is one permutation of the repeated data.
        def draw(purpose, length, n=n, c=c):
            order = stream(StreamKey(0, purpose, 3, c.client_id)).permutation(length) % n
            return [order[i : i + SIZE] for i in range(0, length, SIZE)]

        if batches == MINI_BATCH:
            walk, epochs = draw("theory", n * -(-4 * SIZE // n)), draw("theory epochs", 2 * n)
        else:
            walk, epochs = [np.arange(n)] * 3, [np.arange(n)] * 2
        t0 = start
        g1 = gradient(t0, walk[0])
        t1 = t0 - LR * g1
        g2 = gradient(t1, walk[1])
        g3 = gradient(t1 - LR * g2, walk[2])
        inner = g3 - LR * product(t1, walk[1], g3)
        maml = inner - LR * product(t0, walk[0], inner)
        printed = g3 - LR * (product(t0, walk[0], g3) + product(t1, walk[1], g3))
        end = start
        for batch in epochs:
            end = end - LR * gradient(end, batch)
        own = {
            "fedsgd": g1,
            "fomaml": g3,
            "maml_printed": printed,
            "maml": maml,
            "reptile": g1 + g2,
        }
        for name, g in own.items():
            expected[name] += LR * g / 3
        expected["fedavg"] += (start - end) * n / total
        equal, by_examples, fomaml1 = (
            equal + (g1 + g2) / 3,
            by_examples + (g1 + g2) * n / total,
            fomaml1 + g2 / 3,
        )
    for a, b in theory.PAIRS:
        va, vb = expected[a].numpy(), expected[b].numpy()
        assert row[f"cos_{a}_{b}"] == pytest.approx(
            va @ vb / np.sqrt((va @ va) * (vb @ vb)), rel=1e-9
        ), (a, b)
        assert row[f"norm_ratio_{a}_{b}"] == pytest.approx(
            np.sqrt(va @ va) / np.sqrt(vb @ vb), rel=1e-9
        ), (a, b)
    right = expected["fedsgd"] / LR + fomaml1
    unequal = (by_examples - right).norm() / by_examples.norm()
    assert row.residual_unequal_weights == pytest.approx(unequal.item(), rel=1e-9)


def test_one_epoch_of_full_batches_is_one_step_and_both_kinds_see_one_cohort(store):
    spec = make_spec()
    full, mini = (
        make_cohort(spec, 3, store, TRAINING, 4, batches, 3) for batches in (FULL_BATCH, MINI_BATCH)
    )
    assert [c.key for c in full] == [c.key for c in mini]
    assert len({c.key for c in full}) == 4
    for c in full:
        assert all(sorted(batch) == list(range(len(c.examples))) for batch in c.batches)
        assert len(c.others[0]) == (len(c.examples) + 1) // 2
        assert c.examples.features.dtype == torch.float64
    for c in mini:
        assert len(c.batches) == len(c.others) == 4
        assert any(not np.array_equal(a, b) for a, b in zip(c.batches, c.others, strict=True))
        assert [sum(map(len, epoch)) for epoch in c.epochs] == [
            n * len(c.examples) for n in (1, 2, 3)
        ]
    other_round = make_cohort(spec, 2, store, TRAINING, 4, FULL_BATCH, 3)
    assert [c.key[3] for c in other_round] != [c.key[3] for c in full]


def test_an_interrupted_measurement_is_resumed_and_gives_the_same_bytes(
    trained, store, monkeypatch
):
    measure(trained, store, name="whole")
    original, calls = theory.compare, []

    def compare_that_dies(*args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(*args)

    monkeypatch.setattr(theory, "compare", compare_that_dies)
    with pytest.raises(KeyboardInterrupt):
        measure(trained, store, name="stopped")
    assert not (trained / "stopped").exists()
    measure(trained, store, name="stopped")
    assert len(calls) == 3 + 2, "two of the four parts were kept"
    assert (trained / "stopped/theory.parquet").read_bytes() == (
        trained / "whole/theory.parquet"
    ).read_bytes()


def test_parts_of_another_model_or_cohort_are_measured_anew(trained, store, monkeypatch):
    monkeypatch.setattr(Resume, "remove", lambda self: None)
    first = measure(trained, store, rounds=(2,))
    checkpoints = trained / "runs/fedavg-m2-e1-s0/checkpoints"
    (checkpoints / "round_3.safetensors").replace(checkpoints / "round_2.safetensors")
    other_model, other_cohort = (
        measure(trained, store, rounds=(2,)),
        measure(trained, store, rounds=(2,), clients=4),
    )
    assert not np.isclose(first.cos_fomaml_maml, other_model.cos_fomaml_maml).any()
    assert not np.isclose(other_cohort.cos_fomaml_maml, other_model.cos_fomaml_maml).any()


def test_a_run_that_diverged_gives_no_rows_where_its_models_are_missing(trained, store, caplog):
    checkpoints = trained / "runs/fedavg-m2-e1-s0/checkpoints"
    (checkpoints / "round_3.safetensors").unlink()
    with pytest.raises(PerfedavgError, match=r"round_3\.safetensors is missing, although"):
        measure(trained, store)
    facts = read_json(checkpoints.parent / "run.json")
    write_json(checkpoints.parent / "run.json", facts | {"status": "diverged at round 3"})
    with caplog.at_level("WARNING", logger="perfedavg"):
        assert set(measure(trained, store)["round"]) == {2}
    assert "no model of round 3" in caplog.text
    (checkpoints / "round_2.safetensors").unlink()
    rows = measure(trained, store)
    assert rows.empty
    assert list(rows.columns) == list(theory.THEORY_MEASURED)
    assert rows["k"].dtype == np.int64


def test_updates_of_norm_zero_have_no_direction():
    zero, one = (
        torch.zeros(3, dtype=torch.float64),
        torch.tensor([3.0, 4.0, 0.0], dtype=torch.float64),
    )
    vectors = dict.fromkeys(COMPARED, one) | {"maml": zero}
    found = theory._angles_and_lengths(vectors)
    assert np.isnan(
        [found["cos_fomaml_maml"], found["norm_ratio_fomaml_maml"], theory._relative(one, zero)]
    ).all()
    assert (found["cos_fedsgd_fomaml"], found["norm_ratio_fedsgd_fomaml"]) == (1, 1)
