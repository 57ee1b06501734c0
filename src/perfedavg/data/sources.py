"""The data sets that a config can name, and how each becomes clients for the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from perfedavg.data.store import ClientExamples
from perfedavg.files import fingerprint
from perfedavg.settings import Block, Count, Natural

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Glyphs62(Block):
    """The built-in data set: synthetic writers drawn from fonts. For trying the pipeline; says nothing about the paper."""

    dataset: Literal["glyphs62"] = Field("glyphs62", description="name of the data set")
    seed: Natural = Field(0, description="seed of the generator")
    writers: Count = Field(280, description="number of writers, each one client")
    median_examples: int = Field(52, ge=10, strict=True, description="median examples a writer, train and test together")


class Emnist62(Block):
    """The paper's data set, EMNIST-62 by writer, from its public archive or a copy of it."""

    dataset: Literal["emnist62"] = Field(description="name of the data set")
    archive: str | None = Field(None, description="path or URL of `fed_emnist.tar.bz2`; null: the public one, then its mirror")
    sha256: Sha256 = Field(
        "fe1ed5a502cea3a952eb105920bff8cffb32836b5173cb18a57a32c3606f3ea0",
        description="checksum of the archive; the default is the public one's",
    )

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


def clients_of(
    dataset: str, settings: dict[str, Any], archive: Path | None, scratch: Path
) -> tuple[Iterator[ClientExamples], int]:
    """All clients of a data set, and its number of classes.

    Args:
        settings: what :func:`content` gives.
        archive: a verified copy of the archive, for data sets that have one.
        scratch: folder for unpacked files while the clients are read.
    """
    if dataset == "emnist62":
        from perfedavg.data import emnist62

        return emnist62.emnist62_clients(archive, scratch), emnist62.CLASSES
    from perfedavg.data import glyphs62

    data = Glyphs62(**settings)
    return glyphs62.glyphs62_clients(data.seed, data.writers, data.median_examples), len(glyphs62.CLASSES)
