"""The data sets that a config can name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator

from perfedavg.blocks import Block, Count, Natural
from perfedavg.storage.files import fingerprint

Sha256 = Annotated[
    str, StringConstraints(to_lower=True, strip_whitespace=True, pattern="^[0-9a-fA-F]{64}$")
]


class Glyphs62(Block):
    """The built-in data set: synthetic writers drawn from fonts. For trying the pipeline; says
    nothing about the paper."""

    dataset: Literal["glyphs62"] = Field(description="name of the data set")
    seed: Natural = Field(0, description="seed of the generator")
    writers: Count = Field(280, description="number of writers, each one client")
    median_examples: int = Field(
        52, ge=10, strict=True, description="median examples a writer, train and test together"
    )


class Emnist62(Block):
    """The paper's data set, EMNIST-62 by writer, from its public archive or a copy of it."""

    dataset: Literal["emnist62"] = Field(description="name of the data set")
    archive: str | None = Field(
        None,
        description="path or URL of `fed_emnist.tar.bz2`; null: the public one, then its mirror",
    )
    sha256: Sha256 = Field(
        "fe1ed5a502cea3a952eb105920bff8cffb32836b5173cb18a57a32c3606f3ea0",
        description="checksum of the archive; the default is the public one's",
    )

    @field_validator("archive")
    @classmethod
    def _path_or_url(cls, archive: str | None) -> str | None:
        if archive is None or archive.startswith(("http://", "https://")):
            return archive
        path = archive.removeprefix("file://")
        if "://" in path:
            raise ValueError("it should be a path or an http(s) address")
        return str(Path(path).expanduser())

    @property
    def is_local(self) -> bool:
        """``archive`` is a file of the user's own, read where it lies."""
        return self.archive is not None and "://" not in self.archive


Data = Annotated[Glyphs62 | Emnist62, Field(discriminator="dataset")]


def content(data: Glyphs62 | Emnist62) -> dict[str, Any]:
    """What the data depend on: all of the block but where a copy of the archive lies."""
    return data.model_dump(mode="json", exclude={"archive"})


def store_name(data: Glyphs62 | Emnist62) -> str:
    """Folder of the client store: the data set and a hash of what it depends on."""
    return f"{data.dataset}-{fingerprint(content(data))[:8]}"
