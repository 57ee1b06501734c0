"""One gradient step after another on one client, and evaluation.

theta_0 = theta, theta_j = theta_{j-1} - beta * G_j with G_j the mean gradient of the j-th local
batch (section 2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from perfedavg.models import Model, Parameters


@dataclass(frozen=True)
class Examples:
    """Examples of one client as tensors: features as the model takes them ``[n, ...]`` and labels
    ``[n]`` int64."""

    features: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


def to_examples(model: Model, x: np.ndarray, y: np.ndarray) -> Examples:
    """Turn stored arrays into tensors: uint8 grey levels k become k/255, floats stay as they
    are."""
    images = x.astype(np.float32) / np.float32(255) if x.dtype == np.uint8 else x.astype(np.float32)
    return Examples(model.prepare(torch.from_numpy(images)), torch.from_numpy(y.astype(np.int64)))


def batch_gradient(
    model: Model,
    parameters: Parameters,
    examples: Examples,
    batch: np.ndarray,
    dropout: torch.Generator | None,
) -> tuple[list[Tensor], Tensor]:
    """Gradient of the mean cross-entropy of one batch with respect to those ``parameters`` that
    require grad, and that loss.

    By hand where the model knows how and all parameters are trained, by autograd otherwise.
    """
    if model.gradient and all(p.requires_grad for p in parameters):
        with torch.no_grad():
            return model.gradient(parameters, *_picked(examples, batch), dropout)
    loss = _batch_loss(model, parameters, examples, batch, dropout)
    return list(torch.autograd.grad(loss, _trained(parameters))), loss.detach()


def hessian_vector_product(
    model: Model,
    parameters: Parameters,
    examples: Examples,
    batch: np.ndarray,
    vector: Sequence[Tensor],
    dropout: torch.Generator | None,
) -> list[Tensor]:
    """H v with H the Hessian of one batch's mean cross-entropy at ``parameters`` (leaves that
    require grad).

    By differentiating the gradient once more, so H itself, parameters squared, never exists.
    """
    loss = _batch_loss(model, parameters, examples, batch, dropout)
    gradient = torch.autograd.grad(loss, parameters, create_graph=True)
    return list(torch.autograd.grad(gradient, parameters, grad_outputs=vector))


def _batch_loss(
    model: Model,
    parameters: Parameters,
    examples: Examples,
    batch: np.ndarray,
    dropout: torch.Generator | None,
) -> Tensor:
    features, labels = _picked(examples, batch)
    return F.cross_entropy(model.logits(parameters, features, dropout), labels)


def _picked(examples: Examples, batch: np.ndarray) -> tuple[Tensor, Tensor]:
    index = torch.from_numpy(batch)
    return examples.features.index_select(0, index), examples.labels.index_select(0, index)


def sgd_steps(
    model: Model,
    parameters: Parameters,
    examples: Examples,
    batches: list[np.ndarray],
    lr: float,
    dropout: torch.Generator | None,
) -> Iterator[Tensor]:
    """Walk theta_j = theta_{j-1} - lr * G_j **in place** on those ``parameters`` that require grad;
    yield the loss that gave G_j after each step."""
    trained = _trained(parameters)
    for batch in batches:
        gradient, loss = batch_gradient(model, parameters, examples, batch, dropout)
        with torch.no_grad():
            torch._foreach_add_(trained, gradient, alpha=-lr)
        yield loss


def _trained(parameters: Parameters) -> Parameters:
    """Those that require grad: others stay as they are, and no gradient is computed for them."""
    return [p for p in parameters if p.requires_grad]


def trainable_copy(parameters: Parameters) -> Parameters:
    """Copies that require grad, so that local work leaves the global model alone."""
    return [p.detach().clone().requires_grad_() for p in parameters]


@torch.no_grad()
def evaluate(model: Model, parameters: Parameters, examples: Examples) -> tuple[float, float]:
    """Accuracy and mean cross-entropy on one client's examples, dropout off; (nan, nan) for a
    client without any.

    An example whose logits are not all finite counts as wrong: a model that fine-tuning has blown
    up predicts nothing."""
    if not len(examples):
        return float("nan"), float("nan")
    logits = model.logits(parameters, examples.features, None)
    correct = ((logits.argmax(1) == examples.labels) & logits.isfinite().all(1)).sum().item()
    return correct / len(examples), F.cross_entropy(logits, examples.labels).item()
