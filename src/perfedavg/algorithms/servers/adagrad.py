"""Adagrad."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from perfedavg.algorithms.servers import ServerOptimizer
from perfedavg.blocks import Rate

if TYPE_CHECKING:
    from perfedavg.algorithms.servers import Tensors


class ServerAdagrad(ServerOptimizer):
    """Server optimizer Adagrad: s <- s + d^2; theta <- theta - lr d / (sqrt(s) + eps)."""

    optimizer: Literal["adagrad"] = Field("adagrad", description="name of the server optimizer")
    lr: Rate = Field(1e-2, description="server learning rate α")
    eps: Rate = Field(
        1e-3, description="added to the root of the summed squares, which start at eps²"
    )

    def init(self, parameters: Tensors) -> Tensors:
        """Squares of eps²."""
        import torch

        return [torch.full_like(p, self.eps**2) for p in parameters]

    def step(self, parameters: Tensors, delta: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        """See the class."""
        state = [s + d * d for s, d in zip(state, delta, strict=True)]
        moved = []
        for p, d, s in zip(parameters, delta, state, strict=True):
            moved.append(p - self.lr * d / (s.sqrt() + self.eps))
        return moved, state


SERVER = ServerAdagrad
