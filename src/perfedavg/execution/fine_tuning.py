"""Fine-tuning of many clients at once, on the CPU or a GPU: what ``personalize.fine_tune`` does for
one, up to rounding.

Every client sees its own batches and dropout masks. Clients with fewer batches an epoch sit out the
end of each epoch, so that all of them are tested at once after each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from perfedavg.data.batches import epoch_batches
from perfedavg.execution.stacked import (
    Step,
    all_examples,
    batched_steps,
    client_losses,
    evaluate_clients,
    full_precision,
    send,
)
from perfedavg.models import Model, Parameters
from perfedavg.models.steps import Examples
from perfedavg.personalization.settings import Personalization
from perfedavg.randomness import stream, torch_stream

Key = tuple[int, str, int, str]
Update = Callable[[int, Sequence[Tensor]], None]

_BETA1, _BETA2, _EPS = 0.9, 0.999, 1e-8  # torch's defaults


def fine_tune_clients(
    model: Model,
    parameters: Parameters,
    clients: Sequence[tuple[Examples, Examples, Key]],
    settings: Personalization,
    epochs: int,
    device: torch.device,
) -> list[np.ndarray]:
    """Accuracy and loss of each of ``clients`` (train examples, test examples, key of its random
    streams) after 0..epochs epochs: float64 ``[epochs + 1, 2]`` each; see
    ``personalize.fine_tune``."""
    order = sorted(range(len(clients)), key=lambda i: -len(clients[i][0]))
    with full_precision(device):
        results = _results(model, parameters, [clients[i] for i in order], settings, epochs, device)
    return [results[:, order.index(i)] for i in range(len(clients))]


def _results(
    model: Model,
    parameters: Parameters,
    clients: list[tuple[Examples, Examples, Key]],
    settings: Personalization,
    epochs: int,
    device: torch.device,
) -> np.ndarray:
    """``[epochs + 1, clients, 2]`` of clients in decreasing order of their number of train
    examples."""
    trains, tests, keys = zip(*clients, strict=True)
    local = [send(p.detach(), device) for p in parameters]
    local[settings.trained] = trained = [
        torch.stack([p] * len(clients)) for p in local[settings.trained]
    ]
    everything = all_examples(tests, device)
    seen = [_test(model, local, everything)]
    steps = -(-len(trains[0]) // settings.batch_size)  # an epoch of the largest client
    batches = [
        _batches(len(train), settings.batch_size, stream(key), epochs, steps)
        for train, key in zip(trains, keys, strict=True)
    ]
    dropout = [torch_stream(key) for key in keys]
    update = (
        _adam(trained, settings.lr) if settings.optimizer == "adam" else _sgd(trained, settings.lr)
    )
    for number, step in enumerate(
        batched_steps(model, parameters, trains, batches, dropout, device) if steps * epochs else ()
    ):
        at = list(local)
        at[settings.trained] = own = [p[: step.clients].detach().requires_grad_() for p in trained]
        update(step.clients, torch.autograd.grad(client_losses(model, at, step).sum(), own))
        if (number + 1) % steps == 0:
            seen.append(_test(model, local, everything))
    seen += [seen[-1]] * (epochs + 1 - len(seen))  # nobody has a train example
    right, loss = torch.stack(seen).cpu().numpy().transpose(1, 0, 2)
    counts = np.array([len(test) or np.nan for test in tests])
    return np.stack([right / counts, np.where(np.isnan(counts), np.nan, loss)], axis=2)


def _test(model: Model, parameters: Sequence[Tensor], everything: Step) -> Tensor:
    """Right predictions and mean loss: float64 ``[2, clients]``."""
    return torch.stack(
        [values.double() for values in evaluate_clients(model, parameters, everything)]
    )


def _batches(
    n: int, batch_size: int, rng: np.random.Generator, epochs: int, steps: int
) -> list[np.ndarray]:
    """A client's batches, every epoch filled up to ``steps`` with empty ones."""
    own = [epoch_batches(n, batch_size, rng) for _ in range(epochs)]
    return [
        batch
        for epoch in own
        for batch in [*epoch, *[np.empty(0, np.int64)] * (steps - len(epoch))]
    ]


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
            p[:clients] -= (
                rate.view(axes) * m[:clients] / (v[:clients].sqrt() / root.view(axes) + _EPS)
            )

    return update
