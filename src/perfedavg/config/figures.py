"""The block ``figures``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from perfedavg.blocks import Block

Color = Annotated[str, Field(pattern="^#[0-9A-Fa-f]{6}$")]


class Figures(Block):
    """How figures look; a change draws them again and trains nothing."""

    initial: Color = Field("#0173B2", description="colour of the initial model, `#RRGGBB`")
    personalized: Color = Field("#C65D00", description="colour of the personalized model")
    series: tuple[Color, ...] = Field(
        ("#02785A", "#8F3F82", "#1B1B1B", "#6A7F10", "#7A5230", "#A8163F", "#6A4BC4"),
        min_length=7,
        max_length=7,
        description="colours of the first, second, ... of several models",
    )
    dpi: Annotated[int, Field(ge=50, le=1200, strict=True)] = Field(
        200, description="dots per inch of the PNG files"
    )
