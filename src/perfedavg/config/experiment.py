"""What an experiment is: the one truth about every key of a config file.

The models are frozen and forbid unknown keys. ``workflow/schemas/config.schema.json``, which
editors use, and the table in ``config/README.md`` are generated from them (``make schema``)."""

from __future__ import annotations

import json
from typing import Any

import yaml
from pydantic import Field, ValidationError, model_validator

from perfedavg.algorithms.spec import Backend
from perfedavg.blocks import Block, Count, Natural
from perfedavg.config.comparison import AlgorithmComparison
from perfedavg.config.evaluation import Evaluation
from perfedavg.config.messages import no_repeats, sentence
from perfedavg.config.split import Fraction, Split
from perfedavg.config.stage2 import Stage2, server_name
from perfedavg.config.theory import Theory
from perfedavg.config.training import Federated, Reference
from perfedavg.data.sets import Data
from perfedavg.data.sources import Archive
from perfedavg.models import ModelName, takes
from perfedavg.personalization.settings import FineTuning, LocalOnly, Personalization
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.training.settings import Centralized


class Config(Block):
    """One experiment. Results go to `results/<experiment>/`."""

    experiment: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="name of the experiment and its results folder",
    )
    seeds: tuple[Natural, ...] = Field(
        min_length=1, description="seeds; one run of every setting for each"
    )
    data: Data = Field(description="the data set")
    split: Split = Field(description="training, validation and evaluation clients")
    model: ModelName = Field(
        description=(
            "`cnn_emnist`: 1,206,590 parameters (inferred); `cnn_emnist_bf16`: the same, "
            "training steps in bfloat16 (faster: "
            "docs/speed.md); `cnn_small`: 36,862, for built-in data"
        )
    )
    federated: Federated = Field(description="the FedAvg runs")
    reference: Reference = Field(
        description="the FedAvg setting that others start from and are compared with"
    )
    stage2: Stage2 | None = Field(None, description="stage 2 and its controls; null: none")
    algorithms: AlgorithmComparison | None = Field(
        None, description="the algorithm comparison; null: none"
    )
    theory: Theory | None = Field(None, description="the theory experiment; null: none")
    centralized: Centralized | None = Field(
        None, description="the centralized baseline; null: none"
    )
    local_only: LocalOnly | None = Field(None, description="the local-only baseline; null: none")
    evaluation: Evaluation = Field(description="evaluated rounds")
    personalization: Personalization = Field(Personalization(), description="fine-tuning")
    strategies: tuple[FineTuning, ...] = Field(
        (),
        description="further ways to fine-tune the reference runs' last models, compared "
        "with `personalization`",
    )
    backend: Backend = Field(Backend(), description="how clients of federated runs are computed")
    target_accuracy: Fraction = Field(
        0.8, description="accuracy of `rounds to target` (the paper: 0.8)"
    )
    workers: Count = Field(
        1, description="worker processes that share the clients of one training or "
            "personalization job, `--cores` at most; for "
        "fewer runs than cores. Results do not depend on it, so changing it reruns nothing"
    )  # fmt: skip

    @model_validator(mode="after")
    def _check(self) -> Config:
        if self.experiment == "data":
            raise ValueError(
                "experiment: results/data/ holds the client stores; choose another name"
            )
        if self.model == "cnn_emnist_bf16" and self.backend.kind == "batched":
            raise ValueError(
                "model: `cnn_emnist_bf16` computes in bfloat16 by `backend.kind` loop "
                "alone; take cnn_emnist"
            )
        no_repeats(self.seeds, "seeds")
        no_repeats(self.personalization.shown_epochs, "personalization.shown_epochs")
        cohorts = {"federated.clients_per_round": max(self.federated.clients_per_round)}
        if self.algorithms:
            cohorts["algorithms.clients_per_round"] = self.algorithms.clients_per_round
        if self.theory:
            cohorts["theory.clients"] = self.theory.clients
        for key, largest in cohorts.items():
            if largest > self.split.training_clients:
                raise ValueError(
                    f"{key}: {largest} clients a round, but split.training_clients is only "
                    f"{self.split.training_clients}"
                )
        ways = tuple(way.strategy for way in (self.personalization, *self.strategies))
        no_repeats(ways, "strategies (with `personalization`)")
        if not isinstance(self.data, Archive):  # the clients of an archive are counted when read
            self._check_clients(self.data.size.clients)
        if self.data.kind != takes(self.model):
            raise ValueError(
                f"model: `{self.model}` takes {takes(self.model)}, but {self.data.dataset} holds "
                f"{self.data.kind}"
            )
        if self.evaluation.every > self.federated.rounds:
            raise ValueError(
                f"evaluation.every ({self.evaluation.every}) is above federated.rounds "
                f"({self.federated.rounds})"
            )
        if (self.evaluation.personalize_every or 0) > self.federated.rounds:
            every = self.evaluation.personalize_every
            raise ValueError(
                f"evaluation.personalize_every ({every}) is above federated.rounds "
                f"({self.federated.rounds})"
            )
        work = self.federated.local_epochs or self.federated.local_steps or ()
        if (
            self.reference.clients_per_round not in self.federated.clients_per_round
            or self.reference.local_work not in work
        ):
            raise ValueError(
                "reference: its clients_per_round and local_work must be values of the "
                "grid in `federated`"
            )
        if (
            self.stage2
            and self.stage2.controls
            and self.stage2.control_work >= self.reference.local_work
        ):
            raise ValueError(
                f"stage2.control_work ({self.stage2.control_work}) must be below "
                f"reference.local_work "
                f"({self.reference.local_work})"
            )
        if self.stage2:
            if (self.stage2.every or 1) > self.stage2.rounds:
                raise ValueError(
                    f"stage2.every ({self.stage2.every}) is above stage2.rounds "
                    f"({self.stage2.rounds})"
                )
            no_repeats(
                tuple(server_name(server) for server in self.stage2.servers), "stage2.servers"
            )
        missed = sorted(set(self.theory.rounds if self.theory else ()) - set(self.evaluated_rounds))
        if missed:
            raise ValueError(
                f"theory.rounds: {missed[0]} is not an evaluated round "
                f"({', '.join(map(str, self.evaluated_rounds))})"
            )
        late = [e for e in self.personalization.shown_epochs if e > self.personalization.epochs]
        limit = self.personalization.epochs
        if late:
            raise ValueError(
                f"personalization.shown_epochs: {late[0]} is above personalization.epochs ({limit})"
            )
        return self

    def _check_clients(self, clients: int) -> None:
        held_out = self.split.training_clients + self.split.validation_clients
        if held_out >= clients:
            raise ValueError(
                f"split: {self.split.training_clients} training + "
                f"{self.split.validation_clients} validation clients leave no "
                f"evaluation client of {self.data.dataset}'s {clients}"
            )
        evaluation_clients = clients - held_out
        if (self.evaluation.intermediate_clients or 0) > evaluation_clients:
            raise ValueError(
                f"evaluation.intermediate_clients: {self.evaluation.intermediate_clients} "
                f"clients, but there are only "
                f"{evaluation_clients} evaluation clients"
            )

    @property
    def store_name(self) -> str:
        """Folder of the client store under ``results/data``."""
        return self.data.store_name

    @property
    def evaluated_rounds(self) -> list[int]:
        """Every ``evaluation.every``-th round, and the last."""
        return every(self.evaluation.every, self.federated.rounds)

    @property
    def personalized_rounds(self) -> list[int]:
        """Every ``evaluation.personalize_every``-th round, and the last."""
        return every(
            self.evaluation.personalize_every or self.evaluation.every, self.federated.rounds
        )


