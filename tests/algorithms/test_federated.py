"""FedAvg rounds against numbers worked out without torch, and what must not matter."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from perfedavg.algorithms.client import client_update
from perfedavg.algorithms.federated import CohortClient, FederatedRun, ServerState
from perfedavg.data.batches import local_batches
from perfedavg.models import MODELS
from perfedavg.models.steps import Examples, batch_gradient, to_examples, trainable_copy
from perfedavg.randomness import StreamKey, stream, torch_stream
from tests.conftest import linear_model, make_client, make_spec


def softmax_regression_gradient(weight, bias, x, y):
    """Closed form, float64: (softmax - onehot) x / n."""
    logits = x @ weight.T + bias
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    p[np.arange(len(y)), y] -= 1
    return p.T @ x / len(y), p.mean(0)


def test_two_rounds_with_two_clients_of_different_size_by_hand():
    """Full-batch clients of 1 and 3 examples, 1 epoch: theta - (delta_1 + 3 delta_2) / 4, then with
    momentum."""
    x = {"a": np.array([[1.0, -2.0]]), "b": np.array([[0.5, 1.0], [-1.0, 2.0], [3.0, 0.0]])}
    y = {"a": np.array([2]), "b": np.array([0, 1, 1])}
    run = FederatedRun(
        make_spec(
            client={"lr": 0.1, "batch_size": 3},
            server={"optimizer": "sgd", "lr": 1.0, "momentum": 0.9},
        )
    )
    run.model = linear_model(2, 3)
    weight, bias = np.array([[0.1, 0.2], [-0.3, 0.4], [0.5, -0.6]]), np.array([0.0, 0.1, -0.1])
    parameters = [
        torch.tensor(weight, dtype=torch.float32),
        torch.tensor(bias, dtype=torch.float32),
    ]
    state = ServerState(parameters, run.spec.server.init(parameters))
    cohort = [
        CohortClient(i, Examples(torch.tensor(x[i], dtype=torch.float32), torch.tensor(y[i])))
        for i in "ab"
    ]
    velocity = [np.zeros((3, 2)), np.zeros(3)]
    for number in (1, 2):
        gradients = [softmax_regression_gradient(weight, bias, x[i], y[i]) for i in "ab"]
        delta = [(0.1 * a + 3 * 0.1 * b) / 4 for a, b in zip(*gradients, strict=True)]
        velocity = [0.9 * v + d for v, d in zip(velocity, delta, strict=True)]
        weight, bias = weight - velocity[0], bias - velocity[1]
        state, diagnostics = run.round(state, number, cohort)
        np.testing.assert_allclose(state.parameters[0].numpy(), weight, atol=2e-7)
        np.testing.assert_allclose(state.parameters[1].numpy(), bias, atol=2e-7)
        norm = np.sqrt(sum((d**2).sum() for d in delta))
        assert diagnostics.update_norm == pytest.approx(norm, rel=1e-5)
    assert (
        diagnostics.num_clients,
        diagnostics.num_examples,
        diagnostics.gradient_evaluations,
    ) == (2, 4, 2)


def test_a_reptile_round_weights_clients_equally_and_takes_k_steps():
    """Two steps of single examples, so that the batches are 'a' twice and 'b' twice; the server
    moves by the plain mean."""
    x, y = (
        {"a": np.array([[1.0, -2.0]]), "b": np.array([[0.5, 1.0]] * 3)},
        {"a": np.array([2]), "b": np.array([0, 0, 0])},
    )
    spec = make_spec(
        algorithm="reptile", local_epochs=None, local_steps=2, client={"lr": 0.1, "batch_size": 1}
    )
    run = FederatedRun(
        spec.model_copy(
            update={"server": spec.server.model_copy(update={"lr": 0.5, "momentum": 0.0})}
        )
    )
    run.model = linear_model(2, 3)
    start = np.array([[0.1, 0.2], [-0.3, 0.4], [0.5, -0.6]]), np.array([0.0, 0.1, -0.1])
    parameters = [torch.tensor(p, dtype=torch.float32) for p in start]
    cohort = [
        CohortClient(i, Examples(torch.tensor(x[i], dtype=torch.float32), torch.tensor(y[i])))
        for i in "ab"
    ]
    state, diagnostics = run.round(
        ServerState(parameters, run.spec.server.init(parameters)), 1, cohort
    )
    ends = []
    for i in "ab":
        weight, bias = start
        for _ in range(2):
            gradient = softmax_regression_gradient(weight, bias, x[i][:1], y[i][:1])
            weight, bias = weight - 0.1 * gradient[0], bias - 0.1 * gradient[1]
        ends.append((weight, bias))
    for got, first, one, two in zip(state.parameters, start, *ends, strict=True):
        np.testing.assert_allclose(got.numpy(), first + 0.5 * ((one + two) / 2 - first), atol=2e-7)
    assert diagnostics.gradient_evaluations == 4


def test_train_loss_is_the_mean_over_examples_at_the_parameters_they_met():
    run = FederatedRun(make_spec(client={"lr": 1e-12, "batch_size": 2}, local_epochs=2))
    run.model = linear_model(2, 3)
    parameters = [torch.zeros(3, 2), torch.tensor([0.0, 1.0, 2.0])]
    labels = {"a": [0], "b": [1, 2, 2]}
    cohort = [
        CohortClient(i, Examples(torch.ones(len(v), 2), torch.tensor(v))) for i, v in labels.items()
    ]
    _, diagnostics = run.round(ServerState(parameters, run.spec.server.init(parameters)), 1, cohort)
    logsumexp = np.log(np.exp([0.0, 1.0, 2.0]).sum())
    assert diagnostics.train_loss == pytest.approx(logsumexp - np.mean([0, 1, 2, 2]), rel=1e-6)
    assert diagnostics.gradient_evaluations == 1 + 3


def cohort_of(store_numbers):
    clients = [make_client(i, n_train=4 + i) for i in store_numbers]
    model = MODELS["cnn_emnist"]
    return [CohortClient(c.client_id, to_examples(model, c.train_x, c.train_y)) for c in clients]


def test_a_client_s_update_does_not_depend_on_its_cohort():
    """With dropout on, alone, among others and after others: the same bits."""
    run = FederatedRun(make_spec(model="cnn_emnist", local_epochs=2))
    state = run.init()
    alone = run.client_update(state.parameters, 3, cohort_of([2])[0])
    run.client_update(state.parameters, 3, cohort_of([5])[0])
    among = [run.client_update(state.parameters, 3, c) for c in cohort_of([1, 2, 3])][1]
    assert all(torch.equal(a, b) for a, b in zip(alone.delta, among.delta, strict=True))
    other_round = run.client_update(state.parameters, 4, cohort_of([2])[0])
    assert not torch.equal(alone.delta[0], other_round.delta[0])
    # A round of that client alone moves the model by exactly its delta, whatever was computed
    # before.
    moved, _ = run.round(state, 3, cohort_of([2]))
    assert all(
        torch.equal(p - d, m)
        for p, d, m in zip(state.parameters, alone.delta, moved.parameters, strict=True)
    )


def test_local_work_uses_the_seed_the_shuffle_buffer_and_dropout():
    model, client = MODELS["cnn_emnist"], cohort_of([9])[0]
    runs = [
        FederatedRun(
            make_spec(
                model="cnn_emnist",
                local_epochs=3,
                seed=seed,
                client={"lr": 0.1, "batch_size": 4, "shuffle_buffer": 6},
            )
        )
        for seed in (0, 1)
    ]
    parameters = runs[0].init().parameters
    first, second = (run.client_update(parameters, 1, client).delta for run in runs)
    assert not torch.equal(first[0], second[0]), "another seed, another stream"
    key = StreamKey(0, "local training", 1, client.client_id)
    batches = local_batches(13, 4, 6, stream(key), epochs=3)
    by_hand = client_update(
        model, parameters, client.examples, batches, 0.1, [1] * len(batches), torch_stream(key)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, by_hand.delta, strict=True))
    dry = client_update(model, parameters, client.examples, batches, 0.1, [1] * len(batches), None)
    assert not torch.equal(first[0], dry.delta[0])


def test_unit_weights_return_the_whole_way_and_one_weight_one_gradient():
    model = linear_model(784, 62)
    client = make_client(3, n_train=11)
    examples = to_examples(model, client.train_x, client.train_y)
    start = model.init(torch_stream(StreamKey(0, "x")))
    batches = local_batches(11, 4, 1000, np.random.default_rng(0), epochs=2)
    theta, gradients = trainable_copy(start), []
    for batch in batches:
        gradient, _ = batch_gradient(model, theta, examples, batch, None)
        gradients.append(gradient)
        theta = [
            (p - 0.2 * g).detach().requires_grad_() for p, g in zip(theta, gradient, strict=True)
        ]
    update = client_update(model, start, examples, batches, 0.2, [1] * len(batches), None)
    for delta, p, end in zip(update.delta, start, theta, strict=True):
        torch.testing.assert_close(delta, (p - end).detach(), rtol=1e-5, atol=1e-7)
    third = client_update(
        model,
        start,
        examples,
        batches,
        0.2,
        [2 * (j == 3) for j in range(1, len(batches) + 1)],
        None,
    )
    for delta, g in zip(third.delta, gradients[2], strict=True):
        torch.testing.assert_close(delta, 0.4 * g, rtol=1e-5, atol=1e-7)


def test_cohorts_are_distinct_training_clients_and_change_with_the_round_and_seed():
    run = FederatedRun(make_spec(clients_per_round=3))
    training = [4, 8, 15, 16, 23, 42]
    cohorts = [run.sample_cohort(r, training) for r in range(1, 200)]
    assert all(len(set(c)) == 3 and set(c) <= set(training) for c in cohorts)
    counts = np.bincount(np.concatenate(cohorts), minlength=43)[training]
    assert counts.min() > 70, "each is expected 99.5 times"
    assert cohorts != [
        FederatedRun(make_spec(clients_per_round=3, seed=1)).sample_cohort(r, training)
        for r in range(1, 200)
    ]


def test_every_cohort_is_equally_likely():
    run = FederatedRun(make_spec(clients_per_round=3))
    counts = Counter(tuple(run.sample_cohort(r, [4, 8, 15, 16, 23, 42])) for r in range(1, 4001))
    assert len(counts) == 20
    assert chisquare(list(counts.values())).pvalue > 0.01


class MillionClients(Sequence):
    """Clients 3, 6, 9, ...; counts how many were asked for."""

    asked = 0

    def __len__(self):
        return 1_000_000

    def __getitem__(self, place):
        self.asked += 1
        return 3 * int(place) + 3


def test_a_cohort_costs_its_own_size_and_is_the_draw_from_the_whole_population():
    run, population = FederatedRun(make_spec(clients_per_round=20)), MillionClients()
    cohort = run.sample_cohort(5, population)
    assert population.asked == 20
    everyone = np.arange(3, 3_000_001, 3)
    assert cohort == sorted(
        stream(StreamKey(0, "cohort", 5)).choice(everyone, size=20, replace=False).tolist()
    )


def test_initial_parameters_depend_on_the_seed_alone():
    a, b = (
        FederatedRun(make_spec(**c)).init().parameters
        for c in ({}, {"clients_per_round": 7, "local_epochs": 9})
    )
    assert all(torch.equal(p, q) for p, q in zip(a, b, strict=True))
    assert not torch.equal(a[0], FederatedRun(make_spec(seed=1)).init().parameters[0])
