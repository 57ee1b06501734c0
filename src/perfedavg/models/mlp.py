"""``mlp``, for feature vectors: dense 64, ReLU, dense classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from perfedavg.models import Sizes
from perfedavg.models.dropout import Dropout
from perfedavg.models.kernels import aten, cross_entropy
from perfedavg.models.model import Model

TAKES = "vectors"
SHAPES = {
    "hidden.weight": (64, "features"),
    "hidden.bias": (64,),
    "out.weight": ("classes", 64),
    "out.bias": ("classes",),
}


def features(x: np.ndarray) -> Tensor:
    """Vectors as they are stored, float32 ``[n, features]``."""
    return torch.from_numpy(x.astype(np.float32))


def logits(p: Sequence[Tensor], x: Tensor, dropout: Dropout | None) -> Tensor:
    """``[n, features]`` to ``[n, classes]``; there is no dropout."""
    return F.linear(F.linear(x, p[0], p[1]).relu(), p[2], p[3])


def gradient(
    p: Sequence[Tensor], x: Tensor, labels: Tensor, dropout: torch.Generator | None
) -> tuple[list[Tensor], Tensor]:
    """The gradient of the mean cross-entropy of :func:`logits`, and that loss, with the backward
    pass written out."""
    hidden = torch.addmm(p[1], x, p[0].t()).relu_()
    loss, d_logits = cross_entropy(torch.addmm(p[3], hidden, p[2].t()), labels)
    d_hidden = aten.threshold_backward(d_logits @ p[2], hidden, 0)
    return [d_hidden.t() @ x, d_hidden.sum(0), d_logits.t() @ hidden, d_logits.sum(0)], loss


def model(shapes: dict[str, tuple[int, ...]], sizes: Sizes) -> Model:
    """The network for data of these sizes."""
    return Model(shapes, features, logits, gradient)
