"""Federated algorithms as values: ``init(parameters) -> state``, ``round(state, number, cohort) -> state, diagnostics``.

What differs between algorithms is in :data:`ALGORITHMS`, side by side: the weights w_j of a client's gradients, and what its
delta counts in the server's average.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from perfedavg.algorithms.client import ClientUpdate, weighted_gradient_update
from perfedavg.algorithms.server import State, make_server_optimizer
from perfedavg.models import MODELS, Parameters
from perfedavg.randomness import stream, torch_stream
from perfedavg.settings import RunSpec
from perfedavg.training.local import Examples, local_batches


@dataclass(frozen=True)
class Algorithm:
    """A client update's weights w_j (j = 1, 2, ...) and a client's weight in the average."""

    gradient_weight: Callable[[int], float]
    client_weight: Callable[[ClientUpdate], float]


ALGORITHMS = {
    "fedavg": Algorithm(gradient_weight=lambda j: 1.0, client_weight=lambda update: update.num_examples),
    "reptile": Algorithm(gradient_weight=lambda j: 1.0, client_weight=lambda update: 1.0),
}


@dataclass(frozen=True)
class CohortClient:
    """One client of a round: its id, which keys its random streams, and its train examples."""

    client_id: str
    examples: Examples


@dataclass(frozen=True)
class ServerState:
    """All that a run needs to go on: the global model and the server optimizer's state."""

    parameters: Parameters
    optimizer: State


@dataclass(frozen=True)
class RoundDiagnostics:
    """What a round costs and does; ``train_loss`` is the mean over all examples processed, ``update_norm`` the L2 norm of
    the averaged delta."""

    num_clients: int
    num_examples: int
    gradient_evaluations: int
    train_loss: float
    update_norm: float


class FederatedRun:
    """One run's algorithm, model and server optimizer, put together from its spec."""

    def __init__(self, spec: RunSpec) -> None:
        self.spec = spec
        self.model = MODELS[spec.model]
        self.algorithm = ALGORITHMS[spec.algorithm]
        self.server = make_server_optimizer(spec.server)

    def init(self, parent: ServerState | None = None) -> ServerState:
        """The initial state. Fresh parameters depend on the seed and the model alone; a later stage starts from its parent's,
        and from its parent's server optimizer too where the spec says so."""
        if parent is None:
            parameters = self.model.init(torch_stream(self.spec.seed, "initial parameters"))
            return ServerState(parameters, self.server.init(parameters))
        keeps = self.spec.keeps_server_state
        return ServerState(parent.parameters, parent.optimizer if keeps else self.server.init(parent.parameters))

    def sample_cohort(self, round_number: int, training_clients: Sequence[int]) -> list[int]:
        """M of the training clients, uniformly without replacement, in increasing order of position."""
        rng = stream(self.spec.seed, "cohort", round_number)
        return sorted(rng.choice(training_clients, size=self.spec.clients_per_round, replace=False).tolist())

    def client_update(self, parameters: Parameters, round_number: int, client: CohortClient) -> ClientUpdate:
        """What ``client`` returns in this round: a function of its own data and streams, whoever else takes part."""
        spec = self.spec
        key = (spec.seed, "local training", round_number, client.client_id)
        batches = local_batches(
            len(client.examples),
            spec.client.batch_size,
            spec.client.shuffle_buffer,
            stream(*key),
            epochs=spec.local_epochs,
            steps=spec.local_steps,
        )
        weight, dropout = self.algorithm.gradient_weight, torch_stream(*key)
        return weighted_gradient_update(self.model, parameters, client.examples, batches, spec.client.lr, weight, dropout)

    def round(
        self, state: ServerState, round_number: int, cohort: Sequence[CohortClient]
    ) -> tuple[ServerState, RoundDiagnostics]:
        """One communication round; clients are averaged in the order given, so results do not depend on who computed them."""
        updates = [self.client_update(state.parameters, round_number, client) for client in cohort]
        weights = np.array([self.algorithm.client_weight(update) for update in updates], dtype=np.float64)
        mean_delta = [torch.zeros_like(p) for p in state.parameters]
        for update, share in zip(updates, (weights / weights.sum()).tolist(), strict=True):
            torch._foreach_add_(mean_delta, update.delta, alpha=share)
        parameters, optimizer = self.server.step(state.parameters, mean_delta, state.optimizer)
        losses = np.concatenate([update.losses for update in updates]).astype(np.float64)
        sizes = np.concatenate([update.batch_sizes for update in updates])
        diagnostics = RoundDiagnostics(
            num_clients=len(updates),
            num_examples=sum(update.num_examples for update in updates),
            gradient_evaluations=sum(update.num_gradients for update in updates),
            train_loss=float(np.average(losses, weights=sizes)),
            update_norm=float(sum(d.double().square().sum().item() for d in mean_delta) ** 0.5),
        )
        return ServerState(parameters, optimizer), diagnostics
