"""Who trains, who validates, who evaluates (section 3 of the paper's protocol).

Training clients come first in the order of the split: ``sorted`` takes the first N ids,
``shuffled`` the first N of a permutation. Everyone else is held out; a validation group is drawn
from the held-out clients at random, and only the rest are evaluation clients. Nothing may ever be
chosen on those."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import compute as pc

from perfedavg.randomness import VALIDATION_CLIENTS, StreamKey, stream
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.storage.files import atomic
from perfedavg.storage.tables import EVALUATION, TRAINING, VALIDATION


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
    by_id = pc.sort_indices(ids).to_numpy().astype(np.int64)
    rank = np.empty_like(by_id)
    rank[by_id] = np.arange(len(by_id))
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
    groups = {TRAINING: training, VALIDATION: validation, EVALUATION: evaluation}
    index = np.concatenate(list(groups.values()))
    names = pa.chunked_array([pa.repeat(name, len(group)) for name, group in groups.items()])
    columns = {"client_id": ids.take(index), "client_index": index, "client_group": names}
    return pa.table(columns).to_pandas(split_blocks=True)


def write_split(path: str | Path, split: pd.DataFrame) -> None:
    """Write a split as CSV."""
    with atomic(path) as temporary:
        split.to_csv(temporary, index=False)


def read_group(path: str | Path, group: str) -> np.ndarray:
    """Store positions of the clients of one group, in split order: int64 ``[clients]``.

    The file is read line by line and only the positions are kept: 8 bytes per client, where a table
    of text would take a hundred."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        index, name = map(next(rows).index, ("client_index", "client_group"))
        return np.fromiter((int(row[index]) for row in rows if row[name] == group), dtype=np.int64)
