"""Which examples are in which local batch."""

from __future__ import annotations

import numpy as np


def local_batches(
    n: int,
    batch_size: int,
    shuffle_buffer: int,
    rng: np.random.Generator,
    epochs: int | None = None,
    steps: int | None = None,
) -> list[np.ndarray]:
    """Positions of the examples in each local batch, as
    ``repeat(epochs).shuffle(buffer).batch(size)`` gives them.

    The epochs are one stream before it is shuffled: where ``n * epochs`` fits the buffer they mix
    fully, so a batch can span epochs and hold an example twice. Only the last batch can be smaller.
    With ``steps`` in place of ``epochs``, the data repeat for as long as the first ``steps``
    batches need."""
    if steps is not None:
        epochs = -(-steps * batch_size // n)
    order = _shuffle(n * epochs, shuffle_buffer, rng) % n
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    return batches[:steps]


def epoch_batches(n: int, batch_size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Positions of the examples in the batches of one epoch, a fresh permutation; only the last
    batch can be smaller."""
    order = rng.permutation(n)
    return [order[i : i + batch_size] for i in range(0, n, batch_size)]


def _shuffle(length: int, buffer: int, rng: np.random.Generator) -> np.ndarray:
    """Positions ``0 .. length - 1`` through a shuffle buffer: each output is a random slot,
    refilled by the next input."""
    if length <= buffer:
        return rng.permutation(length)
    picks = rng.integers(buffer, size=length - buffer)
    slots = list(range(buffer))
    out = np.empty(length, dtype=np.int64)
    for i, pick in enumerate(picks.tolist()):
        out[i] = slots[pick]
        slots[pick] = buffer + i
    out[length - buffer :] = rng.permutation(slots)
    return out
