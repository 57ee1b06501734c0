"""The block ``studies.comparison``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from perfedavg.algorithms.family import NAMED
from perfedavg.algorithms.servers import Server
from perfedavg.algorithms.servers.sgd import ServerSGD
from perfedavg.algorithms.spec import ClientTraining, LocalTraining
from perfedavg.blocks import Block, Count, Rate, Rounds
from perfedavg.config.messages import no_repeats

EntryName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=60)]
Lambda = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


class EntryPhase(LocalTraining):
    """One phase of an entry of the algorithm comparison."""

    server: Server | None = Field(
        None,
        description="server optimizer; null: the comparison's `server`, its rate times "
        "`local_steps` / Σ_j |w_j|",
    )
    rounds: Rounds | None = Field(
        None, description="rounds of this phase; of an entry's last phase null: what is left"
    )


class Comparison(Block):
    """Algorithms side by side, at equal rounds and at equal gradient evaluations, each with its
    server rate chosen on validation clients; and weights w between FedSGD's and FedAvg's."""

    clients_per_round: Count = Field(description="M")
    rounds: Rounds = Field(
        description="rounds of the comparison at equal rounds; where gradients are cheaper, an "
        "entry is trained for more"
    )
    local_steps: Count = Field(description="K, of every phase that gives no other amount of work")
    client: ClientTraining | None = Field(
        None, description="local training; null: `training.client`"
    )
    server: ServerSGD = Field(
        ServerSGD(), description="server optimizer of the phases that give none"
    )
    server_lr_factors: tuple[Rate, ...] = Field(
        (0.3, 1.0, 3.0),
        min_length=1,
        description="factors on all of an entry's server rates; validation clients choose one",
    )
    entries: dict[EntryName, Annotated[tuple[EntryPhase, ...], Field(min_length=1)]] = Field(
        {name: (EntryPhase(algorithm=name),) for name in NAMED},
        min_length=1,
        description="algorithms by name, each a schedule of one or more phases, e.g. "
        "`{fomaml: [{algorithm: fomaml}], mine: [{algorithm: weighted, weights: [1, 0, 0.5]}]}`",
    )
    interpolation: tuple[Lambda, ...] = Field(
        (),
        description="values of λ for w = (1, λ, ..., λ) and w_j = λ^(j-1), K gradients; 0 is "
        "FedSGD, 1 FedAvg of K steps",
    )
    every: Count = Field(description="rounds between two evaluations")
    fine_tuning_lr: Rate | None = Field(
        None, description="its fine-tune rate; null: `evaluation.fine_tuning.lr`"
    )
    hessian_vector_product: Rate = Field(
        2.0, description="gradient evaluations that a Hessian-vector product counts as"
    )

    @model_validator(mode="after")
    def _check(self) -> Comparison:
        if self.every > self.rounds:
            raise ValueError(f"every ({self.every}) is above rounds ({self.rounds})")
        for key in ("server_lr_factors", "interpolation"):  # as they stand in the runs' names
            no_repeats(tuple(f"{value:g}" for value in getattr(self, key)), key)
        for name, (*first, last) in self.entries.items():
            if any(phase.rounds is None for phase in first):
                raise ValueError(f"entries.{name}: all phases but the last need rounds")
            if last.rounds is not None:
                raise ValueError(
                    f"entries.{name}: the last phase takes the rounds that are left; give it none"
                )
            if sum(phase.rounds for phase in first) >= self.rounds:
                raise ValueError(
                    f"entries.{name}: its first phases leave no round of {self.rounds} to the last"
                )
        return self
