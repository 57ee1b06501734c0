"""What choosing a setting by the wrong accuracy costs (claim C3): on evaluation clients, the
personalized accuracy of the setting that validation clients prefer by personalized accuracy minus
that of the one they prefer by initial accuracy, chosen anew in each seed.

Arguments: ``among``, the settings. Of those that were not run it is said that they are missing."""

from __future__ import annotations

from typing import Any

import pandas as pd

from perfedavg.analysis.claims.component import Measured, of_clients
from perfedavg.analysis.claims.measures import Measures, MissingError, of_each
from perfedavg.analysis.summary import INITIAL, PERSONALIZED


def measure(measures: Measures, arguments: dict[str, Any], margin: float) -> Measured:
    """One component; none where fewer than two settings were run."""
    missing, parts = [], []
    for part in arguments["among"]:
        try:
            measures.setting(part)
            parts.append(part)
        except MissingError as error:
            missing += error.args
    if len(parts) < 2:
        raise MissingError(*missing)
    rows, chosen = {}, []
    found = of_each(lambda part: measures.clients(part, PERSONALIZED), parts)
    personalized = dict(zip(parts, found, strict=True))
    for seed in sorted(set.intersection(*(set(p.index) for p in personalized.values()))):
        validated = {part: _validation(measures, part, seed) for part in parts}
        best = {k: max(parts, key=lambda p, k=k: validated[p][k]) for k in (INITIAL, PERSONALIZED)}
        chosen.append(best[INITIAL] != best[PERSONALIZED])
        of = [personalized[best[kind]].loc[seed] for kind in (PERSONALIZED, INITIAL)]
        rows[seed] = of[0] - of[1]
    clients = pd.DataFrame(rows).T.dropna(axis=1)
    note = f"the two choices differ in {sum(chosen)} of {len(chosen)} seeds"
    name = "by personalized minus by initial accuracy"
    return Measured([of_clients(name, clients, measures, margin)], missing, note=note)


def _validation(measures: Measures, part: str, seed: int) -> dict[str, float]:
    """Mean accuracies on validation clients at the last round."""
    runs = measures.runs
    run = runs[(runs.setting == measures.setting(part)) & (runs.seed == seed)].iloc[0]
    rows = measures.validation[measures.validation.run_id == run.run_id]
    last = rows[rows["round"] == run["rounds"]].groupby("epoch").accuracy.mean()
    epoch = measures.analysis.epoch or measures.epoch(part)
    return {INITIAL: float(last.loc[0]), PERSONALIZED: float(last.loc[epoch])}
