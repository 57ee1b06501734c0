"""Ways to personalize the reference runs' last models, compared as settings are.

All ways start from the same models and meet the same batches. Each way's fine-tune epochs are
chosen on validation clients, for it alone. A way is a dict: ``strategy`` (its name), ``layers``,
``optimizer``, ``lr`` and ``trained_parameters``; the first is the experiment's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from perfedavg.analysis.choices import Selection
from perfedavg.analysis.selection import select
from perfedavg.storage.tables import EVALUATION, VALIDATION

Ways = Sequence[dict[str, Any]]


def ways_as_settings(
    ordinary_rows: pd.DataFrame,
    strategy_rows: pd.DataFrame,
    runs: pd.DataFrame,
    reference: str,
    ways: Ways,
) -> tuple[pd.DataFrame, pd.DataFrame, Selection]:
    """The rows of evaluation clients, ``runs.csv`` and the selection, with every (way, seed) as a
    run and every way as a setting: what compares settings then compares ways."""
    references = runs[runs.setting == reference]
    rows = pd.concat([ordinary_rows, strategy_rows], ignore_index=True)
    rows = rows[rows.run_id.isin(references.run_id)]
    rows = rows.assign(run_id=rows.strategy + ", " + rows.run_id)
    frames = []
    for name in (way["strategy"] for way in ways):
        frames.append(references.assign(run_id=f"{name}, " + references.run_id, setting=name))
    of_ways = pd.concat(frames, ignore_index=True)
    selection = select(rows[rows.client_group == VALIDATION], of_ways, {})
    return rows[rows.client_group == EVALUATION], of_ways, selection
