"""Adam, bias-corrected: the server optimizer of stage 2 of Personalized FedAvg."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from perfedavg.algorithms.servers import ServerOptimizer
from perfedavg.blocks import Momentum, Rate

if TYPE_CHECKING:
    from perfedavg.algorithms.servers import Tensors


class ServerAdam(ServerOptimizer):
    """Server optimizer Adam, bias-corrected.

    The state is the step count, the first moments, the second moments.
    """

    optimizer: Literal["adam"] = Field("adam", description="name of the server optimizer")
    lr: Rate = Field(1e-3, description="server learning rate α")
    beta1: Momentum = Field(0.9, description="decay of the first moment")
    beta2: Momentum = Field(0.999, description="decay of the second moment")
    eps: Rate = Field(1e-8, description="added to the root of the second moment")

    def is_named(self, key: str) -> bool:
        """Stage 2 tries values of the first decay, so it always is."""
        return key == "beta1" or super().is_named(key)

    def init(self, parameters: Tensors) -> Tensors:
        """No step, no moments."""
        import torch

        moments = [torch.zeros_like(p) for p in parameters]
        return [torch.zeros((), dtype=torch.int64), *moments, *(m.clone() for m in moments)]

    def step(self, parameters: Tensors, delta: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        """See the class."""
        n, b1, b2 = len(parameters), self.beta1, self.beta2
        count = state[0] + 1
        first = [b1 * m + (1 - b1) * d for m, d in zip(state[1 : n + 1], delta, strict=True)]
        second = [b2 * s + (1 - b2) * d * d for s, d in zip(state[n + 1 :], delta, strict=True)]
        correct1, correct2 = 1 - b1 ** count.item(), 1 - b2 ** count.item()
        moved = []
        for p, m, s in zip(parameters, first, second, strict=True):
            moved.append(p - self.lr * (m / correct1) / ((s / correct2).sqrt() + self.eps))
        return moved, [count, *first, *second]


SERVER = ServerAdam
