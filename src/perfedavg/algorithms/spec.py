"""What one federated run is: everything that its result depends on besides the data."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from pydantic import Field, model_validator

from perfedavg.algorithms.server_settings import Server
from perfedavg.blocks import Block, Count, ModelName, Natural, Rate, Weight

AlgorithmName = Literal["fedsgd", "fedavg", "reptile", "fomaml", "maml", "maml_printed", "weighted"]


class ClientTraining(Block):
    """Local training on a client."""

    lr: Rate = Field(0.02, description="client learning rate β of SGD")
    batch_size: Count = Field(20, description="examples a local batch")
    shuffle_buffer: Count = Field(
        1000,
        description="examples in the shuffle buffer, "
        "`repeat(E).shuffle(buffer).batch(size)`: batches can span epochs",
    )


class LocalTraining(Block):
    """An algorithm and how much each client does: the part of a stage that a config entry names."""

    algorithm: AlgorithmName = Field(
        description="`weighted` returns β Σ_j w_j G_j with the `weights` given"
    )
    local_epochs: Count | None = Field(None, description="E, local epochs (`fedavg` and `reptile`)")
    local_steps: Count | None = Field(
        None, description="K, local steps; `fomaml` and `maml` take one more gradient after them"
    )
    weights: tuple[Weight, ...] | None = Field(
        None, min_length=1, description="w_1, w_2, ... of `weighted`, one a gradient"
    )
    averaging: Literal["examples", "equal"] | None = Field(
        None,
        description="clients count by their number of train examples, or equally; null: "
        "as the algorithm has it",
    )

    @model_validator(mode="after")
    def _check_work(self) -> LocalTraining:
        name, work = self.algorithm, [self.local_epochs, self.local_steps]
        if (self.weights is not None) != (name == "weighted"):
            raise ValueError("`weights` belong to the algorithm `weighted`, which needs them")
        if self.weights and not any(self.weights):
            raise ValueError("one of the weights must not be 0")
        if name in ("fedsgd", "weighted") and any(work):
            raise ValueError(
                f"`{name}` takes neither local_epochs nor local_steps: its weights say how "
                f"many gradients it takes"
            )
        if all(work):
            raise ValueError("give only one of local_epochs and local_steps")
        if self.local_epochs and name not in ("fedavg", "reptile"):
            raise ValueError(f"`{name}` counts local_steps, not local_epochs")
        return self


class Backend(Block):
    """How clients of federated runs are computed, in training and personalization. Back ends agree
    up to rounding alone."""

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


class Stage(LocalTraining):
    """One stage of a run: what clients do, and what the server does with it."""

    client: ClientTraining
    server: Server

    @model_validator(mode="after")
    def _check_amount(self) -> Stage:
        if self.algorithm not in ("fedsgd", "weighted") and not (
            self.local_epochs or self.local_steps
        ):
            raise ValueError(f"`{self.algorithm}` needs local_steps or local_epochs")
        return self


class LaterStage(Stage):
    """A stage that a run switches to."""

    first_round: Count = Field(
        description="the first round of this stage; its server optimizer starts fresh"
    )


class RunSpec(Stage):
    """One federated run: everything that its result depends on besides the data.

    It can be a schedule: after the stage described here come those of ``then``. A run with a parent
    starts from the parent's last model and counts its rounds on from there, so that its cohorts and
    batches are those that the parent would have drawn next."""

    run_id: str
    setting: str = Field(
        description="the run without its seed: runs of one setting differ in nothing else"
    )
    study: Literal["grid", "stage2", "comparison"] = Field(
        "grid", description="the part of the experiment that asks for the run"
    )
    variant: str = ""
    entry: str = ""
    server_lr_factor: float | None = None
    dataset: str
    split: str
    stage: Count = 1
    parent_run_id: str | None = None
    parent_rounds: Natural = Field(0, description="the parent's last round")
    keeps_server_state: bool = Field(
        False, description="the server optimizer goes on with the parent's state"
    )
    clients_per_round: Count
    then: tuple[LaterStage, ...] = ()
    seed: int
    rounds: Count = Field(description="number of the last round, the parent's rounds included")
    evaluated_rounds: tuple[Count, ...]
    model: ModelName
    backend: Backend = Backend()

    @model_validator(mode="after")
    def _check_schedule(self) -> RunSpec:
        starts = [self.parent_rounds + 1, *(later.first_round for later in self.then)]
        if any(first >= second for first, second in pairwise([*starts, self.rounds + 1])):
            raise ValueError(
                "the stages' first rounds must increase, from the run's first one to its "
                "last at most"
            )
        return self

    def stage_of(self, round_number: int) -> int:
        """Position of the stage that a round belongs to: 0 for the one described here, n for the
        n-th of ``then``."""
        return sum(round_number >= later.first_round for later in self.then)
