"""The base of all blocks of settings, and the types of their values."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# The largest values are those that fit where they end up: a list of rounds, an int64 column, a
# float32 tensor.
Count = Annotated[int, Field(gt=0, le=10**9, strict=True)]
Rounds = Annotated[int, Field(gt=0, le=10**6, strict=True)]
Natural = Annotated[int, Field(ge=0, lt=2**63, strict=True)]
Rate = Annotated[float, Field(gt=0, le=3e38, allow_inf_nan=False)]
Momentum = Annotated[float, Field(ge=0, lt=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]
Weight = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]


class Block(BaseModel):
    """Base of all blocks: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
