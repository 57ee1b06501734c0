"""n-grams against counters."""

from collections import Counter, defaultdict

import numpy as np
import pytest

from perfedavg.data.ngrams import ngram_accuracies
from perfedavg.data.store import ClientExamples, ClientStore, write_store

TOKENS = 5


@pytest.fixture
def store(tmp_path):
    rng = np.random.default_rng(0)
    clients = []
    for number in range(5):
        ids = rng.integers(1, TOKENS, size=(8, 7)).cumsum(1) % (TOKENS - 1) + 1  # a slanted chain
        x, y = ids[:, :-1].astype(np.int16), ids[:, 1:].copy()
        x[2, 3:], y[2, 3:] = 0, -1
        clients.append(ClientExamples(f"r{number}", x[:5], y[:5], x[5:], y[5:]))
    empty = ClientExamples("r5", x[:1], y[:1], x[:0], y[:0])
    write_store(tmp_path, [*clients, empty], TOKENS, {"dataset": "dialogue"})
    return ClientStore(tmp_path)


def by_counting(store, training, client):
    counts = [defaultdict(Counter) for _ in range(3)]
    for index in training:
        data = store.client(index)
        for x, y in zip(data.train_x.tolist(), data.train_y.tolist(), strict=True):
            for t, label in enumerate(y):
                if label >= 0:
                    seen = (0, 0, *x[: t + 1])
                    for n in range(3):
                        counts[n][seen[len(seen) - n :]][label] += 1
    hits = [[], [], []]
    data = store.client(client)
    for x, y in zip(data.test_x.tolist(), data.test_y.tolist(), strict=True):
        for t, label in enumerate(y):
            if label >= 0:
                seen = (0, 0, *x[: t + 1])
                for longest in range(3):
                    for n in range(longest, -1, -1):
                        if followers := counts[n].get(seen[len(seen) - n :]):
                            best = min(followers, key=lambda k: (-followers[k], k))
                            hits[longest].append(best == label)
                            break
    return [np.mean(h) for h in hits]


def test_n_grams_are_what_counters_say(store):
    got = ngram_accuracies(store, [0, 2], [1, 3, 5], TOKENS)
    assert list(got) == [1, 2, 3]
    for place, client in enumerate([1, 3]):
        expected = by_counting(store, [0, 2], client)
        assert [got[n][place] for n in got] == pytest.approx(expected)
    assert all(np.isnan(accuracy[2]) for accuracy in got.values()), "no test labels"
    assert len({accuracy[0] for accuracy in got.values()}) > 1
