"""Shakespeare by role, the paper's second data set, as TensorFlow Federated publishes it.

Of each client ``snippets``, bytes ``[n]``: what a role of a play says, for next-character
prediction. :mod:`perfedavg.data.text` says how snippets become windows of token ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from perfedavg.data.readers.tff_hdf5 import read_clients
from perfedavg.data.sources import Archive, DataSize, Sha256
from perfedavg.data.store import ClientExamples
from perfedavg.data.text import LENGTH, NUM_TOKENS, readable, windows

MEMBERS = "shakespeare_train.h5", "shakespeare_test.h5"
ROLES = 715


class Shakespeare(Archive):
    """The paper's second data set, Shakespeare by role, from its public archive or a copy of it."""

    dataset: Literal["shakespeare"] = Field(description="name of the data set")
    archive: str | None = Field(
        None, description="path or URL of `shakespeare.tar.bz2`; null: the public one"
    )
    sha256: Sha256 = Field(
        "0285be9906cb5f268092eee4edeeacfc2af4574f2941f7cc2f08a321d7f5c707",
        description="checksum of the archive; the default is the public one's",
    )

    kind = "tokens"
    num_classes = num_values = NUM_TOKENS
    example_shape = label_shape = (LENGTH,)
    packages = ("h5py", "numpy")
    urls = ("https://storage.googleapis.com/tff-datasets-public/shakespeare.tar.bz2",)

    def clients(self, archive: Path, scratch: Path) -> Iterator[ClientExamples]:
        """All roles, sorted by id, with their windows of token ids."""
        return read_clients(archive, scratch, MEMBERS, _examples)

    @property
    def size(self) -> DataSize:
        """Of the public archive, in windows."""
        return DataSize(ROLES, 37_662 / ROLES, 5_471 / ROLES)

    def caveat(
        self,
        client_ids: Sequence[str],
        training_clients: int | None = None,
        rounds: int | None = None,
    ) -> str:
        """What is not known of the paper's protocol."""
        return (
            "The paper gives no model, rates, rounds or numbers for Shakespeare: the set-up is the "
            "field's standard."
        )

    @classmethod
    def text(cls, tokens: np.ndarray) -> str:
        """A window, as people read it."""
        return readable(tokens)


def _examples(group: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Windows ``[n, 80]`` and their labels ``[n, 80]`` of one role."""
    return windows(group["snippets"].tolist())
