"""Personalized accuracy, or gain, of two models that are trained otherwise (claims C4 and C15): at
equal initial accuracy, or each at its best.

Arguments: ``of``, ``minus``; ``measure``, ``personalized`` or ``gain``; ``factor`` on the second
one's; ``at``: ``equal``, the highest initial accuracy that both reach, interpolated between
evaluated rounds, or ``best``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from perfedavg.analysis.claims.component import Measured, of_clients
from perfedavg.analysis.claims.measures import (
    GAIN,
    Measures,
    MissingError,
    crossing,
    in_words,
    of_each,
)
from perfedavg.analysis.summary import INITIAL, PERSONALIZED


def measure(measures: Measures, arguments: dict[str, Any], margin: float) -> Measured:
    """One component."""
    parts = [arguments["of"], arguments["minus"]]
    kind, factor = arguments["measure"], arguments.get("factor", 1)
    if arguments["at"] == "best":
        ours, other = of_each(lambda part: measures.clients(part, kind), parts)
        effect = ours - factor * other
    else:
        seeds = sorted(set.intersection(*map(set, of_each(measures.seeds_of, parts))))
        if not seeds:
            raise MissingError(f"a seed with {in_words(parts[0])} and {in_words(parts[1])}")
        rows = {}
        for seed in seeds:
            curves = [[measures.curve(p, seed, k) for k in (INITIAL, PERSONALIZED)] for p in parts]
            means = [measures.mean(initial).to_numpy() for initial, _ in curves]
            level = min(np.nanmax(mean) for mean in means)
            ours, other = (
                _at(level, mean, *curve, kind) for mean, curve in zip(means, curves, strict=True)
            )
            rows[seed] = ours - factor * other
        effect = pd.DataFrame(rows).T
    effect = effect.dropna(how="all").dropna(axis=1)
    times = f" {factor} times" if factor != 1 else ""
    name = f"{in_words(parts[0])} minus{times} {in_words(parts[1])}"
    return Measured([of_clients(name, effect, measures, margin)])


def _at(
    level: float, means: np.ndarray, initial: pd.DataFrame, personalized: pd.DataFrame, kind: str
) -> pd.Series:
    """Per client, where the mean initial accuracy first reaches ``level``."""
    wanted = personalized - initial if kind == GAIN else personalized
    i, w = crossing(means, level)
    return w * wanted.iloc[i] + (1 - w) * wanted.iloc[max(i - 1, 0)]
