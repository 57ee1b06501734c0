"""How much work a job of the workflow is, counted in examples: what its run time, and a plan's
hours, follow from.

Counting needs no data: of a data set that is not there yet, its declared mean sizes serve. What an
example of each activity costs on a machine is another matter (``calibration``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from perfedavg.algorithms.spec import RunSpec, Stage
from perfedavg.config.experiment import Config
from perfedavg.data.sources import DataSize
from perfedavg.personalization.settings import FineTuning
from perfedavg.planning.comparison_runs import (
    algorithm_runs,
    compared_rounds,
    entries,
    setting_name,
)
from perfedavg.planning.runs import reference_setting, stage1_runs, stage2_runs


class Activity(NamedTuple):
    """A kind of work whose cost an example is one number, on one machine and for one model."""

    kind: str
    """``train``: examples through a gradient; ``fine-tune``: train examples times epochs, the
    evaluation after each counted in; ``evaluate``: test examples; ``centralized``: train examples
    times passes; ``theory``: :func:`theory_examples`; ``draw``: examples of the built-in data;
    ``convert``: examples of an archive."""
    variant: str = ""
    batch_size: int = 0


Work = Counter[Activity]
"""Examples by activity."""

EVALUATE = Activity("evaluate")


@dataclass(frozen=True)
class Counting:
    """An experiment and the size of its data: all that counting needs."""

    config: Config
    data: DataSize

    def of_job(self, rule: str, wildcards: Mapping[str, str]) -> Work:
        """The work of one job; none for a rule that only reads and writes tables and figures."""
        count = _COUNTED.get(rule)
        return count(self, wildcards) if count else Work()

    @cached_property
    def stage1(self) -> list[RunSpec]:
        """The grid's runs."""
        return stage1_runs(self.config)

    @cached_property
    def stage2(self) -> list[RunSpec]:
        """Stage 2's runs."""
        return stage2_runs(self.config)

    @cached_property
    def entries(self) -> list[RunSpec]:
        """The algorithm comparison's runs."""
        return algorithm_runs(self.config)

    @property
    def validation_clients(self) -> int:
        """Held-out clients on which everything is chosen."""
        return self.config.split.validation_clients

    @property
    def evaluation_clients(self) -> int:
        """All clients that neither train nor validate."""
        return max(
            1, self.data.clients - self.config.split.training_clients - self.validation_clients
        )

    @property
    def intermediate_clients(self) -> int:
        """Evaluation clients that are looked at before the last round."""
        return min(
            self.config.evaluation.intermediate_clients or self.evaluation_clients,
            self.evaluation_clients,
        )

    def train(self, runs: Iterable[RunSpec]) -> Work:
        """Federated training, and the accuracy that it shows on the way."""
        work = Work()
        for run in runs:
            starts = [run.parent_rounds, *(later.first_round - 1 for later in run.then), run.rounds]
            for stage, (first, last) in zip((run, *run.then), pairwise(starts), strict=True):
                amount = (
                    (last - first)
                    * run.clients_per_round
                    * gradient_examples(stage, self.data.train)
                )
                work[training_activity(stage)] += round(amount)
            work += self.evaluate(len(run.evaluated_rounds) * self.validation_clients)
        return work

    def fine_tune(self, visits: float, settings: FineTuning, batch_size: int, epochs: int) -> Work:
        """``visits`` clients, each fine-tuned for ``epochs``."""
        return Work(
            {fine_tuning_activity(settings, batch_size): round(visits * epochs * self.data.train)}
        )

    def evaluate(self, visits: float) -> Work:
        """``visits`` clients, each looked at as it is."""
        return Work({EVALUATE: round(visits * self.data.test)})

    def personalize(
        self, runs: Iterable[RunSpec], personalized_rounds: Iterable[int] | None
    ) -> Work:
        """Held-out clients at the evaluated rounds of federated runs."""
        work, personalized = (
            Work(),
            None if personalized_rounds is None else set(personalized_rounds),
        )
        for run in runs:
            for number in run.evaluated_rounds:
                last = number == run.rounds
                visits = self.evaluation_clients if last else self.intermediate_clients
                if last or self.config.evaluation.validation_at_every_round:
                    visits += self.validation_clients
                tuned = personalized is None or number in personalized
                work += self._ordinary(visits) if tuned else self.evaluate(visits)
        return work

    def _ordinary(self, visits: float) -> Work:
        settings = self.config.personalization
        return self.fine_tune(visits, settings, settings.batch_size, settings.epochs)


def gradient_examples(stage: Stage, num_train: float) -> float:
    """Examples that one client sends through gradients in one round."""
    if stage.local_epochs:
        return stage.local_epochs * num_train
    steps = len(stage.weights) if stage.weights else stage.local_steps or 1
    return stage.client.batch_size * (
        steps + (stage.algorithm in ("fomaml", "maml", "maml_printed"))
    )


def theory_examples(num_train: float, batch_size: int) -> float:
    """Examples of one client in the steps of the theory experiment: full batches, then
    mini-batches."""
    return num_train + min(num_train, batch_size)


def training_activity(stage: Stage) -> Activity:
    """What its gradients cost: Hessian-vector products come on top of MAML's, and are counted
    in."""
    return Activity(
        "train",
        stage.algorithm if stage.algorithm.startswith("maml") else "",
        stage.client.batch_size,
    )


def fine_tuning_activity(settings: FineTuning, batch_size: int) -> Activity:
    """What fine-tuning costs, by layers and optimizer."""
    return Activity("fine-tune", settings.strategy, batch_size)


