"""``cnn_emnist`` with a training step's two convolutions and large dense layer in bfloat16, where
the gradient is by hand (not in Hessian-vector products nor where only some layers are trained), on
float32 parameters. Evaluation is float32."""

from __future__ import annotations

from functools import partial

import torch

from perfedavg.models.cnn_emnist import EXAMPLE_SHAPE, SHAPES, TAKES, features, gradient, logits  # noqa: F401
from perfedavg.models.model import Model

MODEL = Model(SHAPES, features, logits, partial(gradient, compute=torch.bfloat16))
