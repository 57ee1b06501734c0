"""The block ``studies.theory``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from perfedavg.blocks import Block, Count
from perfedavg.config.messages import no_repeats


class Theory(Block):
    """The theory experiment: FedAvg's update against FedSGD's, FOMAML's and MAML's, at checkpoints
    of the reference runs."""

    max_steps: Count = Field(5, description="K = 1..max_steps local steps")
    clients: Annotated[int, Field(ge=2, strict=True)] = Field(
        10, description="training clients in the cohort"
    )
    rounds: tuple[Count, ...] = Field(
        min_length=1, description="evaluated rounds of the reference runs whose models are taken"
    )

    @model_validator(mode="after")
    def _check(self) -> Theory:
        no_repeats(self.rounds, "rounds")
        return self