def runs_of(runs: Iterable[RunSpec], wildcards: Mapping[str, str]) -> list[RunSpec]:
    """Those of ``runs`` that a job with these wildcards stands for; a job without wildcards stands
    for all."""

    def fits(run: RunSpec) -> bool:
        work = run.setting.rsplit("-", 1)[-1]
        own = {
            "clients": run.clients_per_round,
            "seed": run.seed,
            "work": work,
            "setting": run.setting,
        }
        variant = run.setting.split(".", 1)[-1]
        return all(
            str((own | {"variant": variant})[name]) == value for name, value in wildcards.items()
        )

    return [run for run in runs if fits(run)]


def _compared(c: Counting) -> dict[str, list[int]]:
    """By setting of the algorithm comparison: the rounds at which it may be compared."""
    block = c.config.algorithms
    return {
        setting_name(name, rate): compared_rounds(block, stages)
        for name, stages in entries(block).items()
        for rate in block.server_lr_factors
    }


def _validate_algorithms(c: Counting, wildcards: Mapping[str, str]) -> Work:
    rounds = _compared(c)
    return c._ordinary(
        sum(
            c.validation_clients * len(rounds[run.setting]) for run in runs_of(c.entries, wildcards)
        )
    )


def _evaluate_algorithms(c: Counting, wildcards: Mapping[str, str]) -> Work:
    # Of an entry's rates one is chosen at equal rounds and one at equal gradients, often the same:
    # one and a half.
    rounds, share = _compared(c), min(1.0, 1.5 / len(c.config.algorithms.server_lr_factors))
    visits = sum(
        c.evaluation_clients if number in rounds[run.setting] else c.intermediate_clients
        for run in runs_of(c.entries, wildcards)
        for number in run.evaluated_rounds
    )
    return c._ordinary(share * visits)


def _strategies(c: Counting, wildcards: Mapping[str, str]) -> Work:
    visits, ordinary = c.validation_clients + c.evaluation_clients, c.config.personalization
    runs = [
        run for run in runs_of(c.stage1, wildcards) if run.setting == reference_setting(c.config)
    ]
    works = [
        c.fine_tune(len(runs) * visits, way, ordinary.batch_size, ordinary.epochs)
        for way in c.config.strategies
    ]
    return sum(works, Work())


def _seeds(c: Counting, wildcards: Mapping[str, str]) -> int:
    return 1 if "seed" in wildcards else len(c.config.seeds)


def _centralized(c: Counting, wildcards: Mapping[str, str]) -> Work:
    settings = c.config.centralized
    examples = (
        c.config.split.training_clients * c.data.train * settings.passes * _seeds(c, wildcards)
    )
    shown = c.evaluate(settings.passes * c.validation_clients * _seeds(c, wildcards))
    return Work({Activity("centralized", batch_size=settings.batch_size): round(examples)}) + shown


def _personalize_centralized(c: Counting, wildcards: Mapping[str, str]) -> Work:
    visits = 2 * (c.validation_clients + c.evaluation_clients) * _seeds(c, wildcards)
    return c._ordinary(visits) + c.evaluate(
        c.config.centralized.passes * c.evaluation_clients * _seeds(c, wildcards)
    )


def _local_only(c: Counting, wildcards: Mapping[str, str]) -> Work:
    settings = c.config.local_only.as_fine_tuning()
    visits = (c.validation_clients + c.evaluation_clients) * _seeds(c, wildcards)
    return c.fine_tune(visits, settings, settings.batch_size, settings.epochs)


def _theory(c: Counting, wildcards: Mapping[str, str]) -> Work:
    theory, batch_size = c.config.theory, c.config.federated.client.batch_size
    clients = len(theory.rounds) * theory.clients * _seeds(c, wildcards)
    return Work(
        {
            Activity("theory", f"K = {theory.max_steps}"): round(
                clients * theory_examples(c.data.train, batch_size)
            )
        }
    )


def _build_store(c: Counting, wildcards: Mapping[str, str]) -> Work:
    kind = "convert" if hasattr(c.config.data, "archive") else "draw"
    return Work({Activity(kind): round(c.data.clients * (c.data.train + c.data.test))})


_COUNTED: dict[str, Callable[[Counting, Mapping[str, str]], Work]] = {
    "build_store": _build_store,
    "train_fedavg": lambda c, w: c.train(runs_of(c.stage1, w)),
    "train_stage2": lambda c, w: c.train(runs_of(c.stage2, w)),
    "train_algorithms": lambda c, w: c.train(runs_of(c.entries, w)),
    "personalize": lambda c, w: c.personalize(runs_of(c.stage1, w), c.config.personalized_rounds),
    "personalize_stage2": lambda c, w: c.personalize(runs_of(c.stage2, w), None),
    "validate_algorithms": _validate_algorithms,
    "evaluate_algorithms": _evaluate_algorithms,
    "personalize_strategies": _strategies,
    "train_centralized": _centralized,
    "personalize_centralized": _personalize_centralized,
    "train_local_only": _local_only,
    "measure_theory": _theory,
}
"""What is counted in examples, by rule; all other rules read and write tables and figures."""


def size_of_store(folder: Path) -> DataSize | None:
    """The true size of data that are already there."""
    from perfedavg.data.store import ClientStore

    if not (folder / "clients.arrow").exists():
        return None
    store = ClientStore(folder)
    return DataSize(
        len(store), *(float(store.column(name).mean()) for name in ("num_train", "num_test"))
    )
