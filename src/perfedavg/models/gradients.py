"""The networks' loss and gradient with the backward pass written out: the numbers of
``torch.autograd`` up to rounding, in less time. No graph is recorded, activations are changed in
place, and every kernel meets the layout in which it is fastest."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from perfedavg.models.dropout import drop_

aten = torch.ops.aten

_CONVOLUTION = ([1, 1], [0, 0], [1, 1], False, [0, 0], 1)
"""Stride, padding, dilation, transposed, output padding, groups."""
_POOLING = ([2, 2], [2, 2], [0, 0], [1, 1], False)
"""Size, stride, padding, dilation, ceil mode."""
_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def cnn_small(
    p: Sequence[Tensor], x: Tensor, labels: Tensor, dropout: torch.Generator | None
) -> tuple[list[Tensor], Tensor]:
    """Of ``models._cnn_small_logits``: gradient of the mean cross-entropy, and that loss."""
    n = len(x)
    patches = x.reshape(-1, 25)
    first = _linear(patches, p[0].view(16, 25), p[1]).relu_()  # [n * 144, 16]
    tiles = first.view(n, 4, 3, 4, 3, 16).transpose(2, 3).reshape(-1, 144)
    weight = p[2].permute(0, 2, 3, 1).reshape(32, 144)
    second = _linear(tiles, weight, p[3]).relu_()  # [n * 16, 32]
    flat = second.view(n, 512)
    loss, d_logits = _cross_entropy(torch.addmm(p[5], flat, p[4].t()), labels)
    d_second = aten.threshold_backward((d_logits @ p[4]).view(-1, 32), second, 0)
    d_tiles = _linear(d_second, weight.t()).view(n, 4, 4, 3, 3, 16).transpose(2, 3).reshape(-1, 16)
    d_first = aten.threshold_backward(d_tiles, first, 0)
    gradient = [
        (patches.t() @ d_first).t().reshape(16, 1, 5, 5),
        d_first.sum(0),
        (d_second.t() @ tiles).view(32, 3, 3, 16).permute(0, 3, 1, 2),
        d_second.sum(0),
        d_logits.t() @ flat,
        d_logits.sum(0),
    ]
    return gradient, loss


def cnn_emnist(
    p: Sequence[Tensor],
    x: Tensor,
    labels: Tensor,
    dropout: torch.Generator | None,
    compute: torch.dtype = torch.float32,
) -> tuple[list[Tensor], Tensor]:
    """Of ``models._cnn_emnist_logits``: gradient of the mean cross-entropy, and that loss.

    With ``compute`` bfloat16, float32 parameters meet both convolutions and the large dense layer
    rounded to it, and so do the activations and gradients that these take and give; sums, max-pool,
    last layer and loss stay float32."""
    n, dtype = len(x), p[0].dtype
    compute = compute if dtype == torch.float32 else dtype
    x, weight1, weight2 = (
        _one_channel_last(x.to(compute)),
        _one_channel_last(p[0].to(compute)),
        p[2].to(compute),
    )
    weight2, weight3 = weight2.contiguous(memory_format=torch.channels_last), p[4].to(compute)
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
    third = _linear(flat, weight3).to(dtype).mul_(scale).add_(p[5]).relu_()
    if dropout is not None:
        drop_(third, 0.5, dropout).mul_(2)
    loss, d_logits = _cross_entropy(torch.addmm(p[7], third, p[6].t()), labels)
    d_third = aten.threshold_backward(d_logits @ p[6], third, 0)
    if dropout is not None:
        d_third.mul_(2)
    bias3 = d_third.sum(0)
    d_sum = d_third.mul_(scale).to(compute)
    d_pooled = (
        _linear(d_sum, weight3.t()).view(n, 64, 12, 12).to(dtype, memory_format=torch.channels_last)
    )
    aten.threshold_backward.grad_input(d_pooled, pooled, 0, grad_input=d_pooled)
    d_second = aten.max_pool2d_with_indices_backward(d_pooled, second, *_POOLING, indices).to(
        compute
    )
    d_first, *gradient2 = aten.convolution_backward(
        d_second, first, weight2, [64], *_CONVOLUTION, [True, True, True]
    )
    aten.threshold_backward.grad_input(d_first, first, 0, grad_input=d_first)
    _, *gradient1 = aten.convolution_backward(
        d_first, x, weight1, [32], *_CONVOLUTION, [False, True, True]
    )
    weight3 = _linear(d_sum.t(), flat.t())
    return [
        *(g.to(dtype) for g in (*gradient1, *gradient2, weight3)),
        bias3,
        d_logits.t() @ third,
        d_logits.sum(0),
    ], loss


def _one_channel_last(x: Tensor) -> Tensor:
    """A tensor of one channel with strides that say channels-last; without, they say both layouts,
    and torch picks the other."""
    height, width = x.shape[2:]
    return x.as_strided(x.shape, (height * width, 1, width, 1))


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``F.linear`` by oneDNN, which is faster than what torch chooses on processors with AVX-512
    that are not Intel's: for the large dense layer twice."""
    if x.dtype in (torch.float32, torch.bfloat16) and _ONEDNN:
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return F.linear(x, weight, bias)


def _cross_entropy(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy and its gradient."""
    scores = torch.log_softmax(logits, 1)
    loss, total = aten.nll_loss_forward(scores, labels, None, 1, -100)
    d_scores = aten.nll_loss_backward(torch.ones_like(loss), scores, labels, None, 1, -100, total)
    return loss, aten._log_softmax_backward_data(d_scores, scores, 1, logits.dtype)
