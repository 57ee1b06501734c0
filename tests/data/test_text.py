"""Windows of text against counts and cuts made another way."""

import numpy as np

from perfedavg.data.text import BOS, EOS, LENGTH, NUM_TOKENS, PAD, VOCABULARY, readable, windows


def test_ids_are_the_standard_s():
    assert (len(VOCABULARY), len(set(VOCABULARY)), NUM_TOKENS) == (86, 86, 90)
    x, y = windows([b"dh\r\xff"], length=6)
    assert x.tolist() == [[88, 1, 2, 86, 87, 0]], "the end is a label, never an input"
    assert y.tolist() == [[1, 2, 86, 87, 89, -1]]
    assert readable(x[0]) == "dh\r\N{REPLACEMENT CHARACTER}"


def test_a_snippet_by_hand():
    # ids: begin a b c d e f g end; pieces of 4: (begin a b c) (d e f g) (end)
    x, y = windows(["abcdefg"], length=3)
    ids = [VOCABULARY.index(c) + 1 for c in "abcdefg"]
    assert x.tolist() == [[BOS, *ids[:2]], ids[3:6]], "the piece of one id predicts nothing"
    assert y.tolist() == [ids[:3], ids[4:7]]
    x, y = windows(["ab", ""], length=3)
    assert x.tolist() == [[BOS, *ids[:2]], [BOS, PAD, PAD]]
    assert y.tolist() == [[*ids[:2], EOS], [EOS, -1, -1]]


def test_windows_and_target_characters_counted_by_arithmetic():
    rng = np.random.default_rng(0)
    letters = np.array(list(VOCABULARY))
    lengths = [0, 1, 77, 78, 79, 80, 81, 159, 160, 161, *rng.integers(0, 400, size=50)]
    snippets = ["".join(rng.choice(letters, size=n)) for n in lengths]
    x, y = windows(snippets)
    ids = np.array(lengths) + 2
    pieces = np.ceil(ids / (LENGTH + 1)).astype(int)
    alone = ids % (LENGTH + 1) == 1
    assert x.shape == y.shape == ((pieces - alone).sum(), LENGTH)
    assert (y >= 0).sum() == (ids - pieces).sum(), "all ids but the first of each piece"
    assert ((x != PAD) == (y >= 0)).all()
    assert (x[:, 1:] == np.where(y[:, :-1] >= 0, y[:, :-1], PAD))[y[:, 1:] >= 0].all()
    assert (y == EOS).sum() == len(snippets) - alone.sum()
    # Put back together, the pieces are the text, but for the ids that start a piece.
    text = "".join(readable(row[row >= 0]) for row in y)
    assert len(text) == sum(lengths) - (pieces - 1 - alone).sum()


def test_bytes_and_text_are_the_same():
    for a, b in zip(
        windows(["To be, or not to be"]), windows([b"To be, or not to be"]), strict=True
    ):
        assert (a == b).all()
    assert windows([])[0].shape == (0, LENGTH)
