"""What a next-token network is measured against: the most frequent next token after the last few.

An n-gram predicts from the n - 1 tokens up to a position the label that followed them most often in
the training clients' train data; where it never met them, from one token fewer. In front of a
window's first token stands padding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from perfedavg.data.store import ClientStore

NAMES = {1: "unigram", 2: "bigram", 3: "trigram"}
"""By n."""


def ngram_accuracies(
    store: ClientStore, training: Sequence[int], evaluated: Sequence[int], num_values: int
) -> dict[int, np.ndarray]:
    """Of each n in :data:`NAMES` the accuracy on the test labels of every evaluated client, float64
    ``[clients]``; nan for a client without any.

    Args:
        training: store positions of the clients whose train data are counted.
        num_values: token ids are 0 .. num_values - 1.
    """
    tables = {n: _Table.count(store, training, n, num_values) for n in NAMES}
    accuracies: dict[int, list[float]] = {n: [] for n in NAMES}
    for position in evaluated:
        client = store.client(int(position))
        labels, mask = client.test_y, client.test_y >= 0
        predicted = np.full(labels.shape, -1)
        for n, table in tables.items():  # a longer one overrules a shorter one
            found, choice = table.look_up(contexts(client.test_x, n, num_values))
            predicted = np.where(found, choice, predicted)
            hits = (predicted == labels)[mask]
            accuracies[n].append(float(hits.mean()) if hits.size else float("nan"))
    return {n: np.array(values) for n, values in accuracies.items()}


def contexts(x: np.ndarray, n: int, num_values: int) -> np.ndarray:
    """One number for the n - 1 tokens up to each position of windows ``[m, length]``: int64 of that
    shape."""
    code = np.zeros(x.shape, dtype=np.int64)
    for back in range(n - 1):
        earlier = np.zeros_like(code)
        earlier[:, back:] = x[:, : x.shape[1] - back]
        code = code * num_values + earlier
    return code


class _Table:
    """The most frequent label after each context met, the smallest of equally frequent ones."""

    def __init__(self, known: np.ndarray, choice: np.ndarray) -> None:
        self._known, self._choice = known, choice

    @classmethod
    def count(cls, store: ClientStore, clients: Sequence[int], n: int, num_values: int) -> _Table:
        pairs = [np.empty(0, dtype=np.int64)]
        for position in clients:
            client = store.client(int(position))
            code = contexts(client.train_x, n, num_values) * store.num_classes + client.train_y
            pairs.append(code[client.train_y >= 0])
        pair, times = np.unique(np.concatenate(pairs), return_counts=True)
        context, label = np.divmod(pair, store.num_classes)
        order = np.lexsort((label, -times, context))
        known, first = np.unique(context[order], return_index=True)
        return cls(known, label[order][first])

    def look_up(self, code: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which contexts are known, and what follows them."""
        place = np.minimum(np.searchsorted(self._known, code), len(self._known) - 1)
        return self._known[place] == code, self._choice[place]
