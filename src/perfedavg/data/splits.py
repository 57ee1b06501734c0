"""Who trains, who validates, who evaluates (section 3 of the paper's protocol).

Training clients come first in the order of the split: ``sorted`` takes the first N ids, ``shuffled`` the first N of a
permutation. Everyone else is held out; a validation group is drawn from the held-out clients at random, and only the
rest are evaluation clients. Nothing may ever be chosen on those.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from perfedavg.errors import PerfedavgError
from perfedavg.files import atomic
from perfedavg.randomness import stream
from perfedavg.tables import EVALUATION, TRAINING, VALIDATION


def split_clients(
    client_ids: list[str], order: Literal["sorted", "shuffled"], training_clients: int, validation_clients: int, seed: int
) -> pd.DataFrame:
    """Assign every client to one group.

    Args:
        client_ids: ids in the order of the store; the result's ``client_index`` is the position in this list.
        seed: of the permutation (``numpy.random.RandomState``, as in the authors' later example) and of the draw of
            validation clients.

    Returns:
        Columns ``client_id, client_index, client_group``, training clients in split order, then validation and
        evaluation clients sorted by id.

    Raises:
        PerfedavgError: fewer clients than the split needs.
    """
    needed = training_clients + validation_clients + 1
    if len(client_ids) < needed:
        raise PerfedavgError(
            f"The data hold {len(client_ids)} clients, but split.training_clients + split.validation_clients + at least one "
            f"evaluation client need {needed}; lower split.training_clients or split.validation_clients."
        )
    by_id = np.array(sorted(range(len(client_ids)), key=client_ids.__getitem__))
    if order == "shuffled":
        by_id = by_id[np.random.RandomState(seed).permutation(len(by_id))]
    training, held_out = by_id[:training_clients], by_id[training_clients:]
    chosen = stream(seed, "validation clients").choice(len(held_out), size=validation_clients, replace=False)
    is_validation = np.isin(np.arange(len(held_out)), chosen)
    groups = {TRAINING: training, VALIDATION: held_out[is_validation], EVALUATION: held_out[~is_validation]}
    rows = []
    for group, indices in groups.items():
        if group != TRAINING:
            indices = sorted(indices, key=lambda i: client_ids[i])
        rows += [(client_ids[i], int(i), group) for i in indices]
    return pd.DataFrame(rows, columns=["client_id", "client_index", "client_group"])


def write_split(path: str | Path, split: pd.DataFrame) -> None:
    """Write a split as CSV."""
    with atomic(path) as temporary:
        split.to_csv(temporary, index=False)


def read_group(path: str | Path, group: str) -> list[int]:
    """Store positions of the clients of one group, in split order."""
    split = pd.read_csv(path, dtype={"client_id": str})
    return split.loc[split.client_group == group, "client_index"].tolist()
