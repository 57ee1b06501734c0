"""A ``.tar.bz2`` with a train and a test HDF5 file, as TensorFlow Federated publishes data sets:
``examples/<client id>/<feature>``, one array per feature, in each file."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from perfedavg.data.store import ClientExamples
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.runtime.job import Progress


def read_clients(
    archive: Path,
    scratch: Path,
    members: tuple[str, str],
    examples: Callable[[Mapping[str, np.ndarray]], tuple[np.ndarray, np.ndarray]],
) -> Iterator[ClientExamples]:
    """All clients that have train data, sorted by id.

    Args:
        scratch: folder for the unpacked files, a few times the archive's size, while this iterates.
        members: names of the train and the test file in the archive.
        examples: a client's arrays by feature to its examples ``[n, ...]`` and labels ``[n, ...]``;
            raises ValueError, with what the client has, where they are not as they should be.

    Raises:
        PerfedavgError: the file is no such archive, or a client's data are not as they should be.
    """
    import h5py

    def read(group: h5py.Group, client_id: str) -> tuple[np.ndarray, np.ndarray]:
        try:
            return examples({name: values[()] for name, values in group.items()})
        except (ValueError, KeyError) as error:
            raise PerfedavgError(f"{archive}: client {client_id} has {error}.") from error

    scratch.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir=scratch, prefix=".unpacked-")))
        try:
            with tarfile.open(archive) as tar:
                for name in members:
                    tar.extract(name, folder, filter="data")
            files = [stack.enter_context(h5py.File(folder / name)) for name in members]
            train, test = (file["examples"] for file in files)
        except (OSError, EOFError, KeyError, tarfile.TarError) as error:
            raise PerfedavgError(
                f"{archive} is no archive with {' and '.join(members)} ({error}); check "
                "data.archive."
            ) from error
        ids = sorted(train)
        progress = Progress(f"convert {archive.name}", len(ids), "client")
        for client_id in ids:
            if client_id not in test:
                raise PerfedavgError(
                    f"{archive}: client {client_id} has train data but no test data; the archive "
                    "is incomplete."
                )
            yield ClientExamples(
                client_id, *read(train[client_id], client_id), *read(test[client_id], client_id)
            )
            progress.advance()
        progress.close()
