"""From what was measured to a verdict on each claim: two null hypotheses, Holm within a family, and
what a verdict may not be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from perfedavg.analysis.claims.component import Component, Measured
from perfedavg.analysis.claims.inference import LEVEL, holm, seeds_needed
from perfedavg.analysis.claims.measures import Measures, MissingError

SUPPORTED, REFUTED, INCONCLUSIVE = "supported", "refuted", "inconclusive"
NOT_TESTED = "not tested"
FEWEST_SEEDS = 5
"""Below it a verdict is at most inconclusive."""


@dataclass(frozen=True)
class Claim:
    """An entry of ``config/claims.yaml``, which is checked where it is read."""

    id: str
    claim: str
    source: str
    family: str
    statistic: str
    arguments: Mapping[str, Any]
    runs: Sequence[str]
    unit: str
    margin: float
    margin_why: str
    refuted_if: str
    paper: float | None = None
    other_experiment: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What follows for a claim. ``lead`` is the component that the verdict hangs on; p-values are
    those of the claim, adjusted within its family."""

    claim: Claim
    verdict: str
    why: str
    lead: Component | None = None
    components: list[Component] = field(default_factory=list)
    p_support: float = math.nan
    p_refute: float = math.nan
    note: str = ""


def statistic(claim: Claim) -> Any:
    """The module of a claim's statistic."""
    return import_module(f"perfedavg.analysis.claims.statistics.{claim.statistic}")


def measure(claim: Claim, measures: Measures, others: Mapping[str, Measures]) -> Measured:
    """What its statistic gives; where nothing of what it needs was run, no component and what is
    missing."""
    further = {"other": others.get(claim.other_experiment)} if claim.other_experiment else {}
    try:
        return statistic(claim).measure(measures, claim.arguments, claim.margin, **further)
    except MissingError as missing:
        return Measured(missing=list(map(str, missing.args)))


def decide(
    claims: Sequence[Claim],
    measures: Measures,
    others: Mapping[str, Measures] | None = None,
    post_hoc: Mapping[str, str] | None = None,
) -> list[Verdict]:
    """The verdicts on all claims, in their order.

    Args:
        others: further experiments, by name.
        post_hoc: by claim, why it was not fixed before the runs.
    """
    measured = [measure(claim, measures, others or {}) for claim in claims]
    families = [claim.family for claim in claims]
    support = within_families(families, [p_support(m) for m in measured])
    refute = within_families(families, [p_refute(m) for m in measured])
    return [
        _verdict(c, m, s, r, measures, (post_hoc or {}).get(c.id, ""))
        for c, m, s, r in zip(claims, measured, support, refute, strict=True)
    ]


def within_families(families: Sequence[str], p_values: Sequence[float]) -> list[float]:
    """P-values adjusted by Holm's method within each family; those that are nan do not count."""
    adjusted = list(p_values)
    for family in set(families):
        members = [i for i, f in enumerate(families) if f == family and not math.isnan(adjusted[i])]
        for i, p in zip(members, holm([adjusted[i] for i in members]), strict=True):
            adjusted[i] = p
    return adjusted


def by_tests(support: float, refute: float) -> str:
    """The verdict of the two tests alone, from their adjusted p-values."""
    if refute <= LEVEL:
        return REFUTED
    return SUPPORTED if support <= LEVEL else INCONCLUSIVE


def _tested(measured: Measured) -> list[Component]:
    return [c for c in measured.components if not math.isnan(c.estimate.p_above_zero)]


def p_support(measured: Measured) -> float:
    """The largest of the components': all must hold. With one missing there is nothing to
    support."""
    tested = _tested(measured)
    if not tested:
        return math.nan
    return 1.0 if measured.missing else max(c.estimate.p_above_zero for c in tested)


def p_refute(measured: Measured) -> float:
    """Of one component against the margin; of several against 0, the smallest times their
    number."""
    tested = _tested(measured)
    if not tested:
        return math.nan
    if not measured.joint:
        return tested[0].estimate.p_below_margin
    return min(1.0, len(tested) * min(c.estimate.p_below_zero for c in tested))


def _verdict(
    claim: Claim, measured: Measured, support: float, refute: float, measures: Measures, late: str
) -> Verdict:
    if measured.exact is not None:
        verdict = SUPPORTED if measured.exact else REFUTED
        return Verdict(claim, verdict, measured.note)
    tested = _tested(measured)
    if not tested:
        why = _missing(measured) or "one seed: no spread"
        lead = measured.components[0] if measured.components else None
        return Verdict(claim, NOT_TESTED, why, lead, list(measured.components), note=measured.note)
    # The weakest component decides whether the claim is supported.
    lead = max(tested, key=lambda c: (c.estimate.p_above_zero, -c.estimate.estimate))
    verdict, why = by_tests(support, refute), ""
    if verdict == REFUTED:
        if measured.joint:
            lead = min(tested, key=lambda c: c.estimate.p_below_zero)
        why = "reversed" if lead.estimate.high < 0 else "too small"
        if measured.joint:
            why += f": {lead.name}"
    elif verdict == INCONCLUSIVE:
        # More seeds of what was run decide nothing where something was not.
        why = "" if measured.missing else _inconclusive(lead, claim)
    limits = _limits(claim, measured, measures, lead, late)
    if limits:
        if verdict != INCONCLUSIVE:
            limits.insert(0, f"would be {verdict}" + (f" ({why})" if why else ""))
            why = ""
        verdict = INCONCLUSIVE
    missing = _missing(measured) if verdict != REFUTED else ""
    why = "; ".join(filter(None, [why, *limits, missing, measured.note]))
    shown = list(measured.components)
    return Verdict(claim, verdict, why, lead, shown, support, refute, measured.note)


def _limits(
    claim: Claim, measured: Measured, measures: Measures, lead: Component, late: str
) -> list[str]:
    """Why the verdict is at most inconclusive."""
    limits = []
    if lead.num_seeds < FEWEST_SEEDS:
        limits.append(f"{lead.num_seeds} of at least {FEWEST_SEEDS} seeds")
    diverged = 0
    for part in claim.runs:
        try:
            diverged += measures.diverged(part)
        except MissingError:
            continue
    if diverged:
        limits.append(f"{diverged} runs diverged")
    return limits + ([f"post hoc: {late}"] if late else [])


def _missing(measured: Measured) -> str:
    missing = "; ".join(dict.fromkeys(measured.missing))
    return f"not run: {missing}" if missing else ""


def _inconclusive(lead: Component, claim: Claim) -> str:
    needed = seeds_needed(lead.estimate, claim.margin)
    if needed and needed <= lead.num_seeds:  # which knows nothing of the adjustment to a family
        return "a few more seeds would decide"
    return f"about {needed} seeds would decide" if needed else "more seeds would be needed"
