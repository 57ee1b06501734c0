"""What an experiment is: the one truth about every key of a config file.

The blocks are frozen and forbid unknown keys. ``workflow/schemas/config.schema.json``, which
editors use, and the table in ``config/README.md`` are generated from them (``make schema``).
"""

from __future__ import annotations

from functools import cached_property

from pydantic import Field, StrictBool, model_validator

from perfedavg.blocks import Block, Name, Natural
from perfedavg.config.evaluation import Evaluation
from perfedavg.config.execution import Execution
from perfedavg.config.figures import Figures
from perfedavg.config.messages import no_repeats
from perfedavg.config.split import Split
from perfedavg.config.studies import Studies
from perfedavg.config.training import GridSetting, Training
from perfedavg.data.sets import Data
from perfedavg.data.sources import Archive
from perfedavg.data.splits import check_named
from perfedavg.models import ModelName, Sizes, fitted, fitting, misfit, num_parameters
from perfedavg.runtime.errors import PerfedavgError


class Config(Block):
    """One experiment. Results go to `results/<experiment>/`."""

    experiment: Name = Field(description="name of the experiment and its results folder")
    also: tuple[str, ...] = Field(
        (),
        description="config files of further experiments of the same call, relative to the working "
        "folder; each has its own results folder",
    )
    seeds: tuple[Natural, ...] = Field(
        min_length=1, description="seeds; one run of every setting for each"
    )
    data: Data = Field(description="the data set")
    split: Split = Field(description="training, validation and evaluation clients")
    model: ModelName | None = Field(
        None,
        description="null: a small one that fits the data, `mlp`, `cnn_any` or `lstm_any` for "
        "vectors, images or tokens of any size. `cnn_emnist`: 1,206,590 parameters (inferred); "
        "`cnn_emnist_bf16`: the same, training steps in bfloat16 (faster with AVX-512 or AMX: "
        "docs/speed.md); "
        "`cnn_small`: 36,862, for built-in "
        "images; `lstm_shakespeare`: 820,522, the field's standard",
    )
    training: Training = Field(description="the FedAvg runs")
    evaluation: Evaluation = Field(description="evaluated rounds, personalization")
    studies: Studies = Field(Studies(), description="what is done with these runs, and beside them")
    show_examples: StrictBool = Field(
        True,
        description="examples on the data card; false: statistics only, for pages of real data "
        "that are published",
    )
    figures: Figures = Field(Figures(), description="how figures look")
    execution: Execution = Field(Execution(), description="how it is computed")

    @model_validator(mode="after")
    def _check(self) -> Config:
        if self.experiment == "data":
            raise ValueError(
                "experiment: results/data/ holds the client stores; choose another name"
            )
        if self.model == "cnn_emnist_bf16" and self.execution.backend.kind == "batched":
            raise ValueError(
                "model: `cnn_emnist_bf16` computes in bfloat16 by `execution.backend.kind` loop "
                "alone; take cnn_emnist"
            )
        self._check_network()
        no_repeats(self.seeds, "seeds")
        no_repeats(self.also, "also")
        strategies = (self.evaluation.fine_tuning, *self.studies.strategies)
        names = tuple(way.strategy for way in strategies)
        no_repeats(names, "studies.strategies (with `evaluation.fine_tuning`)")
        self._check_clients()
        self._check_rounds()
        self._check_reference()
        return self

    @property
    def reference(self) -> GridSetting:
        """The setting of the grid that others start from: the one that is named, or the last."""
        grid = self.training
        clients, work = grid.settings[-1]
        return self.studies.reference or GridSetting(clients_per_round=clients, local_work=work)

    def _check_reference(self) -> None:
        reference, grid, stage2 = self.reference, self.training, self.studies.stage2
        for key, of_grid, values in (
            ("clients_per_round", "clients_per_round", grid.clients_per_round),
            ("local_work", grid.unit, grid.amounts),
        ):
            value = getattr(reference, key)
            if value not in values:
                raise ValueError(
                    f"studies.reference.{key}: {value} is not in the grid, training.{of_grid}: "
                    f"{list(values)}"
                )
        work = reference.local_work
        if (reference.clients_per_round, work) not in grid.settings:
            raise ValueError(
                "studies.reference is left out of the grid by training.without; change one of them"
            )
        if grid.without and self.execution.pack:
            raise ValueError(
                "training.without needs one job per run; set `execution: {pack: false}`"
            )
        if stage2 and stage2.controls and (stage2.control_work or 0) >= work:
            raise ValueError(
                f"studies.stage2.control_work ({stage2.control_work}) must be below "
                f"studies.reference.local_work ({work})"
            )

    def _check_network(self) -> None:
        kind, sizes = self.data.kind, self._sizes
        fits = fitting(kind, sizes)
        if not fits:
            raise ValueError(f"model: no network takes {kind}")
        why = misfit(self.model, kind, sizes) if self.model else ""
        if why:
            raise ValueError(
                f"model: `{self.model}` {why}, but {self.data.dataset} holds "
                f"{self.data.described}; networks that fit: {', '.join(fits)}"
            )

    @property
    def _sizes(self) -> Sizes:
        data = self.data
        return Sizes(data.example_shape, data.num_classes, data.num_values, data.label_shape)

    @cached_property
    def network(self) -> str:
        """The full name of the network: the one that is named, or a small one that fits."""
        return fitted(self.model or fitting(self.data.kind, self._sizes)[0], self._sizes)

    @property
    def said_at_start(self) -> list[str]:
        """What the user should know before anything is computed, in sentences."""
        doubts = [f"{self.data.dataset}: {doubt}" for doubt in self.data.doubts]
        return [*([self.chosen_network] if self.chosen_network else []), *doubts]

    @property
    def chosen_network(self) -> str:
        """Where the config names no network, what was chosen, in a sentence."""
        if self.model:
            return ""
        name = self.network.partition("@")[0]
        return (
            f"The config names no model, so a small one that fits {self.data.described} was "
            f"chosen: {name}, {num_parameters(self.network):,} parameters."
        )

    def _check_clients(self) -> None:
        studies, split = self.studies, self.split
        cohorts = {"training.clients_per_round": max(self.training.clients_per_round)}
        if studies.comparison:
            cohorts["studies.comparison.clients_per_round"] = studies.comparison.clients_per_round
        if studies.theory:
            cohorts["studies.theory.clients"] = studies.theory.clients
        for key, largest in cohorts.items():
            if largest > split.num_training:
                raise ValueError(
                    f"{key}: {largest} clients per round, but {split.given_by} is only "
                    f"{split.num_training}"
                )
        if isinstance(self.data, Archive):  # its clients are counted when it is read
            return
        clients = self.data.size.clients
        evaluation_clients = clients - split.num_training - split.num_validation
        if split.named:
            evaluation_clients = split.named.evaluation
        if split.named and self.data.client_ids:
            try:
                check_named(split.groups, self.data.client_ids, str(split.file))
            except PerfedavgError as error:
                raise ValueError(f"split: {error}".removesuffix(".")) from None
        if evaluation_clients <= 0:
            dataset = self.data.dataset
            whose = "the table's" if dataset == "table" else f"{dataset}'s"
            raise ValueError(
                f"split: {split.num_training} training + {split.num_validation} "
                f"validation clients leave no evaluation client of {whose} {clients} clients"
            )
        intermediate = self.evaluation.intermediate_clients or 0
        if intermediate > evaluation_clients:
            raise ValueError(
                f"evaluation.intermediate_clients: {intermediate} clients, but there are only "
                f"{evaluation_clients} evaluation clients"
            )

    def _check_rounds(self) -> None:
        rounds = self.training.rounds
        for key in ("every", "personalize_every"):
            interval = getattr(self.evaluation, key) or 0
            if interval > rounds:
                raise ValueError(
                    f"evaluation.{key} ({interval}) is above training.rounds ({rounds})"
                )
        theory = self.studies.theory
        missed = sorted(set(theory.rounds if theory else ()) - set(self.evaluated_rounds))
        if missed:
            evaluated = ", ".join(map(str, self.evaluated_rounds))
            raise ValueError(
                f"studies.theory.rounds: {missed[0]} is not an evaluated round ({evaluated})"
            )

    @property
    def evaluated_rounds(self) -> list[int]:
        """Every ``evaluation.every``-th round, and the last."""
        return every(self.evaluation.every, self.training.rounds)

    @property
    def personalized_rounds(self) -> list[int]:
        """Every ``evaluation.personalize_every``-th round, and the last."""
        interval = self.evaluation.personalize_every or self.evaluation.every
        return every(interval, self.training.rounds)


def every(interval: int, last: int) -> list[int]:
    """Every ``interval``-th number up to ``last``, and ``last``."""
    return sorted({*range(interval, last + 1, interval), last})
