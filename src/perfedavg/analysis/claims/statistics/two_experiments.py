"""Two experiments with different data (claim C14), by Welch's t over seeds.

Arguments: ``measure``; ``of``, a part of this experiment; ``other``, of the other one, whose runs
are not at hand here: the command ``python -m perfedavg.analysis.claims`` reads both."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from perfedavg.analysis.claims.component import Component, Measured
from perfedavg.analysis.claims.inference import Estimate, welch
from perfedavg.analysis.claims.measures import Measures, MissingError, of_each


def measure(
    measures: Measures, arguments: dict[str, Any], margin: float, other: Measures | None = None
) -> Measured:
    """One component."""

    def level(side: tuple[Measures | None, str]) -> pd.Series:
        runs, part = side
        if runs is None:
            raise MissingError("the runs of the other data set")
        return runs.mean(runs.clients(part, arguments["measure"]))

    sides = of_each(level, ((measures, arguments["of"]), (other, arguments["other"])))
    n, name = min(map(len, sides)), "this data set minus the other"
    if n < 2:
        value = float(sides[0].mean() - sides[1].mean())
        return Measured([Component(name, Estimate(value, *[math.nan] * 5), n)])
    return Measured([Component(name, welch(*(s.to_numpy() for s in sides), margin), n)])
