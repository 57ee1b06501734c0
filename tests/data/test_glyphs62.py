"""The built-in writers: 62 readable classes, and users who differ as real writers do."""

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.ft2font import FT2Font

from perfedavg.data.describe import ink_and_slant, share_explained
from perfedavg.data.sets.glyphs62 import CLASSES, FONT_FILES, Glyphs62, make_writer


def drawn(seed, writers, median_examples):
    sizes = {"writers": writers, "median_examples": median_examples}
    return list(Glyphs62(dataset="glyphs62", seed=seed, **sizes).clients())


@pytest.fixture(scope="module")
def clients():
    return drawn(5, 120, 52)


def test_the_fonts_are_all_of_matplotlib_s_that_hold_all_62_characters():
    folder = Path(matplotlib.get_data_path()) / "fonts/ttf"
    complete = {
        path.name
        for path in folder.glob("*.ttf")
        if all(FT2Font(str(path)).get_char_index(ord(c)) for c in CLASSES)
        and "LastResort" not in path.name
    }
    assert len(set(FONT_FILES)) == 22
    assert set(FONT_FILES) == complete - {"cmsy10.ttf", "cmex10.ttf"}, (
        "those two hold symbols under the letters' codes"
    )


def test_white_paper_dark_ink_and_room_for_every_character(clients):
    images = np.concatenate([c.train_x for c in clients])
    assert images.dtype == np.uint8
    assert images.shape[1:] == (28, 28)
    assert np.median(images) == 255
    assert (images.min((1, 2)) < 160).mean() > 0.98, "nearly every image has clearly visible ink"
    border = np.concatenate(
        [images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1
    )
    assert ((border < 128).any(1)).mean() < 0.05, "hardly any character is cut off"


def test_sizes_and_labels_are_spread_as_documented(clients):
    sizes = np.array([len(c.train_y) for c in clients])
    assert 40 <= np.median(sizes) <= 44
    assert sizes.min() < 0.6 * np.median(sizes) < 1.4 * np.median(sizes) < sizes.max()
    labels = np.concatenate([c.train_y for c in clients])
    assert set(labels) == set(range(62))
    assert 0.45 < (labels < 10).mean() < 0.55
    assert all(len(c.test_y) >= 2 for c in clients)


def test_writers_differ_as_real_writers_do(clients):
    labels = np.concatenate([c.train_y for c in clients])
    writers = np.repeat(np.arange(len(clients)), [len(c.train_y) for c in clients])
    permuted = np.random.default_rng(0).permutation(writers)
    for values in ink_and_slant(np.concatenate([c.train_x for c in clients])):
        assert 0.4 < share_explained(values, labels, writers) < 0.75, "real EMNIST: about 0.6"
        assert share_explained(values, labels, permuted) < 0.05


def test_a_writer_keeps_its_letter_forms_and_some_look_alikes_trade_places():
    rng = np.random.default_rng(0)
    forms = np.array([make_writer(rng).forms for _ in range(200)])
    moved = forms != np.arange(62)
    zero, one, a = (CLASSES.index(c) for c in "01a")
    assert 0.2 < moved[:, zero].mean() < 0.4
    assert {CLASSES[c] for c in forms[:, zero]} == set("0Oo")
    assert {CLASSES[c] for c in forms[:, one]} == set("1lI")
    assert not moved[:, a].any()


def test_same_seed_same_bytes_and_more_writers_change_none_of_the_others():
    few, many = (drawn(3, n, 20) for n in (2, 4))
    for a, b in zip(few, many, strict=False):
        np.testing.assert_array_equal(a.train_x, b.train_x)
        np.testing.assert_array_equal(a.test_y, b.test_y)
    other = drawn(4, 1, 20)[0]
    assert not np.array_equal(few[0].train_x[:5], other.train_x[:5])
