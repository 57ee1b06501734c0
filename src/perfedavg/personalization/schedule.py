"""Which clients are evaluated in which round."""

from __future__ import annotations

from collections.abc import Sequence

from perfedavg.randomness import INTERMEDIATE_CLIENTS, StreamKey, stream


def intermediate_subset(clients: Sequence[int], size: int | None, seed: int) -> list[int]:
    """The clients looked at before the last round: the same for all runs and rounds, in the order
    of ``clients``."""
    if size is None or size >= len(clients):
        return list(clients)
    chosen = stream(StreamKey(seed, INTERMEDIATE_CLIENTS)).choice(
        len(clients), size=size, replace=False
    )
    return [clients[i] for i in sorted(chosen)]


def evaluated_clients(
    clients: Sequence[int],
    evaluated_rounds: Sequence[int],
    last: int,
    intermediate_clients: int | None,
    split_seed: int,
) -> dict[int, Sequence[int]]:
    """Which clients are looked at in which round: all of them in the last one, a fixed subset in
    those before."""
    subset = intermediate_subset(clients, intermediate_clients, split_seed)
    return {n: clients if n == last else subset for n in evaluated_rounds}
