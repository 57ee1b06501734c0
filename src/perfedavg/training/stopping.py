"""Where a centralized run is stopped, chosen on validation clients: at its best, and level with a
FedAvg run."""

from __future__ import annotations

from typing import Any

import pandas as pd

from perfedavg.runtime.errors import PerfedavgError
from perfedavg.storage.tables import VALIDATION
from perfedavg.training.settings import BEST, MATCHED


def choose_passes(passes: pd.DataFrame, reference: pd.DataFrame, last_round: int) -> dict[str, int]:
    """By ``BEST`` and ``MATCHED``: the pass with the best validation accuracy, and the one whose
    accuracy is nearest to the reference run's initial one.

    Stopping level is early stopping, so only passes up to the best one count there. Accuracies are
    unweighted means over validation clients; of equal passes, the earlier.

    Args:
        passes: ``passes.parquet``.
        reference: ``personalization`` rows of the reference run on validation clients.
        last_round: the reference run's last round; without rows of it (it diverged) there is
            nothing to be level with.

    Raises:
        PerfedavgError: a row of ``reference`` is not of a validation client.
    """
    if (reference.client_group != VALIDATION).any():
        raise PerfedavgError(
            "Where to stop centralized training must be chosen on validation clients alone."
        )
    by_pass = passes.set_index("pass").validation_accuracy
    best = int(by_pass.idxmax())
    initial = reference[(reference["round"] == last_round) & (reference.epoch == 0)].accuracy
    if initial.empty:
        return {BEST: best}
    return {BEST: best, MATCHED: int((by_pass.loc[:best] - initial.mean()).abs().idxmin())}


def settle(
    run: dict[str, Any],
    passes: pd.DataFrame,
    reference: pd.DataFrame,
    reference_id: str,
    last_round: int,
) -> dict[str, Any]:
    """A centralized run's settings: the pass at which it is stopped as its ``rounds``, or why there
    is none as ``status``."""
    if len(passes) < run["rounds"]:
        return {**run, "status": f"diverged at pass {len(passes) + 1}"}
    chosen, stop = choose_passes(passes, reference, last_round), run["variant"]
    parent = reference_id if stop == MATCHED else None
    if stop not in chosen:
        status = f"diverged: {reference_id}, to be level with, has no accuracy"
        return {**run, "parent_run_id": parent, "status": status}
    return {**run, "parent_run_id": parent, "rounds": chosen[stop]}
