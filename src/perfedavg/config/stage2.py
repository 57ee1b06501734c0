"""The block of stage 2 of Personalized FedAvg."""

from __future__ import annotations

from pydantic import Field, StrictBool

from perfedavg.algorithms.server_settings import Server, ServerAdam
from perfedavg.blocks import Block, Count, Rate


class Stage2(Block):
    """Stage 2 of Personalized FedAvg: Reptile from the reference runs' last model, and its
    controls."""

    rounds: Count = Field(description="rounds of stage 2, counted on from stage 1's")
    every: Count | None = Field(
        None, description="rounds between two evaluations; null: as in stage 1"
    )
    reptile_steps: Count = Field(10, description="K, local steps of Reptile")
    servers: tuple[Server, ...] = Field(
        (ServerAdam(),),
        min_length=1,
        description="Reptile's server optimizers; of each kind, the best on validation "
        "clients is shown",
    )
    controls: StrictBool = Field(
        True,
        description="for the same rounds: FedAvg continued, with less local work, and "
        "with a lower client rate",
    )
    control_work: Count = Field(2, description="E (or K) of the control with less local work")
    control_rate_divisor: Rate = Field(
        10.0, description="divisor of the client learning rate in the control with a lower one"
    )


def server_name(server: Server) -> str:
    """A short name that tells server optimizers apart: its kind, its learning rate and its other
    values, where not the default (Adam's first decay and momentum always)."""
    values = server.model_dump(exclude={"optimizer", "lr"})
    if server.optimizer == "sgd":
        kind = (
            ("nesterov" if server.nesterov else "momentum") + f"{server.momentum:g}"
            if server.momentum
            else "sgd"
        )
        return f"{kind}-lr{server.lr:g}"
    short = {"beta1": "b", "beta2": "bb", "eps": "eps"}
    defaults = type(server)()
    shown = [
        key
        for key in values
        if values[key] != getattr(defaults, key) or (server.optimizer, key) == ("adam", "beta1")
    ]
    return f"{server.optimizer}-lr{server.lr:g}" + "".join(
        f"-{short[key]}{values[key]:g}" for key in shown
    )
