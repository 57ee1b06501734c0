"""Fine-tune evaluation: changes no weights, equals a plain torch loop, looks where it should."""

import numpy as np
import pytest
import torch

from perfedavg.algorithms.run import train_runs
from perfedavg.baselines.settings import LocalOnly
from perfedavg.models import MODELS
from perfedavg.personalize import fine_tune, intermediate_subset, personalize_run, rounds_looked_at
from perfedavg.randomness import stream, torch_stream
from perfedavg.settings import Personalization
from perfedavg.training.checkpoints import load_tensors
from perfedavg.training.local import to_examples
from tests.conftest import make_client, make_spec

KEY = (0, "personalization", 5, "c03")


def test_equals_a_plain_torch_loop_and_changes_no_weights():
    model = MODELS["cnn_small"]
    parameters = model.init(torch_stream(0, "x"))
    kept = [p.clone() for p in parameters]
    client = make_client(3, n_train=13, n_test=9)
    train, test = (to_examples(model, x, y) for x, y in ((client.train_x, client.train_y), (client.test_x, client.test_y)))
    results = fine_tune(model, parameters, train, test, Personalization(lr=0.2, batch_size=5), KEY, epochs=3)
    assert all(torch.equal(a, b) for a, b in zip(parameters, kept, strict=True))

    theirs = [torch.nn.Parameter(p.clone()) for p in parameters]
    optimizer, order = torch.optim.SGD(theirs, lr=0.2), stream(*KEY)
    for epoch in range(4):
        with torch.no_grad():
            logits = model.logits(theirs, test.features, None)
        assert results[epoch, 0] == pytest.approx(np.mean(logits.argmax(1).numpy() == client.test_y))
        assert results[epoch, 1] == pytest.approx(torch.nn.functional.cross_entropy(logits, test.labels).item(), rel=1e-5)
        for batch in torch.from_numpy(order.permutation(13)).split(5):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model.logits(theirs, train.features[batch], None), train.labels[batch]).backward()
            optimizer.step()
    assert results[3, 1] != results[0, 1]


def test_dropout_is_on_in_fine_tuning_and_off_in_testing():
    model = MODELS["cnn_emnist"]
    parameters = model.init(torch_stream(0, "x"))
    client = make_client(3, n_train=4, n_test=3)
    train, test = (to_examples(model, x, y) for x, y in ((client.train_x, client.train_y), (client.test_x, client.test_y)))
    settings = Personalization(lr=0.1)
    first, again = (fine_tune(model, parameters, train, test, settings, KEY, 1) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    without = MODELS["cnn_emnist"]
    no_dropout = type(without)(without.shapes, without.prepare, lambda p, x, dropout: without.logits(p, x, None))
    plain = fine_tune(no_dropout, parameters, train, test, settings, KEY, 1)
    np.testing.assert_array_equal(first[0], plain[0])
    assert first[1, 1] != plain[1, 1]


def test_a_client_without_train_examples_keeps_the_initial_model():
    model = MODELS["cnn_small"]
    client = make_client(3)
    empty = to_examples(model, client.train_x[:0], client.train_y[:0])
    test = to_examples(model, client.test_x, client.test_y)
    results = fine_tune(model, model.init(torch_stream(0, "x")), empty, test, Personalization(), KEY, 2)
    assert (results == results[0]).all()


@pytest.fixture
def rows(store, tmp_path):
    spec = make_spec(rounds=6, evaluated_rounds=[2, 4, 6])
    train_runs([spec], store, [0, 1, 2], [3], tmp_path / "runs", tmp_path / "resume")
    checkpoints = tmp_path / "runs" / spec.run_id / "checkpoints"
    settings = Personalization(lr=0.1, batch_size=5, epochs=2)
    at = rounds_looked_at([5, 6, 7, 8, 9], spec.evaluated_rounds, spec.rounds, 2, split_seed=42)
    return personalize_run(spec, checkpoints, store, at, "evaluation", settings, [4, 6])


def test_rows_for_every_round_client_and_epoch(rows, store):
    counts = rows.groupby("round").agg(clients=("client_id", "nunique"), epochs=("epoch", "max"))
    assert counts.clients.to_dict() == {2: 2, 4: 2, 6: 5}
    assert counts.epochs.to_dict() == {2: 0, 4: 2, 6: 2}
    assert set(rows[rows["round"] == 2].client_id) == set(rows[rows["round"] == 4].client_id)
    last = rows[rows["round"] == 6]
    assert all(epochs.tolist() == [0, 1, 2] for _, epochs in last.groupby("client_id").epoch)
    sizes = dict(zip(store.column("client_id"), store.column("num_train"), strict=True))
    assert (rows.num_train == rows.client_id.map(sizes)).all()
    assert set(rows.client_group) == {"evaluation"}


def test_rows_are_fine_tune_of_the_client_s_own_train_and_test_split(rows, store, tmp_path):
    """Also: the initial accuracy is the same whether a round is personalized (4) or not (2)."""
    settings = Personalization(lr=0.1, batch_size=5, epochs=2)
    for number in (2, 4, 6):
        tensors, _ = load_tensors(tmp_path / "runs/fedavg-m2-e1-s0/checkpoints" / f"round_{number}.safetensors")
        model = MODELS["cnn_small"]
        for index in (5, 6, 7, 8, 9):
            c = store.client(index)
            own = rows[(rows["round"] == number) & (rows.client_id == c.client_id)]
            train, test = (to_examples(model, x, y) for x, y in ((c.train_x, c.train_y), (c.test_x, c.test_y)))
            key = (0, "personalization", number, c.client_id)
            expected = fine_tune(model, model.unnamed(tensors), train, test, settings, key, epochs=2)
            np.testing.assert_array_equal(own[["accuracy", "loss"]], expected[: len(own)])


def test_local_only_training_starts_from_a_fresh_model(store):
    spec, settings = make_spec(), LocalOnly(lr=0.3, batch_size=4, epochs=3).as_fine_tuning()
    rows = personalize_run(spec, None, store, {0: [8, 9]}, "evaluation", settings, [0])
    model = MODELS["cnn_small"]
    for index in (8, 9):
        c = store.client(index)
        train, test = (to_examples(model, x, y) for x, y in ((c.train_x, c.train_y), (c.test_x, c.test_y)))
        fresh = model.init(torch_stream(0, "initial parameters"))
        expected = fine_tune(model, fresh, train, test, settings, (0, "personalization", 0, c.client_id), 3)
        np.testing.assert_array_equal(rows[rows.client_id == c.client_id][["accuracy", "loss"]], expected)
    assert rows.fine_tune_lr.unique() == [0.3]


def test_the_intermediate_subset_is_fixed_and_in_order():
    subset = intermediate_subset(range(100), 10, seed=1)
    assert subset == intermediate_subset(range(100), 10, seed=1) == sorted(set(subset))
    assert subset != intermediate_subset(range(100), 10, seed=2)
    assert intermediate_subset([3, 1], None, 0) == [3, 1] == intermediate_subset([3, 1], 5, 0)
