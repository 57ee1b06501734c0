"""What a data card says, against numbers by hand."""

import dataclasses
import math
import tempfile

import numpy as np
import pandas as pd
import pytest

from perfedavg.data import describe
from perfedavg.data.describe import ink_and_slant, share_explained
from perfedavg.data.sets import data_set
from perfedavg.data.store import ClientExamples, ClientStore, write_store
from tests.conftest import make_client


def test_share_explained_against_least_squares_on_dummies():
    rng = np.random.default_rng(0)
    labels, writers = rng.integers(0, 4, 300), rng.integers(0, 6, 300)
    values = 3.0 * labels + rng.normal(size=6)[writers] + rng.normal(size=300)
    within = values.copy()
    class_dummies = np.eye(4)[labels]
    within -= class_dummies @ np.linalg.lstsq(class_dummies, values, rcond=None)[0]
    writer_dummies = np.eye(6)[writers]
    residual = within - writer_dummies @ np.linalg.lstsq(writer_dummies, within, rcond=None)[0]
    r_squared = 1 - (residual**2).sum() / (within**2).sum()
    np.testing.assert_allclose(share_explained(values, labels, writers), r_squared, rtol=1e-10)


def test_ink_and_slant_of_bars():
    images = np.full((3, 28, 28), 255, np.uint8)
    images[0, 4:24, 14] = 0  # upright
    for row in range(4, 24):
        images[1, row, 26 - row] = 0  # leaning right by 45 degrees
        images[2, row, row // 2 + 6] = 0  # leaning left by 1 in 2
    ink, slant = ink_and_slant(images)
    np.testing.assert_allclose(ink, 20 / 784)
    np.testing.assert_allclose(slant, [0, 1, -0.5], atol=0.01)


def test_label_divergence_by_hand():
    """Jensen-Shannon: half the relative entropies of client and pool to their mean."""
    counts = [[8, 0, 0], [0, 3, 1], [0, 0, 0], [2, 2, 4]]
    store = made_up([np.repeat(range(3), n) for n in counts])
    own, permuted = describe.label_divergences(store)
    pool = np.array([10, 5, 5]) / 20
    expected = []
    for n in (counts[0], counts[1], counts[3]):  # one has no labels
        p = np.array(n) / sum(n)
        m = (p + pool) / 2
        relative = [
            sum(a * math.log2(a / b) for a, b in zip(q, m, strict=True) if a) for q in (p, pool)
        ]
        expected.append(sum(relative) / 2)
    np.testing.assert_allclose(own, expected)
    assert permuted.shape == own.shape

    alike = made_up([np.arange(600) % 3] * 20)
    own, permuted = describe.label_divergences(alike)
    assert own.max() < 1e-9 < permuted.mean() < 0.01, "chance alone, of so many labels"


def test_share_of_next_tokens_is_that_of_the_variance_of_vectors_of_zeros_and_ones():
    rng = np.random.default_rng(0)
    x, clients = rng.integers(0, 4, (30, 6)), rng.integers(0, 5, 30)
    y = (x + rng.integers(0, 2, x.shape) * clients[:, None]) % 4
    y[rng.random(y.shape) < 0.3] = -1
    known = y >= 0
    vectors, present = np.eye(4)[y[known]], x[known]
    of = np.broadcast_to(clients[:, None], x.shape)[known]

    def squares(*given):
        groups = {}
        for key, vector in zip(zip(*given, strict=True), vectors, strict=True):
            groups.setdefault(key, []).append(vector)
        return sum(((np.array(g) - np.mean(g, 0)) ** 2).sum() for g in groups.values())

    expected = 1 - squares(present, of) / squares(present)
    np.testing.assert_allclose(describe.share_of_next_tokens(x, y, clients), expected)
    one = np.zeros_like(clients)
    assert describe.share_of_next_tokens(x, y, one) == pytest.approx(0, abs=1e-12)


def test_test_examples_that_are_also_train_examples_are_counted():
    clients = [make_client(n, n_train=6, n_test=5) for n in range(3)]
    clients[0].test_x[:2] = clients[0].train_x[3]  # twice the same, of its own
    clients[1].test_x[4] = clients[2].train_x[0]
    clients[2].test_x[0] = clients[2].test_x[1]  # repeated, but not in train
    store = written(clients, "glyphs62")
    assert describe.repeated_tests(store) == (2, 3)
    card = card_of(store)
    assert card["test examples that are also train examples of the same client"] == 2
    assert card["test examples that are also train examples of any client"] == 3


@pytest.mark.parametrize(("dtype", "paper"), [(np.uint8, 255), (np.float32, 1.0)])
def test_inverted_images_are_warned_of(dtype, paper):
    images = np.full((9, 8, 8), paper, dtype)
    images[:, 2:5, 3] = 0  # 3 of 64 pixels
    for inverted in (False, True):
        x = paper - images if inverted else images
        client = ClientExamples("a", x, np.arange(9) % 3, x, np.arange(9) % 3)
        store = written([client, dataclasses.replace(client, client_id="b")], "emnist62")
        card = card_of(store)
        assert card["mean ink"] == pytest.approx(61 / 64 if inverted else 3 / 64, abs=1e-6)
        sentences = describe.remarks(store)
        assert len(sentences) == inverted
        if inverted:
            assert "mean ink is 0.95 where emnist62 has about 0.17" in sentences[0]


def test_what_was_assumed_is_said():
    store = made_up([np.arange(3)])
    assert describe.remarks(store) == []
    store.assumed = ["labels are ints", "ids are text."]
    assert describe.remarks(store) == ["Assumed: Labels are ints. Ids are text."]


def test_a_card_of_text_counts_windows_and_labels():
    data = data_set({"dataset": "dialogue", "roles": 30})
    clients = list(data.clients())
    card = card_of(written(clients, "dialogue", data.num_classes))
    assert card["train windows"] == sum(len(c.train_y) for c in clients)
    assert card["train labels"] == sum((c.train_y >= 0).sum() for c in clients)
    assert card["test labels"] == sum((c.test_y >= 0).sum() for c in clients)
    assert card["clients without test windows"] == sum(not len(c.test_y) for c in clients) > 0
    explained = "next token: share explained by the {}"
    assert card[explained.format("role")] > 2 * card[explained.format("permuted role")]
    lines = describe.examples_shown(written(clients, "dialogue", data.num_classes))
    assert len(lines) == 10
    assert lines[0].startswith(data.text(clients[0].train_x[0]))
    assert max(map(len, lines)) <= describe.LINE


def test_a_card_of_own_images_speaks_of_pixels_and_one_of_tokens_of_lengths():
    grey = np.array([0, 51, 102, 255], np.uint8)[:, None, None] * np.ones((4, 5, 3), np.uint8)
    labels = np.arange(4) % 2
    facts = {"dataset": "table", "kind": "images"}
    card = card_of(written([ClientExamples("a", grey, labels, grey[:0], labels[:0])], facts, 2))
    assert card["mean pixel value"] == pytest.approx((0.2 + 0.4 + 1) / 4)
    assert not [quantity for quantity in card.index if "ink" in quantity or "slant" in quantity]

    tokens = np.array([[1, 2, 9, 9], [1, 1, 1, 9], [3, 9, 9, 9], [0, 1, 2, 3]], np.int32)
    facts |= {"kind": "tokens", "padding": "9"}
    store = written([ClientExamples("a", tokens, labels, tokens[:0], labels[:0])], facts, 2)
    card = card_of(store)
    assert card["tokens per sequence, median"] == 2.5
    assert card["tokens per sequence, largest"] == 4
    assert not [quantity for quantity in card.index if "explained" in quantity]
    assert describe.examples_shown(store) == ["1 2 · | 1 1 1 · | 3 · | 0 1 2 3"]


def test_clients_that_are_left_out_are_called_so():
    store = made_up([[0, 1], [1, 2], [0]])
    groups = ["training", "evaluation", "left out: not in split.file"]
    card = describe.data_card(store, pd.DataFrame({"client_group": groups}))
    counts = card.set_index("quantity").value
    assert counts["clients"] == 3
    assert counts["training clients"] == counts["clients left out: not in split.file"] == 1


def made_up(labels):
    """A store of blank images with these train labels, a client each."""
    blank = [np.full((len(y), 28, 28), 255, np.uint8) for y in labels]
    clients = [
        ClientExamples(f"c{n:02d}", x, np.asarray(y, int), x[:0], np.empty(0, int))
        for n, (x, y) in enumerate(zip(blank, labels, strict=True))
    ]
    return written(clients, "glyphs62", 3)


def written(clients, dataset, num_classes=62):
    folder = tempfile.mkdtemp()
    facts = {"dataset": dataset} if isinstance(dataset, str) else dataset
    write_store(folder, clients, num_classes, facts)
    return ClientStore(folder)


def card_of(store):
    groups = pd.DataFrame({"client_group": ["training"] * len(store)})
    return describe.data_card(store, groups).set_index("quantity").value
