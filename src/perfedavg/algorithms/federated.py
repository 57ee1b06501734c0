"""Federated algorithms as values: ``init(parameters) -> state``, ``round(state, number, cohort) ->
state, diagnostics``.

What differs between algorithms is in ``client.ALGORITHMS``, side by side, and in the server
optimizer. A run can be a schedule of several; Personalized FedAvg is the one that the paper names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch

from perfedavg.algorithms.client import ALGORITHMS, ClientUpdate, Jacobian, client_update
from perfedavg.algorithms.server import State, make_server_optimizer
from perfedavg.algorithms.spec import RunSpec, Stage
from perfedavg.data.batches import local_batches
from perfedavg.models import MODELS, Parameters
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


@dataclass(frozen=True)
class ServerState:
    """All that a run needs to go on: the global model and the server optimizer's state."""

    parameters: Parameters
    optimizer: State


@dataclass(frozen=True)
class RoundDiagnostics:
    """What a round costs and does; ``train_loss`` is the mean over all examples processed,
    ``update_norm`` the L2 norm of the averaged delta."""

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
        self.spec = spec
        self.model = MODELS[spec.model]
        self.stages: tuple[Stage, ...] = (spec, *spec.then)
        self.servers = [make_server_optimizer(stage.server) for stage in self.stages]

    def init(self, parent: ServerState | None = None) -> ServerState:
        """The initial state. Fresh parameters depend on the seed and the model alone; a later stage
        starts from its parent's, and from its parent's server optimizer too where the spec says
        so."""
        if parent is None:
            parameters = self.model.init(
                torch_stream(StreamKey(self.spec.seed, INITIAL_PARAMETERS))
            )
            return ServerState(parameters, self.servers[0].init(parameters))
        keeps = self.spec.keeps_server_state
        return ServerState(
            parent.parameters,
            parent.optimizer if keeps else self.servers[0].init(parent.parameters),
        )

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
        stage = self.stages[self.spec.stage_of(round_number)]
        key = StreamKey(self.spec.seed, LOCAL_TRAINING, round_number, client.client_id)
        batches, weights = client_task(stage, len(client.examples), stream(key))
        jacobian = "none" if stage.weights else ALGORITHMS[stage.algorithm].jacobian
        return ClientTask(batches, stage.client.lr, weights, torch_stream(key), jacobian)

    def client_update(
        self, parameters: Parameters, round_number: int, client: CohortClient
    ) -> ClientUpdate:
        """What ``client`` returns in this round."""
        return client_update(
            self.model, parameters, client.examples, *self.client_task(round_number, client)
        )

    def round(
        self,
        state: ServerState,
        round_number: int,
        cohort: Sequence[CohortClient],
        client_updates: ClientUpdates = loop,
    ) -> tuple[ServerState, RoundDiagnostics]:
        """One communication round; clients are averaged in the order given, so results do not
        depend on who computed them.

        ``client_updates`` is the back end that computes them.
        """
        position = self.spec.stage_of(round_number)
        stage, server = self.stages[position], self.servers[position]
        starts = position > 0 and self.spec.then[position - 1].first_round == round_number
        optimizer = server.init(state.parameters) if starts else state.optimizer
        updates = client_updates(self, state.parameters, round_number, cohort)
        # Averaged where the back end left them, so that one delta comes from a GPU in place of a
        # cohort's.
        mean_delta = [
            d.to(p)
            for d, p in zip(average(updates, averaging(stage)), state.parameters, strict=True)
        ]
        parameters, optimizer = server.step(state.parameters, mean_delta, optimizer)
        losses = np.concatenate([update.losses for update in updates]).astype(np.float64)
        sizes = np.concatenate([update.batch_sizes for update in updates])
        diagnostics = RoundDiagnostics(
            num_clients=len(updates),
            num_examples=sum(update.num_examples for update in updates),
            gradient_evaluations=sum(update.num_gradients for update in updates),
            hessian_vector_products=sum(update.num_hessian_products for update in updates),
            train_loss=float(np.average(losses, weights=sizes)),
            update_norm=float(sum(d.double().square().sum().item() for d in mean_delta) ** 0.5),
        )
        return ServerState(parameters, optimizer), diagnostics


def client_task(
    stage: Stage, num_examples: int, rng: np.random.Generator
) -> tuple[list[np.ndarray], Sequence[float]]:
    """A client's local batches in this stage, and the weight of each one's gradient."""

    def batches(**amount: int) -> list[np.ndarray]:
        return local_batches(
            num_examples, stage.client.batch_size, stage.client.shuffle_buffer, rng, **amount
        )

    if stage.local_epochs:
        drawn = batches(epochs=stage.local_epochs)
        return drawn, ALGORITHMS[stage.algorithm].weights(len(drawn))
    weights = stage.weights or ALGORITHMS[stage.algorithm].weights(stage.local_steps or 1)
    return batches(steps=len(weights)), weights


def averaging(stage: Stage) -> str:
    """``examples`` or ``equal``: what a client's delta counts in the average."""
    return stage.averaging or ("equal" if stage.weights else ALGORITHMS[stage.algorithm].averaging)


def average(updates: Sequence[ClientUpdate], kind: str) -> Parameters:
    """The mean of the deltas, by number of train examples or equally weighted, summed in the order
    given."""
    counts = np.array(
        [update.num_examples if kind == "examples" else 1 for update in updates], dtype=np.float64
    )
    mean = [torch.zeros_like(d) for d in updates[0].delta]
    for update, share in zip(updates, (counts / counts.sum()).tolist(), strict=True):
        torch._foreach_add_(mean, update.delta, alpha=share)
    return mean
