"""How much accuracy varies from seed to seed (claims C6 and C10): the log ratio of two standard
deviations over seeds, by Pitman and Morgan's test, pooled over settings.

Arguments: ``pairs``, each ``of`` and ``to``, a setting with ``initial`` or ``personalized``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from perfedavg.analysis.claims.component import Component, Measured
from perfedavg.analysis.claims.inference import Estimate, pitman_morgan
from perfedavg.analysis.claims.measures import Measures, MissingError, of_each

FEWEST_SEEDS = 3


def measure(measures: Measures, arguments: dict[str, Any], margin: float) -> Measured:
    """One component, all settings pooled."""
    pairs, missing = [], []
    for pair in arguments["pairs"]:
        try:
            both = of_each(lambda s: measures.mean(measures.clients(*s)), [pair["of"], pair["to"]])
        except MissingError as error:
            missing += error.args
            continue
        pairs.append(both)
    if not pairs:
        raise MissingError(*missing)
    seeds = sorted(set.intersection(*(set(s.index) for pair in pairs for s in pair)))
    x, y = (np.array([pair[side].loc[seeds] for pair in pairs]) for side in (0, 1))
    name = "over seeds"
    if len(seeds) < FEWEST_SEEDS:
        nothing = Estimate(*[math.nan] * 6)
        return Measured([Component(name, nothing, len(seeds))], missing)
    return Measured([Component(name, pitman_morgan(x, y, margin), len(seeds))], missing)
