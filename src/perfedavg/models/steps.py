"""One gradient step after another on one client, and evaluation.

theta_0 = theta, theta_j = theta_{j-1} - beta * G_j with G_j the mean gradient of the j-th local
batch (section 2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from perfedavg.models.model import MASKED, Examples, Model, Parameters


def to_examples(model: Model, x: np.ndarray, y: np.ndarray) -> Examples:
    """Stored examples and labels as the model's tensors."""
    labels = y.astype(np.int64)
    labels[labels < 0] = MASKED
    return Examples(model.features(x), torch.from_numpy(labels))


def batch_gradient(
    model: Model,
    parameters: Parameters,
    examples: Examples,
    batch: np.ndarray,
    dropout: torch.Generator | None,
) -> tuple[list[Tensor], Tensor]:
    """Gradient of the mean loss of one batch with respect to those ``parameters`` that
    require grad, and that loss.

    By hand where the model knows how and all parameters are trained, by autograd otherwise.
    """
    if parts := _parts(model, examples, batch):
        each = [
            (share, *batch_gradient(model, parameters, examples, part, dropout))
            for share, part in parts
        ]
        gradient = _sum([(share, gradient) for share, gradient, _ in each])
        return gradient, sum(share * loss for share, _, loss in each)
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
    """H v with H the Hessian of one batch's mean loss at ``parameters`` (leaves that
    require grad).

    By differentiating the gradient once more, so H itself, parameters squared, never exists.
    """
    if parts := _parts(model, examples, batch):
        return _sum(
            (share, hessian_vector_product(model, parameters, examples, part, vector, dropout))
            for share, part in parts
        )
    loss = _batch_loss(model, parameters, examples, batch, dropout)
    gradient = torch.autograd.grad(loss, parameters, create_graph=True)
    return list(torch.autograd.grad(gradient, parameters, grad_outputs=vector))


def _parts(
    model: Model, examples: Examples, batch: np.ndarray
) -> list[tuple[float, np.ndarray]] | None:
    """The parts of a batch that is too large to be differentiated at once, each with its share of
    the labels; None where it is not."""
    if model.rows is None or len(batch) <= model.rows:
        return None
    parts = np.array_split(batch, -(-len(batch) // model.rows))
    labels = np.array([examples.labels_of_each[part].sum() for part in parts])
    return list(zip((labels / max(labels.sum(), 1)).tolist(), parts, strict=True))


def _sum(weighted: Iterable[tuple[float, list[Tensor]]]) -> list[Tensor]:
    total: list[Tensor] = []
    for share, tensors in weighted:
        if not total:
            total = [torch.zeros_like(tensor) for tensor in tensors]
        torch._foreach_add_(total, tensors, alpha=share)
    return total


def _batch_loss(
    model: Model,
    parameters: Parameters,
    examples: Examples,
    batch: np.ndarray,
    dropout: torch.Generator | None,
) -> Tensor:
    features, labels = _picked(examples, batch)
    return model.mean_loss(model.logits(parameters, features, dropout), labels)


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
    """Accuracy and mean loss over one client's labels, dropout off; (nan, nan) for a client without
    any."""
    if not examples.num_labels:
        return float("nan"), float("nan")
    if model.predict:
        logits = model.predict(parameters, examples.features)
    else:
        logits = model.logits(parameters, examples.features, None)
    correct = model.correct(logits, examples.labels).sum().item()
    return correct / examples.num_labels, model.mean_loss(logits, examples.labels).item()
