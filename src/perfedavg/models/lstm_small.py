"""``lstm_small``, a small network for next characters: embedding 8, LSTM 32, dense 90, a class for
every position; 8,938 parameters.

Gates stand in torch's order i, f, g, o: c_t = sigmoid(f) c_{t-1} + sigmoid(i) tanh(g),
h_t = sigmoid(o) tanh(c_t)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from perfedavg.models.dropout import Dropout
from perfedavg.models.model import Model, Parameters, glorot_uniform

TAKES = "tokens"
SHAPES = {
    "embedding.weight": (90, 8),
    "lstm.input.weight": (128, 8),
    "lstm.hidden.weight": (128, 32),
    "lstm.bias": (128,),
    "dense.weight": (90, 32),
    "dense.bias": (90,),
}


def features(x: np.ndarray) -> Tensor:
    """Token ids, int64 ``[n, length]``."""
    return torch.from_numpy(x.astype(np.int64))


def logits(p: Sequence[Tensor], x: Tensor, dropout: Dropout | None) -> Tensor:
    """``[n, length]`` to ``[n, length, 90]``; there is no dropout."""
    inputs = F.embedding(x, F.linear(p[0], p[1], p[3]))
    hidden = memory = inputs.new_zeros(len(x), p[2].shape[1])
    states = []
    for now in inputs.unbind(1):
        i, f, g, o = (now + F.linear(hidden, p[2])).chunk(4, 1)
        memory = f.sigmoid() * memory + i.sigmoid() * g.tanh()
        hidden = o.sigmoid() * memory.tanh()
        states.append(hidden)
    return F.linear(torch.stack(states, 1), p[4], p[5])


def initialize(generator: torch.Generator) -> Parameters:
    """Glorot-uniform weights; biases 0, of forget gates 1."""
    parameters = [
        glorot_uniform(s, generator) if len(s) > 1 else torch.zeros(s) for s in SHAPES.values()
    ]
    parameters[3][32:64] = 1
    return parameters


MODEL = Model(SHAPES, features, logits, initialize=initialize)
