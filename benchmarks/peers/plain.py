"""The loop that most federated-learning code bases write: a torch module, a ``DataLoader`` and an
optimizer a client.

Client after client trains a copy of the global model; the server averages their state dicts.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.work import (
    CLASSES,
    Data,
    Work,
    features,
    initial_weights,
    personal_data,
    personalization_result,
    round_result,
    train_data,
)


def make_model(work: Work, dropout: bool = True) -> nn.Module:
    """The work's network with its initial weights."""
    model = Lstm() if work.network == "lstm" else _cnn(dropout)
    trained = (parameter for parameter in model.parameters() if parameter.requires_grad)
    with torch.no_grad():
        for parameter, weight in zip(trained, initial_weights(work), strict=True):
            parameter.copy_(torch.from_numpy(weight))
    return model


def _cnn(dropout: bool) -> nn.Sequential:
    """The 1,206,590-parameter CNN."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25 if dropout else 0),
        nn.Flatten(),
        nn.Linear(9216, 128),
        nn.ReLU(),
        nn.Dropout(0.5 if dropout else 0),
        nn.Linear(128, CLASSES["cnn"]),
    )


class Lstm(nn.Module):
    """The 820,522-parameter LSTM: token ids ``[n, length]`` to ``[n, length, classes]``."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(CLASSES["lstm"], 8)
        self.lstm = nn.LSTM(8, 256, num_layers=2, batch_first=True)
        self.dense = nn.Linear(256, CLASSES["lstm"])
        # Both biases of a torch layer would move, and their sum twice as far as one bias.
        for second_bias in (self.lstm.bias_hh_l0, self.lstm.bias_hh_l1):
            nn.init.zeros_(second_bias).requires_grad_(False)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits of the next token at every position."""
        return self.dense(self.lstm(self.embedding(ids))[0])


def to_tensors(data: Data) -> tuple[Tensor, Tensor]:
    """Images ``[n, 1, 28, 28]`` in [0, 1] or token ids int64 ``[n, length]``, and their labels."""
    x, labels = data
    inputs = features(x)[:, None] if x.dtype == np.uint8 else x.astype(np.int64)
    return torch.from_numpy(inputs), torch.from_numpy(labels)


def mean_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy, one label an example or a position; masked ones left out."""
    return nn.functional.cross_entropy(logits.flatten(0, -2), labels.flatten())


def train_epoch(
    model: nn.Module, optimizer: torch.optim.Optimizer, batches: Iterable[list[Tensor]]
) -> None:
    """One local epoch."""
    model.train()
    for inputs, labels in batches:
        optimizer.zero_grad()
        mean_loss(model(inputs), labels).backward()
        optimizer.step()


@torch.no_grad()
def evaluate(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Accuracy and mean loss."""
    model.eval()
    logits = model(images)
    accuracy = (logits.argmax(1) == labels).float().mean().item()
    return accuracy, nn.functional.cross_entropy(logits, labels).item()


def personalize(
    model: nn.Module, train: tuple[Tensor, Tensor], held_out: tuple[Tensor, Tensor], work: Work
) -> list[tuple[float, float]]:
    """Accuracy and loss on ``held_out`` after 0..epochs epochs; ``model`` is changed."""
    loader = DataLoader(TensorDataset(*train), work.batch, shuffle=True)
    optimizer = torch.optim.SGD(model.parameters(), work.lr)
    results = [evaluate(model, *held_out)]
    for _ in range(work.epochs):
        train_epoch(model, optimizer, loader)
        results.append(evaluate(model, *held_out))
    return results


class PlainLoop:
    """FedAvg, one client after another."""

    def __init__(self, work: Work, dropout: bool = True) -> None:
        self.work = work
        self.model = make_model(work, dropout)
        self.train = [TensorDataset(*to_tensors(train_data(work, i))) for i in range(work.clients)]
        self.personal = [
            tuple(map(to_tensors, personal_data(work, i))) for i in range(work.personalized)
        ]

    def average_delta(
        self, loader: Callable[[int, TensorDataset], DataLoader] | None = None
    ) -> dict[str, Tensor]:
        """One round's averaged delta; ``loader`` gives a client's batches, a shuffled epoch by
        default."""
        counts, states = [], []
        for client, data in enumerate(self.train):
            local = copy.deepcopy(self.model)
            batches = (
                loader(client, data) if loader else DataLoader(data, self.work.batch, shuffle=True)
            )
            train_epoch(local, torch.optim.SGD(local.parameters(), self.work.lr), batches)
            counts.append(len(data))
            states.append(local.state_dict())
        start = self.model.state_dict()
        return {
            name: start[name]
            - sum(state[name] * (n / sum(counts)) for n, state in zip(counts, states, strict=True))
            for name in start
        }

    def round(self) -> dict[str, float]:
        """One timed round; the global model moves on."""
        began = perf_counter()
        delta = self.average_delta()
        self.model.load_state_dict(
            {name: value - delta[name] for name, value in self.model.state_dict().items()}
        )
        norm = sum(d.square().sum().item() for d in delta.values()) ** 0.5
        return round_result(self.work, began, norm)

    def personalize(self, part: int) -> dict[str, float]:
        """Personalize one part of the clients, timed, from the initial weights."""
        initial = make_model(self.work)
        began = perf_counter()
        curves = [
            personalize(copy.deepcopy(initial), *self.personal[i], self.work)
            for i in self.work.part(part)
        ]
        return personalization_result(self.work, began, part, [curve[-1][1] for curve in curves])


def start(work: Work, threads: int, serve: Callable) -> None:
    """Serve rounds and personalization."""
    torch.set_num_threads(threads)
    loop = PlainLoop(work)
    serve({"round": loop.round, "personalize": loop.personalize})
