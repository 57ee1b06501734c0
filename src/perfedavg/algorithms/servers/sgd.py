"""SGD, with momentum or Nesterov's form of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, StrictBool, model_validator

from perfedavg.algorithms.servers import ServerOptimizer
from perfedavg.blocks import Momentum, Rate

if TYPE_CHECKING:
    from perfedavg.algorithms.servers import Tensors


class ServerSGD(ServerOptimizer):
    """Server optimizer SGD, with momentum where it is above 0.

    v <- momentum v + delta; theta <- theta - lr v, or with Nesterov
    theta <- theta - lr (delta + momentum v). The state is v.
    """

    optimizer: Literal["sgd"] = Field("sgd", description="name of the server optimizer")
    lr: Rate = Field(1.0, description="server learning rate α")
    momentum: Momentum = Field(0.9, description="momentum of the mean delta")
    nesterov: StrictBool = Field(False, description="Nesterov's form of momentum")

    @model_validator(mode="after")
    def _check(self) -> ServerSGD:
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0")
        return self

    @property
    def kind(self) -> str:
        """``sgd``, ``momentum`` or ``nesterov``."""
        return "nesterov" if self.nesterov else "momentum" if self.momentum else "sgd"

    @property
    def name(self) -> str:
        """For example ``momentum0.9-lr1``."""
        return f"{self.kind}{f'{self.momentum:g}' if self.momentum else ''}-lr{self.lr:g}"

    def init(self, parameters: Tensors) -> Tensors:
        """No velocity."""
        import torch

        return [torch.zeros_like(p) for p in parameters]

    def step(self, parameters: Tensors, delta: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        """See the class."""
        velocity = [self.momentum * v + d for v, d in zip(state, delta, strict=True)]
        way = velocity
        if self.nesterov:
            way = [d + self.momentum * v for v, d in zip(velocity, delta, strict=True)]
        return [p - self.lr * w for p, w in zip(parameters, way, strict=True)], velocity


SERVER = ServerSGD
