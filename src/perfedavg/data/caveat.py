"""What must be said wherever a number made from data is shown: of the data set, of its store, of
the clients that a split leaves out."""

from __future__ import annotations

from typing import Any

import pandas as pd

from perfedavg.data.sets import data_set
from perfedavg.data.store import ClientStore
from perfedavg.storage.contracts import LEFT_OUT
from perfedavg.storage.tables import TRAINING


def caveat(
    store: ClientStore,
    split: pd.DataFrame,
    data_block: dict[str, Any],
    training_clients: int | None = None,
    rounds: int | None = None,
) -> str:
    """Sentences; empty where there is nothing to say.

    Args:
        split: columns ``client_index, client_group`` of the client split.
        data_block: the config's block, as plain values.
        training_clients, rounds: see :meth:`perfedavg.data.sources.DataSet.caveat`.
    """
    ids = store.column("client_id")
    said = [
        data_set(data_block).caveat(ids, training_clients, rounds),
        store.metadata.get("caveat", ""),
    ]
    counts = split.client_group.value_counts(sort=False)
    reasons = [
        f"{n:,} ({name.removeprefix(LEFT_OUT)})"
        for name, n in counts.items()
        if name.startswith(LEFT_OUT)
    ]
    if reasons:
        said.append(f"Clients left out: {', '.join(reasons)}.")
    used = split[~split.client_group.str.startswith(LEFT_OUT)]
    held_out = used.client_index[used.client_group != TRAINING].to_numpy()
    untuned = int((store.column("num_train")[held_out] == 0).sum())
    if untuned:
        said.append(
            f"{untuned:,} held-out clients have no train examples: their personalized model is "
            "the initial one."
        )
    return " ".join(filter(None, said))
