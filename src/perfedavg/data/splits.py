"""Who trains, who validates, who evaluates (section 3 of the paper's protocol).

Training clients come first in the order of the split: ``sorted`` takes the first N ids,
``shuffled`` the first N of a permutation. Everyone else is held out; a validation group is drawn
from the held-out clients at random, and only the rest are evaluation clients. Nothing may ever be
chosen on those. Or a file names the clients of every group.

A client that a group cannot use is left out, and so is one that the file does not name: its group
in the split begins with ``left out``."""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import compute as pc

from perfedavg.randomness import VALIDATION_CLIENTS, StreamKey, stream
from perfedavg.runtime.errors import PerfedavgError, nothing_at, reading
from perfedavg.storage.contracts import check_group
from perfedavg.storage.files import atomic
from perfedavg.storage.tables import EVALUATION, TRAINING, VALIDATION

if TYPE_CHECKING:
    from perfedavg.data.store import ClientStore

logger = logging.getLogger("perfedavg")

NO_TRAIN, NO_TEST = "left out: no train labels", "left out: no test labels"
NOT_NAMED = "left out: not in split.file"


def split_clients(
    client_ids: Sequence[str] | pa.ChunkedArray,
    order: Literal["sorted", "shuffled"],
    training_clients: int,
    validation_clients: int,
    seed: int,
) -> pd.DataFrame:
    """Assign every client to one group.

    Args:
        client_ids: ids in the order of the store; the result's ``client_index`` is the position in
            this list.
        seed: of the permutation (``numpy.random.RandomState``, as in the authors' later example)
            and of the draw of validation clients.

    Returns:
        Columns ``client_id, client_index, client_group``, training clients in split order, then
        validation and evaluation clients sorted by id.

    Raises:
        PerfedavgError: fewer clients than the split needs.
    """
    needed = training_clients + validation_clients + 1
    if len(client_ids) < needed:
        raise PerfedavgError(
            f"The data hold {len(client_ids)} clients, but split.training_clients + "
            f"split.validation_clients + at least one evaluation client need {needed}; lower "
            "split.training_clients or split.validation_clients."
        )
    ids = pa.table({"client_id": client_ids}).column(0)
    by_id, rank = _by_id(ids)
    if order == "shuffled":
        by_id = by_id[np.random.RandomState(seed).permutation(len(by_id))]
    training, held_out = by_id[:training_clients], by_id[training_clients:]
    chosen = stream(StreamKey(seed, VALIDATION_CLIENTS)).choice(
        len(held_out), size=validation_clients, replace=False
    )
    is_validation = np.zeros(len(held_out), dtype=bool)
    is_validation[chosen] = True
    validation, evaluation = (
        group[np.argsort(rank[group])]
        for group in (held_out[is_validation], held_out[~is_validation])
    )
    return _frame(ids, {TRAINING: training, VALIDATION: validation, EVALUATION: evaluation})


def _by_id(ids: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """The positions of the ids in their order as text, and the rank of every position."""
    by_id = pc.sort_indices(ids).to_numpy().astype(np.int64)
    rank = np.empty_like(by_id)
    rank[by_id] = np.arange(len(by_id))
    return by_id, rank


def _frame(ids: pa.ChunkedArray, groups: dict[str, np.ndarray]) -> pd.DataFrame:
    index = np.concatenate(list(groups.values()))
    names = pa.chunked_array([pa.repeat(name, len(group)) for name, group in groups.items()])
    columns = {"client_id": ids.take(index), "client_index": index, "client_group": names}
    return pa.table(columns).to_pandas(split_blocks=True)


def read_split_file(path: str | Path) -> dict[str, str]:
    """The group of every client that a ``split.file`` names.

    Raises:
        PerfedavgError: it is no CSV with these columns, names a client twice or another group, or
            leaves a group empty.
    """
    wanted = "a CSV with the columns client_id,client_group is wanted"
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file)
            header = [name.strip() for name in next(rows, [])]
            if not {"client_id", "client_group"} <= set(header):
                raise PerfedavgError(f"{path} has the columns {', '.join(header)}; {wanted}.")
            client, group = map(header.index, ("client_id", "client_group"))
            groups: dict[str, str] = {}
            for row in rows:
                if not row:
                    continue
                where = f"{path}, line {rows.line_num}"
                if len(row) != len(header):
                    raise PerfedavgError(
                        f"{where} has {len(row)} values, not {len(header)}; correct it."
                    )
                if row[client] in groups:
                    raise PerfedavgError(
                        f"{where}: client {row[client]!r} stands there twice; keep one."
                    )
                groups[row[client]] = row[group].strip()
                if groups[row[client]] not in (TRAINING, VALIDATION, EVALUATION):
                    raise PerfedavgError(
                        f"{where}: the group of client {row[client]!r} is {row[group]!r}; it must "
                        f"be {TRAINING}, {VALIDATION} or {EVALUATION}."
                    )
    except FileNotFoundError:
        raise PerfedavgError(
            f"{path} (split.file) is no file: {nothing_at(path)}; correct it."
        ) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PerfedavgError(f"{path} cannot be read ({error}); {wanted}.") from None
    missing = sorted({TRAINING, VALIDATION, EVALUATION} - set(groups.values()))
    if missing:
        raise PerfedavgError(f"{path} names no {missing[0]} client; every group needs one.")
    return groups


