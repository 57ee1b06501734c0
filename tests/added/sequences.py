"""``sequences``, a data set that is not the project's: what a user writes to add one.

Token sequences of different lengths, with the next token as the label of every position; each
client has its own habits. Token 0 is padding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from perfedavg.blocks import Count
from perfedavg.data.sources import DataSet, DataSize
from perfedavg.data.store import ClientExamples

TOKENS, LENGTH, TRAIN, TEST = 12, 7, 9, 4


class Sequences(DataSet):
    """Made-up token sequences."""

    dataset: Literal["sequences"] = Field(description="name of the data set")
    people: Count = Field(16, description="number of clients")

    kind = "tokens"
    num_classes = num_values = TOKENS
    example_shape = label_shape = (LENGTH,)

    def clients(self, archive: Path | None, scratch: Path) -> Iterator[ClientExamples]:
        """Every client walks its own Markov chain."""
        for number in range(self.people):
            rng = np.random.default_rng(number)
            habits = rng.dirichlet(np.full(TOKENS - 1, 0.2), size=TOKENS)
            x = np.zeros((TRAIN + TEST, LENGTH), dtype=np.int16)
            y = np.full(x.shape, -1)
            for tokens, labels in zip(x, y, strict=True):
                walk = [int(rng.integers(1, TOKENS))]
                for _ in range(rng.integers(2, LENGTH + 1)):
                    walk.append(1 + int(rng.choice(TOKENS - 1, p=habits[walk[-1]])))
                tokens[: len(walk) - 1], labels[: len(walk) - 1] = walk[:-1], walk[1:]
            yield ClientExamples(f"p{number:03d}", x[:TRAIN], y[:TRAIN], x[TRAIN:], y[TRAIN:])

    @property
    def size(self) -> DataSize:
        """All clients are alike."""
        return DataSize(self.people, TRAIN, TEST)
