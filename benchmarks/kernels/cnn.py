"""Those of the CNN."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from benchmarks.kernels import Kernel, batch_and_update, cross_entropy, dense
from benchmarks.work import CLASSES, Work, initial_weights

aten = torch.ops.aten
LAYOUTS = {"NCHW": torch.contiguous_format, "channels-last": torch.channels_last}


def kernels(work: Work) -> Iterator[Kernel]:
    """All kernels of one training step."""
    n, weights = work.batch, [torch.from_numpy(weight) for weight in initial_weights(work)]
    yield from _convolutions(n, *weights[:4])
    yield from _pooling(n)
    yield from dense("dense 1", n, *weights[4:6])
    yield from dense("dense 2", n, *weights[6:])
    yield from _relu("ReLU 3", torch.randn(n, 128), torch.randn(n, 128))
    yield from _dropout("dropout 2", torch.randn(n, 128), 128)
    classes = CLASSES[work.network]
    yield from cross_entropy(torch.randn(n, classes), torch.randint(classes, (n,)))
    yield from batch_and_update(torch.rand(work.examples, 1, 28, 28), weights, n)


def _convolutions(
    n: int, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor
) -> Iterator[Kernel]:
    """Both convolutions and the ReLU between them; no gradient for the images."""
    images, hidden = torch.rand(n, 1, 28, 28), torch.rand(n, 32, 26, 26)
    grad1, grad2 = torch.randn(n, 32, 26, 26), torch.randn(n, 64, 24, 24)
    args = ([1, 1], [0, 0], [1, 1], False, [0, 0], 1)

    def forward(x: Tensor, w: Tensor, b: Tensor) -> dict:
        def way(layout: torch.memory_format) -> Callable:
            x_, w_ = x.contiguous(memory_format=layout), w.contiguous(memory_format=layout)
            return lambda: aten.convolution(x_, w_, b, *args)

        return {name: way(layout) for name, layout in LAYOUTS.items()}

    def backward(grad: Tensor, x: Tensor, w: Tensor, mask: list[bool]) -> dict:
        def way(layout: torch.memory_format) -> Callable:
            tensors = [t.contiguous(memory_format=layout) for t in (grad, x, w)]
            return lambda: aten.convolution_backward(*tensors, [len(w)], *args, mask)

        return {name: way(layout) for name, layout in LAYOUTS.items()}

    yield "convolution 1", "forward", forward(images, weight1, bias1)
    yield (
        "convolution 1, gradient",
        "training",
        backward(grad1, images, weight1, [False, True, True]),
    )
    yield from _relu("ReLU 1", hidden, grad1)
    yield "convolution 2", "forward", forward(hidden, weight2, bias2)
    yield (
        "convolution 2, gradients",
        "training",
        backward(grad2, hidden, weight2, [True, True, True]),
    )


def _pooling(n: int) -> Iterator[Kernel]:
    """Max-pool, its ReLU and dropout, which are cheapest behind it."""
    x, grad = torch.randn(n, 64, 24, 24), torch.randn(n, 64, 12, 12)
    args = ([2, 2], [2, 2], [0, 0], [1, 1], False)

    def forward(layout: torch.memory_format) -> Callable:
        x_ = x.contiguous(memory_format=layout)
        return lambda: aten.max_pool2d_with_indices(x_, *args)

    def backward(layout: torch.memory_format) -> Callable:
        x_, grad_ = (t.contiguous(memory_format=layout) for t in (x, grad))
        indices = aten.max_pool2d_with_indices(x_, *args)[1]
        return lambda: aten.max_pool2d_with_indices_backward(grad_, x_, *args, indices)

    yield "max-pool", "forward", {name: forward(layout) for name, layout in LAYOUTS.items()}
    yield (
        "max-pool, gradient",
        "training",
        {name: backward(layout) for name, layout in LAYOUTS.items()},
    )
    yield from _relu("ReLU 2", torch.randn(n, 9216), torch.randn(n, 9216))
    yield from _dropout("dropout 1", torch.randn(n, 9216), 64)


def _relu(name: str, x: Tensor, grad: Tensor) -> Iterator[Kernel]:
    yield name, "forward", {"any": lambda: torch.relu(x), "in place": lambda: torch.relu_(x)}
    yield f"{name}, gradient", "training", {"any": lambda: aten.threshold_backward(grad, x, 0)}


def _dropout(name: str, x: Tensor, threshold: int) -> Iterator[Kernel]:
    """A random byte a value, as ``perfedavg.models`` draws them, by two generators."""
    mersenne, chaotic, mask = (
        torch.Generator().manual_seed(0),
        np.random.Generator(np.random.SFC64(0)),
        torch.rand_like(x),
    )

    def by_torch() -> Tensor:
        words = torch.empty(x.numel() // 8, dtype=torch.int64).random_(
            -(2**63), None, generator=mersenne
        )
        return torch.where(words.view(torch.uint8).view(x.shape) >= threshold, x, 0)

    def by_numpy() -> Tensor:
        words = torch.from_numpy(chaotic.integers(0, 2**64, x.numel() // 8, dtype=np.uint64))
        return torch.where(words.view(torch.uint8).view(x.shape) >= threshold, x, 0)

    def as_relu() -> Tensor:
        words = torch.empty(x.numel() // 8, dtype=torch.int64).random_(
            -(2**63), None, generator=mersenne
        )
        return aten.threshold_backward(
            x, words.view(torch.uint8).view(x.shape).float(), threshold - 0.5
        )

    yield (
        f"{name}, mask and product",
        "training",
        {"torch": by_torch, "SFC64": by_numpy, "as a ReLU's gradient": as_relu},
    )
    yield f"{name}, gradient", "training", {"any": lambda: x * mask}
