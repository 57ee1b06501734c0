"""Table ``stage2``: Reptile from FedAvg's model, and controls for the same extra rounds."""

from __future__ import annotations

from itertools import product
from typing import Any

import pandas as pd

from perfedavg.analysis.choices import Selection
from perfedavg.analysis.columns import CAVEAT, DIFFERENCE_ENDS
from perfedavg.analysis.formats import number_in_words
from perfedavg.analysis.paired import (
    FEDAVG_CONTINUED,
    PAIRED,
    difference_in_words,
    paired_caption,
    paired_shown,
    paired_table,
    stage2_models,
)
from perfedavg.analysis.summary import INITIAL, PERSONALIZED
from perfedavg.storage.tables import Column

TITLE = "stage 2 and controls"
SECTION = "What does stage 2 add?"
CAPTION = (
    "What was run in stage 2 beside the end of stage 1, from which all of it starts: each model at "
    "its last round, on the same evaluation clients; differences are paired by seed."
)
ROWS = (
    "One row per model, all on the same evaluation clients at the run's last round: stage 1's end, "
    "Reptile with each kind of server optimizer, and the controls."
)
_TO_PREFERRED = "minus that control's, seed by seed, then the mean over seeds"
CONTRACT = {
    **{name: column for name, column in PAIRED.items() if name != "caveat"},
    "preferred_control": Column(
        "str", "-", "control with the highest personalized accuracy on validation clients; may be "
        "empty"
    ),
    **{
        f"to_preferred_{model}": Column("float? -1..1", "accuracy", _TO_PREFERRED)
        for model in (INITIAL, PERSONALIZED)
    },
    **{
        f"to_preferred_{model}_{end}": column
        for model in (INITIAL, PERSONALIZED)
        for end, column in DIFFERENCE_ENDS.items()
    },
    "gradient_evaluations": Column(
        "float? 0..", "mini-batch gradients", "in stage 2, whole cohort, mean over seeds"
    ),
    "caveat": CAVEAT,
}  # fmt: skip


def asked(config: Any) -> bool:
    """Where there is a stage 2."""
    return bool(config.studies.stage2)


def settings(reference: str) -> dict[str, str]:
    """The reference setting."""
    return {"reference": reference}


def compute(
    evaluation: pd.DataFrame,
    runs: pd.DataFrame,
    selection: Selection,
    stage2_rounds: pd.DataFrame,
    reference: str,
) -> pd.DataFrame:
    """Differences are to FedAvg continued, or to stage 1's end where there are no controls; beside
    them those to the control that validation clients prefer, and what stage 2 spent."""
    models = stage2_models(runs, selection, reference)
    against = FEDAVG_CONTINUED if FEDAVG_CONTINUED in models else next(iter(models))
    table = paired_table(evaluation, runs, selection, models, against)
    preferred = _preferred(runs, selection, models)
    other = paired_table(evaluation, runs, selection, models, preferred) if preferred else None
    for model, end in product((INITIAL, PERSONALIZED), ("", "_low", "_high")):
        table[f"to_preferred_{model}{end}"] = (
            float("nan") if other is None else other[f"difference_{model}{end}"]
        )
    spent = stage2_rounds.groupby("run_id").gradient_evaluations.sum()
    of_run = runs.run_id.map(spent).groupby(runs.setting).mean()
    table["gradient_evaluations"] = table.setting.map(of_run)
    return table.assign(preferred_control=preferred or "")[list(CONTRACT)]


def _preferred(runs: pd.DataFrame, selection: Selection, models: dict[str, str]) -> str | None:
    """The control that did best on validation clients."""
    controls = set(runs.setting[(runs.study == "stage2") & (runs.algorithm == "fedavg")])
    names = [name for name, setting in models.items() if setting in controls]
    chosen = selection.settings
    return max(names, key=lambda n: chosen[models[n]].personalized_accuracy or 0.0, default=None)


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The same table for people."""
    frame, preferred = paired_shown(table), table.preferred_control.iloc[0]
    if preferred and preferred != table.compared_with.iloc[0]:
        renamed = table.drop(columns=[c for c in table if c.startswith("difference_")])
        renamed.columns = renamed.columns.str.replace("to_preferred_", "difference_")
        for model in (INITIAL, PERSONALIZED):
            difference = renamed.apply(difference_in_words, axis=1, model=model)
            frame[f"minus {preferred}, {model}"] = difference
    frame["gradients in stage 2"] = table.gradient_evaluations.map(number_in_words, form=",.0f")
    return frame


def caption(table: pd.DataFrame) -> str:
    """What the numbers are."""
    text = paired_caption(table, "Stage 2 and its controls, all from the same stage-1 models.")
    preferred = table.preferred_control.iloc[0]
    if preferred:
        text += f" Of the controls, validation clients prefer {preferred}."
    return f"{text} Gradients: of mini-batches, of all clients, mean over seeds."
