"""``lstm_any``, for token sequences: embedding 8, LSTM 32, dense classes; a class for every
position or one for the sequence, read at its last token."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from perfedavg.models import Sizes, recurrent
from perfedavg.models.dropout import Dropout
from perfedavg.models.model import MASKED, Model

TAKES = "tokens"
SHAPES = {
    "embedding.weight": ("values", 8),
    "lstm.input.weight": (128, 8),
    "lstm.hidden.weight": (128, 32),
    "lstm.bias": (128,),
    "dense.weight": ("classes", 32),
    "dense.bias": ("classes",),
}


def last_token(p: Sequence[Tensor], x: Tensor) -> Tensor:
    """The position of every sequence's last token that is no padding, the last id: ``[n, 1]``."""
    return (x != len(p[0]) - 1).sum(1, keepdim=True).clamp(min=1) - 1


def at_last_token(p: Sequence[Tensor], x: Tensor, scores: Tensor) -> Tensor:
    """Of ``[n, length, classes]`` what stands there, ``[n, classes]``: padding behind it changes
    nothing."""
    position = last_token(p, x)[:, :, None]
    return scores.gather(1, position.expand(-1, 1, scores.shape[2])).squeeze(1)


def logits(p: Sequence[Tensor], x: Tensor, dropout: Dropout | None) -> Tensor:
    """A class per sequence: ``[n, length]`` to ``[n, classes]``; there is no dropout."""
    return at_last_token(p, x, recurrent.logits(p, x, dropout))


def predict(p: Sequence[Tensor], x: Tensor) -> Tensor:
    """The same, by torch's fused LSTM."""
    return at_last_token(p, x, recurrent.predict(p, x))


def gradient(
    p: Sequence[Tensor], x: Tensor, labels: Tensor, dropout: torch.Generator | None
) -> tuple[list[Tensor], Tensor]:
    """The gradient of the mean cross-entropy of :func:`logits`, and that loss: a label per position
    of which all but one are masked."""
    per_position = torch.full_like(x, MASKED).scatter_(1, last_token(p, x), labels[:, None])
    return recurrent.gradient(p, x, per_position, dropout)


def model(shapes: dict[str, tuple[int, ...]], sizes: Sizes) -> Model:
    """The network for data of these sizes."""
    start = partial(recurrent.initialize, shapes)
    if sizes.label_shape:
        functions = (recurrent.logits, recurrent.gradient, start, recurrent.predict)
    else:
        functions = (logits, gradient, start, predict)
    return Model(shapes, recurrent.features, *functions, rows=recurrent.ROWS)
