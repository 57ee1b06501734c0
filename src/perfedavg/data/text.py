"""Text as token ids: the field's standard set-up for Shakespeare (section 4 of the paper's
protocol; Reddi et al., Adaptive Federated Optimization).

Ids are 0 for padding, 1 to 86 for characters, then one each for a byte outside the vocabulary, the
begin and the end of a snippet."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

VOCABULARY = (
    "dhlptx@DHLPTX $(,048cgkoswCGKOSW[_#'/37;?bfjnrvzBFJNRVZ\"&*.26:\naeimquyAEIMQUY]!%)-159\r"
)
"""The 86 characters, in the order of TensorFlow Federated's tutorial on text generation."""

PAD = 0
OOV, BOS, EOS = (len(VOCABULARY) + n for n in (1, 2, 3))
NUM_TOKENS = EOS + 1
LENGTH = 80
"""Characters of a window."""

_IDS = np.full(256, OOV, dtype=np.int16)
_IDS[list(VOCABULARY.encode())] = np.arange(1, OOV)
_SHOWN = np.array(["", *VOCABULARY, "\N{REPLACEMENT CHARACTER}", "", ""])


def token_ids(snippet: bytes | str) -> np.ndarray:
    """Ids of a snippet from its begin to its end, int16 ``[bytes + 2]``."""
    text = snippet.encode() if isinstance(snippet, str) else snippet
    return np.concatenate([[BOS], _IDS[np.frombuffer(text, np.uint8)], [EOS]]).astype(np.int16)


def windows(snippets: Iterable[bytes | str], length: int = LENGTH) -> tuple[np.ndarray, np.ndarray]:
    """Windows of snippets, and the next character of every position as its label.

    A snippet is cut into pieces of ``length + 1`` ids, as TensorFlow Federated's preprocessing does
    it: a piece without its last id is a window, without its first id its labels. So one id in
    ``length + 1`` is read and never predicted, and a last piece of one id predicts nothing and is
    left out.

    Returns:
        Ids ``[n, length]`` and labels ``[n, length]``, int16; behind the end of a snippet
        :data:`PAD` and -1.
    """
    x, y = [np.empty((0, length), np.int16)], [np.empty((0, length), np.int16)]
    for ids in map(token_ids, snippets):
        pieces = -(-(len(ids) - 1) // (length + 1))
        padded = np.full(pieces * (length + 1), -1, dtype=np.int16)
        padded[: len(ids)] = ids[: len(padded)]
        padded = padded.reshape(pieces, length + 1)
        x.append(np.where(padded[:, 1:] < 0, PAD, padded[:, :-1]))
        y.append(padded[:, 1:])
    return np.concatenate(x), np.concatenate(y)


def name(token: int) -> str:
    """A token as a sign on an axis: ␣ is a space, ↵ a new line, ∎ the end of a snippet."""
    shown = {BOS: "\N{WHITE SQUARE}", EOS: "\N{END OF PROOF}", PAD: "\N{EMPTY SET}"}
    signs = {" ": "\N{OPEN BOX}", "\n": "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}"}
    text = shown.get(token) or str(_SHOWN[token])
    return signs.get(text, text if text.isprintable() else "\N{MIDDLE DOT}")


def readable(ids: np.ndarray) -> str:
    """Ids as people read them: begin, end and padding are left out."""
    return "".join(_SHOWN[ids])
