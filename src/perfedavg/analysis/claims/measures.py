"""From per-client rows to what the claims' statistics read: a run's accuracy per evaluation client,
under one of twelve analyses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd

from perfedavg.analysis.choices import EQUAL_ROUNDS, Selection, ServerRates
from perfedavg.analysis.summary import INITIAL, PERSONALIZED

GAIN = "gain"
Part, Found = TypeVar("Part"), TypeVar("Found")


@dataclass(frozen=True)
class Analysis:
    """How accuracy is taken."""

    rounds: Literal["last", "mean"] = "mean"
    """the last evaluated round, or the mean of the last five (three in stage 2)"""
    epoch: int | None = None
    """fine-tune epochs; None: the epoch that validation clients prefer"""
    over: Literal["clients", "labels"] = "clients"
    """mean over clients, or over test examples"""


ANALYSES = [
    Analysis(rounds, epoch, over)
    for rounds, epoch, over in product(("mean", "last"), (None, 1, 5), ("clients", "labels"))
]
"""The twelve that are fixed beforehand; the first is the one that decides."""

LAST_ROUNDS = {1: 5, 2: 3}
"""By stage, how many evaluated rounds the mean is over."""


class MissingError(Exception):
    """What a statistic needs was not run; its text, or several, is what."""


def of_each(measure: Callable[[Part], Found], parts: Iterable[Part]) -> list[Found]:
    """``measure`` of every part.

    Raises:
        MissingError: something was not run; it names all of that, of all parts.
    """
    found, missing = [], []
    for part in parts:
        try:
            found.append(measure(part))
        except MissingError as error:
            missing += error.args
    if missing:
        raise MissingError(*missing)
    return found


@dataclass(frozen=True)
class Measures:
    """An experiment's runs by their part in it.

    Args:
        evaluation: ``personalization`` rows of evaluation clients, of all runs.
        validation: those of validation clients, of the grid.
        runs: ``runs.csv``.
        theory: rows of the theory experiment, or None.
        seeds: those that count.
    """

    evaluation: pd.DataFrame
    validation: pd.DataFrame
    runs: pd.DataFrame
    selection: Selection
    reference: str
    seeds: tuple[int, ...]
    rates: ServerRates | None = None
    theory: pd.DataFrame | None = None
    analysis: Analysis = Analysis()
    cache: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)
    """shared by all analyses"""

    def under(self, analysis: Analysis) -> Measures:
        """The same under another analysis."""
        return replace(self, analysis=analysis)

    def setting(self, part: str) -> str:
        """The setting that plays a part: ``reference``, ``reptile``, ``continued``, ``less_work``,
        ``lower_rate``, ``centralized``, ``fedsgd``, or ``m<M>_e<E>``.

        Raises:
            MissingError: it was not run.
        """
        if part not in self.cache:
            found = self._setting(part)
            self.cache[part] = found if found in set(self.runs.setting) else None
        if self.cache[part] is None:
            raise MissingError(in_words(part))
        return self.cache[part]

    def diverged(self, part: str) -> int:
        """How many of its runs broke down."""
        status = self.runs.status[self.runs.setting == self.setting(part)]
        return int(status.str.startswith("diverged").sum())

    def seeds_of(self, part: str) -> list[int]:
        """The counted seeds with which it was run to the end."""
        return sorted(set(self._runs(part)) & set(self.seeds))

    def clients(self, part: str, measure: str) -> pd.DataFrame:
        """[seeds, evaluation clients]: initial or personalized accuracy, or the gain, over the last
        evaluated rounds.

        Raises:
            MissingError: it was not run.
        """
        if measure == GAIN:
            return self.clients(part, PERSONALIZED) - self.clients(part, INITIAL)
        key = (part, measure, self.analysis)
        if key in self.cache:
            return self.cache[key]
        rows = {}
        for seed in self.seeds_of(part):
            run, curve, last = self._runs(part)[seed], self.curve(part, seed, measure), 1
            if self.analysis.rounds == "mean" and run["study"] in ("grid", "stage2"):
                last = LAST_ROUNDS[run["stage"]]
            stop = run["rounds"]
            rows[seed] = curve.loc[[r for r in curve.index if r <= stop][-last:]].mean()
        if not rows:
            raise MissingError(f"a finished run of {in_words(part)}")
        self.cache[key] = pd.DataFrame(rows).T
        return self.cache[key]

    def curve(self, part: str, seed: int, measure: str) -> pd.DataFrame:
        """[evaluated rounds, evaluation clients] of one run: initial or personalized accuracy at
        the rounds with fine-tuning. Clients without a test are left out."""
        run_id, epoch = self._runs(part)[seed]["run_id"], 0
        if measure == PERSONALIZED:
            epoch = self.analysis.epoch or self.epoch(part)
        if (run_id, epoch) not in self.cache:
            rows = self._rows_of(run_id)
            tuned = rows["round"][rows.epoch > 0].unique()
            rows = rows[(rows.epoch == epoch) & rows["round"].isin(tuned)]
            if rows.empty:
                raise MissingError(f"{in_words(part)} with {epoch} fine-tune epochs")
            table = rows.pivot(index="round", columns="client_id", values="accuracy")
            self.cache[run_id, epoch] = table.sort_index().dropna(axis=1)
        return self.cache[run_id, epoch]

    def mean(self, clients: pd.DataFrame) -> pd.Series:
        """Over clients, or over their test examples: [..., clients] to [...]."""
        if self.analysis.over == "clients":
            return clients.mean(axis=1)
        weights = self._labels.reindex(clients.columns)
        return clients.mul(weights, axis=1).sum(axis=1) / weights.sum()

    def epoch(self, part: str) -> int:
        """The fine-tune epoch that validation clients prefer for its setting."""
        setting = self.setting(part)
        chosen = self.selection.epochs.get(setting)
        if chosen is None and self.rates is not None:
            chosen = next(
                (c.selected_epoch for _, _, c in self.rates.choices() if c.setting == setting), None
            )
        if chosen is None:
            raise MissingError(f"a fine-tune epoch chosen for {in_words(part)}")
        return chosen

    def _rows_of(self, run_id: str) -> pd.DataFrame:
        if "rows" not in self.cache:
            self.cache["rows"] = dict(list(self.evaluation.groupby("run_id", sort=False)))
        return self.cache["rows"][run_id]

    @property
    def _labels(self) -> pd.Series:
        if "labels" not in self.cache:
            rows = self.evaluation.drop_duplicates("client_id").set_index("client_id")
            self.cache["labels"] = rows.num_test_labels.astype(float)
        return self.cache["labels"]

    def _runs(self, part: str) -> dict[int, dict[str, Any]]:
        """By seed, the runs of a part that did not diverge."""
        setting = self.setting(part)
        if (part, "runs") not in self.cache:
            runs = self.runs[self.runs.setting == setting]
            alive = runs[~runs.status.str.startswith("diverged")]
            rows = alive[["run_id", "study", "stage", "seed", "rounds"]].to_dict("records")
            self.cache[part, "runs"] = {row["seed"]: row for row in rows}
        return self.cache[part, "runs"]

    def _setting(self, part: str) -> str | None:
        runs = self.runs
        if part == "reference":
            return self.reference
        if part == "reptile":
            return self.selection.reptile.get("adam")
        if part == "centralized":
            best = (runs.algorithm == "centralized") & (runs.variant == "best")
            return next(iter(runs.setting[best]), None)
        if part == "fedsgd":
            entry = self.rates.entries.get("fedsgd") if self.rates else None
            choice = entry.chosen[EQUAL_ROUNDS] if entry else None
            return choice.setting if choice else None
        if part.startswith("m"):
            clients, epochs = part[1:].split("_e")
            here = (runs.study == "grid") & (runs.clients_per_round == int(clients))
            return next(iter(runs.setting[here & (runs.local_epochs == int(epochs))]), None)
        controls = runs[(runs.study == "stage2") & (runs.algorithm == "fedavg")]
        rate = runs.client_lr[runs.setting == self.reference].max()
        kinds = {
            "continued": controls.variant == "continued",
            "lower_rate": controls.client_lr != rate,
            "less_work": (controls.variant != "continued") & (controls.client_lr == rate),
        }
        return next(iter(controls.setting[kinds[part]]), None)


NAMES = {
    "reference": "the reference setting",
    "reptile": "stage 2 with Adam",
    "continued": "FedAvg continued",
    "less_work": "the control with less local work",
    "lower_rate": "the control with a lower client rate",
    "centralized": "the centralized model",
    "fedsgd": "FedSGD",
}


def in_words(part: str) -> str:
    """A part in words."""
    if part in NAMES:
        return NAMES[part]
    clients, epochs = part[1:].split("_e")
    return f"M = {clients}, E = {epochs}"


def crossing(means: np.ndarray, level: float) -> tuple[int, float]:
    """Where a run's initial accuracy, [evaluated rounds], first reaches ``level``: ``(i, w)``, to
    mix the evaluated rounds i - 1 and i with weights 1 - w and w; (0, 1) if the first one does."""
    above = int(np.argmax(means >= level - 1e-12))
    if above == 0:
        return 0, 1.0
    before, after = means[above - 1], means[above]
    return above, float((level - before) / (after - before))