def load_config(raw: dict[str, Any]) -> Config:
    """Validate a parsed config file.

    Raises:
        PerfedavgError: one sentence a problem, each with the path of its key and, for a typo, the
        nearest valid name."""
    try:
        return Config.model_validate(
            {
                key: _from_command_line(value) if key != "experiment" else value
                for key, value in raw.items()
            }
        )
    except ValidationError as error:
        # A list whose entries are wrong is also called too short; the entries' own errors say it.
        found = error.errors()
        deeper = {problem["loc"][:n] for problem in found for n in range(len(problem["loc"]))}
        problems = [
            sentence(p, Config)
            for p in found
            if not (p["type"] == "too_short" and p["loc"] in deeper)
        ]
        raise PerfedavgError("\n".join(problems)) from None


def _from_command_line(value: Any) -> Any:
    """Numbers, booleans and nulls in place of their text: Snakemake's ``--config 'seeds=[0]'``
    gives ``["0"]``."""
    if isinstance(value, dict):
        return {key: _from_command_line(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_from_command_line(inner) for inner in value]
    if isinstance(value, str):
        try:
            parsed = yaml.safe_load(value)
        except yaml.YAMLError:
            return value
        return parsed if parsed is None or isinstance(parsed, (bool, int, float)) else value
    return value


def json_schema() -> str:
    """The JSON schema of a config file, as text."""
    return json.dumps(Config.model_json_schema(), indent=2) + "\n"


def every(interval: int, last: int) -> list[int]:
    """Every ``interval``-th number up to ``last``, and ``last``."""
    return sorted({*range(interval, last + 1, interval), last})
