"""A train and a test HDF5 file, as TensorFlow Federated publishes data sets:
``examples/<client id>/<feature>``, one array per feature, in each file.

HDF5 can point out of a file (external links, external storage, virtual data sets), to what no
checksum covers; all of these are refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from perfedavg.data.members import Member
from perfedavg.data.store import ClientExamples
from perfedavg.data.values import REMEDY, client_id, in_both_splits
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.runtime.job import Progress

if TYPE_CHECKING:
    import h5py

    from perfedavg.data.archives import Chosen, Layout

MOST_BYTES = 2 * 10**9
"""Of one array of one client."""


def read_clients(chosen: Chosen, layout: Layout, scratch: Path) -> Iterator[ClientExamples]:
    """All clients of either file, sorted by id.

    Raises:
        PerfedavgError: a file is damaged or has another structure, or a client's data are not as
            they should be.
    """
    members = (chosen.train[0], chosen.test[0])
    with ExitStack() as stack:
        groups = [_examples_group(member, stack) for member in members]
        held = [set(_keys(group, member)) for group, member in zip(groups, members, strict=True)]
        ids = sorted(held[0] | held[1])
        progress = Progress(f"convert {members[0].name}", len(ids), "client")
        for name in ids:
            splits = []
            for group, has, member in zip(groups, held, members, strict=True):
                with _one_sentence(member, f"client {name!r}"):
                    client_id(name)
                    splits.append(layout.examples(_features(group, name)) if name in has else None)
            yield in_both_splits(name, *splits)
            progress.advance()
        progress.close()


@contextmanager
def _one_sentence(member: Member, where: str) -> Iterator[None]:
    """Say what HDF5 raises on a damaged file, whatever it is, or what the data are not."""
    try:
        yield
    except (PerfedavgError, MemoryError):
        raise
    except Exception as error:
        why = " ".join(str(error).split())[:300] or type(error).__name__
        is_about_values = isinstance(error, ValueError) and not isinstance(error, UnicodeError)
        if is_about_values:
            raise PerfedavgError(f"{member.shown}: {where} has {why}; {REMEDY}.") from error
        raise PerfedavgError(
            f"{member.shown}: {where} cannot be read ({why}); the file is damaged, get it again."
        ) from error


def _examples_group(member: Member, stack: ExitStack) -> h5py.Group:
    import h5py

    with _one_sentence(member, "the file"):
        file = stack.enter_context(h5py.File(member.path, "r"))
        names = list(file)
        group = _inside(file, "examples") if "examples" in names else None
    if not isinstance(group, h5py.Group):
        shown = ", ".join(map(repr, names[:4])) or "nothing"
        raise PerfedavgError(
            f"{member.shown}: the group `examples` is wanted, with a group per client, but at the "
            f"root there is {shown}."
        )
    return group


def _keys(group: h5py.Group, member: Member) -> list[str]:
    with _one_sentence(member, "the group `examples`"):
        names = list(group)
        if wrong := [name for name in names if not isinstance(name, str)]:
            raise ValueError(f"the name {wrong[0]!r}, which is no text")
        return names


def _features(examples: h5py.Group, name: str) -> dict[str, np.ndarray]:
    import h5py

    client = _inside(examples, name)
    if not isinstance(client, h5py.Group):
        raise ValueError("no group of features, but an array, in its place")
    features = {}
    for feature in client:
        values = _inside(client, feature)
        if not isinstance(values, h5py.Dataset):
            raise ValueError(f"a group in place of the array `{feature}`")
        if values.is_virtual or values.external:
            raise ValueError(f"`{feature}` in another file, which no checksum covers")
        kind = values.dtype.kind
        if kind == "c":
            raise ValueError(f"complex numbers in `{feature}`")
        if kind not in "uifbS" and not h5py.check_string_dtype(values.dtype):
            raise ValueError(f"values of type {values.dtype} in `{feature}`")
        if values.size is None or values.size * values.dtype.itemsize > MOST_BYTES:
            raise ValueError(f"`{feature}` of shape {values.shape}, which is none or too large")
        features[feature] = np.asarray(values[()])
    return features


def _inside(group: h5py.Group, name: str) -> Any:
    """What is in the group itself; a link to another place is refused."""
    import h5py

    link = group.get(name, getlink=True)
    if link is None:
        raise ValueError(f"the name {name!r}, behind which there is nothing")
    if not isinstance(link, h5py.HardLink):
        raise ValueError(f"{type(link).__name__} `{name}` that leads elsewhere; links are not read")
    return group[name]
