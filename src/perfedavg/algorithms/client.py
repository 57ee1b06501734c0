"""What a client returns: beta * sum_j w_j G_j, a delta in parameter scale (section 2 of the paper's notation).

One function for the whole family. With theta_j = theta_{j-1} - beta G_j along the local batches,

    w = (1, 1, ..., 1)   FedAvg, and Reptile in its batch version: the delta is theta_0 - theta_K

and other weights give the paper's other first-order algorithms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from perfedavg.models import Model, Parameters
from perfedavg.training.local import Examples, sgd_steps, trainable_copy


@dataclass(frozen=True)
class ClientUpdate:
    """What one client sends: its delta, and what the diagnostics need."""

    delta: Parameters
    num_examples: int
    num_gradients: int
    losses: np.ndarray  # [num_gradients] mean loss of each local batch, at the parameters it met
    batch_sizes: np.ndarray  # [num_gradients]


def weighted_gradient_update(
    model: Model,
    parameters: Parameters,
    examples: Examples,
    batches: list[np.ndarray],
    lr: float,
    weight: Callable[[int], float],
    dropout: torch.Generator | None,
) -> ClientUpdate:
    """Walk the local batches with rate ``lr`` and return ``lr * sum_j weight(j) * G_j``, j = 1..K.

    ``parameters`` are left as they were. A pure function: the result depends on the arguments alone.
    """
    local = trainable_copy(parameters)
    delta = [torch.zeros_like(p) for p in parameters]
    losses = []
    for j, (gradient, loss) in enumerate(sgd_steps(model, local, examples, batches, lr, dropout), start=1):
        if weight(j):
            torch._foreach_add_(delta, gradient, alpha=lr * weight(j))
        losses.append(loss)
    sizes = np.array([len(batch) for batch in batches])
    return ClientUpdate(delta, len(examples), len(batches), torch.stack(losses).numpy(), sizes)
