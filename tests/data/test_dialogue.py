"""The built-in roles: text of a shared chain, habits of their own, sizes as in plays."""

import numpy as np
import pytest

from perfedavg.data import text
from perfedavg.data.sets.dialogue import CHARACTERS, HABIT, LENGTH, Dialogue, own_chain


def drawn(seed, roles):
    return list(Dialogue(dataset="dialogue", seed=seed, roles=roles).clients())


@pytest.fixture(scope="module")
def clients():
    return drawn(5, 300)


def accuracy(counts, client):
    """Share of a client's test characters that are the likeliest successor by these counts."""
    known = client.test_y >= 0
    return (counts.argmax(1)[client.test_x[known]] == client.test_y[known]).mean()


def bigrams(clients):
    counts = np.zeros((text.NUM_TOKENS, text.NUM_TOKENS))
    for client in clients:
        known = client.train_y >= 0
        np.add.at(counts, (client.train_x[known], client.train_y[known]), 1)
    return counts


def test_windows_are_text_with_the_next_character_as_label(clients):
    assert set(CHARACTERS) <= set(text.VOCABULARY)
    client = max(clients, key=lambda c: len(c.train_y))
    assert client.train_x.shape[1:] == client.train_y.shape[1:] == (LENGTH,)
    for x, y in zip(client.train_x, client.train_y, strict=True):
        n = (y >= 0).sum()
        assert n > 0
        assert x[1:n].tolist() == y[: n - 1].tolist()
        assert (x[n:] == text.PAD).all()
    spoken = Dialogue.text(client.train_x[0])
    assert set(spoken) <= {*CHARACTERS, "/"}
    assert "\n" not in spoken


def test_roles_differ_in_size_and_some_have_no_test_characters(clients):
    train, test = (
        np.array([len(y) for y in ys])
        for ys in zip(*((c.train_y, c.test_y) for c in clients), strict=True)
    )
    assert train.min() >= 1
    assert train.max() > 5 * np.median(train)
    assert 0.05 < (test == 0).mean() < 0.2
    declared = Dialogue(dataset="dialogue").size
    assert train.mean() == pytest.approx(declared.train, rel=0.1)
    assert test.mean() == pytest.approx(declared.test, rel=0.1)


def test_roles_have_habits_that_a_model_of_all_cannot_know(clients):
    shared = Dialogue(dataset="dialogue", seed=5).shared_chain
    np.testing.assert_allclose(shared.sum(1), 1)
    own = [own_chain(shared, np.random.default_rng(n)) for n in range(100)]
    other = np.mean([(chain != shared).any(1).mean() for chain in own])
    assert other == pytest.approx(HABIT, abs=0.03)

    of_all, tested = bigrams(clients), [c for c in clients if len(c.test_y) > 5]
    unigram = np.tile(of_all.sum(0), (len(of_all), 1))
    smoothed = of_all / of_all.sum(1, keepdims=True).clip(1)
    means = [
        np.mean([accuracy(counts(client), client) for client in tested])
        for counts in (
            lambda _: unigram,
            lambda _: of_all,
            lambda client: bigrams([client]) + smoothed,
        )
    ]
    assert means[0] + 0.1 < means[1] < means[2] - 0.07, "nothing, the shared chain, the role's own"


def test_same_seed_same_bytes_and_more_roles_change_none_of_the_others():
    for a, b in zip(drawn(3, 2), drawn(3, 4), strict=False):
        np.testing.assert_array_equal(a.train_x, b.train_x)
        np.testing.assert_array_equal(a.test_y, b.test_y)
    assert drawn(3, 1)[0].train_x[:2].tolist() != drawn(4, 1)[0].train_x[:2].tolist()
