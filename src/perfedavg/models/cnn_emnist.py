"""``cnn_emnist``, the CNN of section 3 (inferred, not stated in the paper): conv 3x3x32, ReLU, conv
3x3x64, ReLU, max-pool 2, dropout 0.25, dense 128, ReLU, dropout 0.5, dense 62."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from perfedavg.models.dropout import Dropout, drop_, inverted_dropout
from perfedavg.models.kernels import aten, cross_entropy, linear
from perfedavg.models.model import Model, grey_levels

TAKES = "images"
EXAMPLE_SHAPE = (28, 28)
SHAPES = {
    "conv1.weight": (32, 1, 3, 3),
    "conv1.bias": (32,),
    "conv2.weight": (64, 32, 3, 3),
    "conv2.bias": (64,),
    "dense1.weight": (128, 9216),
    "dense1.bias": (128,),
    "dense2.weight": (62, 128),
    "dense2.bias": (62,),
}

_CONVOLUTION = ([1, 1], [0, 0], [1, 1], False, [0, 0], 1)
"""Stride, padding, dilation, transposed, output padding, groups."""
_POOLING = ([2, 2], [2, 2], [0, 0], [1, 1], False)
"""Size, stride, padding, dilation, ceil mode."""


def features(x: np.ndarray) -> Tensor:
    """Images to ``[n, 1, 28, 28]``, with strides that say channels-last."""
    return grey_levels(x)[..., None].permute(0, 3, 1, 2)


def logits(p: Sequence[Tensor], x: Tensor, dropout: Dropout | None) -> Tensor:
    """ReLU comes behind the max-pool, with which it commutes, on a quarter of the values."""
    x = F.conv2d(x, p[0], p[1]).relu_()
    x = F.max_pool2d(F.conv2d(x, _channels_last(p[2]), p[3]), 2).relu_()
    x = inverted_dropout(x.permute(0, 2, 3, 1), 0.25, dropout).permute(0, 3, 1, 2).flatten(1)
    x = inverted_dropout(F.relu(F.linear(x, p[4], p[5])), 0.5, dropout)
    return F.linear(x, p[6], p[7])


def _channels_last(weight: Tensor) -> Tensor:
    """A kernel in the layout that makes torch's convolutions and max-pool compute and pass on that
    layout, the fastest one on a CPU. ``contiguous(memory_format=...)`` gives the same strides, but
    vmap does not know it."""
    return weight.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2) if weight.is_cpu else weight


def gradient(
    p: Sequence[Tensor],
    x: Tensor,
    labels: Tensor,
    dropout: torch.Generator | None,
    compute: torch.dtype = torch.float32,
) -> tuple[list[Tensor], Tensor]:
    """The gradient of the mean cross-entropy of :func:`logits`, and that loss, with the backward
    pass written out.

    With ``compute`` bfloat16, float32 parameters meet both convolutions and the large dense layer
    rounded to it, and so do the activations and gradients that these take and give; sums, max-pool,
    last layer and loss stay float32."""
    n, dtype = len(x), p[0].dtype
    compute = compute if dtype == torch.float32 else dtype
    x, weight1 = (_one_channel_last(tensor.to(compute)) for tensor in (x, p[0]))
    weight2 = p[2].to(compute).contiguous(memory_format=torch.channels_last)
    weight3 = p[4].to(compute)
    first = aten.convolution(x, weight1, p[1].to(compute), *_CONVOLUTION).relu_()
    second = aten.convolution(first, weight2, p[3].to(compute), *_CONVOLUTION).to(dtype)
    pooled, indices = aten.max_pool2d_with_indices(second, *_POOLING)
    pooled.relu_()  # it commutes with the max-pool, and a quarter of the values is left behind it
    scale = 1.0
    if dropout is not None:
        # A dropped value becomes zero, as ReLU's do; the kept ones are scaled where they are
        # multiplied anyway.
        drop_(pooled.permute(0, 2, 3, 1), 0.25, dropout)
        scale = 4 / 3
    flat = pooled.flatten(1).to(compute)
    third = linear(flat, weight3).to(dtype).mul_(scale).add_(p[5]).relu_()
    if dropout is not None:
        drop_(third, 0.5, dropout).mul_(2)
    loss, d_logits = cross_entropy(torch.addmm(p[7], third, p[6].t()), labels)
    d_third = aten.threshold_backward(d_logits @ p[6], third, 0)
    if dropout is not None:
        d_third.mul_(2)
    d_bias3 = d_third.sum(0)
    d_sum = d_third.mul_(scale).to(compute)
    d_pooled = linear(d_sum, weight3.t()).view(n, 64, 12, 12)
    d_pooled = d_pooled.to(dtype, memory_format=torch.channels_last)
    aten.threshold_backward.grad_input(d_pooled, pooled, 0, grad_input=d_pooled)
    d_second = aten.max_pool2d_with_indices_backward(d_pooled, second, *_POOLING, indices)
    d_second = d_second.to(compute)
    d_first, *gradient2 = aten.convolution_backward(
        d_second, first, weight2, [64], *_CONVOLUTION, [True, True, True]
    )
    aten.threshold_backward.grad_input(d_first, first, 0, grad_input=d_first)
    _, *gradient1 = aten.convolution_backward(
        d_first, x, weight1, [32], *_CONVOLUTION, [False, True, True]
    )
    d_weight3 = linear(d_sum.t(), flat.t())
    computed = [g.to(dtype) for g in (*gradient1, *gradient2, d_weight3)]
    return [*computed, d_bias3, d_logits.t() @ third, d_logits.sum(0)], loss


def _one_channel_last(x: Tensor) -> Tensor:
    """A tensor of one channel with strides that say channels-last; without, they say both layouts,
    and torch picks the other."""
    height, width = x.shape[2:]
    return x.as_strided(x.shape, (height * width, 1, width, 1))


MODEL = Model(SHAPES, features, logits, gradient)
