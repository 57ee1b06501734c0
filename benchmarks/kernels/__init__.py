"""The kernels of one training step, a file a network; here what both have."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

aten = torch.ops.aten
Kernel = tuple[str, str, dict[str, Callable[[], object]]]
"""Name, ways to compute it, and between them its kind: ``forward``, ``training`` (of a training
step alone), or ``within``: part of other kernels, so counted in no sum."""


def dense(name: str, n: int, weight: Tensor, bias: Tensor) -> Iterator[Kernel]:
    """A dense layer of ``n`` rows and its gradients."""
    x, grad = torch.randn(n, weight.shape[1]), torch.randn(n, weight.shape[0])
    ways = {
        "torch": lambda: torch.addmm(bias, x, weight.T),
        "oneDNN": lambda: linear(x, weight, bias),
    }
    yield name, "forward", ways
    ways = {
        "torch": lambda: (grad @ weight, grad.T @ x, grad.sum(0)),
        "oneDNN": lambda: (linear(grad, weight.T), linear(grad.T, x.T), grad.sum(0)),
    }
    yield f"{name}, gradients", "training", ways


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x weightᵀ + bias by oneDNN."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def cross_entropy(logits: Tensor, labels: Tensor) -> Iterator[Kernel]:
    """The mean loss of ``[n, classes]`` with its gradient."""

    def both() -> Tensor:
        log_softmax = aten._log_softmax(logits, 1, False)
        loss, total = aten.nll_loss_forward(log_softmax, labels, None, 1, -100)
        grad = aten.nll_loss_backward(
            torch.ones_like(loss), log_softmax, labels, None, 1, -100, total
        )
        return aten._log_softmax_backward_data(grad, log_softmax, 1, torch.float32)

    yield "cross-entropy and its gradient", "training", {"row-major": both}


def batch_and_update(data: Tensor, parameters: list[Tensor], n: int) -> Iterator[Kernel]:
    """Picking ``n`` examples, and the update of all parameters."""
    gradient, index = [torch.randn_like(p) for p in parameters], torch.randperm(len(data))[:n]
    yield "picking a batch", "training", {"any": lambda: data.index_select(0, index)}
    yield (
        "SGD update",
        "training",
        {"any": lambda: torch._foreach_add_(parameters, gradient, alpha=-1e-9)},
    )