def check_named(named: Iterable[str], client_ids: Sequence[str], path: str | Path) -> None:
    """Raise PerfedavgError where ``split.file``, at ``path``, names a client that the data do not
    hold."""
    unknown = sorted(set(named) - set(client_ids))
    if unknown:
        many = f"{len(unknown)} clients that the data do not hold, the first {unknown[0]!r}"
        if len(unknown) == 1:
            many = f"the client {unknown[0]!r}, which the data do not hold"
        raise PerfedavgError(
            f"{path} names {many} (the data's first is {min(client_ids)!r}); correct split.file."
        )


def named_clients(client_ids: Sequence[str] | pa.ChunkedArray, path: str | Path) -> pd.DataFrame:
    """The split that a ``split.file`` names, as :func:`split_clients` gives it; every group is
    sorted by id.

    Raises:
        PerfedavgError: see :func:`read_split_file`; or it names a client that the data do not hold.
    """
    groups = read_split_file(path)
    ids = pa.table({"client_id": client_ids}).column(0)
    by_id, _ = _by_id(ids)
    texts = ids.to_pylist()
    check_named(groups, texts, path)
    sizes = (TRAINING, VALIDATION, EVALUATION, NOT_NAMED)
    chosen: dict[str, list[int]] = {group: [] for group in sizes}
    for position in by_id:
        chosen[groups.get(texts[position], NOT_NAMED)].append(int(position))
    if chosen[NOT_NAMED]:
        logger.warning(
            "%d of %d clients are not in %s and are left out, as the config asks (split.file)",
            len(chosen[NOT_NAMED]),
            len(texts),
            path,
        )
    return _frame(ids, {name: np.array(at, dtype=np.int64) for name, at in chosen.items()})


def leave_out_empty(split: pd.DataFrame, store: ClientStore, refuse: bool) -> pd.DataFrame:
    """The split without the clients that a group cannot use: training clients without a train label
    and held-out clients without a test label. Their group becomes one that says why.

    A held-out client without train labels stays: its personalized model is the initial one.

    Raises:
        PerfedavgError: there is one and ``refuse`` is set, or a group has no client left.
    """
    at = split.client_index.to_numpy()
    trains = (split.client_group == TRAINING).to_numpy()
    held_out = split.client_group.isin((VALIDATION, EVALUATION)).to_numpy()
    no_train, no_test = _without_labels(store, at, held_out)
    groups, before = split.client_group.to_numpy(dtype=object), split.client_group
    for without, who, label, reason in (
        (trains & no_train, "training", "train", NO_TRAIN),
        (held_out & no_test, "held-out", "test", NO_TEST),
    ):
        if not without.any():
            continue
        named = ", ".join(map(repr, split.client_id[without].head(3)))
        which = f"{without.sum()} {who} clients without {label} examples (the first: {named})"
        if refuse:
            raise PerfedavgError(
                f"There are {which}; set split.empty_clients to leave_out, or change the split or "
                "the data."
            )
        groups[without] = reason
        logger.warning(
            "%s are left out, as the config asks (split.empty_clients: leave_out)", which
        )
    for group in (TRAINING, VALIDATION, EVALUATION):
        if (before == group).any() and not (groups == group).any():
            part = "train" if group == TRAINING else "test"
            raise PerfedavgError(
                f"None of the {(before == group).sum()} {group} clients has a {part} example; "
                "change the split or the data."
            )
    initial = held_out & no_train & ~no_test
    if initial.any():
        logger.warning(
            "%d held-out clients have no train examples: their personalized model is the initial "
            "one",
            initial.sum(),
        )
    return split.assign(client_group=groups)


def _without_labels(
    store: ClientStore, at: np.ndarray, held_out: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which clients at these positions have no train label, and which no test label; of the latter
    only ``held_out`` ones are looked at where labels can be masked."""
    no_train, no_test = (store.column(name)[at] == 0 for name in ("num_train", "num_test"))
    if store.label_shape:
        no_train |= store.label_counts().sum(1)[at] == 0
        for place in np.flatnonzero(held_out & ~no_test):
            no_test[place] = not (store.client(int(at[place])).test_y >= 0).any()
    return no_train, no_test


def write_split(path: str | Path, split: pd.DataFrame) -> None:
    """Write a split as CSV."""
    with atomic(path) as temporary:
        split.to_csv(temporary, index=False)


def read_group(path: str | Path, group: str) -> np.ndarray:
    """Store positions of the clients of one group, in split order: int64 ``[clients]``, read from
    a file that :func:`write_split` wrote.

    The file is read line by line and only the positions are kept: 8 bytes per client, where a table
    of text would take a hundred.

    Raises:
        PerfedavgError: the file is missing or damaged.
    """
    with reading(path), open(path, newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        index, name = map(next(rows, []).index, ("client_index", "client_group"))

        def positions() -> Iterator[int]:
            for row in rows:
                check_group(row[name])
                if row[name] == group:
                    yield int(row[index])

        return np.fromiter(positions(), dtype=np.int64)
