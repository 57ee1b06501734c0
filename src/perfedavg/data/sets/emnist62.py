"""EMNIST-62 by writer, the paper's data, as TensorFlow Federated publishes it.

Of each client ``pixels`` float32 ``[n, 28, 28]`` in [0, 1], background 1.0, and ``label`` int32
``[n]``. All pixels lie on the grid k/255, so a uint8 holds them without loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from perfedavg.data.readers.tff_hdf5 import read_clients
from perfedavg.data.sources import Archive, DataSize, Sha256
from perfedavg.data.store import ClientExamples

MEMBERS = "fed_emnist_train.h5", "fed_emnist_test.h5"
WRITERS, TRAINING_CLIENTS, ROUNDS = 3400, 2500, 500
"""The paper's data and protocol; rounds are inferred."""


class Emnist62(Archive):
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

    kind = "images"
    num_classes = 62
    example_shape = (28, 28)
    client_word, labels_are = "writer", "0-9 digits, 10-35 A-Z, 36-61 a-z"
    mean_ink = 0.17
    packages = ("h5py", "numpy")
    is_the_papers = True
    urls = (
        "https://storage.googleapis.com/tff-datasets-public/fed_emnist.tar.bz2",
        "https://fedml.s3-us-west-1.amazonaws.com/fed_emnist.tar.bz2",
    )

    def clients(self, archive: Path, scratch: Path) -> Iterator[ClientExamples]:
        """All writers, sorted by id, with their images as uint8 grey levels."""
        return read_clients(archive, scratch, MEMBERS, _examples)

    @property
    def size(self) -> DataSize:
        """Of the public archive."""
        return DataSize(WRITERS, 671_585 / WRITERS, 77_483 / WRITERS)

    def caveat(
        self,
        client_ids: Sequence[str],
        training_clients: int | None = None,
        rounds: int | None = None,
    ) -> str:
        """What tells these data and this protocol from the paper's."""
        sentences = []
        if len(client_ids) < WRITERS:
            late = sum(client_id >= "f1500" for client_id in client_ids) / len(client_ids)
            sentences.append(
                f"{len(client_ids)} of EMNIST-62's about {WRITERS:,} writers, {100 * late:.3g} % "
                "with ids from f1500 on: client counts, the share of hard writers and accuracies "
                "differ from the full data's."
            )
        if training_clients and (training_clients, rounds) != (TRAINING_CLIENTS, ROUNDS):
            sentences.append(
                f"{training_clients:,} training clients, {rounds} rounds (the paper: "
                f"{TRAINING_CLIENTS:,} and {ROUNDS})."
            )
        return " ".join(sentences)


def _examples(group: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Images ``[n, 28, 28]`` and labels ``[n]`` of one writer; ValueError where they are not as the
    layout says."""
    pixels, label = group["pixels"], group["label"]
    grey = np.rint(pixels * 255)
    if pixels.shape[1:] != (28, 28) or len(pixels) != len(label):
        raise ValueError(f"pixels {pixels.shape} for {len(label)} labels; 28x28 each is expected")
    if len(pixels) and (
        pixels.min() < 0 or pixels.max() > 1 or np.abs(pixels * 255 - grey).max() > 1e-3
    ):
        raise ValueError("pixels that are not on the grid k/255 in [0, 1]")
    if len(label) and not (label.min() >= 0 and label.max() < Emnist62.num_classes):
        raise ValueError(f"labels outside 0..{Emnist62.num_classes - 1}")
    return grey.astype(np.uint8), label.astype(np.int64)
