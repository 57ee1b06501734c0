"""Next-token networks: embedding, layers of LSTM, dense; what files of networks are made of.

With gates (i, f, g, o) = W_in x_t + W_hid h_{t-1} + b, a layer computes
c_t = sigmoid(f) c_{t-1} + sigmoid(i) tanh(g) and h_t = sigmoid(o) tanh(c_t), from h_0 = c_0 = 0;
the order of the gates is torch's. Parameters: the embedding, of each layer W_in, W_hid and b, then
weight and bias of the dense layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from perfedavg.models.dropout import Dropout
from perfedavg.models.model import Parameters

ROWS = 64
"""Sequences differentiated at once: of 80 tokens they take up to half a gigabyte."""


def features(x: np.ndarray) -> Tensor:
    """Token ids, int64 ``[n, length]``."""
    return torch.from_numpy(x.astype(np.int64))


def initialize(shapes: dict[str, tuple[int, ...]], generator: torch.Generator) -> Parameters:
    """As Keras fills the standard network (Reddi et al.): embedding uniform in ±0.05, weights of
    inputs normal with variance 2 / fan_in (He), of hidden states orthogonal, of the dense layer
    normal with variance 2 / (fan_in + fan_out) (Glorot), both cut off at two standard deviations;
    biases 0, of forget gates 1."""
    parameters = []
    for name, shape in shapes.items():
        tensor = torch.zeros(shape)
        if name == "embedding.weight":
            tensor.uniform_(-0.05, 0.05, generator=generator)
        elif name.endswith("hidden.weight"):
            torch.nn.init.orthogonal_(tensor, generator=generator)
        elif name.endswith("weight"):
            fan = sum(shape) if name == "dense.weight" else shape[1]
            std = (2 / fan) ** 0.5 / 0.8796  # which cutting off at two deviations makes smaller
            torch.nn.init.trunc_normal_(tensor, 0, std, -2 * std, 2 * std, generator=generator)
        elif name.startswith("lstm"):
            hidden = shape[0] // 4
            tensor[hidden : 2 * hidden] = 1
        parameters.append(tensor)
    return parameters


def logits(p: Sequence[Tensor], x: Tensor, dropout: Dropout | None) -> Tensor:
    """``[n, length]`` to ``[n, length, classes]``, by operations that autograd and vmap know."""
    (w_in, w_hidden, bias), *upper = _layers(p)
    # The first layer meets few different inputs: what they come to is computed once for each.
    inputs = F.linear(p[0], w_in, bias)
    # Products of few rows are several times faster with weights that lie transposed.
    recurrent = [_transposed(w_hidden)]
    recurrent += [_transposed(torch.cat(weights, 1)) for *weights, _ in upper]
    zero = p[0].new_zeros(len(x), w_hidden.shape[1])
    hidden, memory = [zero] * len(recurrent), [zero] * len(recurrent)
    outputs = []
    for ids in x.unbind(1):
        for layer, weight in enumerate(recurrent):
            if layer == 0:
                gates = F.embedding(ids, inputs) + hidden[0] @ weight
            else:
                below = torch.cat([hidden[layer - 1], hidden[layer]], 1)
                gates = below @ weight + upper[layer - 1][2]
            i, f, g, o = gates.chunk(4, 1)
            memory[layer] = f.sigmoid() * memory[layer] + i.sigmoid() * g.tanh()
            hidden[layer] = o.sigmoid() * memory[layer].tanh()
        outputs.append(hidden[-1])
    return F.linear(torch.stack(outputs, 1), p[-2], p[-1])


def gradient(
    p: Sequence[Tensor], x: Tensor, labels: Tensor, dropout: torch.Generator | None
) -> tuple[list[Tensor], Tensor]:
    """The gradient of the mean cross-entropy of :func:`logits`, and that loss, by torch's fused
    LSTM, which cannot be differentiated twice.

    Time stops at the last label of the batch: what lies behind it is padding."""
    labelled = (labels >= 0).any(0).nonzero()
    length = int(labelled[-1]) + 1 if len(labelled) else 1
    labels = labels[:, :length].flatten()
    with torch.enable_grad():
        leaves = [parameter.detach().requires_grad_() for parameter in p]
        scores = predict(leaves, x[:, :length]).flatten(0, 1)
        total = F.cross_entropy(scores, labels, reduction="sum")
        loss = total / (labels >= 0).sum().clamp(min=1)
        return list(torch.autograd.grad(loss, leaves)), loss.detach()


def predict(p: Sequence[Tensor], x: Tensor) -> Tensor:
    """What :func:`logits` gives, by torch's fused LSTM."""
    zero = p[0].new_zeros(len(p[1]))
    weights = [w for layer in _layers(p) for w in (*layer, zero)]  # torch's has two biases
    start = p[0].new_zeros(len(p) // 3 - 1, len(x), p[2].shape[1])
    embedded = F.embedding(x, p[0])
    settings = True, len(start), 0.0, torch.is_grad_enabled(), False, True
    outputs, *_ = torch.lstm(embedded, (start, start), weights, *settings)
    return F.linear(outputs, p[-2], p[-1])


def _layers(p: Sequence[Tensor]) -> list[Sequence[Tensor]]:
    """W_in, W_hid and b of every layer."""
    return [p[i : i + 3] for i in range(1, len(p) - 2, 3)]


def _transposed(weight: Tensor) -> Tensor:
    """The transpose, laid out as such."""
    return weight.t().contiguous()
