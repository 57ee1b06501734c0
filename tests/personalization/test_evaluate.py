"""Fine-tune evaluation: changes no weights, equals a plain torch loop, trains the layers it should,
looks where it should."""

import numpy as np
import pandas as pd
import pytest
import torch

from perfedavg.models import MODELS, trained_parameters
from perfedavg.models.model import Model
from perfedavg.models.steps import Examples, batch_gradient, to_examples
from perfedavg.personalization.fine_tuning import fine_tune, personalized_models
from perfedavg.personalization.settings import LocalOnly, Personalization
from perfedavg.randomness import StreamKey, stream, torch_stream
from perfedavg.storage.checkpoints import load_tensors
from perfedavg.training.federated import train_runs
from tests.conftest import linear_model, make_client, make_spec, personalize

KEY = StreamKey(0, "personalization", 5, "c03")


def test_equals_a_plain_torch_loop_and_changes_no_weights():
    model = MODELS["cnn_small"]
    parameters = model.init(torch_stream(StreamKey(0, "x")))
    kept = [p.clone() for p in parameters]
    client = make_client(3, n_train=13, n_test=9)
    train, test = (
        to_examples(model, x, y)
        for x, y in ((client.train_x, client.train_y), (client.test_x, client.test_y))
    )
    results = fine_tune(
        model, parameters, train, test, Personalization(lr=0.2, batch_size=5), KEY, epochs=3
    )
    assert all(torch.equal(a, b) for a, b in zip(parameters, kept, strict=True))

    theirs = [torch.nn.Parameter(p.clone()) for p in parameters]
    optimizer, order = torch.optim.SGD(theirs, lr=0.2), stream(KEY)
    for epoch in range(4):
        with torch.no_grad():
            logits = model.logits(theirs, test.features, None)
        assert results[epoch, 0] == pytest.approx(
            np.mean(logits.argmax(1).numpy() == client.test_y)
        )
        assert results[epoch, 1] == pytest.approx(
            torch.nn.functional.cross_entropy(logits, test.labels).item(), rel=1e-5
        )
        for batch in torch.from_numpy(order.permutation(13)).split(5):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(
                model.logits(theirs, train.features[batch], None), train.labels[batch]
            ).backward()
            optimizer.step()
    assert results[3, 1] != results[0, 1]


