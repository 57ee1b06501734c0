"""What a client returns: ``delta = beta sum_j w_j G_j``, one walk over its local batches.

Which w make which algorithm stands in ``family``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from perfedavg.algorithms.family import Jacobian, Term
from perfedavg.models.model import Model, Parameters
from perfedavg.models.steps import Examples, batch_gradient, hessian_vector_product, trainable_copy


@dataclass(frozen=True)
class ClientUpdate:
    """What one client sends: its delta, and what the diagnostics need."""

    delta: Parameters
    num_examples: int
    num_labels: int  # of its train examples, masked ones left out: one each, or one per position
    num_gradients: int
    num_hessian_products: int
    losses: np.ndarray  # [num_gradients] mean loss of each local batch, at the parameters it met
    batch_labels: np.ndarray  # [num_gradients] how many labels each batch has


def client_update(
    model: Model,
    parameters: Parameters,
    examples: Examples,
    batches: list[np.ndarray],
    lr: float,
    weights: Sequence[float],
    dropout: torch.Generator | None,
    jacobian: Jacobian = "none",
    term: Term | None = None,
) -> ClientUpdate:
    """Walk the local batches with rate ``lr`` and return ``lr * sum_j weights[j] * G_j``, times the
    Jacobian of the walk.

    ``parameters`` are left as they were. A pure function: the result depends on the arguments
    alone. With a Jacobian, the walk's K models are kept (memory: K times the parameters), and the
    Hessians see the same batches and dropout draws as the walk.

    Raises:
        ValueError: not as many weights as batches.
    """
    local, last = trainable_copy(parameters), len(batches) - 1
    # With all weights 1 the delta is where the walk has led.
    whole_walk = last > 0 and all(weight == 1 for weight in weights)
    delta = [] if whole_walk else [torch.zeros_like(p) for p in parameters]
    losses, walk = [], []
    for step, (weight, batch) in enumerate(zip(weights, batches, strict=True)):
        if jacobian != "none" and step < last:  # the last gradient is taken where the walk ends
            walk.append((trainable_copy(local), batch, dropout and dropout.clone_state()))
        gradient, loss = batch_gradient(model, local, examples, batch, dropout)
        with torch.no_grad():
            if term:
                torch._foreach_add_(gradient, term(local, parameters))
            if weight and not whole_walk:
                torch._foreach_add_(delta, gradient, alpha=lr * weight)
            if step < last or whole_walk:
                torch._foreach_add_(local, gradient, alpha=-lr)
        losses.append(loss)
    if whole_walk:
        delta = [p.detach() - theta.detach() for p, theta in zip(parameters, local, strict=True)]
    outer = delta
    for theta, batch, draws in reversed(walk):
        vector = delta if jacobian == "product" else outer
        product = hessian_vector_product(model, theta, examples, batch, vector, draws)
        delta = [d - lr * h for d, h in zip(delta, product, strict=True)]
    return ClientUpdate(
        delta,
        len(examples),
        examples.num_labels,
        len(batches),
        len(walk),
        torch.stack(losses).numpy(),
        np.array([examples.labels_of_each[batch].sum() for batch in batches]),
    )
