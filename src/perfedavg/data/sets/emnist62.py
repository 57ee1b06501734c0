"""EMNIST-62 by writer, the paper's data, as TensorFlow Federated publishes it.

Of each client ``pixels`` float32 ``[n, 28, 28]`` in [0, 1], background 1.0, and ``label`` int32
``[n]``. All pixels lie on the grid k/255, so a uint8 holds them without loss. TFF's SQLite database
and LEAF's FEMNIST hold the same, 784 values an image."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from perfedavg.data.archives import Layout, clients_of
from perfedavg.data.sources import Archive, DataSize
from perfedavg.data.store import ClientExamples
from perfedavg.data.values import grey_images

WRITER = re.compile(r"f\d{4}_\d{2}")
"""Ids of the published data: NIST's number of the writer and of the form."""
WRITERS, TRAINING_CLIENTS, ROUNDS = 3400, 2500, 500
"""The paper's data and protocol; rounds are inferred."""


class Emnist62(Archive):
    """The paper's data set, EMNIST-62 by writer, from its public archive or a copy of it."""

    dataset: Literal["emnist62"] = Field(description="name of the data set")
    kind = "images"
    num_classes = 62
    example_shape = (28, 28)
    client_word, labels_are = "writer", "0-9 digits, 10-35 A-Z, 36-61 a-z"
    ink, mean_ink = True, 0.17
    packages = ("h5py", "ijson", "numpy", "protobuf")
    is_the_papers = True
    public_sha256 = "fe1ed5a502cea3a952eb105920bff8cffb32836b5173cb18a57a32c3606f3ea0"
    urls = (
        "https://storage.googleapis.com/tff-datasets-public/fed_emnist.tar.bz2",
        "https://fedml.s3-us-west-1.amazonaws.com/fed_emnist.tar.bz2",
    )
    layout = Layout(
        ("fed_emnist_train.h5", "fed_emnist_test.h5"),
        grey_images(example_shape, num_classes),
        splits=("all_train", "all_test"),
        shapes={"pixels": example_shape},
    )

    def clients(self, archive: Path, scratch: Path) -> Iterator[ClientExamples]:
        """All writers, sorted by id, with their images as uint8 grey levels."""
        return clients_of(archive, scratch, self.layout)

    @property
    def size(self) -> DataSize:
        """Of the public archive."""
        return DataSize(WRITERS, 671_585 / WRITERS, 77_483 / WRITERS)

    def are_the_papers(self, client_ids: Sequence[str]) -> bool:
        """Whether all ids are of the form of the published ones; ids of other data are not."""
        return all(WRITER.fullmatch(client_id) for client_id in client_ids)

    def caveat(
        self,
        client_ids: Sequence[str],
        training_clients: int | None = None,
        rounds: int | None = None,
    ) -> str:
        """What tells these data and this protocol from the paper's."""
        sentences = []
        if not self.are_the_papers(client_ids):
            return (
                f"An archive of {len(client_ids):,} clients in EMNIST-62's layout, whose ids are "
                "not those of the published data: numbers say nothing about the paper's."
            )
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
