"""The block of the FedAvg grid."""

from __future__ import annotations

from pydantic import Field, StrictBool, model_validator

from perfedavg.algorithms.server_settings import Server, ServerSGD
from perfedavg.algorithms.spec import ClientTraining
from perfedavg.blocks import Block, Count
from perfedavg.config.messages import no_repeats


class Federated(Block):
    """The grid of FedAvg runs: every number of clients a round with every amount of local work."""

    rounds: Count = Field(description="communication rounds")
    clients_per_round: tuple[Count, ...] = Field(
        min_length=1, description="values of M, clients a round"
    )
    local_epochs: tuple[Count, ...] | None = Field(
        None, min_length=1, description="values of E, local epochs; give this or `local_steps`"
    )
    local_steps: tuple[Count, ...] | None = Field(
        None, min_length=1, description="values of K, local steps; give this or `local_epochs`"
    )
    client: ClientTraining = Field(ClientTraining(), description="local training")
    server: Server = Field(ServerSGD(), description="server optimizer")
    pack: StrictBool = Field(
        True, description="runs share jobs, so start-up too: one job trains all of a seed "
            "and kind, one evaluates all seeds; "
        "set false where a run takes longer than some minutes"
    )  # fmt: skip

    @model_validator(mode="after")
    def _check(self) -> Federated:
        if (self.local_epochs is None) == (self.local_steps is None):
            given = "neither is" if self.local_epochs is None else "both are"
            raise ValueError(f"give exactly one of local_epochs and local_steps ({given} given)")
        for key in ("clients_per_round", "local_epochs", "local_steps"):
            no_repeats(getattr(self, key) or (), key)
        return self


class Reference(Block):
    """One setting of the grid: stage 2 starts from it, and the baselines are compared with it."""

    clients_per_round: Count = Field(description="its M")
    local_work: Count = Field(description="its E, or K where the grid counts steps")
