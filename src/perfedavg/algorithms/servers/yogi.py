"""Yogi as in Reddi et al., Adaptive Federated Optimization, algorithm 2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from perfedavg.algorithms.servers import ServerOptimizer
from perfedavg.blocks import Momentum, Rate

if TYPE_CHECKING:
    from perfedavg.algorithms.servers import Tensors


class ServerYogi(ServerOptimizer):
    """Server optimizer Yogi as in Reddi et al.: not bias-corrected.

    m <- beta1 m + (1 - beta1) d; s <- s - (1 - beta2) d^2 sign(s - d^2);
    theta <- theta - lr m / (sqrt(s) + eps). The state is the m, then the s.
    """

    optimizer: Literal["yogi"] = Field("yogi", description="name of the server optimizer")
    lr: Rate = Field(1e-2, description="server learning rate α")
    beta1: Momentum = Field(0.9, description="decay of the first moment")
    beta2: Momentum = Field(0.99, description="decay of the second moment")
    eps: Rate = Field(
        1e-3, description="added to the root of the second moment, which starts at eps²"
    )

    def init(self, parameters: Tensors) -> Tensors:
        """No first moments, second moments of eps²."""
        import torch

        first = [torch.zeros_like(p) for p in parameters]
        return [*first, *(torch.full_like(p, self.eps**2) for p in parameters)]

    def step(self, parameters: Tensors, delta: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        """See the class."""
        n, b1, b2 = len(parameters), self.beta1, self.beta2
        first = [b1 * m + (1 - b1) * d for m, d in zip(state[:n], delta, strict=True)]
        second, moved = [], []
        for s, d in zip(state[n:], delta, strict=True):
            second.append(s - (1 - b2) * d * d * (s - d * d).sign())
        for p, m, s in zip(parameters, first, second, strict=True):
            moved.append(p - self.lr * m / (s.sqrt() + self.eps))
        return moved, [*first, *second]


SERVER = ServerYogi
