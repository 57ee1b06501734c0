"""``cnn_any``, for grey images of any size: conv 5x5x16 stride 2, ReLU, conv 3x3x32, ReLU, means
over a grid of 4x4, dense classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from perfedavg.models import Sizes
from perfedavg.models.dropout import Dropout
from perfedavg.models.model import Model, grey_levels

TAKES = "images"
SHAPES = {
    "conv1.weight": (16, 1, 5, 5),
    "conv1.bias": (16,),
    "conv2.weight": (32, 16, 3, 3),
    "conv2.bias": (32,),
    "dense.weight": ("classes", 512),
    "dense.bias": ("classes",),
}


def features(x: np.ndarray) -> Tensor:
    """Images to ``[n, 1, h, w]``."""
    return grey_levels(x)[:, None]


def logits(p: Sequence[Tensor], x: Tensor, dropout: Dropout | None) -> Tensor:
    """``[n, 1, h, w]`` to ``[n, classes]``; there is no dropout."""
    x = F.conv2d(x, p[0], p[1], stride=2, padding=2).relu()
    x = F.conv2d(x, p[2], p[3], padding=1).relu()
    return F.linear(F.adaptive_avg_pool2d(x, 4).flatten(1), p[4], p[5])


def model(shapes: dict[str, tuple[int, ...]], sizes: Sizes) -> Model:
    """The network for data of these sizes."""
    return Model(shapes, features, logits)
