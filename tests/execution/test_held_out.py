"""Fine-tuning many clients at once against one after the other."""

import numpy as np
import pandas as pd
import pytest
import torch

from perfedavg.algorithms.spec import Backend
from perfedavg.execution import held_out
from perfedavg.execution.held_out import fine_tune_stacked, fine_tuning_back_end
from perfedavg.models import MODELS
from perfedavg.models.steps import Examples, to_examples
from perfedavg.personalization.fine_tuning import fine_tune
from perfedavg.personalization.settings import Personalization
from perfedavg.randomness import StreamKey, torch_stream
from perfedavg.runtime.pool import Pool
from tests.conftest import make_client, make_spec, personalize

CPU = torch.device("cpu")
# Train and test examples; with batches of 5 an epoch is of 2, 0, 3, 1 and 1 steps.
SIZES = ((7, 4), (0, 3), (12, 0), (3, 2), (5, 6))


def make_clients(model, dtype):
    """(train, test, key) of each."""

    def examples(x, y):
        own = to_examples(model, x, y)
        return Examples(own.features.to(dtype), own.labels)

    clients = [make_client(i, n_train=n, n_test=t) for i, (n, t) in enumerate(SIZES)]
    return [
        (
            examples(c.train_x, c.train_y),
            examples(c.test_x, c.test_y),
            StreamKey(0, "test", 3, c.client_id),
        )
        for c in clients
    ]


WAYS = [
    ("cnn_small", layers, optimizer)
    for layers in ("all", "last", "all_but_last")
    for optimizer in ("sgd", "adam")
]


@pytest.mark.parametrize(("name", "layers", "optimizer"), [*WAYS, ("cnn_emnist", "all", "sgd")])
def test_many_at_once_give_what_each_gives_alone(name, layers, optimizer):
    """Seen in float64: losses within 3e-15; accuracies are counts, so equal."""
    model = MODELS[name]
    parameters = [p.double() for p in model.init(torch_stream(StreamKey(0, "x")))]
    clients = make_clients(model, torch.float64)
    settings = Personalization(
        layers=layers, optimizer=optimizer, lr={"sgd": 0.1, "adam": 0.002}[optimizer], batch_size=5
    )
    before = [p.clone() for p in parameters]
    got = fine_tune_stacked(model, parameters, clients, settings, 2, CPU)
    expected = [
        fine_tune(model, parameters, train, test, settings, key, 2) for train, test, key in clients
    ]
    np.testing.assert_allclose(got, expected, rtol=1e-10)
    assert np.isnan(got[2]).all()
    assert len(set(got[0][:, 1])) == 3
    assert all(torch.equal(a, b) for a, b in zip(parameters, before, strict=True))
    (alone,) = fine_tune_stacked(model, parameters, clients[3:4], settings, 2, CPU)
    np.testing.assert_allclose(alone, expected[3], rtol=1e-10)


@pytest.mark.parametrize("epochs", [0, 2])
def test_clients_without_train_examples_keep_the_initial_model(epochs):
    model = MODELS["cnn_small"]
    parameters, clients = (
        model.init(torch_stream(StreamKey(0, "x"))),
        make_clients(model, torch.float32),
    )
    got = fine_tune_stacked(model, parameters, clients[1:2], Personalization(), epochs, CPU)
    expected = fine_tune(
        model, parameters, *clients[1][:2], Personalization(), clients[1][2], epochs
    )
    np.testing.assert_allclose(got[0], expected, rtol=1e-6)
    assert got[0].shape == (epochs + 1, 2)


def test_a_client_that_blows_up_predicts_nothing_and_harms_nobody():
    model = MODELS["cnn_small"]
    parameters, clients = (
        model.init(torch_stream(StreamKey(0, "x"))),
        make_clients(model, torch.float32),
    )
    train, test, key = clients[4]
    # argmax of nan is class 0; that must not count as knowing it
    test = Examples(test.features, torch.zeros_like(test.labels))
    clients[4] = Examples(torch.full_like(train.features, torch.nan), train.labels), test, key
    settings = Personalization(batch_size=5)
    got = fine_tune_stacked(model, parameters, clients, settings, 1, CPU)
    assert got[4][1, 0] == 0
    assert np.isnan(got[4][1, 1])
    np.testing.assert_allclose(
        got[0], fine_tune(model, parameters, *clients[0][:2], settings, clients[0][2], 1), rtol=1e-5
    )


def test_rows_of_a_run_follow_the_loop_s(store, monkeypatch):
    """In groups of two clients."""
    monkeypatch.setattr(held_out, "AT_ONCE", 2)
    settings, clients = Personalization(lr=0.1, batch_size=5, epochs=2), {0: [7, 9, 8]}
    with Pool(1) as pool:
        loop, stacked = (
            personalize(
                make_spec(),
                None,
                store,
                clients,
                settings,
                [0],
                fine_tuning_back_end(Backend(kind=kind), pool),
            )
            for kind in ("loop", "batched")
        )
    pd.testing.assert_frame_equal(stacked.drop(columns="loss"), loop.drop(columns="loss"))
    np.testing.assert_allclose(stacked.loss, loop.loss, rtol=1e-5)
