"""How large a data set is, before it is there."""

from __future__ import annotations

from typing import NamedTuple

from perfedavg.data.sources import Emnist62, Glyphs62


class DataSize(NamedTuple):
    """Clients, and the mean number of their train and test examples."""

    clients: int
    train: float
    test: float


_EMNIST62 = DataSize(3400, 671_585 / 3400, 77_483 / 3400)
_GLYPHS62_MEAN, _GLYPHS62_TRAIN = 0.97, 0.8  # of the median; see glyphs62.client_sizes


def declared_size(data: Glyphs62 | Emnist62) -> DataSize:
    """The size that the config and the data set's description give; an archive of the user's own
    can be of another size."""
    if isinstance(data, Emnist62):
        return _EMNIST62
    examples = _GLYPHS62_MEAN * data.median_examples
    return DataSize(data.writers, _GLYPHS62_TRAIN * examples, (1 - _GLYPHS62_TRAIN) * examples)
