"""``lstm_shakespeare``, the field's standard for next characters (Reddi et al., Adaptive Federated
Optimization): embedding 8, two layers of LSTM 256, dense 90; 820,522 parameters."""

from __future__ import annotations

import torch

from perfedavg.models import recurrent
from perfedavg.models.model import Model, Parameters

TAKES = "tokens"
SHAPES = {
    "embedding.weight": (90, 8),
    "lstm1.input.weight": (1024, 8),
    "lstm1.hidden.weight": (1024, 256),
    "lstm1.bias": (1024,),
    "lstm2.input.weight": (1024, 256),
    "lstm2.hidden.weight": (1024, 256),
    "lstm2.bias": (1024,),
    "dense.weight": (90, 256),
    "dense.bias": (90,),
}


def initialize(generator: torch.Generator) -> Parameters:
    """Fresh parameters."""
    return recurrent.initialize(SHAPES, generator)


MODEL = Model(
    SHAPES,
    recurrent.features,
    recurrent.logits,
    recurrent.gradient,
    initialize,
    predict=recurrent.predict,
    rows=recurrent.ROWS,
)
