"""The least time that a training step can take here: each of its kernels alone, in its fastest
layout, best of several runs.

Inputs lie warm in the cache, nothing is between the kernels, and one process a core runs the same
kernel at the same time. A training loop built from these kernels cannot be faster than their sum;
one with fused kernels could."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from benchmarks.work import CLASSES, Work, initial_weights

aten = torch.ops.aten
LAYOUTS = {"NCHW": torch.contiguous_format, "channels-last": torch.channels_last}
Kernel = tuple[str, str, dict[str, Callable[[], object]]]
"""Name, ``forward`` or ``training`` (of a training step alone), ways to compute it."""


def kernels(work: Work) -> list[Kernel]:
    """All kernels of one training step."""
    weights = [torch.from_numpy(weight) for weight in initial_weights(work)]
    return [
        *_convolutions(work.batch, *weights[:4]),
        *_pooling(work.batch),
        *_dense(work.batch, *weights[4:]),
        *_whole(work),
    ]


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


def _dense(
    n: int, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor
) -> Iterator[Kernel]:
    """Both dense layers, with what is between and behind them."""
    for name, weight, bias in (("dense 1", weight1, bias1), ("dense 2", weight2, bias2)):
        x, grad = torch.randn(n, weight.shape[1]), torch.randn(n, weight.shape[0])
        ways = {
            "torch": lambda x=x, w=weight, b=bias: torch.addmm(b, x, w.T),
            "oneDNN": lambda x=x, w=weight, b=bias: _linear(x, w, b),
        }
        yield name, "forward", ways
        ways = {
            "torch": lambda x=x, w=weight, g=grad: (g @ w, g.T @ x, g.sum(0)),
            "oneDNN": lambda x=x, w=weight, g=grad: (_linear(g, w.T), _linear(g.T, x.T), g.sum(0)),
        }
        yield f"{name}, gradients", "training", ways
    yield from _relu("ReLU 3", torch.randn(n, 128), torch.randn(n, 128))
    yield from _dropout("dropout 2", torch.randn(n, 128), 128)
    logits, labels = torch.randn(n, CLASSES), torch.randint(CLASSES, (n,))

    def cross_entropy() -> Tensor:
        log_softmax = aten._log_softmax(logits, 1, False)
        loss, total = aten.nll_loss_forward(log_softmax, labels, None, 1, -100)
        grad = aten.nll_loss_backward(
            torch.ones_like(loss), log_softmax, labels, None, 1, -100, total
        )
        return aten._log_softmax_backward_data(grad, log_softmax, 1, torch.float32)

    yield "cross-entropy and its gradient", "training", {"row-major": cross_entropy}


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


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


def _whole(work: Work) -> Iterator[Kernel]:
    """Picking a batch, and the update of all parameters."""
    parameters = [torch.from_numpy(weight) for weight in initial_weights(work)]
    gradient = [torch.randn_like(p) for p in parameters]
    data, index = torch.rand(work.examples, 1, 28, 28), torch.randperm(work.examples)[: work.batch]
    yield "picking a batch", "training", {"any": lambda: data.index_select(0, index)}
    yield (
        "SGD update",
        "training",
        {"any": lambda: torch._foreach_add_(parameters, gradient, alpha=-1e-9)},
    )


def best_seconds(way: Callable[[], object], repeats: int) -> float:
    """The least seconds a call, over ``repeats`` stretches of about 2 ms."""
    way()
    began = perf_counter()
    way()
    calls = 1 + int(2e-3 / (perf_counter() - began + 1e-7))
    best = float("inf")
    for _ in range(repeats):
        began = perf_counter()
        for _ in range(calls):
            way()
        best = min(best, (perf_counter() - began) / calls)
    return best


def measure(work: Work, repeats: int, together: Callable[[], object] = lambda: None) -> list[dict]:
    """Best time of every kernel in its fastest way; ``together`` waits for the other processes
    before each one."""
    rows = []
    for name, kind, ways in kernels(work):
        times = {}
        for layout, way in ways.items():
            together()
            times[layout] = best_seconds(way, repeats)
        layout = min(times, key=times.get)
        rows.append(
            {"kernel": name, "kind": kind, "layout": layout, "microseconds": times[layout] * 1e6}
        )
    return rows


def _process(work: Work, barrier, pipe) -> None:
    torch.set_num_threads(1)
    with torch.inference_mode():
        while repeats := pipe.recv():
            pipe.send(measure(work, repeats, barrier.wait))


def combine(work: Work, parts: list[list[dict]]) -> dict:
    """Kernel times averaged over the processes, the seconds that a training step and a forward pass
    need in each one."""
    rows = [
        same[0] | {"microseconds": sum(row["microseconds"] for row in same) / len(same)}
        for same in zip(*parts, strict=True)
    ]
    step = sum(row["microseconds"] for row in rows) * 1e-6
    forward = sum(row["microseconds"] for row in rows if row["kind"] == "forward") * 1e-6
    return {
        "step_seconds": step,
        "forward_seconds": forward,
        "seconds": step,
        "examples": work.batch * len(parts),
        "kernels": rows,
    }


def start(work: Work, threads: int, serve: Callable) -> None:
    """Serve the floor, measured in ``threads`` processes at once."""
    context = multiprocessing.get_context("spawn")
    barrier, pipes = context.Barrier(threads), []
    for _ in range(threads):
        here, there = context.Pipe()
        context.Process(target=_process, args=(work, barrier, there), daemon=True).start()
        pipes.append(here)

    def floor(repeats: int) -> dict:
        for pipe in pipes:
            pipe.send(repeats)
        return combine(work, [pipe.recv() for pipe in pipes])

    serve({"floor": floor})
    for pipe in pipes:
        pipe.send(0)
