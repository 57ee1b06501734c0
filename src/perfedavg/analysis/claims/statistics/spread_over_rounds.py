"""How much accuracy jumps from one evaluated round to the next (claims C5 and C6): the log ratio of
the standard deviations of successive differences.

Arguments: ``compare: models``, of initial to personalized accuracy over the last half of stage 1,
mean over ``runs``; or ``compare: runs``, of the setting ``of`` to the setting ``to`` in ``measure``
over stage 2."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from perfedavg.analysis.claims.component import Measured, of_seeds
from perfedavg.analysis.claims.measures import Measures, MissingError, of_each
from perfedavg.analysis.summary import INITIAL, PERSONALIZED

FEWEST = 2
"""Differences without which there is no standard deviation."""


def measure(measures: Measures, arguments: dict[str, Any], margin: float) -> Measured:
    """One component."""
    if arguments["compare"] == "runs":
        parts = (arguments["of"], arguments["to"])
        of, to = of_each(lambda p: _spread(measures, p, arguments["measure"], 0.0), parts)
        return Measured([of_seeds("over stage 2's rounds", of - to, margin)])
    ratios, missing = [], []
    for part in arguments["runs"]:
        try:
            of, to = (_spread(measures, part, kind, 0.5) for kind in (INITIAL, PERSONALIZED))
        except MissingError as error:
            missing += error.args
            continue
        ratios.append(of - to)
    if not ratios:
        raise MissingError(*missing)
    mean = pd.concat(ratios, axis=1, join="inner").mean(axis=1)
    return Measured([of_seeds("initial to personalized", mean, margin)], missing)


def _spread(measures: Measures, part: str, kind: str, after: float) -> pd.Series:
    """By seed, the logarithm of the standard deviation; from the share ``after`` of the rounds
    on."""
    logs = {}
    for seed in measures.seeds_of(part):
        curve = measures.mean(measures.curve(part, seed, kind))
        curve = curve[curve.index >= after * curve.index.max()]
        differences = np.diff(curve.to_numpy())
        if len(differences) < FEWEST:
            raise MissingError("more evaluated rounds")
        deviation = float(np.std(differences, ddof=1))
        logs[seed] = np.log(deviation) if deviation > 0 else np.nan
    if not logs:
        measures.clients(part, kind)  # says what is missing
    return pd.Series(logs, dtype=float)
