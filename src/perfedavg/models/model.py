"""What a network is: pure functions of a list of parameters.

Both ready tasks have a class for every label, an example one label or one per position. A negative
label is masked: it counts in no loss, gradient or accuracy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from perfedavg.models.dropout import Dropout

Parameters = list[Tensor]
"""Parameters in the order of ``Model.shapes``."""

MASKED = -100
"""The label that torch's losses leave out."""


@dataclass(frozen=True)
class Examples:
    """Examples of one client as tensors: features as the model takes them ``[n, ...]`` and labels
    ``[n]`` or ``[n, length]`` int64."""

    features: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def labels_of_each(self) -> np.ndarray:
        """How many labels of every example are not masked: int64 ``[n]``."""
        per_example = self.labels.shape[1:].numel()
        return (self.labels >= 0).view(len(self), per_example).sum(1).numpy()

    @cached_property
    def num_labels(self) -> int:
        """How many labels are not masked."""
        return int((self.labels >= 0).sum())

    def to(self, dtype: torch.dtype) -> Examples:
        """The same with features of this floating-point type; token ids stay as they are."""
        floating = self.features.is_floating_point()
        return Examples(self.features.to(dtype) if floating else self.features, self.labels)


@dataclass(frozen=True)
class Model:
    """A network, from the stored examples to its loss and metrics.

    A network with another loss overrides the three methods about labels.

    Attributes:
        shapes: name and shape of every parameter.
        features: stored examples ``[n, ...]`` to the tensor ``[n, ...]`` that ``logits`` takes;
            called once per client.
        logits: (parameters, features ``[n, ...]``, dropout or None) to ``[n, classes]`` or ``[n,
            length, classes]``; with None dropout is off. It works under ``torch.func.vmap``, where
            the masks must be given.
        gradient: (parameters, features, labels, dropout or None) to the gradient of ``mean_loss``
            and that loss, what autograd makes of ``logits`` up to rounding, in less time; None:
            there is only autograd.
        initialize: fresh float32 parameters; None: weights uniform in ±sqrt(6 / (fan_in + fan_out))
            (Glorot), biases zero.
        predict: (parameters, features) to what ``logits`` gives with dropout off, up to rounding,
            in less time; None: there is only ``logits``.
        rows: how many examples are differentiated at once, at most; the gradient of a larger batch
            is summed over parts of it, so that memory is bounded. None: all."""

    shapes: dict[str, tuple[int, ...]]
    features: Callable[[np.ndarray], Tensor]
    logits: Callable[[Sequence[Tensor], Tensor, Dropout | None], Tensor]
    gradient: (
        Callable[
            [Sequence[Tensor], Tensor, Tensor, torch.Generator | None], tuple[list[Tensor], Tensor]
        ]
        | None
    ) = None
    initialize: Callable[[torch.Generator], Parameters] | None = None
    predict: Callable[[Sequence[Tensor], Tensor], Tensor] | None = None
    rows: int | None = None

    def init(self, generator: torch.Generator) -> Parameters:
        """Fresh float32 parameters."""
        if self.initialize:
            return self.initialize(generator)
        return [
            glorot_uniform(s, generator) if len(s) > 1 else torch.zeros(s)
            for s in self.shapes.values()
        ]

    def mean_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy over the labels of a batch; 0 where all are masked."""
        if labels.dim() == 1:
            return F.cross_entropy(logits, labels)
        total = F.cross_entropy(logits.flatten(0, -2), labels.flatten(), reduction="sum")
        return total / (labels >= 0).sum().clamp(min=1)

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy of every label, in the shape of ``labels``; 0 where masked."""
        each = F.cross_entropy(logits.flatten(0, -2), labels.flatten(), reduction="none")
        return each.view_as(labels)

    def correct(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Which labels are predicted, bool in their shape; never one whose logits are not all
        finite: a model that fine-tuning has blown up predicts nothing."""
        return (logits.argmax(-1) == labels) & logits.isfinite().all(-1)

    def named(self, parameters: Parameters) -> dict[str, Tensor]:
        """Parameters by name."""
        return dict(zip(self.shapes, parameters, strict=True))

    def unnamed(self, tensors: dict[str, Tensor]) -> Parameters:
        """The inverse of :meth:`named`.

        Raises:
            KeyError: there is no such parameter.
            RuntimeError: one has another number of values.
        """
        return [tensors[name].view(shape) for name, shape in self.shapes.items()]


def grey_levels(x: np.ndarray) -> Tensor:
    """Images as float32: uint8 grey levels k become k/255, floats stay as they are."""
    levels = x.astype(np.float32)
    return torch.from_numpy(levels / np.float32(255) if x.dtype == np.uint8 else levels)


def glorot_uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """A weight ``[out, in, ...]`` uniform in ±sqrt(6 / (fan_in + fan_out))."""
    receptive_field = int(torch.Size(shape[2:]).numel())
    limit = (6 / ((shape[0] + shape[1]) * receptive_field)) ** 0.5
    return (torch.rand(shape, generator=generator) * 2 - 1) * limit
