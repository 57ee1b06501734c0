"""EMNIST by writer, digits only, as TensorFlow Federated publishes it: 10 classes, else as
``emnist62``. The paper does not use it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from perfedavg.data.archives import Layout, clients_of
from perfedavg.data.sources import Archive, DataSize
from perfedavg.data.store import ClientExamples
from perfedavg.data.values import grey_images

WRITERS = 3383


class EmnistDigits(Archive):
    """The digits of EMNIST by writer, from their public archive or a copy of it."""

    dataset: Literal["emnist_digits"] = Field(description="name of the data set")

    kind, ink = "images", True
    num_classes = 10
    example_shape = (28, 28)
    packages = ("h5py", "ijson", "numpy", "protobuf")
    public_sha256 = "55333deb8546765427c385710ca5e7301e16f4ed8b60c1dc5ae224b42bd5b14b"
    urls = ("https://storage.googleapis.com/tff-datasets-public/fed_emnist_digitsonly.tar.bz2",)
    layout = Layout(
        ("fed_emnist_digitsonly_train.h5", "fed_emnist_digitsonly_test.h5"),
        grey_images(example_shape, num_classes),
        splits=("digits_only_train", "digits_only_test"),
        shapes={"pixels": example_shape},
    )

    def clients(self, archive: Path, scratch: Path) -> Iterator[ClientExamples]:
        """All writers, sorted by id, with their images as uint8 grey levels."""
        return clients_of(archive, scratch, self.layout)

    @property
    def size(self) -> DataSize:
        """Of the public archive."""
        return DataSize(WRITERS, 341_873 / WRITERS, 40_832 / WRITERS)

    def caveat(
        self,
        client_ids: Sequence[str],
        training_clients: int | None = None,
        rounds: int | None = None,
    ) -> str:
        """The paper's data have 62 classes."""
        said = f"Digits only ({len(client_ids):,} writers, 10 classes): not the paper's data."
        if training_clients:
            said = f"{said[:-1]}; {training_clients:,} training clients, {rounds} rounds."
        return said
