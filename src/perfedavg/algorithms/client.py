"""What a client returns (section 2 of the paper's notation), the whole family on one screen.

A client walks theta_j = theta_{j-1} - beta G_j, G_j the gradient of its j-th local batch at
theta_{j-1}, and returns

    delta = beta sum_j w_j G_j

in parameter scale. The algorithms differ in w, and in how the server averages (:data:`ALGORITHMS`).
So with equal averaging FedAvg's delta of K steps is FedSGD's plus FOMAML(1)'s to FOMAML(K-1)'s: (1,
..., 1) = (1) + (0, 1) + ... + (0, ..., 0, 1). MAML is FOMAML's delta with the Jacobian of the walk
applied to it, by Hessian-vector products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from perfedavg.models.model import Model, Parameters
from perfedavg.models.steps import Examples, batch_gradient, hessian_vector_product, trainable_copy

Jacobian = Literal["none", "product", "sum"]


@dataclass(frozen=True)
class Algorithm:
    """The weights w as a function of K local steps, what a client's delta counts in the average,
    the Jacobian applied.

    ``product`` is exact: (I - beta H_1) (I - beta H_2) ... (I - beta H_K), H_j the Hessian of the
    j-th batch's loss at theta_{j-1}. ``sum`` is as the paper's note prints it: I - beta sum_j H_j,
    the first-order part of that product."""

    weights: Callable[[int], Sequence[float]]
    averaging: Literal["examples", "equal"]
    jacobian: Jacobian = "none"


ALGORITHMS = {
    "fedsgd": Algorithm(lambda k: [1], "equal"),
    "fedavg": Algorithm(lambda k: [1] * k, "examples"),
    "reptile": Algorithm(lambda k: [1] * k, "equal"),
    "fomaml": Algorithm(lambda k: [0] * k + [1], "equal"),
    "maml": Algorithm(lambda k: [0] * k + [1], "equal", "product"),
    "maml_printed": Algorithm(lambda k: [0] * k + [1], "equal", "sum"),
}


@dataclass(frozen=True)
class ClientUpdate:
    """What one client sends: its delta, and what the diagnostics need."""

    delta: Parameters
    num_examples: int
    num_gradients: int
    num_hessian_products: int
    losses: np.ndarray  # [num_gradients] mean loss of each local batch, at the parameters it met
    batch_sizes: np.ndarray  # [num_gradients]


def client_update(
    model: Model,
    parameters: Parameters,
    examples: Examples,
    batches: list[np.ndarray],
    lr: float,
    weights: Sequence[float],
    dropout: torch.Generator | None,
    jacobian: Jacobian = "none",
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
    whole_walk = last > 0 and all(
        weight == 1 for weight in weights
    )  # then the delta is where the walk has led
    delta = [] if whole_walk else [torch.zeros_like(p) for p in parameters]
    losses, walk = [], []
    for number, (weight, batch) in enumerate(zip(weights, batches, strict=True)):
        if jacobian != "none" and number < last:  # the last gradient is taken where the walk ends
            walk.append((trainable_copy(local), batch, dropout and dropout.clone_state()))
        gradient, loss = batch_gradient(model, local, examples, batch, dropout)
        with torch.no_grad():
            if weight and not whole_walk:
                torch._foreach_add_(delta, gradient, alpha=lr * weight)
            if number < last or whole_walk:
                torch._foreach_add_(local, gradient, alpha=-lr)
        losses.append(loss)
    if whole_walk:
        delta = [p.detach() - theta.detach() for p, theta in zip(parameters, local, strict=True)]
    outer = delta
    for theta, batch, draws in reversed(walk):
        product = hessian_vector_product(
            model, theta, examples, batch, delta if jacobian == "product" else outer, draws
        )
        delta = [d - lr * h for d, h in zip(delta, product, strict=True)]
    sizes = np.array([len(batch) for batch in batches])
    return ClientUpdate(
        delta, len(examples), len(batches), len(walk), torch.stack(losses).numpy(), sizes
    )
