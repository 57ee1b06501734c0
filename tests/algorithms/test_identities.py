"""The clients' deltas against each other, and a round by hand in NumPy."""

import numpy as np
import pytest
import torch

from perfedavg.algorithms.federated import CohortClient, FederatedRun, ServerState
from perfedavg.data.batches import local_batches
from perfedavg.randomness import StreamKey, stream
from tests.algorithms.deltas import (
    COHORT,
    FULL,
    NETWORK,
    OTHER,
    RATE,
    SMALL,
    START,
    clients,
    flat,
    mean_delta,
    normal,
    relative,
    update,
)
from tests.algorithms.test_federated import softmax_regression_gradient
from tests.conftest import linear_model, make_spec


def fedsgd_and_fomaml(k, batches, dropout):
    parts = [mean_delta("fomaml", j, batches, dropout) for j in range(1, k)]
    return mean_delta("fedsgd", 1, batches, dropout) + sum(parts)


@pytest.mark.parametrize("dropout", [False, True], ids=["dry", "dropout"])
@pytest.mark.parametrize("batches", [FULL, SMALL], ids=["full batch", "small batches"])
@pytest.mark.parametrize("k", [1, 2, 6])
def test_fedavg_is_fedsgd_plus_fomaml_of_every_shorter_walk(k, batches, dropout):
    assert (
        relative(fedsgd_and_fomaml(k, batches, dropout), mean_delta("fedavg", k, batches, dropout))
        < 1e-12
    )


def test_that_sum_needs_the_same_batches_the_same_dropout_and_equal_weights():
    parts = fedsgd_and_fomaml(4, SMALL, dropout=True)
    assert relative(parts, mean_delta("fedavg", 4, OTHER, dropout=True)) > 1e-3
    assert relative(parts, mean_delta("fedavg", 4, SMALL, dropout=False)) > 1e-3
    assert relative(parts, mean_delta("fedavg", 4, SMALL, dropout=True, kind="examples")) > 1e-3


def play(algorithm, sizes, model=NETWORK, **changes):
    """One round in which clients ``0``, ``1``, ... of these sizes take three local steps."""
    work = {
        "local_epochs": None,
        "local_steps": 3,
        "client": {"lr": RATE, "batch_size": 4},
    } | changes
    run = FederatedRun(make_spec(algorithm=algorithm, **work))
    run.model = model
    cohort = [CohortClient(str(i), examples) for i, examples in enumerate(clients(sizes))]
    state, diagnostics = run.round(ServerState(START, run.spec.server.init(START)), 1, cohort)
    return flat(state.parameters), diagnostics


def test_fedavg_of_k_steps_with_equal_weights_and_batch_reptile_are_one_algorithm():
    for fedavg, reptile in (
        (play("fedavg", [8, 8, 8]), play("reptile", [8, 8, 8])),
        (play("fedavg", [7, 12, 9], averaging="equal"), play("reptile", [7, 12, 9])),
        (play("fedavg", [7, 12, 9]), play("reptile", [7, 12, 9], averaging="examples")),
    ):
        assert torch.equal(fedavg[0], reptile[0])
        assert fedavg[1] == reptile[1]
    assert relative(play("fedavg", [7, 12, 9])[0], play("reptile", [7, 12, 9])[0]) > 1e-3, (
        "clients of unequal size"
    )


@pytest.mark.parametrize("algorithm", ["fomaml", "maml", "maml_printed"])
def test_without_a_local_step_meta_learning_is_fedsgd(algorithm):
    for client in range(len(COHORT)):
        got, expected = (
            update(algorithm, 0, client, dropout=True),
            update("fedsgd", 1, client, dropout=True),
        )
        assert torch.equal(flat(got.delta), flat(expected.delta))
        assert (got.num_gradients, got.num_hessian_products) == (1, 0)


def test_after_one_local_step_the_product_and_the_sum_are_the_same_and_after_two_they_are_not():
    assert (
        relative(mean_delta("maml_printed", 1, dropout=True), mean_delta("maml", 1, dropout=True))
        < 1e-14
    )
    assert (
        relative(mean_delta("maml_printed", 2, dropout=True), mean_delta("maml", 2, dropout=True))
        > 1e-2
    )


@pytest.mark.parametrize(
    ("algorithm", "changes", "weights"),
    [
        ("fomaml", {"local_steps": 1}, [0, 1]),
        ("fomaml", {"local_steps": 3}, [0, 0, 0, 1]),
        ("reptile", {"local_steps": 3}, [1, 1, 1]),
        ("weighted", {"local_steps": None, "weights": [1, 0, -0.5, 2]}, [1, 0, -0.5, 2]),
    ],
)
def test_a_round_with_any_weights_by_hand(algorithm, changes, weights):
    """Softmax regression in NumPy: clients of 5 and 9 examples, batches of 4, equally weighted,
    momentum behind them."""
    rate, start = 0.3, [normal(5, 3, 5), normal(6, 3)]
    work = {"local_epochs": None, "client": {"lr": rate, "batch_size": 4}} | changes
    run = FederatedRun(
        make_spec(
            algorithm=algorithm, **work, server={"optimizer": "sgd", "lr": 0.7, "momentum": 0.9}
        )
    )
    run.model = linear_model(5, 3)
    cohort = [
        CohortClient(name, examples) for name, examples in zip("ab", clients([5, 9]), strict=True)
    ]
    state, _ = run.round(ServerState(start, [torch.ones_like(p) for p in start]), 2, cohort)
    delta = [np.zeros((3, 5)), np.zeros(3)]
    for client in cohort:
        theta, x, y = (
            [p.numpy() for p in start],
            client.examples.features.numpy(),
            client.examples.labels.numpy(),
        )
        key = StreamKey(0, "local training", 2, client.client_id)
        for w, batch in zip(
            weights, local_batches(len(y), 4, 1000, stream(key), steps=len(weights)), strict=True
        ):
            g = softmax_regression_gradient(*theta, x[batch], y[batch])
            theta = [t - rate * part for t, part in zip(theta, g, strict=True)]
            delta = [d + rate * w * part / 2 for d, part in zip(delta, g, strict=True)]
    for got, p, d in zip(state.parameters, start, delta, strict=True):
        np.testing.assert_allclose(got.numpy(), p.numpy() - 0.7 * (0.9 + d), rtol=1e-12)
