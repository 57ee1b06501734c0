"""The contracts of tables that rooms write and read which do not know each other.

All other contracts stand beside the code that writes the table."""

from pathlib import Path

import pandas as pd

from perfedavg.runtime.errors import reading
from perfedavg.storage.tables import EVALUATION, TRAINING, VALIDATION, read_table

PERSONALIZATION = {
    "run_id": "str",
    "algorithm": "str",
    "stage": "int 1..",
    "seed": "int 0..",
    "round": "int 0..",
    "client_id": "str",
    "client_group": "str",
    "num_train": "int 0..",
    "num_test": "int 0..",
    "num_test_labels": "int 0..",
    "strategy": "str",
    "fine_tune_lr": "float 0..",
    "epoch": "int 0..",
    "accuracy": "float? 0..1",
    "loss": "float?",
}

ROUNDS = {
    "run_id": "str",
    "stage": "int 1..",
    "round": "int 1..",
    "num_clients": "int 1..",
    "num_examples": "int 1..",
    "gradient_evaluations": "int 1..",
    "hessian_vector_products": "int 0..",
    "train_loss": "float?",
    "update_norm": "float? 0..",
    "bytes_up": "int 0..",
    "bytes_down": "int 0..",
}

PASSES = {
    "run_id": "str",
    "pass": "int 1..",
    "lr": "float 0..",
    "train_loss": "float?",
    "validation_accuracy": "float? 0..1",
}

MEASURED = {
    "round": "int 1..",
    "k": "int 1..",
    "seed": "int 0..",
    "batches": "str",
    "residual": "float? 0..",
    "residual_other_batches": "float? 0..",
    "residual_unequal_weights": "float? 0..",
}
"""The first columns; behind them stand those of every pair of algorithms."""

LEFT_OUT = "left out: "
"""Behind it stands why a client is in no group of the split."""


def read_split(path: str | Path) -> pd.DataFrame:
    """Columns ``client_index, client_group`` of ``split.csv``, which has ``client_id`` too.

    Raises:
        PerfedavgError: the file is missing or damaged.
    """
    table = read_table({"client_index": "int 0..", "client_group": "str"}, path)
    with reading(path):
        for group in table.client_group.unique():
            check_group(group)
    return table


def check_group(group: str) -> None:
    """Raise ValueError where no split has such a group."""
    if group not in (TRAINING, VALIDATION, EVALUATION) and not group.startswith(LEFT_OUT):
        raise ValueError(f"the group {group!r}, which is none")
