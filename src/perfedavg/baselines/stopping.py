"""Where a centralized run is stopped, chosen on validation clients: at its best, and level with a FedAvg run."""

from __future__ import annotations

from typing import Any

import pandas as pd

from perfedavg.baselines.settings import BEST, MATCHED
from perfedavg.errors import PerfedavgError
from perfedavg.tables import VALIDATION


def choose_passes(passes: pd.DataFrame, reference: pd.DataFrame, last_round: int) -> dict[str, int]:
    """The pass with the best validation accuracy, and the one whose accuracy is nearest to the reference run's initial one.

    Stopping level is early stopping, so only passes up to the best one count there. Accuracies are unweighted means over
    validation clients; of equal passes, the earlier.

    Args:
        passes: ``passes.parquet``.
        reference: ``personalization`` rows of the reference run on validation clients.
        last_round: the reference run's last round; without rows of it (it diverged) the best pass serves for both.

    Raises:
        PerfedavgError: a row of ``reference`` is not of a validation client.
    """
    if (reference.client_group != VALIDATION).any():
        raise PerfedavgError("Where to stop centralized training must be chosen on validation clients alone.")
    by_pass = passes.set_index("pass").validation_accuracy
    best = int(by_pass.idxmax())
    initial = reference[(reference["round"] == last_round) & (reference.epoch == 0)].accuracy
    if initial.empty:
        return {BEST: best, MATCHED: best}
    return {BEST: best, MATCHED: int((by_pass.loc[:best] - initial.mean()).abs().idxmin())}


def settle(
    run: dict[str, Any], passes: pd.DataFrame, reference: pd.DataFrame, reference_id: str, last_round: int
) -> dict[str, Any]:
    """A centralized run's settings, with the pass at which it is stopped as its ``rounds``."""
    chosen = choose_passes(passes, reference, last_round)
    if run["setting"].endswith(MATCHED):
        return {**run, "rounds": chosen[MATCHED], "parent_run_id": reference_id}
    return {**run, "rounds": chosen[BEST]}
