"""The networks, as pure functions of a list of parameters.

``cnn_emnist`` is the CNN of section 3 (inferred, not stated in the paper): conv 3x3x32, ReLU, conv
3x3x64, ReLU, max-pool 2, dropout 0.25, dense 128, ReLU, dropout 0.5, dense 62; 1,206,590
parameters. ``cnn_small`` is for the built-in data: conv 5x5x16 stride 2, ReLU, conv 3x3x32 stride
3, ReLU, dense 62; 36,862 parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from perfedavg.models import gradients
from perfedavg.models.dropout import Dropout, inverted_dropout

Parameters = list[Tensor]
"""Parameters in the order of ``Model.shapes``."""


@dataclass(frozen=True)
class Model:
    """A network.

    Attributes:
        shapes: name and shape of every parameter; biases start at zero, weights Glorot-uniform.
        prepare: images ``[n, 28, 28]`` in [0, 1] to the features that ``logits`` takes; called once
            a client.
        logits: (parameters, features ``[n, ...]``, dropout or None) to ``[n, classes]``; with None
            dropout is off. It works under ``torch.func.vmap``, where the masks must be given.
        gradient: (parameters, features, labels, dropout or None) to the gradient of the mean
            cross-entropy and that loss, what autograd makes of ``logits`` up to rounding, in less
            time; None: there is only autograd."""

    shapes: dict[str, tuple[int, ...]]
    prepare: Callable[[Tensor], Tensor]
    logits: Callable[[Sequence[Tensor], Tensor, Dropout | None], Tensor]
    gradient: (
        Callable[
            [Sequence[Tensor], Tensor, Tensor, torch.Generator | None], tuple[list[Tensor], Tensor]
        ]
        | None
    ) = None

    def init(self, generator: torch.Generator) -> Parameters:
        """Fresh float32 parameters: weights uniform in ±sqrt(6 / (fan_in + fan_out)) (Glorot),
        biases zero."""
        return [
            _glorot_uniform(s, generator) if len(s) > 1 else torch.zeros(s)
            for s in self.shapes.values()
        ]

    def named(self, parameters: Parameters) -> dict[str, Tensor]:
        """Parameters by name."""
        return dict(zip(self.shapes, parameters, strict=True))

    def unnamed(self, tensors: dict[str, Tensor]) -> Parameters:
        """The inverse of :meth:`named`."""
        return [tensors[name] for name in self.shapes]


def _glorot_uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    receptive_field = int(torch.Size(shape[2:]).numel())
    limit = (6 / ((shape[0] + shape[1]) * receptive_field)) ** 0.5
    return (torch.rand(shape, generator=generator) * 2 - 1) * limit


def _channels_last(weight: Tensor) -> Tensor:
    """A kernel in the layout that makes torch's convolutions and max-pool compute and pass on that
    layout, the fastest one on a CPU. ``contiguous(memory_format=...)`` gives the same strides, but
    vmap does not know it."""
    return weight.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2) if weight.is_cpu else weight


def _cnn_emnist_logits(p: Sequence[Tensor], x: Tensor, dropout: Dropout | None) -> Tensor:
    # ReLU comes behind the max-pool, with which it commutes, on a quarter of the values.
    x = F.conv2d(x, p[0], p[1]).relu_()
    x = F.max_pool2d(F.conv2d(x, _channels_last(p[2]), p[3]), 2).relu_()
    x = inverted_dropout(x.permute(0, 2, 3, 1), 0.25, dropout).permute(0, 3, 1, 2).flatten(1)
    x = inverted_dropout(F.relu(F.linear(x, p[4], p[5])), 0.5, dropout)
    return F.linear(x, p[6], p[7])


# Which pixel of a flat 28x28 image stands where in its 144 patches of 5x5, stride 2.
_PATCH_PIXELS = torch.arange(784).view(28, 28).unfold(0, 5, 2).unfold(1, 5, 2).flatten()


def _cnn_small_logits(p: Sequence[Tensor], x: Tensor, dropout: Dropout | None) -> Tensor:
    # Both convolutions as matrix products: on tiny layers torch's convolutions cost twice as much.
    # The first one's patches come from `prepare`; the second one's do not overlap, so they are a
    # mere rearrangement.
    n = len(x)
    x = F.linear(x.reshape(-1, 25), p[0].flatten(1), p[1]).relu()
    x = x.view(n, 4, 3, 4, 3, 16).transpose(2, 3).reshape(-1, 9 * 16)
    x = F.linear(x, p[2].permute(0, 2, 3, 1).flatten(1), p[3]).relu()
    return F.linear(x.view(n, -1), p[4], p[5])


MODELS = {
    "cnn_small": Model(
        shapes={
            "conv1.weight": (16, 1, 5, 5),
            "conv1.bias": (16,),
            "conv2.weight": (32, 16, 3, 3),
            "conv2.bias": (32,),
            "dense.weight": (62, 512),
            "dense.bias": (62,),
        },
        prepare=lambda images: images.flatten(1).index_select(1, _PATCH_PIXELS).view(-1, 144, 25),
        logits=_cnn_small_logits,
        gradient=gradients.cnn_small,
    ),
    "cnn_emnist": Model(
        shapes={
            "conv1.weight": (32, 1, 3, 3),
            "conv1.bias": (32,),
            "conv2.weight": (64, 32, 3, 3),
            "conv2.bias": (64,),
            "dense1.weight": (128, 9216),
            "dense1.bias": (128,),
            "dense2.weight": (62, 128),
            "dense2.bias": (62,),
        },
        prepare=lambda images: images[..., None].permute(0, 3, 1, 2),  # strides say channels-last
        logits=_cnn_emnist_logits,
        gradient=gradients.cnn_emnist,
    ),
}
# The same network; a training step's two convolutions and large dense layer compute in bfloat16,
# where the gradient is by hand (not in Hessian-vector products nor where only some layers are
# trained), on float32 parameters. Evaluation is float32.
MODELS["cnn_emnist_bf16"] = replace(
    MODELS["cnn_emnist"], gradient=partial(gradients.cnn_emnist, compute=torch.bfloat16)
)
