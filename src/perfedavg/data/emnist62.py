"""EMNIST-62 by writer, as TensorFlow Federated publishes it: ``fed_emnist.tar.bz2`` with a train
and a test HDF5 file.

Layout of each: ``examples/<writer id>/pixels`` float32 ``[n, 28, 28]`` in [0, 1], background 1.0,
and ``examples/<writer id>/label`` int32 ``[n]``. All pixels lie on the grid k/255, so a uint8 holds
them without loss."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np

from perfedavg.data.store import ClientExamples
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.runtime.job import Progress

URLS = (
    "https://storage.googleapis.com/tff-datasets-public/fed_emnist.tar.bz2",
    "https://fedml.s3-us-west-1.amazonaws.com/fed_emnist.tar.bz2",
)
CLASSES = 62
WRITERS = 3400

_TRAIN, _TEST = "fed_emnist_train.h5", "fed_emnist_test.h5"


def emnist62_clients(archive: str | Path, scratch: str | Path) -> Iterator[ClientExamples]:
    """All writers of an archive, sorted by id, with their images as uint8 grey levels.

    Args:
        scratch: folder for the unpacked files, a few times the archive's size, while this iterates.

    Raises:
        PerfedavgError: the file is no such archive, or a writer's data are not as the layout says.
    """
    with _unpacked(Path(archive), Path(scratch)) as (train, test):
        train, test = train["examples"], test["examples"]
        ids = sorted(train)
        progress = Progress("convert EMNIST-62", len(ids), "writer")
        for client_id in ids:
            if client_id not in test:
                raise PerfedavgError(
                    f"{archive}: writer {client_id} has train data but no test data; the "
                    f"archive is incomplete."
                )
            train_x, train_y = _read(train[client_id], archive, client_id)
            test_x, test_y = _read(test[client_id], archive, client_id)
            yield ClientExamples(client_id, train_x, train_y, test_x, test_y)
            progress.advance()
        progress.close()


@contextmanager
def _unpacked(archive: Path, scratch: Path) -> Iterator[tuple[h5py.File, h5py.File]]:
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=scratch, prefix=".unpacked-") as folder:
        try:
            with tarfile.open(archive) as tar:
                for name in (_TRAIN, _TEST):
                    tar.extract(name, folder, filter="data")
            train, test = h5py.File(Path(folder) / _TRAIN), h5py.File(Path(folder) / _TEST)
        except (OSError, EOFError, KeyError, tarfile.TarError) as error:
            raise PerfedavgError(
                f"{archive} is no archive with {_TRAIN} and {_TEST} ({error}); check data.archive."
            ) from error
        with train, test:
            yield train, test


def _read(group: h5py.Group, archive: str | Path, client_id: str) -> tuple[np.ndarray, np.ndarray]:
    pixels, label = group["pixels"][()], group["label"][()]
    grey = np.rint(pixels * 255)
    if pixels.shape[1:] != (28, 28) or len(pixels) != len(label):
        raise PerfedavgError(
            f"{archive}: writer {client_id} has pixels {pixels.shape} for {len(label)} "
            f"labels; 28x28 each is expected."
        )
    if len(pixels) and (
        pixels.min() < 0 or pixels.max() > 1 or np.abs(pixels * 255 - grey).max() > 1e-3
    ):
        raise PerfedavgError(
            f"{archive}: the pixels of writer {client_id} are not on the grid k/255 in [0, 1]."
        )
    if len(label) and not (label.min() >= 0 and label.max() < CLASSES):
        raise PerfedavgError(f"{archive}: writer {client_id} has labels outside 0..{CLASSES - 1}.")
    return grey.astype(np.uint8), label.astype(np.int64)
