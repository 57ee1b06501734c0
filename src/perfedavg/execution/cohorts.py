"""The back ends of training: the clients of a round in worker processes, or all at once, on the
CPU or a GPU: ``client.client_update``, stacked.

Stacked, results agree with the loop's up to rounding; draws are the same. Within a round nothing
waits for a GPU: the losses are fetched at its end, and the deltas stay where they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
from perfedavg.data.store import ClientStore
from perfedavg.execution.stacked import (
    client_losses,
    fetch,
    full_precision,
    send,
    stacked_steps,
    torch_device,
)
from perfedavg.execution.workers import WorkerUpdates
from perfedavg.models.model import Model, Parameters
from perfedavg.models.steps import Examples, trainable_copy
from perfedavg.runtime.pool import Pool


def training_back_end(backend: Backend, pool: Pool, store: ClientStore) -> ClientUpdates:
    """Who computes the clients of a round: as the config block says, and a loop by as many
    processes as the pool has.

    Raises:
        PerfedavgError: it asks for a GPU and there is none.
    """
    if backend.kind == "batched":
        return StackedUpdates(torch_device(backend))
    return WorkerUpdates(pool, store) if pool.size > 1 else loop


@dataclass(frozen=True)
class StackedUpdates:
    """The ``ClientUpdates`` of all clients at once: those of ``loop`` up to rounding; the deltas
    are on ``device``."""

    device: torch.device
    modules = (__name__,)  # the code that its results come from

    def __call__(
        self,
        run: FederatedRun,
        parameters: Parameters,
        round_number: int,
        cohort: Sequence[CohortClient],
    ) -> list[ClientUpdate]:
        """What every client of the cohort returns, in the cohort's order."""
        tasks = [run.client_task(round_number, client) for client in cohort]
        order = sorted(range(len(cohort)), key=lambda i: -len(tasks[i].batches))
        examples, tasks = [cohort[i].examples for i in order], [tasks[i] for i in order]
        with full_precision(self.device):
            updates = _updates(run.model, parameters, examples, tasks, self.device)
        by_position = dict(zip(order, updates, strict=True))
        return [by_position[i] for i in range(len(cohort))]


def _updates(
    model: Model,
    parameters: Parameters,
    examples: list[Examples],
    tasks: list[ClientTask],
    device: torch.device,
) -> list[ClientUpdate]:
    """The updates of clients in decreasing order of their number of batches."""
    # A phase's, so the same for all.
    lr, jacobian, term = tasks[0].lr, tasks[0].jacobian, tasks[0].term
    batches, dropout = [task.batches for task in tasks], [task.dropout for task in tasks]
    theta = [torch.stack([send(p.detach(), device)] * len(tasks)) for p in parameters]
    delta = [torch.zeros_like(p) for p in theta]
    losses, walk = [], []
    steps = stacked_steps(model, parameters, examples, batches, dropout, device)
    for position, step in enumerate(steps):
        theta = [p[: step.clients].requires_grad_() for p in theta]
        # With a Jacobian, phases count local steps: all clients take as many.
        if jacobian != "none" and position < len(batches[0]) - 1:
            walk.append((trainable_copy(theta), step))
        loss = client_losses(model, theta, step)
        gradient = torch.autograd.grad(loss.sum(), theta)
        theta = [p.detach() for p in theta]
        if term:
            gradient = [g + t for g, t in zip(gradient, term(theta, parameters), strict=True)]
        weights = [task.weights[position] for task in tasks[: step.clients]]
        _add_weighted([d[: step.clients] for d in delta], gradient, lr, weights)
        torch._foreach_add_(theta, gradient, alpha=-lr)
        losses.append(loss.detach())
    outer = delta
    for start, step in reversed(walk):
        loss = client_losses(model, start, step).sum()
        gradient = torch.autograd.grad(loss, start, create_graph=True)
        vector = delta if jacobian == "product" else outer
        product = torch.autograd.grad(gradient, start, grad_outputs=vector)
        delta = [d - lr * h for d, h in zip(delta, product, strict=True)]
    fetched = fetch(losses)
    updates = []
    for i, (client, client_batches) in enumerate(zip(examples, batches, strict=True)):
        labels = np.array([client.labels_of_each[batch].sum() for batch in client_batches])
        losses_of_client = np.array([step_losses[i] for step_losses in fetched[: len(labels)]])
        counts = len(client), client.num_labels, len(labels), len(walk)
        updates.append(ClientUpdate([d[i] for d in delta], *counts, losses_of_client, labels))
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
