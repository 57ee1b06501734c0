"""MAML's deltas against finite differences and Hessian matrices, and what they cost."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from perfedavg.models.dropout import inverted_dropout
from tests.algorithms.deltas import (
    COHORT,
    HIDDEN,
    KEPT,
    RATE,
    SMALL,
    START,
    dropout_of,
    flat,
    mean_delta,
    relative,
    update,
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
