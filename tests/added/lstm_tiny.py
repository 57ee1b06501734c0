"""``lstm_tiny``, a network that is not the project's: what a user writes to add one.

An LSTM over embedded tokens, its cell by hand so that ``torch.func.vmap`` can run it, with a class
for every position; forget gates start open."""

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
    "embedding.weight": (12, 6),
    "cell.weight": (32, 14),
    "cell.bias": (32,),
    "out.weight": (12, 8),
    "out.bias": (12,),
}


def features(x: np.ndarray) -> Tensor:
    """Token ids, int64."""
    return torch.from_numpy(x.astype(np.int64))


def logits(p: Sequence[Tensor], x: Tensor, dropout: Dropout | None) -> Tensor:
    """``[n, length]`` to ``[n, length, 12]``."""
    embedded = F.embedding(x, p[0])
    hidden = memory = embedded.new_zeros(len(x), 8)
    outputs = []
    for token in embedded.unbind(1):
        gates = F.linear(torch.cat([token, hidden], 1), p[1], p[2]).chunk(4, 1)
        keep, write, show = (gate.sigmoid() for gate in gates[:3])
        memory = keep * memory + write * gates[3].tanh()
        hidden = show * memory.tanh()
        outputs.append(hidden)
    return F.linear(torch.stack(outputs, 1), p[3], p[4])


def initialize(generator: torch.Generator) -> Parameters:
    """Glorot-uniform weights; biases 0, of forget gates 1."""
    embedding, cell, out = (glorot_uniform(s, generator) for s in SHAPES.values() if len(s) > 1)
    forget = torch.zeros(32)
    forget[:8] = 1
    return [embedding, cell, forget, out, torch.zeros(12)]


MODEL = Model(SHAPES, features, logits, initialize=initialize)
