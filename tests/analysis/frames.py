"""Small hand-made results: two settings, two seeds, two evaluation clients; accuracies chosen so
that means are plain."""

import numpy as np
import pandas as pd

from perfedavg.analysis import formats
from perfedavg.analysis.choices import Selection, SettingChoice
from perfedavg.analysis.figures import style
from perfedavg.data.sets.glyphs62 import SYNTHETIC

RUNS = pd.DataFrame(
    {
        "run_id": ["fedavg-m5-e2-s0", "fedavg-m5-e2-s1", "fedavg-m5-e10-s0", "fedavg-m5-e10-s1"],
        "setting": ["fedavg-m5-e2", "fedavg-m5-e2", "fedavg-m5-e10", "fedavg-m5-e10"],
        "dataset": "glyphs62",
        "split": "sorted",
        "study": "grid",
        "variant": "",
        "entry": "",
        "server_lr_factor": np.nan,
        "algorithm": "fedavg",
        "stage": 1,
        "parent_run_id": None,
        "clients_per_round": 5,
        "local_epochs": pd.array([2, 2, 10, 10], dtype="Int64"),
        "local_steps": pd.array([None] * 4, dtype="Int64"),
        "client_lr": 0.1,
        "server_optimizer": "sgd",
        "server_lr": 1.0,
        "seed": [0, 1, 0, 1],
        "rounds": 20,
        "status": ["finished", "finished", "finished", "diverged at round 12"],
        "caveat": SYNTHETIC,
    }
)

# run -> round -> accuracy after epochs 0, 1, 2, mean over the two clients
ACCURACY = {
    "fedavg-m5-e2-s0": {10: (0.30, 0.40, 0.50), 20: (0.40, 0.60, 0.50)},
    "fedavg-m5-e2-s1": {10: (0.60, 0.50, 0.40), 20: (0.50, 0.70, 0.60)},
    "fedavg-m5-e10-s0": {10: (0.20, 0.30, 0.30), 20: (0.30, 0.40, 0.45)},
    "fedavg-m5-e10-s1": {10: (0.25, 0.30, 0.30)},
}


def selected(epochs, reptile=()):
    """A selection of these fine-tune epochs by setting; of nothing else that products read."""
    settings = {setting: SettingChoice(epoch, 0.0, 0.0, 1, 0) for setting, epoch in epochs.items()}
    return Selection(2, settings, None, None, dict(reptile))


SELECTION = selected({"fedavg-m5-e2": 1, "fedavg-m5-e10": 2})


def save(module, base, **values):
    """Make the table or figure of a module from what its functions ask for."""
    (style if "figures" in module.__name__ else formats).make(module, values, base)


def rows(group="evaluation"):
    """``personalization`` rows: client A is 0.1 above the mean, client B, with nine times the data,
    0.1 below."""
    out = []
    for run_id, rounds in ACCURACY.items():
        for round_number, accuracies in rounds.items():
            for epoch, accuracy in enumerate(accuracies):
                for client, num_test_labels, sign in (("A", 10, 1), ("B", 90, -1)):
                    shifted = accuracy + 0.1 * sign
                    out.append(
                        (run_id, round_number, client, group, num_test_labels, epoch, shifted)
                    )
    frame = pd.DataFrame(
        out,
        columns=[
            "run_id",
            "round",
            "client_id",
            "client_group",
            "num_test_labels",
            "epoch",
            "accuracy",
        ],
    )
    return frame.assign(
        algorithm="fedavg",
        stage=1,
        seed=0,
        num_train=5,
        strategy="full",
        fine_tune_lr=0.1,
        loss=1.0,
    )
