"""The block ``evaluation``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictBool, model_validator

from perfedavg.blocks import Block, Count
from perfedavg.config.messages import no_repeats
from perfedavg.personalization.settings import Personalization

Fraction = Annotated[float, Field(gt=0, le=1)]


class Evaluation(Block):
    """When and on how many evaluation clients a run is evaluated, and how they are personalized.

    The last round is always evaluated on all of them.
    """

    every: Count = Field(description="rounds between two evaluations (the paper: 25, inferred)")
    personalize_every: Count | None = Field(
        None,
        description="rounds between two evaluations that personalize too, a multiple of `every`; "
        "null: all of them",
    )
    intermediate_clients: Count | None = Field(
        None,
        description="evaluation clients, the same at all rounds before the last, in those "
        "evaluations; null: all of them",
    )
    validation_at_every_round: StrictBool = Field(
        False,
        description="validation clients at all evaluated rounds too; nothing is chosen on any but "
        "the last",
    )
    fine_tuning: Personalization = Field(
        Personalization(), description="personalization of held-out clients"
    )
    target_accuracy: Fraction = Field(
        0.8, description="accuracy of `rounds to target` (the paper: 0.8)"
    )

    @model_validator(mode="after")
    def _check(self) -> Evaluation:
        if self.personalize_every is not None and self.personalize_every % self.every:
            raise ValueError(
                f"personalize_every ({self.personalize_every}) must be a multiple of every "
                f"({self.every})"
            )
        shown, epochs = self.fine_tuning.shown_epochs, self.fine_tuning.epochs
        no_repeats(shown, "fine_tuning.shown_epochs")
        if max(shown, default=0) > epochs:
            raise ValueError(
                f"fine_tuning.shown_epochs: {max(shown)} is above fine_tuning.epochs ({epochs})"
            )
        return self
