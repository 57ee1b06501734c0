"""The back ends of personalization: held-out clients in worker processes, or many at once, on the
CPU or a GPU: ``personalization.fine_tuning.fine_tune``, stacked.

Stacked, results agree with the loop's up to rounding. Every client sees its own batches and dropout
masks. Clients with fewer batches per epoch sit out the end of each epoch, so that all of them are
tested at once after each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from perfedavg.algorithms.spec import Backend
from perfedavg.data.batches import epoch_batches
from perfedavg.execution.stacked import (
    Step,
    all_examples,
    client_losses,
    evaluate_clients,
    full_precision,
    send,
    stacked_steps,
    torch_device,
)
from perfedavg.models.model import Model, Parameters
from perfedavg.models.steps import Examples
from perfedavg.models.threads import use_one_thread
from perfedavg.personalization.evaluate import FineTuneClients, Personalizer, Task, one_by_one
from perfedavg.personalization.settings import Personalization
from perfedavg.randomness import StreamKey, stream, torch_stream
from perfedavg.runtime.pool import Pool

AT_ONCE = 64
"""Clients that are stacked at once: bounds the memory."""

Update = Callable[[int, Sequence[Tensor]], None]

_BETA1, _BETA2, _EPS = 0.9, 0.999, 1e-8  # torch's defaults


def fine_tuning_back_end(backend: Backend, pool: Pool) -> FineTuneClients:
    """Who computes held-out clients: as the config block says, and a loop by as many processes as
    the pool has.

    Raises:
        PerfedavgError: it asks for a GPU and there is none.
    """
    if backend.kind == "batched":
        return partial(stacked, device=torch_device(backend))
    return partial(by_workers, pool=pool) if pool.size > 1 else one_by_one


def by_workers(
    personalizer: Personalizer, tasks: Sequence[Task], done: Callable[[Task], None], pool: Pool
) -> list[np.ndarray]:
    """What ``one_by_one`` returns, bit by bit, whichever worker computes which client. Round by
    round: a worker keeps one model."""
    store = personalizer.store
    client_ids, num_train = store.client_ids(), store.column("num_train")
    names, sizes = [], []
    for visit, position in tasks:
        client = f"round {visit.round_number}, client {client_ids[position].as_py()}"
        names.append(f"{personalizer.run.run_id}, {client}")
        sizes.append((-visit.round_number, num_train[position]))
    call = partial(_in_worker, personalizer)
    return pool.run(call, [(task,) for task in tasks], names, sizes, lambda i: done(tasks[i]))


def _in_worker(personalizer: Personalizer, task: Task) -> np.ndarray:
    use_one_thread()
    return personalizer.results(task)


def stacked(
    personalizer: Personalizer,
    tasks: Sequence[Task],
    done: Callable[[Task], None],
    device: torch.device,
) -> list[np.ndarray]:
    """What ``one_by_one`` returns, up to rounding."""
    results = []
    for visit, together in groupby(tasks, key=lambda task: task.visit):
        of_visit = list(together)
        for first in range(0, len(of_visit), AT_ONCE):
            chunk = of_visit[first : first + AT_ONCE]
            results += fine_tune_stacked(
                personalizer.model,
                personalizer.parameters(visit.round_number),
                [personalizer.inputs(task) for task in chunk],
                personalizer.settings,
                personalizer.epochs(visit),
                device,
            )
            for task in chunk:
                done(task)
    return results


def fine_tune_stacked(
    model: Model,
    parameters: Parameters,
    clients: Sequence[tuple[Examples, Examples, StreamKey]],
    settings: Personalization,
    epochs: int,
    device: torch.device,
) -> list[np.ndarray]:
    """Accuracy and loss of each of ``clients`` (train examples, test examples, key of its random
    streams) after 0..epochs epochs: float64 ``[epochs + 1, 2]`` each; see ``fine_tune``."""
    order = sorted(range(len(clients)), key=lambda i: -len(clients[i][0]))
    with full_precision(device):
        results = _results(model, parameters, [clients[i] for i in order], settings, epochs, device)
    return [results[:, order.index(i)] for i in range(len(clients))]


def _results(
    model: Model,
    parameters: Parameters,
    clients: list[tuple[Examples, Examples, StreamKey]],
    settings: Personalization,
    epochs: int,
    device: torch.device,
) -> np.ndarray:
    """``[epochs + 1, clients, 2]`` of clients in decreasing order of their number of train
    examples."""
    trains, tests, keys = zip(*clients, strict=True)
    local = [send(p.detach(), device) for p in parameters]
    trained = [torch.stack([p] * len(clients)) for p in local[settings.trained]]
    local[settings.trained] = trained
    test = all_examples(tests, parameters[0].dtype, device)
    tested = [_test(model, local, test)]
    steps = -(-len(trains[0]) // settings.batch_size)  # an epoch of the largest client
    batches, dropout = [], [torch_stream(key) for key in keys]
    for train, key in zip(trains, keys, strict=True):
        batches.append(_batches(len(train), settings.batch_size, stream(key), epochs, steps))
    optimizer = _adam if settings.optimizer == "adam" else _sgd
    update, every_step = optimizer(trained, settings.lr), ()
    if steps * epochs:
        every_step = stacked_steps(model, parameters, trains, batches, dropout, device)
    for taken, step in enumerate(every_step, start=1):
        leaves = [p[: step.clients].detach().requires_grad_() for p in trained]
        theta = list(local)
        theta[settings.trained] = leaves
        loss = client_losses(model, theta, step).sum()
        update(step.clients, torch.autograd.grad(loss, leaves))
        if taken % steps == 0:
            tested.append(_test(model, local, test))
    tested += [tested[-1]] * (epochs + 1 - len(tested))  # nobody has a train example
    right, loss = torch.stack(tested).cpu().numpy().transpose(1, 0, 2)
    counts = np.array([examples.num_labels or np.nan for examples in tests])
    return np.stack([right / counts, np.where(np.isnan(counts), np.nan, loss)], axis=2)


def _test(model: Model, parameters: Sequence[Tensor], test: Step) -> Tensor:
    """Right predictions and mean loss: float64 ``[2, clients]``."""
    return torch.stack([values.double() for values in evaluate_clients(model, parameters, test)])


def _batches(
    n: int, batch_size: int, rng: np.random.Generator, epochs: int, steps: int
) -> list[np.ndarray]:
    """A client's batches, every epoch filled up to ``steps`` with empty ones."""
    batches = []
    for _ in range(epochs):
        epoch = epoch_batches(n, batch_size, rng)
        batches += [*epoch, *[np.empty(0, np.int64)] * (steps - len(epoch))]
    return batches


