"""Table ``stage2``: Reptile from FedAvg's model, and controls for the same extra rounds."""

from __future__ import annotations

from typing import Any

import pandas as pd

from perfedavg.analysis.choices import Selection
from perfedavg.analysis.paired import (
    FEDAVG_CONTINUED,
    PAIRED,
    paired_caption,
    paired_shown,
    paired_table,
    stage2_models,
)

TITLE = "stage 2 and controls"
SECTION = "What does stage 2 add?"
CAPTION = (
    "Stage 2, Reptile from FedAvg's model with each kind of server optimizer, and controls for the "
    "same extra rounds."
)
ROWS = (
    "One row per model, all on the same evaluation clients at the run's last round: stage 1's end, "
    "Reptile with each kind of server optimizer, and the controls."
)
CONTRACT = PAIRED


def asked(config: Any) -> bool:
    """Where there is a stage 2."""
    return bool(config.studies.stage2)


def settings(reference: str) -> dict[str, str]:
    """The reference setting."""
    return {"reference": reference}


def compute(
    evaluation: pd.DataFrame, runs: pd.DataFrame, selection: Selection, reference: str
) -> pd.DataFrame:
    """Differences are to FedAvg continued, or to stage 1's end where there are no controls."""
    models = stage2_models(runs, selection, reference)
    against = FEDAVG_CONTINUED if FEDAVG_CONTINUED in models else next(iter(models))
    return paired_table(evaluation, runs, selection, models, against)


shown = paired_shown


def caption(table: pd.DataFrame) -> str:
    """What the numbers are."""
    return paired_caption(table, "Stage 2 and its controls, all from the same stage-1 models.")
