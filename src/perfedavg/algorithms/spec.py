"""What one federated run is: everything that its result depends on besides the data.

Free of torch: a config reads it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from pydantic import Field, model_validator

from perfedavg.algorithms import family
from perfedavg.algorithms.family import ALGORITHMS, WEIGHTED, Averaging
from perfedavg.algorithms.servers import Server
from perfedavg.blocks import Block, Count, Natural, Rate, Weight
from perfedavg.models import module

AlgorithmName = Literal[(*ALGORITHMS, WEIGHTED)]
BY_EPOCHS = " and ".join(f"`{name}`" for name, a in ALGORITHMS.items() if a.takes_epochs)


class ClientTraining(Block):
    """Local training on a client."""

    lr: Rate = Field(0.02, description="client learning rate β of SGD")
    batch_size: Count = Field(20, description="examples per local batch")
    shuffle_buffer: Count = Field(
        1000,
        description="examples in the shuffle buffer, `repeat(E).shuffle(buffer).batch(size)`: "
        "batches can span epochs",
    )


class LocalTraining(Block):
    """An algorithm and how much each client does: the part of a phase that a config names."""

    algorithm: AlgorithmName = Field(
        description="`weighted` returns β Σ_j w_j G_j with the `weights` given"
    )
    local_epochs: Count | None = Field(None, description=f"E, local epochs ({BY_EPOCHS})")
    local_steps: Count | None = Field(
        None, description="K, local steps; `fomaml` and `maml` take one more gradient after them"
    )
    weights: tuple[Weight, ...] | None = Field(
        None, min_length=1, description="w_1, w_2, ... of `weighted`, one per gradient"
    )
    averaging: Averaging | None = Field(
        None,
        description="clients count by their number of train examples, or equally; null: as the "
        "algorithm has it",
    )

    @model_validator(mode="after")
    def _check_amount(self) -> LocalTraining:
        name, amounts = self.algorithm, (self.local_epochs, self.local_steps)
        if (self.weights is not None) != (name == WEIGHTED):
            raise ValueError("`weights` belong to the algorithm `weighted`, which needs them")
        if self.weights and not any(self.weights):
            raise ValueError("one of the weights must not be 0")
        if any(amounts) and not self.definition.takes_steps:
            raise ValueError(
                f"`{name}` takes neither local_epochs nor local_steps: its weights say how many "
                "gradients it takes"
            )
        if all(amounts):
            raise ValueError("give only one of local_epochs and local_steps")
        if self.local_epochs and not self.definition.takes_epochs:
            raise ValueError(f"`{name}` counts local_steps, not local_epochs")
        return self

    @property
    def definition(self) -> family.Algorithm:
        """The weights, the averaging and the Jacobian."""
        return family.weighted(self.weights) if self.weights else ALGORITHMS[self.algorithm]

    @property
    def averages_by(self) -> Averaging:
        """What a client's delta counts in the average."""
        return self.averaging or self.definition.averaging


class Backend(Block):
    """How clients are computed, in training and personalization.

    Back ends agree up to rounding alone.
    """

    kind: Literal["loop", "batched"] = Field(
        "loop",
        description="`loop`: one client after the other; `batched`: many at once, made for a GPU",
    )
    device: Literal["cpu", "cuda"] = Field(
        "cpu", description="where `batched` computes; `cuda` is a GPU"
    )

    @model_validator(mode="after")
    def _check(self) -> Backend:
        if self.kind == "loop" and self.device == "cuda":
            raise ValueError("`loop` computes on the CPU; device cuda needs kind batched")
        return self


class Phase(LocalTraining):
    """One phase of a run: what clients do, and what the server does with it."""

    client: ClientTraining
    server: Server

    @model_validator(mode="after")
    def _check_steps(self) -> Phase:
        if self.definition.takes_steps and not (self.local_epochs or self.local_steps):
            raise ValueError(f"`{self.algorithm}` needs local_steps or local_epochs")
        return self


class LaterPhase(Phase):
    """A phase that a run switches to."""

    first_round: Count = Field(
        description="the first round of this phase; its server optimizer starts fresh"
    )


class RunSpec(Phase):
    """One federated run.

    It can be a schedule: after the phase described here come those of ``then``. A run with a parent
    starts from the parent's last model and counts its rounds on from there, so that its cohorts and
    batches are those that the parent would have drawn next.
    """

    run_id: str
    setting: str = Field(description="the run without its seed: all else of a setting is equal")
    study: Literal["grid", "stage2", "comparison"] = Field(
        "grid", description="the part of the experiment that asks for the run"
    )
    variant: str = Field("", description="in stage 2: what it does otherwise than its parent")
    entry: str = Field("", description="in the algorithm comparison: the entry")
    server_lr_factor: Rate | None = Field(None, description="likewise: factor on its server rates")
    dataset: str
    split: str
    stage: Count = 1
    parent_run_id: str | None = None
    parent_rounds: Natural = Field(0, description="the parent's last round")
    keeps_server_state: bool = Field(
        False, description="the server optimizer starts from the parent's state"
    )
    clients_per_round: Count
    then: tuple[LaterPhase, ...] = ()
    seed: int
    rounds: Count = Field(description="number of the last round, the parent's rounds included")
    evaluated_rounds: tuple[Count, ...]
    model: str = Field(description="full name of the network")
    backend: Backend = Backend()

    @model_validator(mode="after")
    def _check_schedule(self) -> RunSpec:
        starts = [self.parent_rounds + 1, *(later.first_round for later in self.then)]
        if any(first >= second for first, second in pairwise([*starts, self.rounds + 1])):
            raise ValueError(
                "the phases' first rounds must increase, "
                "from the run's first one to its last at most"
            )
        return self

    @property
    def phases(self) -> tuple[Phase, ...]:
        """All phases in their order."""
        return (self, *self.then)

    def phase_of(self, round_number: int) -> int:
        """Position in ``phases`` of the phase that a round belongs to."""
        return sum(round_number >= later.first_round for later in self.then)

    @property
    def found_modules(self) -> list[str]:
        """The modules that the run's results come from and that are found by their names."""
        servers = [f"perfedavg.algorithms.servers.{p.server.optimizer}" for p in self.phases]
        added = [family.MODULES.get(phase.algorithm) for phase in self.phases]
        return [module(self.model), *servers, *filter(None, added)]
