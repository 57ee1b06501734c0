"""The comparison runs: every entry with every server learning-rate factor and seed, and the
interpolation between FedSGD's weights and FedAvg's.

A gradient's weight decides how far a round moves, so at one server rate an algorithm that returns a
single gradient loses by construction. An entry's server rate is therefore the comparison's times
K / ``sum_j |w_j|``, so that at the factor 1 all entries with weights of one sign would go equally
far if a client's gradients were all the same; validation clients choose among the factors.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from perfedavg.algorithms.spec import LaterPhase, Phase, RunSpec
from perfedavg.config.comparison import Comparison, EntryPhase
from perfedavg.config.experiment import Config, every
from perfedavg.planning.runs import shared_facts

REST, POWERS = "rest", "powers"
"""The families of interpolated weights: (1, λ, ..., λ) and (1, λ, λ^2, ...)."""


@dataclass(frozen=True)
class Entry:
    """One entry of the comparison, spelled out: a schedule of phases."""

    name: str
    phases: tuple[EntryPhase, ...]
    block: Comparison

    @property
    def rounds_before(self) -> int:
        """Rounds before the last phase."""
        return sum(phase.rounds for phase in self.phases[:-1])

    @cached_property
    def round_at_equal_gradients(self) -> int | None:
        """The last round within the budget; None where the data decide it (with local epochs) or
        the last phase is not reached."""
        if any(phase.local_epochs for phase in self.phases):
            return None
        *before, last = [self._cost(phase) for phase in self.phases]
        left = self.block.rounds * self.block.local_steps
        left -= sum(phase.rounds * c for phase, c in zip(self.phases, before, strict=False))
        return self.rounds_before + int(left // last) if left >= last else None

    @property
    def evaluated_rounds(self) -> tuple[int, ...]:
        """Every ``every``-th round up to ``rounds``, and the round at which the gradient
        evaluations are spent."""
        rounds, spent = every(self.block.every, self.block.rounds), self.round_at_equal_gradients
        return tuple(sorted({*rounds, spent or self.block.rounds}))

    @property
    def compared_rounds(self) -> list[int]:
        """The rounds of the last phase at which the entry may be compared: ``rounds``, and where
        the gradient evaluations are spent; with local epochs the data decide that, so it can be any
        evaluated round."""
        rounds = {self.block.rounds, self.round_at_equal_gradients or self.block.rounds}
        if any(phase.local_epochs for phase in self.phases):
            rounds = set(self.evaluated_rounds)
        return sorted(n for n in rounds if n > self.rounds_before)

    def setting(self, factor: float) -> str:
        """The setting of its runs with one server learning-rate factor."""
        return f"{self.name}.x{factor:g}"

    def run_phases(self, config: Config, factor: float) -> list[dict[str, Any]]:
        """The values of its runs' phases with one server learning-rate factor."""
        client, values = self.block.client or config.training.client, []
        for phase in self.phases:
            server, rate = phase.server or self.block.server, factor
            if not phase.server:  # with local epochs, K stands for the steps: clients differ
                weight = phase.definition.total_weight(phase.local_steps or self.block.local_steps)
                rate = factor * self.block.local_steps / weight
            server = server.model_copy(update={"lr": server.lr * rate})
            local = phase.model_dump(exclude={"server", "rounds"})
            values.append(Phase(**local, client=client, server=server).model_dump())
        return values

    def _cost(self, phase: EntryPhase) -> float:
        """Gradient evaluations of one client in one round, Hessian-vector products counted in."""
        algorithm, steps = phase.definition, phase.local_steps or 1
        products = algorithm.num_hessian_products(steps)
        return algorithm.num_gradients(steps) + self.block.hessian_vector_product * products


def entries(block: Comparison | None) -> list[Entry]:
    """All entries: those of the config, then the interpolated weights that are none of them."""
    schedules = {}
    if block:
        for name, phases in block.entries.items():
            schedules[name] = tuple(_with_steps(phase, block) for phase in phases)
        for (family, rate), phase in _interpolated(block).items():
            if (phase,) not in schedules.values():
                schedules[f"{family}.{rate:g}"] = (phase,)
    return [Entry(name, phases, block) for name, phases in schedules.items()]


def interpolation(block: Comparison) -> list[dict[str, str | float]]:
    """Points of the figure ``interpolation``: family, λ, and the entry that has these weights."""
    names = {entry.phases: entry.name for entry in reversed(entries(block))}
    return [
        {"family": family, "rate": rate, "entry": names[(phase,)]}
        for (family, rate), phase in _interpolated(block).items()
    ]


def comparison_runs(config: Config) -> list[RunSpec]:
    """The runs of the comparison."""
    block, runs = config.studies.comparison, []
    for entry in entries(block):
        for factor in block.server_lr_factors:
            first, *later = entry.run_phases(config, factor)
            starts = [sum(p.rounds for p in entry.phases[:n]) for n in range(1, len(entry.phases))]
            phases = zip(later, starts, strict=True)
            then = [LaterPhase(**values, first_round=1 + start) for values, start in phases]
            runs += [
                RunSpec(
                    run_id=f"{entry.setting(factor)}-s{seed}",
                    setting=entry.setting(factor),
                    study="comparison",
                    entry=entry.name,
                    server_lr_factor=factor,
                    clients_per_round=block.clients_per_round,
                    seed=seed,
                    rounds=max(entry.evaluated_rounds),
                    evaluated_rounds=entry.evaluated_rounds,
                    then=tuple(then),
                    **first,
                    **shared_facts(config),
                )
                for seed in config.seeds
            ]
    return runs


def compared_rounds(block: Comparison | None) -> dict[str, list[int]]:
    """By entry: the rounds at which it may be compared."""
    return {entry.name: entry.compared_rounds for entry in entries(block)}


def gradient_budget(block: Comparison) -> int:
    """Gradient evaluations of the comparison at equal ones: those of ``rounds`` rounds with K local
    steps."""
    return block.rounds * block.clients_per_round * block.local_steps


def _with_steps(phase: EntryPhase, block: Comparison) -> EntryPhase:
    """The phase with the comparison's K where it needs steps and gives no other amount of work."""
    needs = phase.definition.takes_steps and not (phase.local_epochs or phase.local_steps)
    return phase.model_copy(update={"local_steps": block.local_steps}) if needs else phase


def _interpolated(block: Comparison) -> dict[tuple[str, float], EntryPhase]:
    """The phase of every family and λ; at λ = 0 and 1 both families are the named algorithms."""
    k, phases = block.local_steps, {}
    for family in (REST, POWERS):
        for rate in block.interpolation:
            weights = [1.0] + [rate if family == REST else rate**j for j in range(1, k)]
            phase = EntryPhase(algorithm="weighted", weights=weights)
            if rate == 0:
                phase = EntryPhase(algorithm="fedsgd")
            if rate == 1:
                phase = EntryPhase(algorithm="reptile", local_steps=k)
            phases[family, rate] = phase
    return phases
