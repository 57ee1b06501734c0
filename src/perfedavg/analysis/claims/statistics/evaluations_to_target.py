"""Evaluated rounds until a target accuracy (claim C11), as log ratios to the setting that is said
to be the fastest; a run that never reaches it needs one more than there are.

Arguments: ``measure``; ``target``; ``fastest``; ``others``, each a component."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from perfedavg.analysis.claims.component import Measured, of_seeds
from perfedavg.analysis.claims.measures import Measures, MissingError, in_words


def measure(measures: Measures, arguments: dict[str, Any], margin: float) -> Measured:
    """One component per other setting."""
    kind, target, fastest = arguments["measure"], arguments["target"], arguments["fastest"]
    needed, missing = {}, []
    for part in (fastest, *arguments["others"]):
        try:
            needed[part] = _needed(measures, part, kind, target)
        except MissingError as error:
            missing += error.args
    if fastest not in needed:
        raise MissingError(*missing)
    found = Measured(missing=missing, joint=True)
    for part in arguments["others"]:
        if part in needed:
            name = f"{in_words(part)} to {in_words(fastest)}"
            ratio = np.log(needed[part]) - np.log(needed[fastest])
            found.components.append(of_seeds(name, ratio, margin))
    return found


def _needed(measures: Measures, part: str, kind: str, target: float) -> pd.Series:
    """By seed, how many evaluated rounds it took."""
    needed = {}
    for seed in measures.seeds_of(part):
        reached = measures.mean(measures.curve(part, seed, kind)).to_numpy() >= target
        needed[seed] = 1 + (int(np.argmax(reached)) if reached.any() else len(reached))
    return pd.Series(needed, dtype=float)
