"""The settings of the server optimizers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictBool, model_validator

from perfedavg.blocks import Block, Momentum, Rate


class ServerSGD(Block):
    """Server optimizer SGD, with momentum where it is above 0."""

    optimizer: Literal["sgd"] = Field("sgd", description="name of the server optimizer")
    lr: Rate = Field(1.0, description="server learning rate α")
    momentum: Momentum = Field(0.9, description="momentum of the mean delta")
    nesterov: StrictBool = Field(False, description="Nesterov's form of momentum")

    @model_validator(mode="after")
    def _check(self) -> ServerSGD:
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0")
        return self


class ServerAdam(Block):
    """Server optimizer Adam, bias-corrected."""

    optimizer: Literal["adam"] = Field("adam", description="name of the server optimizer")
    lr: Rate = Field(1e-3, description="server learning rate α")
    beta1: Momentum = Field(0.9, description="decay of the first moment")
    beta2: Momentum = Field(0.999, description="decay of the second moment")
    eps: Rate = Field(1e-8, description="added to the root of the second moment")


class ServerYogi(Block):
    """Server optimizer Yogi as in Reddi et al., Adaptive Federated Optimization: not
    bias-corrected."""

    optimizer: Literal["yogi"] = Field("yogi", description="name of the server optimizer")
    lr: Rate = Field(1e-2, description="server learning rate α")
    beta1: Momentum = Field(0.9, description="decay of the first moment")
    beta2: Momentum = Field(0.99, description="decay of the second moment")
    eps: Rate = Field(
        1e-3, description="added to the root of the second moment, which starts at eps²"
    )


class ServerAdagrad(Block):
    """Server optimizer Adagrad."""

    optimizer: Literal["adagrad"] = Field("adagrad", description="name of the server optimizer")
    lr: Rate = Field(1e-2, description="server learning rate α")
    eps: Rate = Field(
        1e-3, description="added to the root of the summed squares, which start at eps²"
    )


Server = Annotated[
    ServerSGD | ServerAdam | ServerYogi | ServerAdagrad, Field(discriminator="optimizer")
]
