"""``lstm_small``, for token sequences: embedding 8, LSTM 32, dense classes; a class for every
position or one for the sequence, read at its last token."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from perfedavg.models import Sizes
from perfedavg.models.dropout import Dropout
from perfedavg.models.model import Model, Parameters, glorot_uniform

TAKES = "tokens"
SHAPES = {
    "embedding.weight": ("values", 8),
    "lstm.input.weight": (128, 8),
    "lstm.hidden.weight": (128, 32),
    "lstm.bias": (128,),
    "dense.weight": ("classes", 32),
    "dense.bias": ("classes",),
}


def features(x: np.ndarray) -> Tensor:
    """Token ids, int64 ``[n, length]``."""
    return torch.from_numpy(x.astype(np.int64))


def outputs(p: Sequence[Tensor], x: Tensor) -> Tensor:
    """The hidden states at all positions, ``[n, length, 32]``; gates in torch's order i, f, g,
    o."""
    inputs = F.embedding(x, F.linear(p[0], p[1], p[3]))
    hidden = memory = inputs.new_zeros(len(x), p[2].shape[1])
    states = []
    for now in inputs.unbind(1):
        i, f, g, o = (now + F.linear(hidden, p[2])).chunk(4, 1)
        memory = f.sigmoid() * memory + i.sigmoid() * g.tanh()
        hidden = o.sigmoid() * memory.tanh()
        states.append(hidden)
    return torch.stack(states, 1)


def per_position(p: Sequence[Tensor], x: Tensor, dropout: Dropout | None) -> Tensor:
    """``[n, length]`` to ``[n, length, classes]``; there is no dropout."""
    return F.linear(outputs(p, x), p[4], p[5])


def per_sequence(p: Sequence[Tensor], x: Tensor, dropout: Dropout | None) -> Tensor:
    """``[n, length]`` to ``[n, classes]``, from the state at the last token that is no padding (the
    last id): what lies behind it changes nothing."""
    last = (x != len(p[0]) - 1).sum(1).clamp(min=1) - 1
    states = outputs(p, x)
    at_last = states.gather(1, last[:, None, None].expand(-1, 1, states.shape[2]))
    return F.linear(at_last.squeeze(1), p[4], p[5])


def model(shapes: dict[str, tuple[int, ...]], sizes: Sizes) -> Model:
    """The network for data of these sizes; of its biases, those of forget gates start at 1."""

    def initialize(generator: torch.Generator) -> Parameters:
        parameters = [
            glorot_uniform(s, generator) if len(s) > 1 else torch.zeros(s) for s in shapes.values()
        ]
        parameters[3][32:64] = 1
        return parameters

    logits = per_position if sizes.label_shape else per_sequence
    return Model(shapes, features, logits, initialize=initialize)
