"""What the products about claims share: their settings, and the measures of the runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from perfedavg.analysis.choices import Selection, ServerRates
from perfedavg.analysis.claims.measures import Measures


def asked(config: Any) -> bool:
    """Data of the user's own have nothing to do with the paper's claims."""
    return not config.data.of_the_user


def settings(config: Any, reference: str, claims: Mapping[str, Any]) -> dict[str, Any]:
    """The claims, and why these runs may not decide them."""
    undecided = ""
    if not config.data.is_the_papers:
        undecided = "not the paper's data"
    elif config.experiment != claims["experiment"]:
        undecided = f"decided by the experiment {claims['experiment']}"
    return {"claims": dict(claims), "reference": reference, "undecided": undecided}


def measures(
    evaluation: pd.DataFrame,
    comparison_evaluation: pd.DataFrame,
    grid_validation: pd.DataFrame,
    theory_rows: pd.DataFrame,
    runs: pd.DataFrame,
    selection: Selection,
    server_rates: ServerRates | None,
    reference: str,
    claims: Mapping[str, Any],
    undecided: str,
) -> Measures:
    """What the statistics read. Where the runs may not decide, all their seeds count."""
    seeds = sorted(set(runs.seed)) if undecided else claims["seeds"]
    rows = pd.concat([evaluation, comparison_evaluation], ignore_index=True)
    return Measures(
        rows, grid_validation, runs, selection, reference, tuple(seeds), server_rates, theory_rows
    )
