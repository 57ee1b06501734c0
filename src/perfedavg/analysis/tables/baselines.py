"""Table ``baselines``: FedAvg and Personalized FedAvg beside a centralized model and clients that
train alone."""

from __future__ import annotations

from typing import Any

import pandas as pd

from perfedavg.analysis.choices import Selection
from perfedavg.analysis.paired import (
    PAIRED,
    baseline_models,
    paired_caption,
    paired_shown,
    paired_table,
    reference_in_words,
)

TITLE = "FedAvg and baselines"
SECTION = "Whom does fine-tuning help?"
CAPTION = (
    "FedAvg beside the baselines that were run, each at the end of its training or where it was "
    "stopped, on the same evaluation clients; differences are paired by seed."
)
ROWS = (
    "One row per model, all on the same evaluation clients at the run's last round: the reference "
    "FedAvg setting, Personalized FedAvg (its stage 2 with the Adam chosen on validation clients), "
    "the centralized model at its best and stopped level with FedAvg, and local-only training, "
    "whose initial model is untrained."
)
CONTRACT = PAIRED


def asked(config: Any) -> bool:
    """Where there is a model to show beside FedAvg."""
    studies = config.studies
    servers = studies.stage2.servers if studies.stage2 else ()
    personalized = any(server.optimizer == "adam" for server in servers)
    return bool(personalized or studies.centralized or studies.local_only)


def settings(reference: str) -> dict[str, str]:
    """The reference setting."""
    return {"reference": reference}


def compute(
    evaluation: pd.DataFrame, runs: pd.DataFrame, selection: Selection, reference: str
) -> pd.DataFrame:
    """Differences are to FedAvg."""
    models = baseline_models(runs, selection, reference)
    return paired_table(evaluation, runs, selection, models, next(iter(models)))


shown = paired_shown


def caption(table: pd.DataFrame, runs: pd.DataFrame, reference: str) -> str:
    """What the numbers are."""
    return paired_caption(
        table, f"FedAvg beside the baselines. {reference_in_words(runs, reference)}"
    )
