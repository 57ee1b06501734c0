"""The clients' deltas against other ways to write them: each other, finite differences, Hessian
matrices, NumPy."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from perfedavg.algorithms.client import client_update
from perfedavg.algorithms.family import ALGORITHMS
from perfedavg.algorithms.federated import CohortClient, FederatedRun, ServerState, average
from perfedavg.data.batches import local_batches
from perfedavg.models.dropout import inverted_dropout
from perfedavg.models.model import Model
from perfedavg.models.steps import Examples
from perfedavg.randomness import StreamKey, stream, torch_stream
from tests.algorithms.test_federated import softmax_regression_gradient
from tests.conftest import linear_model, make_spec

RATE = 0.5  # so large that a wrong Hessian shows
HIDDEN, KEPT = 4, 0.75
NETWORK = Model(
    shapes={
        "hidden.weight": (HIDDEN, 5),
        "hidden.bias": (HIDDEN,),
        "out.weight": (3, HIDDEN),
        "out.bias": (3,),
    },
    features=torch.from_numpy,
    logits=lambda p, x, dropout: F.linear(
        inverted_dropout(F.linear(x, p[0], p[1]).tanh(), 1 - KEPT, dropout), p[2], p[3]
    ),
)


def normal(key, *shape):
    return torch.from_numpy(np.random.default_rng(key).normal(size=shape))


def clients(sizes):
    labels = [torch.from_numpy(np.random.default_rng(n).integers(3, size=n)) for n in sizes]
    return [
        Examples(normal([1, i], n, 5), y)
        for i, (n, y) in enumerate(zip(sizes, labels, strict=True))
    ]


def draw_batches(key):
    """Six small batches for every client."""
    return [
        local_batches(len(c), 4, 1000, np.random.default_rng([key, i]), steps=6)
        for i, c in enumerate(COHORT)
    ]


START = [normal([0, i], *shape) for i, shape in enumerate(NETWORK.shapes.values())]
COHORT = clients([7, 12, 9])
FULL, SMALL, OTHER = [[np.arange(len(c))] * 6 for c in COHORT], draw_batches(2), draw_batches(3)


def flat(tensors):
    return torch.cat([t.flatten() for t in tensors])


def relative(got, expected):
    return ((got - expected).norm() / expected.norm()).item()


def dropout_of(client, on):
    return torch_stream(StreamKey(client, "dropout")) if on else None


def update(algorithm, k, client, batches=SMALL, dropout=False):
    """A client's update with the first of its batches; every call has the same dropout draws."""
    rule = ALGORITHMS[algorithm]
    weights, generator = rule.weights(k), dropout_of(client, dropout)
    used = batches[client][: len(weights)]
    return client_update(
        NETWORK, START, COHORT[client], used, RATE, weights, generator, rule.jacobian
    )


def mean_delta(algorithm, k, batches=SMALL, dropout=False, kind="equal"):
    return flat(
        average([update(algorithm, k, i, batches, dropout) for i in range(len(COHORT))], kind)
    )


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


def loss(theta, x, y, mask):
    """The mean cross-entropy of the network once more, of a flat vector; the mask multiplies the
    hidden layer."""
    hidden, hidden_bias, out, out_bias = theta.split([p.numel() for p in START])
    logits = (torch.tanh(x @ hidden.view(HIDDEN, -1).T + hidden_bias) * mask) @ out.view(
        -1, HIDDEN
    ).T + out_bias
    return (logits.logsumexp(1) - logits[range(len(y)), y]).mean()


def losses(client, k, dropout=False):
    """The losses of the first K + 1 local batches as functions of a flat vector."""
    generator = dropout_of(client, dropout)
    x, y = COHORT[client].features, COHORT[client].labels
    batches = SMALL[client][: k + 1]
    masks = [
        inverted_dropout(torch.ones(len(b), HIDDEN, dtype=torch.float64), 1 - KEPT, generator)
        for b in batches
    ]
    return [
        lambda theta, b=b, m=m: loss(theta, x[b], y[b], m)
        for b, m in zip(batches, masks, strict=True)
    ]


def gradient(function, theta):
    theta = theta.clone().requires_grad_()
    return torch.autograd.grad(function(theta), theta)[0]


def walk(theta, functions):
    """theta_0, ..., theta_K for K losses."""
    thetas = [theta]
    for function in functions:
        thetas.append(thetas[-1] - RATE * gradient(function, thetas[-1]))
    return thetas


