"""``cnn_small``, for the built-in data: conv 5x5x16 stride 2, ReLU, conv 3x3x32 stride 3, ReLU,
dense 62."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from perfedavg.models.dropout import Dropout
from perfedavg.models.kernels import aten, cross_entropy, linear
from perfedavg.models.model import Model, grey_levels

TAKES = "images"
EXAMPLE_SHAPE = (28, 28)
SHAPES = {
    "conv1.weight": (16, 1, 5, 5),
    "conv1.bias": (16,),
    "conv2.weight": (32, 16, 3, 3),
    "conv2.bias": (32,),
    "dense.weight": (62, 512),
    "dense.bias": (62,),
}

# Which pixel of a flat 28x28 image stands where in its 144 patches of 5x5, stride 2.
_PATCH_PIXELS = torch.arange(784).view(28, 28).unfold(0, 5, 2).unfold(1, 5, 2).flatten()


def features(x: np.ndarray) -> Tensor:
    """The patches that the first convolution meets: images to ``[n, 144, 25]``."""
    return grey_levels(x).flatten(1).index_select(1, _PATCH_PIXELS).view(-1, 144, 25)


def logits(p: Sequence[Tensor], x: Tensor, dropout: Dropout | None) -> Tensor:
    """Both convolutions as matrix products: on tiny layers torch's convolutions cost twice as much.

    The first one's patches come from :func:`features`; the second one's do not overlap, so they are
    a mere rearrangement."""
    n = len(x)
    x = F.linear(x.reshape(-1, 25), p[0].flatten(1), p[1]).relu()
    x = x.view(n, 4, 3, 4, 3, 16).transpose(2, 3).reshape(-1, 9 * 16)
    x = F.linear(x, p[2].permute(0, 2, 3, 1).flatten(1), p[3]).relu()
    return F.linear(x.view(n, -1), p[4], p[5])


def gradient(
    p: Sequence[Tensor], x: Tensor, labels: Tensor, dropout: torch.Generator | None
) -> tuple[list[Tensor], Tensor]:
    """The gradient of the mean cross-entropy of :func:`logits`, and that loss, with the backward
    pass written out."""
    n = len(x)
    patches = x.reshape(-1, 25)
    first = linear(patches, p[0].view(16, 25), p[1]).relu_()  # [n * 144, 16]
    tiles = first.view(n, 4, 3, 4, 3, 16).transpose(2, 3).reshape(-1, 144)
    weight = p[2].permute(0, 2, 3, 1).reshape(32, 144)
    second = linear(tiles, weight, p[3]).relu_()  # [n * 16, 32]
    flat = second.view(n, 512)
    loss, d_logits = cross_entropy(torch.addmm(p[5], flat, p[4].t()), labels)
    d_second = aten.threshold_backward((d_logits @ p[4]).view(-1, 32), second, 0)
    d_tiles = linear(d_second, weight.t()).view(n, 4, 4, 3, 3, 16).transpose(2, 3).reshape(-1, 16)
    d_first = aten.threshold_backward(d_tiles, first, 0)
    return [
        (patches.t() @ d_first).t().reshape(16, 1, 5, 5),
        d_first.sum(0),
        (d_second.t() @ tiles).view(32, 3, 3, 16).permute(0, 3, 1, 2),
        d_second.sum(0),
        d_logits.t() @ flat,
        d_logits.sum(0),
    ], loss


MODEL = Model(SHAPES, features, logits, gradient)
