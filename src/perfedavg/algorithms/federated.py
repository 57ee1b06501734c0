"""Federated algorithms as values: ``init() -> state``, ``round(state, round_number, cohort) ->
state, diagnostics``.

What differs between algorithms stands in ``family``, side by side, and in the server optimizer. A
run can be a schedule of several; Personalized FedAvg is the one that the paper names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from perfedavg.algorithms.client import ClientUpdate, client_update
from perfedavg.algorithms.family import Averaging, Jacobian, Term
from perfedavg.algorithms.spec import Phase, RunSpec
from perfedavg.data.batches import local_batches
from perfedavg.models import MODELS
from perfedavg.models.model import Parameters
from perfedavg.models.steps import Examples
from perfedavg.randomness import (
    COHORT,
    INITIAL_PARAMETERS,
    LOCAL_TRAINING,
    StreamKey,
    stream,
    torch_stream,
)


@dataclass(frozen=True)
class CohortClient:
    """One client of a round: its id, which keys its random streams, and its train examples, or what
    reads them when they are first asked for. By its ``position`` in the client store, another
    process can read them itself."""

    client_id: str
    source: Examples | Callable[[], Examples]
    position: int | None = None

    @cached_property
    def examples(self) -> Examples:
        """Its train examples."""
        return self.source() if callable(self.source) else self.source


class ClientTask(NamedTuple):
    """What a client does in a round: the arguments of ``client.client_update`` behind the
    examples."""

    batches: list[np.ndarray]
    lr: float
    weights: Sequence[float]
    dropout: torch.Generator
    jacobian: Jacobian
    term: Term | None


@dataclass(frozen=True)
class ServerState:
    """All that a run needs to resume: the global model and the server optimizer's state."""

    parameters: Parameters
    optimizer: list[Tensor]


@dataclass(frozen=True)
class RoundDiagnostics:
    """What a round costs and does; ``train_loss`` is the mean over the labels of all examples
    processed, ``update_norm`` the L2 norm of the averaged delta."""

    num_clients: int
    num_examples: int
    gradient_evaluations: int
    hessian_vector_products: int
    train_loss: float
    update_norm: float


ClientUpdates = Callable[
    ["FederatedRun", Parameters, int, Sequence[CohortClient]], list[ClientUpdate]
]
"""A back end: (run, parameters, round number, cohort) to what each client returns, in the order of
the cohort. All of them compute ``FederatedRun.client_update``."""


def loop(
    run: FederatedRun, parameters: Parameters, round_number: int, cohort: Sequence[CohortClient]
) -> list[ClientUpdate]:
    """The plain back end: one client after the other."""
    return [run.client_update(parameters, round_number, client) for client in cohort]


class FederatedRun:
    """One run's algorithms, model and server optimizers, put together from its spec."""

    def __init__(self, spec: RunSpec) -> None:
        self.spec, self.model = spec, MODELS[spec.model]

    def init(self, parent: ServerState | None = None) -> ServerState:
        """The initial state.

        Fresh parameters depend on the seed and the model alone; stage 2 starts from its parent's,
        and from its parent's server optimizer too where the spec says so.
        """
        server = self.spec.server
        if parent is None:
            key = StreamKey(self.spec.seed, INITIAL_PARAMETERS)
            parameters = self.model.init(torch_stream(key))
            return ServerState(parameters, server.init(parameters))
        if self.spec.keeps_server_state:
            return parent
        return ServerState(parent.parameters, server.init(parent.parameters))

    def sample_cohort(self, round_number: int, training_clients: Sequence[int]) -> list[int]:
        """M of the training clients, uniformly without replacement, in increasing order of
        position.

        Places are drawn, not clients: of a list, NumPy would copy the whole population each round.
        """
        rng = stream(StreamKey(self.spec.seed, COHORT, round_number))
        places = rng.choice(len(training_clients), size=self.spec.clients_per_round, replace=False)
        return sorted(int(training_clients[place]) for place in places)

    def client_task(self, round_number: int, client: CohortClient) -> ClientTask:
        """What ``client`` does in this round: a function of its own streams, whoever else takes
        part."""
        phase = self.spec.phases[self.spec.phase_of(round_number)]
        key = StreamKey(self.spec.seed, LOCAL_TRAINING, round_number, client.client_id)
        batches, weights = local_walk(phase, len(client.examples), stream(key))
        algorithm, dropout = phase.definition, torch_stream(key)
        return ClientTask(
            batches, phase.client.lr, weights, dropout, algorithm.jacobian, algorithm.term
        )

    def client_update(
        self, parameters: Parameters, round_number: int, client: CohortClient
    ) -> ClientUpdate:
        """What ``client`` returns in this round."""
        task = self.client_task(round_number, client)
        return client_update(self.model, parameters, client.examples, *task)

    def round(
        self,
        state: ServerState,
        round_number: int,
        cohort: Sequence[CohortClient],
        client_updates: ClientUpdates = loop,
    ) -> tuple[ServerState, RoundDiagnostics]:
        """One communication round.

        Clients are averaged in the order given, so results do not depend on who computed them;
        ``client_updates`` is the back end that does.
        """
        position = self.spec.phase_of(round_number)
        phase, optimizer = self.spec.phases[position], state.optimizer
        if position and phase.first_round == round_number:
            optimizer = phase.server.init(state.parameters)
        updates = client_updates(self, state.parameters, round_number, cohort)
        # Averaged where the back end left them, so that one delta comes from a GPU, not a cohort's.
        mean = average(updates, phase.averages_by)
        mean_delta = [d.to(p) for d, p in zip(mean, state.parameters, strict=True)]
        parameters, optimizer = phase.server.step(state.parameters, mean_delta, optimizer)
        losses = np.concatenate([update.losses for update in updates]).astype(np.float64)
        labels = np.concatenate([update.batch_labels for update in updates])
        diagnostics = RoundDiagnostics(
            num_clients=len(updates),
            num_examples=sum(update.num_examples for update in updates),
            gradient_evaluations=sum(update.num_gradients for update in updates),
            hessian_vector_products=sum(update.num_hessian_products for update in updates),
            train_loss=float(np.average(losses, weights=labels)),
            update_norm=float(sum(d.double().square().sum().item() for d in mean_delta) ** 0.5),
        )
        return ServerState(parameters, optimizer), diagnostics


def local_walk(
    phase: Phase, num_examples: int, rng: np.random.Generator
) -> tuple[list[np.ndarray], Sequence[float]]:
    """A client's local batches in this phase, and the weight of each one's gradient."""
    client, algorithm = phase.client, phase.definition
    amount = {"epochs": phase.local_epochs}
    if not phase.local_epochs:
        amount = {"steps": algorithm.num_gradients(phase.local_steps or 1)}
    batches = local_batches(num_examples, client.batch_size, client.shuffle_buffer, rng, **amount)
    steps = len(batches) if phase.local_epochs else phase.local_steps or 1
    return batches, algorithm.weights(steps)


def average(updates: Sequence[ClientUpdate], by: Averaging) -> Parameters:
    """The mean of the deltas, weighted by volume of train data or equally, summed in the order
    given. Data are counted in labels: one per example, or one per predicted token."""
    counts = np.array([u.num_labels if by == "examples" else 1 for u in updates], np.float64)
    mean = [torch.zeros_like(d) for d in updates[0].delta]
    for update, share in zip(updates, (counts / counts.sum()).tolist(), strict=True):
        torch._foreach_add_(mean, update.delta, alpha=share)
    return mean
