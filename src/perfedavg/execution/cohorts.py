"""The back end that computes all clients of a cohort at once, on the CPU or a GPU:
``client.client_update``, stacked.

Results agree with the loop's up to rounding; draws are the same. Within a round nothing waits for a
GPU: the losses are fetched at its end, and the deltas stay where they are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from perfedavg.algorithms.client import ClientUpdate
from perfedavg.algorithms.federated import (
    ClientTask,
    ClientUpdates,
    CohortClient,
    FederatedRun,
    loop,
)
from perfedavg.algorithms.spec import Backend
from perfedavg.execution.stacked import (
    batched_steps,
    client_losses,
    fetch,
    full_precision,
    send,
    torch_device,
)
from perfedavg.models import Model, Parameters
from perfedavg.models.steps import Examples, trainable_copy


def back_end(backend: Backend, one_by_one: ClientUpdates = loop) -> ClientUpdates:
    """The back end that a config block describes; ``one_by_one`` is who computes a loop: this
    process, or its workers.

    Raises:
        PerfedavgError: it asks for a GPU and there is none.
    """
    return (
        one_by_one
        if backend.kind == "loop"
        else partial(batched_updates, device=torch_device(backend))
    )


def batched_updates(
    run: FederatedRun,
    parameters: Parameters,
    round_number: int,
    cohort: Sequence[CohortClient],
    device: torch.device,
) -> list[ClientUpdate]:
    """What ``loop`` returns, up to rounding; the deltas are on ``device``."""
    works = [run.client_task(round_number, client) for client in cohort]
    order = sorted(range(len(cohort)), key=lambda i: -len(works[i].batches))
    with full_precision(device):
        updates = _updates(
            run.model,
            parameters,
            [cohort[i].examples for i in order],
            [works[i] for i in order],
            device,
        )
    by_position = dict(zip(order, updates, strict=True))
    return [by_position[i] for i in range(len(cohort))]


def _updates(
    model: Model,
    parameters: Parameters,
    examples: list[Examples],
    works: list[ClientTask],
    device: torch.device,
) -> list[ClientUpdate]:
    """The updates of clients in decreasing order of their number of batches."""
    lr, jacobian = works[0].lr, works[0].jacobian  # a stage's, so the same for all
    batches, dropout = [work.batches for work in works], [work.dropout for work in works]
    theta = [torch.stack([send(p.detach(), device)] * len(works)) for p in parameters]
    delta = [torch.zeros_like(p) for p in theta]
    losses, walk = [], []
    for number, step in enumerate(
        batched_steps(model, parameters, examples, batches, dropout, device)
    ):
        theta = [p[: step.clients].requires_grad_() for p in theta]
        if (
            jacobian != "none" and number < len(batches[0]) - 1
        ):  # local steps, not epochs: the same number for all
            walk.append((trainable_copy(theta), step))
        loss = client_losses(model, theta, step)
        gradient = torch.autograd.grad(loss.sum(), theta)
        theta = [p.detach() for p in theta]
        weights = [work.weights[number] for work in works[: step.clients]]
        _add_weighted([d[: step.clients] for d in delta], gradient, lr, weights)
        torch._foreach_add_(theta, gradient, alpha=-lr)
        losses.append(loss.detach())
    outer = delta
    for start, step in reversed(walk):
        gradient = torch.autograd.grad(
            client_losses(model, start, step).sum(), start, create_graph=True
        )
        product = torch.autograd.grad(
            gradient, start, grad_outputs=delta if jacobian == "product" else outer
        )
        delta = [d - lr * h for d, h in zip(delta, product, strict=True)]
    fetched = fetch(losses)
    updates = []
    for i, (client, own) in enumerate(zip(examples, batches, strict=True)):
        own_losses = np.array([step_losses[i] for step_losses in fetched[: len(own)]])
        sizes = np.array([len(batch) for batch in own])
        updates.append(
            ClientUpdate([d[i] for d in delta], len(client), len(own), len(walk), own_losses, sizes)
        )
    return updates


def _add_weighted(
    delta: Sequence[Tensor], gradient: Sequence[Tensor], lr: float, weights: list[float]
) -> None:
    """Add ``lr`` times the gradients in place, each client's with its own weight."""
    if len(set(weights)) == 1:
        if weights[0]:
            torch._foreach_add_(delta, gradient, alpha=lr * weights[0])
        return
    column = send(torch.tensor(weights, dtype=delta[0].dtype), delta[0].device)
    for d, g in zip(delta, gradient, strict=True):
        d.addcmul_(g, column.view(-1, *[1] * (g.dim() - 1)), value=lr)
