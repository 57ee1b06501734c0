"""How much work a job is, counted in examples: what its run time, and a plan's hours, follow from.

Counting needs no data: of a data set that is not there yet, its declared mean sizes serve. What an
example of each activity costs on a machine is another matter (``calibration``).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from perfedavg.algorithms.spec import Phase, RunSpec
from perfedavg.config.experiment import Config
from perfedavg.data.members import JSON, SQLITE, found_in_place
from perfedavg.data.sources import Archive, DataSet, DataSize
from perfedavg.personalization.schedule import num_clients, visits
from perfedavg.personalization.settings import FineTuning, Personalization
from perfedavg.planning.comparison_runs import compared_rounds
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.storage.tables import EVALUATION, VALIDATION
from perfedavg.training.settings import BaselineSpec

Runs = Sequence[RunSpec | BaselineSpec]


class Activity(NamedTuple):
    """A kind of work whose cost per example is one number, on one machine and for one model."""

    kind: str
    """``train``: examples through a gradient; ``fine-tune``: train examples times epochs, the
    evaluation after each counted in; ``evaluate``: test examples; ``centralized``: train examples
    times passes; ``theory``: :func:`theory_examples`; ``draw``: examples of the built-in data;
    ``convert``: examples of an archive or table."""
    variant: str = ""
    batch_size: int = 0


Work = Counter[Activity]
"""Examples by activity."""

EVALUATE = Activity("evaluate")


@dataclass(frozen=True)
class Workload:
    """An experiment and the size of its data: all that counting needs."""

    config: Config
    size: DataSize | SizeAtHand

    @property
    def data(self) -> DataSize:
        """The size of the data, as far as it is known now."""
        return self.size() if isinstance(self.size, SizeAtHand) else self.size

    def of_job(self, rule: str, runs: Runs) -> Work:
        """The work of one job with these runs; none for a rule that only reads and writes tables
        and figures."""
        count = _COUNTED.get(rule)
        return count(self, runs) if count else Work()

    @property
    def validation_clients(self) -> int:
        """Held-out clients on which everything is chosen."""
        return self.config.split.num_validation

    @property
    def evaluation_clients(self) -> int:
        """All clients that neither train nor validate."""
        held_out = self.data.clients - self.config.split.num_training
        return max(1, held_out - self.validation_clients)

    def train(self, runs: Iterable[RunSpec]) -> Work:
        """Federated training, and the accuracy that it shows on the way."""
        work = Work()
        for run in runs:
            ends = [run.parent_rounds, *(later.first_round - 1 for later in run.then), run.rounds]
            for phase, (before, last) in zip(run.phases, pairwise(ends), strict=True):
                updates = (last - before) * run.clients_per_round
                examples = updates * gradient_examples(phase, self.data.train)
                work[training_activity(phase)] += round(examples)
            work += self.evaluate(len(run.evaluated_rounds) * self.validation_clients)
        return work

    def fine_tune(self, visits: float, settings: Personalization | None = None) -> Work:
        """``visits`` clients, each fine-tuned: as the config says, or by other settings."""
        settings = settings or self.config.evaluation.fine_tuning
        examples = round(visits * settings.epochs * self.data.train)
        return Work({fine_tuning_activity(settings, settings.batch_size): examples})

    def evaluate(self, visits: float) -> Work:
        """``visits`` clients, each evaluated as it is."""
        return Work({EVALUATE: round(visits * self.data.test)})

    def personalize(self, rule: str, runs: Iterable[RunSpec | BaselineSpec]) -> Work:
        """Held-out clients at the visits of each run."""
        work = Work()
        sizes = {VALIDATION: self.validation_clients, EVALUATION: self.evaluation_clients}
        for run in runs:
            planned = visits(**schedule(self.config, rule, run))
            intermediate = self.config.evaluation.intermediate_clients
            tuned, evaluated = num_clients(planned, sizes, intermediate)
            work += self.fine_tune(tuned) + self.evaluate(evaluated)
        return work


def schedule(config: Config, rule: str, run: RunSpec | BaselineSpec) -> dict[str, Any]:
    """When the held-out clients of a run are evaluated by the jobs of a rule: the arguments of
    ``personalization.schedule.visits``."""
    if rule in ("validate_comparison", "evaluate_comparison"):
        compared = compared_rounds(config.studies.comparison)[run.entry]
        if rule == "validate_comparison":
            return {"compared_rounds": compared, "groups": [VALIDATION]}
        evaluated = list(run.evaluated_rounds)
        return {"compared_rounds": compared, "evaluated_rounds": evaluated, "groups": [EVALUATION]}
    if rule not in ("personalize", "personalize_stage2"):
        return {"compared_rounds": [run.rounds]}
    return {
        "compared_rounds": [run.rounds],
        "evaluated_rounds": list(run.evaluated_rounds),
        "personalized_rounds": config.personalized_rounds if rule == "personalize" else None,
        "validation_at_every_round": config.evaluation.validation_at_every_round,
    }


def gradient_examples(phase: Phase, num_train: float) -> float:
    """Examples that one client sends through gradients in one round."""
    if phase.local_epochs:
        return phase.local_epochs * num_train
    return phase.client.batch_size * phase.definition.num_gradients(phase.local_steps or 1)


def theory_examples(num_train: float, batch_size: int) -> float:
    """Examples of one client in the steps of the theory experiment: full batches, then
    mini-batches."""
    return num_train + min(num_train, batch_size)


def training_activity(phase: Phase) -> Activity:
    """What its gradients cost: Hessian-vector products come on top of MAML's, and are counted
    in."""
    variant = "" if phase.definition.jacobian == "none" else phase.algorithm
    return Activity("train", variant, phase.client.batch_size)


def fine_tuning_activity(settings: FineTuning, batch_size: int) -> Activity:
    """What fine-tuning costs, by layers and optimizer."""
    return Activity("fine-tune", settings.strategy, batch_size)


def _seeds(runs: Runs) -> int:
    return len({run.seed for run in runs})


def _evaluate_comparison(w: Workload, runs: Runs) -> Work:
    # One of an entry's factors is chosen at equal rounds and one at equal gradients, often the
    # same: one and a half.
    share = min(1.0, 1.5 / len(w.config.studies.comparison.server_lr_factors))
    everything = w.personalize("evaluate_comparison", runs)
    return Work({activity: round(share * n) for activity, n in everything.items()})


def _strategies(w: Workload, runs: Runs) -> Work:
    visits = len(runs) * (w.validation_clients + w.evaluation_clients)
    ordinary, work = w.config.evaluation.fine_tuning, Work()
    for way in w.config.studies.strategies:
        work += w.fine_tune(visits, ordinary.model_copy(update=dict(way)))
    return work


def _centralized(w: Workload, runs: Runs) -> Work:
    settings, passes = w.config.studies.centralized, w.config.studies.centralized.passes
    examples = w.config.split.num_training * w.data.train * passes * _seeds(runs)
    activity = Activity("centralized", batch_size=settings.batch_size)
    shown = w.evaluate(passes * w.validation_clients * _seeds(runs))
    return Work({activity: round(examples)}) + shown


def _personalize_centralized(w: Workload, runs: Runs) -> Work:
    settings = w.config.studies.centralized
    passes, interval = settings.passes, settings.personalize_every
    visits = 2 * (w.validation_clients + w.evaluation_clients) * _seeds(runs)
    if interval:
        visits += passes // interval * w.evaluation_clients * _seeds(runs)
    return w.fine_tune(visits) + w.evaluate(passes * w.evaluation_clients * _seeds(runs))


def _local_only(w: Workload, runs: Runs) -> Work:
    visits = (w.validation_clients + w.evaluation_clients) * _seeds(runs)
    return w.fine_tune(visits, w.config.studies.local_only.as_fine_tuning())


def _theory(w: Workload, runs: Runs) -> Work:
    theory, batch_size = w.config.studies.theory, w.config.training.client.batch_size
    clients = len(theory.rounds) * theory.clients * _seeds(runs)
    examples = clients * theory_examples(w.data.train, batch_size)
    return Work({Activity("theory", f"K = {theory.max_steps}"): round(examples)})


def _build_store(w: Workload, runs: Runs) -> Work:
    data = w.config.data
    kind = "convert" if hasattr(data, "archive") or data.files else "draw"
    return Work({Activity(kind): round(w.data.clients * (w.data.train + w.data.test))})


_COUNTED: dict[str, Callable[[Workload, Runs], Work]] = {
    "build_store": _build_store,
    "train_fedavg": Workload.train,
    "train_stage2": Workload.train,
    "train_comparison": Workload.train,
    "personalize": lambda w, runs: w.personalize("personalize", runs),
    "personalize_stage2": lambda w, runs: w.personalize("personalize_stage2", runs),
    "validate_comparison": lambda w, runs: w.personalize("validate_comparison", runs),
    "evaluate_comparison": _evaluate_comparison,
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
    means = [float(store.column(name).mean()) for name in ("num_train", "num_test")]
    return DataSize(len(store), *means)


class SizeAtHand:
    """The size of data that are there, else the declared one, of an archive of the user's own what
    its bytes allow; asked again at every call, since Snakemake asks for a job's limits when it is
    about to start.

    Of data that no archive is behind, the declared size is the size."""

    def __init__(self, data: DataSet, store: Path) -> None:
        self._declared = data.size
        self._store = store if isinstance(data, Archive) else None
        if self._store is not None and data.is_local and Path(data.archive).exists():
            self._declared = _at_most(data)

    def __call__(self) -> DataSize:
        """As far as it is known now."""
        if self._store is not None:
            with suppress(PerfedavgError):  # a damaged store: who reads it says so
                if found := size_of_store(self._store):
                    self._declared, self._store = found, None
        return self._declared


def _at_most(data: Archive) -> DataSize:
    """About the most that an archive of the user's own holds. Of what is packed, as TFF's HDF5 is
    in itself, a value takes a fifth of a byte or more (of TFF's images 0.45); else a byte."""
    declared, found = data.size, found_in_place(Path(data.archive))
    files = [(m.path, m.kind) for m in found.members] if found else [(Path(data.archive), "")]
    values = sum(p.stat().st_size * (1 if kind in (SQLITE, JSON) else 5) for p, kind in files)
    examples = values / math.prod(data.example_shape)
    clients = math.ceil(examples / (declared.train + declared.test))
    return declared._replace(clients=min(declared.clients, clients))
