"""``dialogue``: a built-in stand-in for Shakespeare by role, drawn from chains of characters.

It exists so that the text path can be tried with no network, in seconds; results on it say nothing
about the paper.

All roles share one Markov chain of characters, in which every character has a few likely
successors: syllables, words, lines. A *role* has habits of its own: after each character, with
probability :data:`HABIT`, it goes on as it likes and not as the others do. So a model of all roles
predicts what they share, and what one role does instead takes knowing the role. Roles differ in
size as those of plays do: a few speak at length, many little, and some have one snippet, which is
a train snippet, so that they have no test characters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from perfedavg.blocks import Count, Natural
from perfedavg.data.sources import DataSet, DataSize
from perfedavg.data.store import ClientExamples
from perfedavg.data.text import NUM_TOKENS, name, readable, windows

CHARACTERS = "aeioubcdfghklmnprstvw ,.!?\n"
LENGTH = 20
"""Characters of a window; Shakespeare's has 80."""
HABIT = 0.35
LIKELY = 2.0
"""Total weight of the Dirichlet distributions that successors are drawn from: the less it is, the
fewer characters are likely."""
SNIPPET = 45
"""Mean number of characters of a snippet, after the shortest."""
SHORTEST = 12
TRAIN_SHARE = 0.8
ONE_SNIPPET = 0.1
"""Share of roles with one snippet."""

_ALL_ROLES = 2**31  # in the place of a role's number, for what they share

SYNTHETIC = "Synthetic data (dialogue), for trying the pipeline: they say nothing about the paper."


class Dialogue(DataSet):
    """The built-in text: synthetic roles drawn from chains of characters. For trying the pipeline;
    says nothing about the paper."""

    dataset: Literal["dialogue"] = Field(description="name of the data set")
    seed: Natural = Field(0, description="seed of the generator")
    roles: Count = Field(72, description="number of roles, each one client")
    median_snippets: int = Field(
        10, ge=4, strict=True, description="median snippets per role, train and test together"
    )

    kind = "tokens"
    num_classes = num_values = NUM_TOKENS
    example_shape = label_shape = (LENGTH,)
    client_word, labels_are = "role", "␣ space, ↵ new line, ∎ end"

    def clients(
        self, archive: Path | None = None, scratch: Path | None = None
    ) -> Iterator[ClientExamples]:
        """Every role's train and test windows, in the order of their ids ``r0000``, ``r0001``, ...

        A role depends on the seed and its own position alone, so more roles change none of the
        others."""
        for index in range(self.roles):
            rng = np.random.default_rng(np.random.SeedSequence([self.seed, index]))
            chain = own_chain(self.shared_chain, rng)
            snippets = [speak(chain, rng) for _ in range(num_snippets(rng, self.median_snippets))]
            num_train = max(1, round(TRAIN_SHARE * len(snippets)))
            train, test = (
                windows(snippets[:num_train], LENGTH),
                windows(snippets[num_train:], LENGTH),
            )
            yield ClientExamples(f"r{index:04d}", *train, *test)

    @cached_property
    def shared_chain(self) -> np.ndarray:
        """Of the base chain, the probability of every successor of every character."""
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, _ALL_ROLES]))
        return np.stack([_successors(character, rng) for character in CHARACTERS])

    @property
    def size(self) -> DataSize:
        """Expected windows of :func:`num_snippets` snippets."""
        snippets = ONE_SNIPPET + (1 - ONE_SNIPPET) * MEAN_RATIO * self.median_snippets
        windows_ = snippets * (0.5 + (SHORTEST + SNIPPET + 1) / (LENGTH + 1))
        return DataSize(self.roles, TRAIN_SHARE * windows_, (1 - TRAIN_SHARE) * windows_)

    def caveat(
        self,
        client_ids: Sequence[str],
        training_clients: int | None = None,
        rounds: int | None = None,
    ) -> str:
        """They are synthetic."""
        return SYNTHETIC

    @classmethod
    def text(cls, tokens: np.ndarray) -> str:
        """What is said, on one line."""
        return readable(tokens).replace("\n", " / ")

    @classmethod
    def label_name(cls, label: int) -> str:
        """The character, or a sign for it."""
        return name(label)


MEAN_RATIO = 1.28
"""The mean number of snippets of a role with more than one, of the median."""


def num_snippets(rng: np.random.Generator, median: int) -> int:
    """How many snippets a role has: 1, or spread around the median as roles of plays are."""
    if rng.random() < ONE_SNIPPET:
        return 1
    return max(2, round(median * np.exp(rng.normal(0, 0.7))))


def own_chain(shared: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A role's own chain: ``shared`` but for its habits."""
    chain = shared.copy()
    for row, character in zip(chain, CHARACTERS, strict=True):
        if rng.random() < HABIT:
            row[:] = _successors(character, rng)
    return chain


def speak(chain: np.ndarray, rng: np.random.Generator) -> str:
    """One snippet."""
    length = SHORTEST + int(rng.exponential(SNIPPET))
    steps, draws = chain.cumsum(axis=1), rng.random(length)
    said = [int(rng.integers(CHARACTERS.index(" ")))]
    for draw in draws:
        said.append(min(int(np.searchsorted(steps[said[-1]], draw)), len(CHARACTERS) - 1))
    return "".join(CHARACTERS[n] for n in said)


def _successors(character: str, rng: np.random.Generator) -> np.ndarray:
    """A distribution over what follows ``character``, a few successors likely; vowels and
    consonants take turns, and after punctuation comes a space."""
    is_vowel, is_letter = _in("aeiou"), _in("aeioubcdfghklmnprstvw")
    if character in ",.!?":
        weights = 0.01 + 10.0 * _in(" \n")
    elif character in " \n":
        weights = 0.01 + is_letter
    else:
        weights = 0.02 + is_letter * np.where(is_vowel == (character in "aeiou"), 0.2, 1)
        weights = weights + 3.0 * _in(" ") + 0.3 * _in(",.!?")
    # Not Dirichlet's own draw: with weights this small it can be zero everywhere.
    total = np.maximum(rng.gamma(LIKELY * weights / weights.sum()), 1e-9)
    return total / total.sum()


def _in(characters: str) -> np.ndarray:
    return np.array([c in characters for c in CHARACTERS])
