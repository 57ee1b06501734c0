"""Those of the LSTM: torch's fused layers by oneDNN, and what surrounds them.

What bounds the layers is measured beside them: their matrix products alone, of all positions at
once where time allows it, and of one position after another where it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from benchmarks.kernels import Kernel, batch_and_update, cross_entropy, dense, linear
from benchmarks.work import CLASSES, WINDOW, Work, initial_weights

aten = torch.ops.aten
LSTM = 2  # torch's number of it among its recurrent layers


def kernels(work: Work) -> Iterator[Kernel]:
    """All kernels of one training step; nearly every batch has a window without padding."""
    n, length, classes = work.batch, WINDOW, CLASSES[work.network]
    weights = [torch.from_numpy(weight) for weight in initial_weights(work)]
    embedding, *layers, weight, bias = weights
    ids = torch.randint(classes, (n, length))
    grad = torch.randn(n, length, embedding.shape[1])
    yield "embedding", "forward", {"any": lambda: aten.embedding(embedding, ids)}
    yield (
        "embedding, gradient",
        "training",
        {"any": lambda: aten.embedding_dense_backward(grad, ids, classes, -1, False)},
    )
    first, second = layers[:3], layers[3:]
    yield from _layer("LSTM 1", n, length, *first)
    yield from _layer("LSTM 2", n, length, *second)
    yield from dense("dense", n * length, weight, bias)
    labels = torch.randint(classes, (n * length,))
    yield from cross_entropy(torch.randn(n * length, classes), labels)
    yield from batch_and_update(torch.randint(classes, (work.examples, WINDOW)), weights, n)
    yield from _products(n, length, first, second)


def _layer(
    name: str, n: int, length: int, w_in: Tensor, w_hidden: Tensor, bias: Tensor
) -> Iterator[Kernel]:
    """A fused layer and its gradients, time first; torch has two biases, of which one is 0."""
    hidden = w_hidden.shape[1]
    x, grad = torch.randn(length, n, w_in.shape[1]), torch.randn(length, n, hidden)
    weights, start = (w_in, w_hidden, bias, torch.zeros_like(bias)), torch.zeros(n, hidden)
    kind = LSTM, hidden, 1, True

    def forward() -> tuple[Tensor, ...]:
        # Without grad it leaves no workspace, which the gradients need.
        with torch.inference_mode(False), torch.enable_grad():
            args = x, *weights, start, start, False, [], *kind, False, False, True
            return aten.mkldnn_rnn_layer(*args)

    output, *last, workspace = forward()
    args = x, *weights, start, start, output, *last, grad, None, None
    settings = False, *kind, True, False, [], False, workspace
    yield name, "forward", {"oneDNN": forward}
    yield (
        f"{name}, gradients",
        "training",
        {"oneDNN": lambda: aten.mkldnn_rnn_layer_backward(*args, *settings)},
    )


def _products(n: int, length: int, *layers: list[Tensor]) -> Iterator[Kernel]:
    """The matrix products of both layers and their gradients, without anything else."""
    calls: dict[str, list[tuple[Tensor, Tensor]]] = {"large": [], "small": []}
    for w_in, w_hidden, _ in layers:
        x, below = torch.randn(n * length, w_in.shape[1]), torch.randn(n * length, len(w_hidden[0]))
        gates = torch.randn(n * length, len(w_in))
        calls["large"] += [(x, w_in.T), (gates, w_in), (gates.T, x), (gates.T, below)]
        # position after position, forward and then back
        calls["small"] += [(below[:n], w_hidden.T)] * length + [(gates[:n], w_hidden)] * length

    def ways(pairs: list[tuple[Tensor, Tensor]]) -> dict[str, Callable]:
        # weights lie as they are, or as the product reads them
        return {
            "torch": lambda: [a @ b for a, b in pairs],
            "torch, weights transposed": _relaid(pairs),
            "oneDNN": lambda: [linear(a, b.T) for a, b in pairs],
        }

    rows = n * length
    yield f"matrix products of {rows} rows", "within", ways(calls["large"])
    yield f"{4 * length} recurrent products of {n} rows", "within", ways(calls["small"])


def _relaid(pairs: list[tuple[Tensor, Tensor]]) -> Callable:
    laid = {id(b): b.contiguous() for _, b in pairs}
    ready = [(a, laid[id(b)]) for a, b in pairs]
    return lambda: [a @ b for a, b in ready]
