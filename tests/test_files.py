"""Hashes of what a run depends on."""

import numpy as np
import pytest

from perfedavg.storage.files import fingerprint


def test_equal_values_have_equal_hashes_and_arrays_count_with_all_they_hold():
    base = [{"a": 1, "b": [1.5, None]}, np.arange(6)]
    assert fingerprint(base) == fingerprint([{"b": [1.5, None], "a": 1}, np.arange(12)[:6]])
    big_endian = np.arange(6).astype(">i8")
    assert fingerprint([base[0], big_endian]) == fingerprint(base), "the same on every machine"
    others = [
        np.arange(7),
        np.arange(6)[::-1],
        np.arange(6).astype(np.int32),
        np.arange(6).reshape(2, 3),
        [0, 1, 2, 3, 4, 5],
    ]
    assert len({fingerprint([base[0], other]) for other in [base[1], *others]}) == 6


def test_what_is_neither_json_nor_an_array_is_refused():
    with pytest.raises((TypeError, AttributeError)):
        fingerprint([object()])
