"""The block ``studies.stage2``."""

from __future__ import annotations

from pydantic import Field, StrictBool, model_validator

from perfedavg.algorithms.servers import Server
from perfedavg.algorithms.servers.adam import ServerAdam
from perfedavg.blocks import Block, Count, Rate, Rounds
from perfedavg.config.messages import no_repeats


class Stage2(Block):
    """Stage 2 of Personalized FedAvg: Reptile from the reference runs' last model, and controls."""

    rounds: Rounds = Field(description="rounds of stage 2, counted on from stage 1's")
    every: Count | None = Field(
        None, description="rounds between two evaluations; null: as in stage 1"
    )
    reptile_steps: Count = Field(10, description="K, local steps of Reptile")
    servers: tuple[Server, ...] = Field(
        (ServerAdam(),),
        min_length=1,
        description="Reptile's server optimizers; of each kind, the best on validation clients is "
        "shown",
    )
    controls: StrictBool = Field(
        True,
        description="for the same rounds: FedAvg continued, with less local work, and with a lower "
        "client rate",
    )
    control_work: Count | None = Field(
        2, description="E (or K) of the control with less local work; null: no such control"
    )
    control_rate_divisor: Rate | None = Field(
        10.0,
        description="divisor of the client learning rate in the control with a lower one; null: no "
        "such control",
    )

    @model_validator(mode="after")
    def _check(self) -> Stage2:
        if (self.every or 1) > self.rounds:
            raise ValueError(f"every ({self.every}) is above rounds ({self.rounds})")
        no_repeats(tuple(server.name for server in self.servers), "servers")
        return self
