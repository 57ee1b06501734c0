"""The block ``training``: the grid of FedAvg runs."""

from __future__ import annotations

from pydantic import Field, model_validator

from perfedavg.algorithms.servers import Server
from perfedavg.algorithms.servers.sgd import ServerSGD
from perfedavg.algorithms.spec import ClientTraining
from perfedavg.blocks import Block, Count, Rounds
from perfedavg.config.messages import no_repeats


class GridSetting(Block):
    """One setting of the grid."""

    clients_per_round: Count = Field(description="its M")
    local_work: Count = Field(description="its E, or K where the grid counts steps")


class Training(Block):
    """The grid of FedAvg runs: every number of clients per round with every amount of local work.

    Its setting with one M and one E (or K) is what studies refer to.
    """

    rounds: Rounds = Field(description="communication rounds")
    clients_per_round: tuple[Count, ...] = Field(
        min_length=1, description="values of M, clients per round"
    )
    local_epochs: tuple[Count, ...] | None = Field(
        None, min_length=1, description="values of E, local epochs; give this or `local_steps`"
    )
    local_steps: tuple[Count, ...] | None = Field(
        None, min_length=1, description="values of K, local steps; give this or `local_epochs`"
    )
    without: tuple[GridSetting, ...] = Field(
        (), description="settings of the grid that are left out, to save time"
    )
    client: ClientTraining = Field(ClientTraining(), description="local training")
    server: Server = Field(ServerSGD(), description="server optimizer")

    @model_validator(mode="after")
    def _check(self) -> Training:
        if (self.local_epochs is None) == (self.local_steps is None):
            given = "neither is" if self.local_epochs is None else "both are"
            raise ValueError(f"give exactly one of local_epochs and local_steps ({given} given)")
        for key in ("clients_per_round", "local_epochs", "local_steps"):
            no_repeats(getattr(self, key) or (), key)
        for n, out in enumerate(self.without):
            if (out.clients_per_round, out.local_work) not in self._product:
                raise ValueError(
                    f"without[{n}]: {out.clients_per_round} clients per round with "
                    f"{out.local_work} {self.unit} is not in the grid; correct it"
                )
        if not self.settings:
            raise ValueError("without leaves no setting of the grid; shorten it")
        return self

    @property
    def _product(self) -> list[tuple[int, int]]:
        return [(clients, work) for clients in self.clients_per_round for work in self.amounts]

    @property
    def settings(self) -> list[tuple[int, int]]:
        """(M, E or K) of every setting that is run."""
        out = {(setting.clients_per_round, setting.local_work) for setting in self.without}
        return [setting for setting in self._product if setting not in out]

    @property
    def amounts(self) -> tuple[int, ...]:
        """The values of E, or of K where the grid counts steps."""
        return self.local_epochs or self.local_steps or ()

    @property
    def unit(self) -> str:
        """What the amounts of local work count: ``local_epochs`` or ``local_steps``."""
        return "local_epochs" if self.local_epochs else "local_steps"
