"""Server optimizers, one file each: the averaged delta is the server's gradient.

A server optimizer is a block of settings with two pure functions, ``init(parameters) -> state`` and
``step(parameters, delta, state) -> parameters, state``; a state is a flat list of tensors, so that
it can be saved and resumed. A new one is a new file in this folder. Torch is imported where it
computes, since a config is read without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from perfedavg.blocks import Block
from perfedavg.runtime.source import modules_in

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = list[Tensor]


class ServerOptimizer(Block):
    """How the server moves the global model by the averaged delta."""

    @property
    def kind(self) -> str:
        """Optimizers of one kind differ in rates alone; of each kind, stage 2 shows the best."""
        return self.optimizer

    @property
    def name(self) -> str:
        """Kind, learning rate and every other value that is not the default."""
        values = self.model_dump(exclude={"optimizer", "lr"})
        other = "".join(f"-{SHORT.get(k, k)}{values[k]:g}" for k in values if self.is_named(k))
        return f"{self.kind}-lr{self.lr:g}{other}"

    def is_named(self, key: str) -> bool:
        """Whether the value of ``key`` is part of the name."""
        return getattr(self, key) != getattr(type(self)(), key)

    def init(self, parameters: Tensors) -> Tensors:
        """The state before the first round."""
        raise NotImplementedError

    def step(self, parameters: Tensors, delta: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        """Parameters and state after a round; the arguments are left as they were."""
        raise NotImplementedError


SHORT = {"beta1": "b", "beta2": "bb", "eps": "eps"}
SERVERS = {name: module.SERVER for name, module in modules_in(__name__).items()}
"""The settings of every optimizer, by file name."""

Server = Annotated[Union[tuple(SERVERS.values())], Field(discriminator="optimizer")]  # noqa: UP007
