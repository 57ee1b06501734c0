"""Server optimizers against torch's own, fed the delta as the gradient."""

import pytest
import torch

from perfedavg.algorithms.server import make_server_optimizer
from perfedavg.settings import ServerAdam, ServerSGD

CASES = {
    "sgd": (ServerSGD(lr=0.7, momentum=0.0), lambda p: torch.optim.SGD(p, lr=0.7)),
    "momentum": (ServerSGD(lr=0.7, momentum=0.9), lambda p: torch.optim.SGD(p, lr=0.7, momentum=0.9)),
    "adam": (
        ServerAdam(lr=0.05, beta1=0.8, beta2=0.97, eps=1e-3),
        lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.8, 0.97), eps=1e-3),
    ),
    "adam without first moment": (ServerAdam(lr=0.05, beta1=0.0), lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.0, 0.999))),
}


@pytest.mark.parametrize("name", CASES)
def test_eight_steps_equal_torch(name):
    server, make_theirs = CASES[name]
    generator = torch.Generator().manual_seed(0)
    start = [torch.rand(3, 4, generator=generator, dtype=torch.float64), torch.rand(5, generator=generator, dtype=torch.float64)]
    theirs = [torch.nn.Parameter(p.clone()) for p in start]
    optimizer = make_theirs(theirs)
    own = make_server_optimizer(server)
    parameters, state = start, own.init(start)
    for _ in range(8):
        delta = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in start]
        before = [p.clone() for p in parameters]
        moved, state = own.step(parameters, delta, state)
        assert all(torch.equal(a, b) for a, b in zip(parameters, before, strict=True)), "a pure function"
        parameters = moved
        for p, d in zip(theirs, delta, strict=True):
            p.grad = d.clone()
        optimizer.step()
        for p, q in zip(parameters, theirs, strict=True):
            torch.testing.assert_close(p, q.detach(), rtol=1e-12, atol=1e-12)