def test_dropout_is_on_in_fine_tuning_and_off_in_testing():
    model = MODELS["cnn_emnist"]
    parameters = model.init(torch_stream(StreamKey(0, "x")))
    client = make_client(3, n_train=4, n_test=3)
    train, test = (
        to_examples(model, x, y)
        for x, y in ((client.train_x, client.train_y), (client.test_x, client.test_y))
    )
    settings = Personalization(lr=0.1)
    first, again = (fine_tune(model, parameters, train, test, settings, KEY, 1) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    without = MODELS["cnn_emnist"]
    no_dropout = type(without)(
        without.shapes, without.features, lambda p, x, dropout: without.logits(p, x, None)
    )
    plain = fine_tune(no_dropout, parameters, train, test, settings, KEY, 1)
    np.testing.assert_array_equal(first[0], plain[0])
    assert first[1, 1] != plain[1, 1]


def test_a_client_without_train_examples_keeps_the_initial_model():
    model = MODELS["cnn_small"]
    client = make_client(3)
    empty = to_examples(model, client.train_x[:0], client.train_y[:0])
    test = to_examples(model, client.test_x, client.test_y)
    results = fine_tune(
        model, model.init(torch_stream(StreamKey(0, "x"))), empty, test, Personalization(), KEY, 2
    )
    assert (results == results[0]).all()


@pytest.fixture
def rows(store, tmp_path):
    spec = make_spec(rounds=6, evaluated_rounds=[2, 4, 6])
    train_runs([spec], store, [0, 1, 2], [3], tmp_path / "runs", tmp_path / "resume")
    checkpoints = tmp_path / "runs" / spec.run_id / "checkpoints"
    settings = Personalization(lr=0.1, batch_size=5, epochs=2)
    clients = {2: [6, 9], 4: [6, 9], 6: [5, 6, 7, 8, 9]}
    return personalize(spec, checkpoints, store, clients, settings, [4, 6])


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
        tensors, _ = load_tensors(
            tmp_path / "runs/fedavg-m2-e1-s0/checkpoints" / f"round_{number}.safetensors"
        )
        model = MODELS["cnn_small"]
        for index in (5, 6, 7, 8, 9):
            c = store.client(index)
            own = rows[(rows["round"] == number) & (rows.client_id == c.client_id)]
            train, test = (
                to_examples(model, x, y) for x, y in ((c.train_x, c.train_y), (c.test_x, c.test_y))
            )
            key = StreamKey(0, "personalization", number, c.client_id)
            expected = fine_tune(
                model, model.unnamed(tensors), train, test, settings, key, epochs=2
            )
            np.testing.assert_array_equal(own[["accuracy", "loss"]], expected[: len(own)])


def test_local_only_training_starts_from_a_fresh_model(store):
    spec, settings = make_spec(), LocalOnly(lr=0.3, batch_size=4, epochs=3).as_fine_tuning()
    rows = personalize(spec, None, store, {0: [8, 9]}, settings, [0])
    model = MODELS["cnn_small"]
    for index in (8, 9):
        c = store.client(index)
        train, test = (
            to_examples(model, x, y) for x, y in ((c.train_x, c.train_y), (c.test_x, c.test_y))
        )
        fresh = model.init(torch_stream(StreamKey(0, "initial parameters")))
        expected = fine_tune(
            model, fresh, train, test, settings, StreamKey(0, "personalization", 0, c.client_id), 3
        )
        np.testing.assert_array_equal(
            rows[rows.client_id == c.client_id][["accuracy", "loss"]], expected
        )
    assert rows.fine_tune_lr.unique() == [0.3]


WAYS = [
    (layers, optimizer)
    for layers in ("all", "last", "all_but_last")
    for optimizer in ("sgd", "adam")
]


def personalized(model, parameters, train, epochs=2, key=KEY, **settings):
    """Copies of the client's model after every epoch."""
    models = personalized_models(model, parameters, train, Personalization(**settings), key, epochs)
    return [[p.detach().clone() for p in local] for local in models]


@pytest.mark.parametrize("name", ["cnn_small", "cnn_emnist"])
@pytest.mark.parametrize(("layers", "optimizer"), WAYS)
def test_frozen_layers_keep_their_bits_and_all_others_change(name, layers, optimizer):
    model, client = MODELS[name], make_client(3, n_train=4)
    parameters = model.init(torch_stream(StreamKey(0, "x")))
    train = to_examples(model, client.train_x, client.train_y)
    before, after = personalized(
        model, parameters, train, epochs=1, lr=0.1, layers=layers, optimizer=optimizer
    )
    same = [torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    rest, last = [False] * (len(same) - 2), [False] * 2
    assert (
        same
        == {
            "all": rest + last,
            "last": [True] * len(rest) + last,
            "all_but_last": rest + [True] * 2,
        }[layers]
    )
    changed = sum(p.numel() for p, kept in zip(before, same, strict=True) if not kept)
    assert changed == trained_parameters(name, layers)


def test_of_the_last_layer_sgd_is_softmax_regression_on_the_features_before_it():
    model, client = MODELS["cnn_small"], make_client(3, n_train=13)
    parameters = [p.double() for p in model.init(torch_stream(StreamKey(0, "x")))]
    examples = to_examples(model, client.train_x, client.train_y)
    train = Examples(examples.features.double(), examples.labels)
    got = personalized(model, parameters, train, epochs=3, layers="last", lr=0.2, batch_size=5)[-1]

    # With the unit matrix as its last layer, the net returns what that layer meets.
    unit, zero = torch.eye(512, dtype=torch.float64), torch.zeros(512, dtype=torch.float64)
    features = model.logits([*parameters[:-2], unit, zero], train.features, None).numpy()
    weight, bias = (p.numpy().copy() for p in parameters[-2:])
    order = stream(KEY)
    for _ in range(3):
        permutation = order.permutation(13)
        for batch in (permutation[i : i + 5] for i in range(0, 13, 5)):
            scores = np.exp(features[batch] @ weight.T + bias)
            error = scores / scores.sum(1, keepdims=True) - np.eye(62)[client.train_y[batch]]
            weight -= 0.2 * error.T @ features[batch] / len(batch)
            bias -= 0.2 * error.mean(0)
    np.testing.assert_allclose(got[-2], weight, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(got[-1], bias, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("layers", "own"), [("all", [0, 1]), ("last", [2, 3]), ("all_but_last", [0, 1])]
)
def test_adam_is_bias_corrected_and_keeps_its_state_over_epochs(layers, own):
    """Against its formulas in numpy: softmax regression, of all its layers or of one of two that
    are added up."""
    single, client = linear_model(784, 62), make_client(3, n_train=5)
    shapes = (
        single.shapes
        if layers == "all"
        else {"first": (62, 784), "first bias": (62,), **single.shapes}
    )
    model = Model(
        shapes,
        single.features,
        lambda p, x, _: sum(x @ p[i].T + p[i + 1] for i in range(0, len(p), 2)),
    )
    generator = torch.Generator().manual_seed(0)
    parameters = [
        torch.randn(shape, generator=generator, dtype=torch.float64) / 30
        for shape in shapes.values()
    ]
    features = to_examples(model, client.train_x, client.train_y).features.double()
    train = Examples(features, torch.from_numpy(client.train_y))
    got = personalized(
        model, parameters, train, epochs=4, layers=layers, optimizer="adam", lr=0.01, batch_size=5
    )[-1]

    x, labels = features.numpy(), np.eye(62)[client.train_y]
    theta = [p.numpy().copy() for p in parameters]
    first, second = ([np.zeros_like(theta[i]) for i in own] for _ in range(2))
    for t in range(1, 5):  # one batch an epoch
        scores = np.exp(sum(x @ theta[i].T + theta[i + 1] for i in range(0, len(theta), 2)))
        error = (scores / scores.sum(1, keepdims=True) - labels) / len(x)
        for k, (i, gradient) in enumerate(zip(own, (error.T @ x, error.sum(0)), strict=True)):
            first[k] = 0.9 * first[k] + 0.1 * gradient
            second[k] = 0.999 * second[k] + 0.001 * gradient**2
            theta[i] -= (
                0.01 * (first[k] / (1 - 0.9**t)) / (np.sqrt(second[k] / (1 - 0.999**t)) + 1e-8)
            )
    for mine, theirs in zip(got, theta, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["cnn_small", "cnn_emnist"])
def test_adam_gives_every_weight_its_own_gradient(name):
    """A kernel's gradient can come in another layout than the kernel. The first step is lr times
    the gradient's sign."""
    model, client = MODELS[name], make_client(3, n_train=5)
    start = [p.double() for p in model.init(torch_stream(StreamKey(0, "x")))]
    examples = to_examples(model, client.train_x, client.train_y)
    train = Examples(examples.features.double(), examples.labels)
    got = personalized(model, start, train, epochs=1, optimizer="adam", lr=0.01, batch_size=5)[-1]
    order = stream(KEY).permutation(5)
    gradient, _ = batch_gradient(
        model, [p.clone().requires_grad_() for p in start], train, order, torch_stream(KEY)
    )
    assert any(g.stride() != p.stride() for g, p in zip(gradient, start, strict=True)), (
        "the case that this test is about"
    )
    for p, g, moved in zip(start, gradient, got, strict=True):
        torch.testing.assert_close(p - moved, 0.01 * g / (g.abs() + 1e-8), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(("layers", "optimizer"), WAYS)
def test_no_state_leaks_from_client_to_client(store, layers, optimizer):
    spec = make_spec()
    settings = Personalization(lr=0.01, batch_size=5, epochs=2, layers=layers, optimizer=optimizer)
    both, alone = (
        personalize(spec, None, store, {0: clients}, settings, [0]) for clients in ([8, 9], [9])
    )
    pd.testing.assert_frame_equal(both[both.client_id == "c09"].reset_index(drop=True), alone)
    assert both.strategy.unique() == [settings.strategy]
    assert both.groupby("client_id").loss.nunique().tolist() == [3, 3]
