"""The block ``split``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from perfedavg.blocks import Block, Count, Natural


class Split(Block):
    """Which clients train, which validate; all others are evaluation clients."""

    order: Literal["sorted", "shuffled"] = Field(
        description="`sorted`: the first ids train; `shuffled`: the first of a permutation. Which "
        "one the paper used is unknown"
    )
    training_clients: Count = Field(description="number of clients that train")
    validation_clients: Count = Field(
        description="number of held-out clients, drawn at random, on which everything is chosen"
    )
    seed: Natural = Field(
        42, description="seed of the permutation and of the draw of validation clients"
    )
