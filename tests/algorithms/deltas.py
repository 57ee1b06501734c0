"""A network with dropout in float64, three clients, and the deltas that their updates return."""

import numpy as np
import torch
from torch.nn import functional as F

from perfedavg.algorithms.client import client_update
from perfedavg.algorithms.family import ALGORITHMS
from perfedavg.algorithms.federated import average
from perfedavg.data.batches import local_batches
from perfedavg.models.dropout import inverted_dropout
from perfedavg.models.model import Model
from perfedavg.models.steps import Examples
from perfedavg.randomness import StreamKey, torch_stream

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
