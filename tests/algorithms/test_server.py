"""Server optimizers against torch's own, fed the delta as the gradient, and Yogi, which torch
lacks, against numbers by hand."""

import pytest
import torch

from perfedavg.algorithms.servers.adagrad import ServerAdagrad
from perfedavg.algorithms.servers.adam import ServerAdam
from perfedavg.algorithms.servers.sgd import ServerSGD
from perfedavg.algorithms.servers.yogi import ServerYogi

CASES = {
    "sgd": (ServerSGD(lr=0.7, momentum=0.0), lambda p: torch.optim.SGD(p, lr=0.7)),
    "momentum": (
        ServerSGD(lr=0.7, momentum=0.9),
        lambda p: torch.optim.SGD(p, lr=0.7, momentum=0.9),
    ),
    "nesterov": (
        ServerSGD(lr=0.7, momentum=0.9, nesterov=True),
        lambda p: torch.optim.SGD(p, lr=0.7, momentum=0.9, nesterov=True),
    ),
    "adagrad": (
        ServerAdagrad(lr=0.05, eps=0.3),
        lambda p: torch.optim.Adagrad(p, lr=0.05, eps=0.3, initial_accumulator_value=0.3**2),
    ),
    "adam": (
        ServerAdam(lr=0.05, beta1=0.8, beta2=0.97, eps=1e-3),
        lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.8, 0.97), eps=1e-3),
    ),
    "adam without first moment": (
        ServerAdam(lr=0.05, beta1=0.0),
        lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.0, 0.999)),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_eight_steps_equal_torch(name):
    server, make_theirs = CASES[name]
    generator = torch.Generator().manual_seed(0)
    start = [
        torch.rand(3, 4, generator=generator, dtype=torch.float64),
        torch.rand(5, generator=generator, dtype=torch.float64),
    ]
    theirs = [torch.nn.Parameter(p.clone()) for p in start]
    optimizer = make_theirs(theirs)
    parameters, state = start, server.init(start)
    for _ in range(8):
        delta = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in start]
        before = [p.clone() for p in parameters]
        moved, state = server.step(parameters, delta, state)
        assert all(torch.equal(a, b) for a, b in zip(parameters, before, strict=True)), (
            "a pure function"
        )
        parameters = moved
        for p, d in zip(theirs, delta, strict=True):
            p.grad = d.clone()
        optimizer.step()
        for p, q in zip(parameters, theirs, strict=True):
            torch.testing.assert_close(p, q.detach(), rtol=1e-12, atol=1e-12)


def steps(server, start, deltas):
    """Parameters and state after every step, as lists of floats."""
    parameters = [torch.tensor(start, dtype=torch.float64)]
    state = server.init(parameters)
    seen = []
    for delta in deltas:
        parameters, state = server.step(
            parameters, [torch.tensor(delta, dtype=torch.float64)], state
        )
        seen.append((parameters[0].tolist(), [values.tolist() for values in state]))
    return seen


def test_yogi_by_hand():
    """beta1 = 1/2, beta2 = 3/4, eps = 1/2, lr = 1, so s starts at 1/4. Reddi et al., algorithm 2,
    coordinate by coordinate:

    a: d = 3/4, -0.35, 1.6; b: d = 0.28, 0.72, 0. Where d^2 > s, s grows by d^2 / 4 (a: steps 1 and
    3, b: step 2); where it is smaller, s shrinks by as much (a: step 2, b: step 1). The numbers are
    chosen so that every root of s is plain."""
    server = ServerYogi(lr=1.0, beta1=0.5, beta2=0.75, eps=0.5)
    seen = steps(server, [0.0, 0.0], [[0.75, 0.28], [-0.35, 0.72], [1.6, 0.0]])
    first = [[3 / 8, 0.14], [0.0125, 0.43], [0.80625, 0.215]]
    second = [
        [25 / 64, 0.2304],
        [0.36, 0.36],
        [1.0, 0.36],
    ]  # roots: 5/8 and 0.48, 0.6 and 0.6, 1 and 0.6
    moves = [
        [1 / 3, 1 / 7],
        [1 / 88, 43 / 110],
        [43 / 80, 43 / 220],
    ]  # m / (root + 1/2): nothing is bias-corrected
    at = torch.zeros(2, dtype=torch.float64)
    for (parameters, state), m, s, move in zip(seen, first, second, moves, strict=True):
        at = at - torch.tensor(move, dtype=torch.float64)
        assert parameters == pytest.approx(at.tolist(), rel=1e-12)
        assert state[0] == pytest.approx(m, rel=1e-12)
        assert state[1] == pytest.approx(s, rel=1e-12)


def test_yogi_s_second_moment_is_not_adam_s():
    """After a delta of 1, one of 0: Adam forgets a quarter of it, Yogi nothing."""
    values = {"lr": 1.0, "beta1": 0.5, "beta2": 0.75, "eps": 0.5}
    deltas = [[1.0], [0.0]]
    assert [state[-1] for _, state in steps(ServerYogi(**values), [0.0], deltas)] == [[0.5], [0.5]]
    assert [state[-1] for _, state in steps(ServerAdam(**values), [0.0], deltas)] == [
        [0.25],
        [0.1875],
    ]


def test_adagrad_starts_at_eps_squared():
    """eps = 3, d = 4: s = 9 + 16, and the parameter moves by 4 / (5 + 3)."""
    assert steps(ServerAdagrad(lr=1.0, eps=3.0), [1.0], [[4.0]]) == [([0.5], [[25.0]])]
