"""A difference of two settings in initial accuracy, personalized accuracy or gain, paired by seed
and client.

Arguments: ``measure``; ``pairs``, each a component, the mean of the settings ``of`` minus the mean
of ``minus`` (none: ``of`` itself)."""

from __future__ import annotations

from typing import Any

from perfedavg.analysis.claims.component import Measured, of_clients
from perfedavg.analysis.claims.measures import Measures, MissingError, in_words, of_each


def measure(measures: Measures, arguments: dict[str, Any], margin: float) -> Measured:
    """One component per pair."""
    kind, found = arguments["measure"], Measured(joint=len(arguments["pairs"]) > 1)
    for pair in arguments["pairs"]:
        of, minus = pair["of"], pair.get("minus") or []
        try:
            each = of_each(lambda part: measures.clients(part, kind), [*of, *minus])
        except MissingError as missing:
            found.missing.extend(missing.args)
            continue
        effect = sum(each[: len(of)]) / len(of)
        name = ", ".join(map(in_words, of))
        if minus:
            effect = effect - sum(each[len(of) :]) / len(minus)
            name += " minus " + ", ".join(map(in_words, minus))
        paired = effect.dropna(how="all").dropna(axis=1)
        found.components.append(of_clients(name, paired, measures, margin))
    return found
