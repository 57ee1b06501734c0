"""Shakespeare by role, the paper's second data set, as TensorFlow Federated publishes it.

Of each client ``snippets``, bytes ``[n]``: what a role of a play says, for next-character
prediction. :mod:`perfedavg.data.text` says how snippets become windows of token ids.

LEAF's Shakespeare is another cut of the same plays: 80 characters at every position of a role's
text, and the one that follows, so each window has one label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from perfedavg.data.archives import Layout, clients_of
from perfedavg.data.sources import Archive, DataSize
from perfedavg.data.store import ClientExamples
from perfedavg.data.text import LENGTH, NUM_TOKENS, name, readable, token_ids, windows

MEMBERS = "shakespeare_train.h5", "shakespeare_test.h5"
ROLES = 715


def _examples(features: Mapping[str, np.ndarray]) -> tuple:
    """Windows ``[n, 80]`` and their labels ``[n, 80]`` of one role, from whichever format."""
    if "snippets" in features:
        snippets = features["snippets"]
        if len(snippets) and (snippets.ndim != 1 or snippets.dtype.kind not in "SOU"):
            raise ValueError(f"snippets of type {snippets.dtype}, shape {list(snippets.shape)}")
        return windows(snippets.tolist())
    if {"windows", "next"} <= set(features):
        return _leaf_windows(features["windows"].tolist(), features["next"].tolist())
    raise ValueError(f"{', '.join(sorted(features)) or 'nothing'} where `snippets` are expected")


def _leaf_windows(texts: list, following: list) -> tuple:
    if len(texts) != len(following):
        raise ValueError(f"{len(texts)} windows but {len(following)} characters behind them")
    for text, character in zip(texts, following, strict=True):
        if not (isinstance(text, str) and len(text) == LENGTH):
            raise ValueError(f"`x` with {text!r}; text of {LENGTH} characters is expected")
        if not (isinstance(character, str) and len(character) == 1):
            raise ValueError(f"`y` with {character!r}; one character is expected")
    x = np.zeros((len(texts), LENGTH), dtype=np.int16)
    y = np.full_like(x, -1)
    for row, text in enumerate(texts):
        ids = token_ids(text + following[row])[1:-1]
        x[row], y[row, -1] = ids[:-1], ids[-1]
    note = "windows of LEAF's: the character behind a window is its one label"
    return (x, y, note) if len(x) else (x, y)


class Shakespeare(Archive):
    """The paper's second data set, Shakespeare by role, from its public archive or a copy of it."""

    dataset: Literal["shakespeare"] = Field(description="name of the data set")

    kind = "tokens"
    num_classes = num_values = NUM_TOKENS
    example_shape = label_shape = (LENGTH,)
    client_word, labels_are = "role", "␣ space, ↵ new line, ∎ end"
    packages = ("h5py", "ijson", "numpy", "protobuf")
    public_sha256 = "0285be9906cb5f268092eee4edeeacfc2af4574f2941f7cc2f08a321d7f5c707"
    urls = ("https://storage.googleapis.com/tff-datasets-public/shakespeare.tar.bz2",)
    layout = Layout(MEMBERS, _examples, leaf=("windows", "next"))

    def clients(self, archive: Path, scratch: Path) -> Iterator[ClientExamples]:
        """All roles, sorted by id, with their windows of token ids."""
        return clients_of(archive, scratch, self.layout)

    @property
    def size(self) -> DataSize:
        """Of the public archive, in windows."""
        return DataSize(ROLES, 37_662 / ROLES, 5_471 / ROLES)

    def caveat(
        self,
        client_ids: Sequence[str],
        training_clients: int | None = None,
        rounds: int | None = None,
    ) -> str:
        """What is not known of the paper's protocol."""
        return (
            "The paper gives no model, rates, rounds or numbers for Shakespeare: the set-up is the "
            "field's standard."
        )

    @classmethod
    def text(cls, tokens: np.ndarray) -> str:
        """A window, as people read it."""
        return readable(tokens)

    @classmethod
    def label_name(cls, label: int) -> str:
        """The character, or a sign for it."""
        return name(label)
