"""Local steps of many clients at once, on the CPU or a GPU: what ``models.steps`` does one client
after the other.

Parameters are stacked, client by client, and the network runs under ``vmap``. A client's loss
depends on its own slice of the stack alone, so the gradient of the sum of all losses is every
client's own gradient, stacked, and a Hessian-vector product of that sum is every client's own.
Batches and dropout masks are the loop's; numbers agree up to rounding.

Clients differ in their number of steps and in the size of their last batch. They come in decreasing
order of steps, so that those still at work are always the first ones and nothing is computed for
those that have finished; a batch that is smaller than others of its step is padded, and padding
weighs nothing.

A GPU is never waited for: what a step needs is decided and drawn on the host and sent ahead. Only
:func:`fetch` waits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.func import vmap

from perfedavg.algorithms.spec import Backend
from perfedavg.models.dropout import keep_mask
from perfedavg.models.model import MASKED, Examples, Model, Parameters
from perfedavg.runtime.errors import PerfedavgError


@dataclass(frozen=True)
class Step:
    """One local step of the ``clients`` still at work, the first ones, with batches padded to one
    size."""

    clients: int
    features: Tensor  # [clients, batch, ...], 0 for padding
    labels: Tensor  # [clients, batch, ...]
    shares: Tensor  # [clients, batch] what a label counts in its client's mean loss, 0 for padding
    masks: list[Tensor]  # [clients, batch, ...] of every dropout layer


def stacked_steps(
    model: Model,
    parameters: Parameters,
    examples: Sequence[Examples],
    batches: Sequence[list[np.ndarray]],
    dropout: Sequence[torch.Generator],
    device: torch.device,
) -> Iterator[Step]:
    """The local steps of clients in decreasing order of their number of ``batches``; all but masks
    is sent to ``device`` once.

    Args:
        parameters: any of the network's, on the host.
        dropout: each client's own generator, from which it draws as in the loop.
    """
    positions = _positions(examples, batches)
    sizes = (positions >= 0).sum(2)
    features, labels = (
        send(torch.cat([getattr(e, name) for e in examples]), device)
        for name in ("features", "labels")
    )
    num_labels = np.concatenate([e.labels_of_each for e in examples])
    counts = np.where(positions >= 0, num_labels[positions], 0).sum(2, keepdims=True)
    shares = torch.from_numpy((positions >= 0) / np.maximum(counts, 1)).to(parameters[0].dtype)
    shares, index = send(shares, device), send(torch.from_numpy(positions), device)
    layers = _dropout_layers(model, parameters, examples[0].features)
    for step, step_sizes in enumerate(sizes):
        clients, width = np.count_nonzero(step_sizes), step_sizes.max()
        places = index[step, :clients, :width]
        rows = places.clamp(min=0).flatten()
        batch = features.index_select(0, rows).view(clients, width, *features.shape[1:])
        if (step_sizes[:clients] < width).any():
            # Whatever stands in the row that padding points to: a NaN times a weight of 0 would
            # still be a NaN.
            batch.masked_fill_((places < 0).view(clients, width, *[1] * (batch.dim() - 2)), 0)
        yield Step(
            clients,
            batch,
            labels.index_select(0, rows).view(clients, width, *labels.shape[1:]),
            shares[step, :clients, :width],
            _masks(layers, step_sizes[:clients].tolist(), dropout, device),
        )


def all_examples(examples: Sequence[Examples], dtype: torch.dtype, device: torch.device) -> Step:
    """Everything that each client has, in the order given, as one batch; without dropout.

    Args:
        dtype: the parameters'.
    """
    first, size = examples[0], (len(examples), max(1, *(len(e) for e in examples)))
    features = first.features.new_zeros((*size, *first.features.shape[1:]))
    labels = first.labels.new_full((*size, *first.labels.shape[1:]), MASKED)
    shares = torch.zeros(size, dtype=dtype)
    for i, client in enumerate(examples):
        features[i, : len(client)] = client.features
        labels[i, : len(client)] = client.labels
        shares[i, : len(client)] = 1 / max(client.num_labels, 1)
    return Step(len(examples), *(send(tensor, device) for tensor in (features, labels, shares)), [])


def client_losses(model: Model, parameters: Sequence[Tensor], step: Step) -> Tensor:
    """Every client's mean loss of its batch, ``[clients]``, at its own of the stacked
    ``parameters``."""
    return _mean_losses(model, _scores(model, parameters, step, dropout=True), step)


@torch.no_grad()
def evaluate_clients(
    model: Model, parameters: Sequence[Tensor], tests: Step
) -> tuple[Tensor, Tensor]:
    """Every client's number of right predictions and mean loss, ``[clients]`` each; see
    ``steps.evaluate``."""
    scores = _scores(model, parameters, tests, dropout=False)
    return model.correct(scores, tests.labels).flatten(1).sum(1), _mean_losses(model, scores, tests)


def _scores(model: Model, parameters: Sequence[Tensor], step: Step, dropout: bool) -> Tensor:
    """Logits ``[clients, batch, ..., classes]``. Parameters without an axis of clients are shared
    by all."""

    def logits(p: Sequence[Tensor], features: Tensor, masks: list[Tensor]) -> Tensor:
        left = iter(masks)
        masked = (lambda shape, probability: next(left)) if dropout else None
        return model.logits(p, features, masked)

    stacked = [
        0 if p.dim() > len(shape) else None
        for p, shape in zip(parameters, model.shapes.values(), strict=True)
    ]
    return vmap(logits, in_dims=(stacked, 0, 0))(list(parameters), step.features, step.masks)


def _mean_losses(model: Model, scores: Tensor, step: Step) -> Tensor:
    losses = model.losses(scores, step.labels)
    return (losses.flatten(2).sum(2) if losses.dim() > 2 else losses).mul(step.shares).sum(1)


def torch_device(backend: Backend) -> torch.device:
    """The device that a config block names.

    Raises:
        PerfedavgError: it is a GPU and there is none.
    """
    if backend.device == "cuda" and not torch.cuda.is_available():
        raise PerfedavgError(
            "Config key `execution.backend.device` is cuda, but torch finds no GPU on this "
            "machine; set it to cpu, or use a machine with a GPU and a CUDA build of torch."
        )
    return torch.device(backend.device)


def full_precision(device: torch.device) -> AbstractContextManager:
    """On a GPU: convolutions in float32, not TF32, by deterministic algorithms; so they agree with
    a CPU's up to rounding, and repeat on the same GPU."""
    if device.type != "cuda":
        return nullcontext()
    return torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device; to a GPU from pinned memory, so that the host need not wait."""
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def fetch(losses: Sequence[Tensor]) -> list[np.ndarray]:
    """The losses of every step on the host: waits for the device."""
    return np.split(torch.cat(losses).cpu().numpy(), np.cumsum([len(loss) for loss in losses])[:-1])


def _positions(examples: Sequence[Examples], batches: Sequence[list[np.ndarray]]) -> np.ndarray:
    """Rows of the clients' joined examples that each batch consists of: int64 ``[steps, clients,
    batch]``, -1 for padding."""
    width = max(len(batch) for client in batches for batch in client)
    positions = np.full((len(batches[0]), len(batches), width), -1)
    first = 0
    for i, (client, client_batches) in enumerate(zip(examples, batches, strict=True)):
        for step, batch in enumerate(client_batches):
            positions[step, i, : len(batch)] = first + batch
        first += len(client)
    return positions


@torch.no_grad()
def _dropout_layers(
    model: Model, parameters: Parameters, features: Tensor
) -> list[tuple[torch.Size, float]]:
    """Of every dropout layer, in the order of the draws: the shape of its values for one example,
    and its probability; recorded by running the network on one example."""
    layers = []

    def record(shape: torch.Size, p: float) -> Tensor:
        layers.append((shape[1:], p))
        return torch.ones(shape, dtype=torch.bool)

    model.logits(parameters, features[:1], record)
    return layers


def _masks(
    layers: list[tuple[torch.Size, float]],
    sizes: list[int],
    dropout: Sequence[torch.Generator],
    device: torch.device,
) -> list[Tensor]:
    """The masks of one step, of every client for its own number of examples, in the order in which
    the loop draws them."""
    masks = [torch.zeros((len(sizes), max(sizes), *shape), dtype=torch.bool) for shape, _ in layers]
    for i, size in enumerate(sizes):
        for mask, (shape, p) in zip(masks, layers, strict=True):
            mask[i, :size] = keep_mask(torch.Size((size, *shape)), p, dropout[i])
    return [send(mask, device) for mask in masks]