@pytest.mark.parametrize(
    ("k", "dropout"), [(0, True), (1, False), (2, False), (2, True), (5, False), (5, True)]
)
def test_maml_is_the_derivative_of_the_mean_loss_behind_the_walk(k, dropout):
    """Central differences of theta -> mean_i L_i(U_K^i(theta)), L_i on the batch after the K that U
    walks on."""
    cohort = [losses(client, k, dropout) for client in range(len(COHORT))]

    def objective(theta):
        return np.mean([outer(walk(theta, inner)[-1]).item() for *inner, outer in cohort])

    theta, h = flat(START), 1e-5
    steps = h * torch.eye(len(theta), dtype=torch.float64)
    numeric = torch.tensor(
        [(objective(theta + s) - objective(theta - s)) / (2 * h) for s in steps],
        dtype=torch.float64,
    )
    assert relative(mean_delta("maml", k, dropout=dropout), RATE * numeric) < 1e-6
    if k:
        assert relative(mean_delta("fomaml", k, dropout=dropout), RATE * numeric) > 1e-2, (
            "the Hessians matter here"
        )


def product(hessians, vector):
    """beta (I - beta H_1) (I - beta H_2) ... (I - beta H_K) g, the matrices multiplied before they
    meet g."""
    matrix = torch.eye(len(vector), dtype=torch.float64)
    for hessian in hessians:
        matrix = matrix @ (torch.eye(len(vector), dtype=torch.float64) - RATE * hessian)
    return RATE * matrix @ vector


def printed(hessians, vector):
    """beta (I - beta sum_j H_j) g."""
    return RATE * (vector - RATE * sum(hessians) @ vector)


FORMS = {"maml": product, "maml_printed": printed}


def hessian(function, theta):
    return torch.autograd.functional.hessian(function, theta)


@pytest.mark.parametrize("dropout", [False, True], ids=["dry", "dropout"])
@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("algorithm", FORMS)
def test_maml_applies_the_hessian_of_batch_j_where_step_j_met_it(algorithm, k, dropout):
    for client in range(len(COHORT)):
        *inner, outer = losses(client, k, dropout)
        *met, end = walk(flat(START), inner)
        hessians = [hessian(f, theta) for f, theta in zip(inner, met, strict=True)]
        got = update(algorithm, k, client, dropout=dropout)
        assert relative(flat(got.delta), FORMS[algorithm](hessians, gradient(outer, end))) < 1e-10
        assert got.num_hessian_products == k


@pytest.mark.parametrize("algorithm", FORMS)
def test_no_other_hessians_and_no_other_order_would_pass(algorithm):
    """What the test above would meet if the package were wrong in one of these ways: far from its
    tolerance."""
    functions = losses(1, 3, dropout=True)
    thetas = walk(flat(START), functions[:3])
    right = [hessian(f, theta) for f, theta in zip(functions, thetas, strict=True)]
    wrong = {
        "no Hessian": [0 * right[0]],
        "first left out": right[1:3],
        "last left out": right[:2],
        "last gradient's batch too": right,
        "one step later": right[1:],
        "parameters one step later": [
            hessian(f, theta) for f, theta in zip(functions[:3], thetas[1:], strict=True)
        ],
        "batch one step later": [
            hessian(f, theta) for f, theta in zip(functions[1:], thetas[:3], strict=True)
        ],
        "dropout off": [
            hessian(f, theta) for f, theta in zip(losses(1, 2), thetas[:3], strict=True)
        ],
        "all at the start": [hessian(f, thetas[0]) for f in functions[:3]],
    }
    if algorithm == "maml":
        wrong["reversed"] = right[2::-1]
        wrong["two swapped"] = [right[1], right[0], right[2]]
    form, outer = FORMS[algorithm], gradient(functions[3], thetas[3])
    assert (
        relative(flat(update(algorithm, 3, 1, dropout=True).delta), form(right[:3], outer)) < 1e-10
    )
    for name, hessians in wrong.items():
        assert relative(form(hessians, outer), form(right[:3], outer)) > 1e-3, name
    other = printed if form is product else product
    assert relative(other(right[:3], outer), form(right[:3], outer)) > 1e-3


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


class Watch(TorchDispatchMode):
    """The number of operations, those of the backward passes too, and the size of the largest
    result."""

    def __init__(self):
        super().__init__()
        self.calls, self.largest = 0, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        tensors = out if isinstance(out, (list, tuple)) else [out]
        self.calls += 1
        self.largest = max(
            [self.largest, *(t.numel() for t in tensors if isinstance(t, torch.Tensor))]
        )
        return out


@pytest.mark.parametrize("algorithm", FORMS)
def test_maml_never_holds_a_matrix_and_costs_the_same_for_every_step(algorithm):
    calls = []
    for k in (2, 3, 4, 5):
        with Watch() as watch:
            update(algorithm, k, 1, dropout=True)
        assert 0 < watch.largest < len(flat(START)), (
            "nothing is as large as all parameters in one piece"
        )
        calls.append(watch.calls)
    assert len({b - a for a, b in pairwise(calls)}) == 1
