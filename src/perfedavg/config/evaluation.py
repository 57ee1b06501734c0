"""The block of evaluation."""

from __future__ import annotations

from pydantic import Field, StrictBool, model_validator

from perfedavg.blocks import Block, Count


class Evaluation(Block):
    """When and on how many evaluation clients a run is looked at. The last round is always
    evaluated on all of them."""

    every: Count = Field(description="rounds between two evaluations (the paper: 25, inferred)")
    personalize_every: Count | None = Field(
        None,
        description="rounds between two evaluations that personalize too, a multiple of "
        "`every`; null: all of them",
    )
    intermediate_clients: Count | None = Field(
        None,
        description="evaluation clients, the same at all rounds before the last, in those "
        "evaluations; null: all of them",
    )
    validation_at_every_round: StrictBool = Field(
        False,
        description="validation clients at all evaluated rounds too; nothing is chosen on "
        "any but the last",
    )

    @model_validator(mode="after")
    def _check(self) -> Evaluation:
        if self.personalize_every is not None and self.personalize_every % self.every:
            raise ValueError(
                f"personalize_every ({self.personalize_every}) must be a multiple of every "
                f"({self.every})"
            )
        return self
