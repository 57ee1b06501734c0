"""Dropout with explicit randomness."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Dropout = torch.Generator | Callable[[torch.Size, float], Tensor]
"""Where dropout's masks come from: a generator to draw them from, or a function that gives the mask
of kept values, bool of the shape asked for, at each layer's probability p of a dropped value."""


def keep_mask(shape: torch.Size, p: float, generator: torch.Generator) -> Tensor:
    """Which values dropout keeps, each with probability 1 - p: bool of this shape.

    One random byte per value: exact where ``256 * p`` is whole.
    """
    return _random_bytes(shape, generator) >= int(256 * p)


def drop_(x: Tensor, p: float, generator: torch.Generator) -> Tensor:
    """Set the values that :func:`keep_mask` would not keep to zero in place; kept ones are left
    unscaled. ``x`` is contiguous.

    As in a ReLU's backward pass, a value is let through where another one is large enough, which
    takes less time than a mask."""
    chosen = _random_bytes(x.shape, generator).to(x.dtype)
    return torch.ops.aten.threshold_backward.grad_input(x, chosen, int(256 * p) - 0.5, grad_input=x)


def _random_bytes(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Uniform uint8 of this shape, eight per draw."""
    numel = shape.numel()
    words = torch.empty((numel + 7) // 8, dtype=torch.int64)
    words.random_(-(2**63), None, generator=generator)
    return words.view(torch.uint8)[:numel].view(shape)


def inverted_dropout(x: Tensor, p: float, dropout: Dropout | None) -> Tensor:
    """``x`` with dropped values set to zero and kept ones scaled by 1 / (1 - p), so that nothing
    needs scaling without dropout."""
    if dropout is None:
        return x
    is_generator = isinstance(dropout, torch.Generator)
    keep = keep_mask(x.shape, p, dropout) if is_generator else dropout(x.shape, p)
    return x * keep * (1 / (1 - p))
