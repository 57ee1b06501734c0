"""A difference of two settings in initial accuracy, personalized accuracy or gain, paired by seed
and client.

Arguments: ``measure``; ``pairs``, each a component, the mean of the settings ``of`` minus the mean
of ``minus`` (none: ``of`` itself)."""

from __future__ import annotations

from typing import Any

import pandas as pd

from perfedavg.analysis.claims.component import Measured, of_clients
from perfedavg.analysis.claims.measures import Measures, MissingError, in_words


def measure(measures: Measures, arguments: dict[str, Any], margin: float) -> Measured:
    """One component per pair."""
    found = Measured(joint=len(arguments["pairs"]) > 1)
    for pair in arguments["pairs"]:
        try:
            effect = _mean(measures, pair["of"], arguments["measure"])
            name = ", ".join(map(in_words, pair["of"]))
            if pair.get("minus"):
                effect = effect - _mean(measures, pair["minus"], arguments["measure"])
                name += " minus " + ", ".join(map(in_words, pair["minus"]))
        except MissingError as missing:
            found.missing.append(str(missing))
            continue
        paired = effect.dropna(how="all").dropna(axis=1)
        found.components.append(of_clients(name, paired, measures, margin))
    return found


def _mean(measures: Measures, parts: list[str], kind: str) -> pd.DataFrame:
    return sum(measures.clients(part, kind) for part in parts) / len(parts)
