"""Server optimizers: the averaged delta is the server's gradient.

Each is two pure functions, ``init(parameters) -> state`` and ``step(parameters, delta, state) ->
parameters, state``; a state is a flat list of tensors, so that it can be saved and resumed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from perfedavg.algorithms.server_settings import (
    Server,
    ServerAdagrad,
    ServerAdam,
    ServerSGD,
    ServerYogi,
)
from perfedavg.models.model import Parameters

State = list[Tensor]


@dataclass(frozen=True)
class ServerOptimizer:
    """How the server moves the global model by the averaged delta."""

    init: Callable[[Parameters], State]
    step: Callable[[Parameters, Parameters, State], tuple[Parameters, State]]


def make_server_optimizer(server: Server) -> ServerOptimizer:
    """The optimizer that a config block describes."""
    return {"sgd": _sgd, "adam": _adam, "yogi": _yogi, "adagrad": _adagrad}[server.optimizer](
        server
    )


def _sgd(server: ServerSGD) -> ServerOptimizer:
    """v <- momentum v + delta; theta <- theta - lr v, or with Nesterov theta <- theta - lr (delta +
    momentum v)."""

    def init(parameters: Parameters) -> State:
        return [torch.zeros_like(p) for p in parameters]

    def step(
        parameters: Parameters, delta: Parameters, velocity: State
    ) -> tuple[Parameters, State]:
        velocity = [server.momentum * v + d for v, d in zip(velocity, delta, strict=True)]
        way = (
            [d + server.momentum * v for v, d in zip(velocity, delta, strict=True)]
            if server.nesterov
            else velocity
        )
        return [p - server.lr * w for p, w in zip(parameters, way, strict=True)], velocity

    return ServerOptimizer(init, step)


def _adam(server: ServerAdam) -> ServerOptimizer:
    """Adam with bias correction; the state is the step count, the first moments, the second
    moments."""

    def init(parameters: Parameters) -> State:
        moments = [torch.zeros_like(p) for p in parameters]
        return [torch.zeros((), dtype=torch.int64), *moments, *(m.clone() for m in moments)]

    def step(parameters: Parameters, delta: Parameters, state: State) -> tuple[Parameters, State]:
        n = len(parameters)
        count = state[0] + 1
        first = [
            server.beta1 * m + (1 - server.beta1) * d
            for m, d in zip(state[1 : n + 1], delta, strict=True)
        ]
        second = [
            server.beta2 * s + (1 - server.beta2) * d * d
            for s, d in zip(state[n + 1 :], delta, strict=True)
        ]
        correct1, correct2 = 1 - server.beta1 ** count.item(), 1 - server.beta2 ** count.item()
        moved = [
            p - server.lr * (m / correct1) / ((s / correct2).sqrt() + server.eps)
            for p, m, s in zip(parameters, first, second, strict=True)
        ]
        return moved, [count, *first, *second]

    return ServerOptimizer(init, step)


def _yogi(server: ServerYogi) -> ServerOptimizer:
    """m <- beta1 m + (1 - beta1) d; s <- s - (1 - beta2) d^2 sign(s - d^2); theta <- theta - lr m /
    (sqrt(s) + eps) (Reddi et al., Adaptive Federated Optimization, algorithm 2); the state is the
    m, then the s."""

    def init(parameters: Parameters) -> State:
        return [
            *(torch.zeros_like(p) for p in parameters),
            *(torch.full_like(p, server.eps**2) for p in parameters),
        ]

    def step(parameters: Parameters, delta: Parameters, state: State) -> tuple[Parameters, State]:
        n = len(parameters)
        first = [
            server.beta1 * m + (1 - server.beta1) * d for m, d in zip(state[:n], delta, strict=True)
        ]
        second = [
            s - (1 - server.beta2) * d * d * (s - d * d).sign()
            for s, d in zip(state[n:], delta, strict=True)
        ]
        moved = [
            p - server.lr * m / (s.sqrt() + server.eps)
            for p, m, s in zip(parameters, first, second, strict=True)
        ]
        return moved, [*first, *second]

    return ServerOptimizer(init, step)


def _adagrad(server: ServerAdagrad) -> ServerOptimizer:
    """s <- s + d^2; theta <- theta - lr d / (sqrt(s) + eps)."""

    def init(parameters: Parameters) -> State:
        return [torch.full_like(p, server.eps**2) for p in parameters]

    def step(parameters: Parameters, delta: Parameters, state: State) -> tuple[Parameters, State]:
        state = [s + d * d for s, d in zip(state, delta, strict=True)]
        moved = [
            p - server.lr * d / (s.sqrt() + server.eps)
            for p, d, s in zip(parameters, delta, state, strict=True)
        ]
        return moved, state

    return ServerOptimizer(init, step)