def _sgd(trained: list[Tensor], lr: float) -> Update:
    def update(clients: int, gradient: Sequence[Tensor]) -> None:
        torch._foreach_add_([p[:clients] for p in trained], gradient, alpha=-lr)

    return update


def _adam(trained: list[Tensor], lr: float) -> Update:
    """Bias-corrected, with each client's own number of steps; torch's fused Adam has one number for
    all."""
    first, second = ([torch.zeros_like(p) for p in trained] for _ in range(2))
    taken = np.zeros(len(trained[0]))

    def update(clients: int, gradient: Sequence[Tensor]) -> None:
        taken[:clients] += 1
        correct = [1 - beta ** taken[:clients] for beta in (_BETA1, _BETA2)]
        rate, root = (
            send(torch.from_numpy(a).to(trained[0].dtype), trained[0].device)
            for a in (lr / correct[0], correct[1] ** 0.5)
        )
        for p, m, v, g in zip(trained, first, second, gradient, strict=True):
            axes = (clients, *[1] * (g.dim() - 1))
            m[:clients].lerp_(g, 1 - _BETA1)
            v[:clients].mul_(_BETA2).addcmul_(g, g, value=1 - _BETA2)
            scale = v[:clients].sqrt() / root.view(axes) + _EPS
            p[:clients] -= rate.view(axes) * m[:clients] / scale

    return update
