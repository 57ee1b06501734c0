"""``lstm_small``, a small network for next characters: embedding 8, LSTM 32, dense 90; 8,938
parameters."""

from __future__ import annotations

from functools import partial

from perfedavg.models import recurrent
from perfedavg.models.model import Model

TAKES = "tokens"
SHAPES = {
    "embedding.weight": (90, 8),
    "lstm.input.weight": (128, 8),
    "lstm.hidden.weight": (128, 32),
    "lstm.bias": (128,),
    "dense.weight": (90, 32),
    "dense.bias": (90,),
}
MODEL = Model(
    SHAPES,
    recurrent.features,
    recurrent.logits,
    recurrent.gradient,
    partial(recurrent.initialize, SHAPES),
    predict=recurrent.predict,
    rows=recurrent.ROWS,
)
