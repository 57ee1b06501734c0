"""Columns that several tables and figures share: type and bounds, unit, meaning."""

from __future__ import annotations

from perfedavg.storage.tables import Column

CAVEAT = Column("str", "-", "what must be said of the data; may be empty")
SEED = Column("int 0..", "-", "seed")
SETTING = Column("str", "-", "its runs' setting in `runs.csv`")
NUM_CLIENTS = Column("int 1..", "clients", "evaluation clients")
ACCURACY = Column("float? 0..1", "accuracy", "mean over evaluation clients")
SAME_CLIENTS = {
    "accuracy_same_clients": Column(
        "float? 0..1", "accuracy", "mean over the clients evaluated in every round shown"
    ),
    "num_same_clients": Column("int 0..", "clients", "how many these are"),
}
POOLED = Column("float? 0..1", "share of all test labels", "predicted correctly")
EPOCH = Column("int 0..", "epochs", "fine-tune epochs done; 0 is the initial model")
SELECTED_EPOCH = Column("int? 1..", "epochs", "fine-tune epochs, selected on validation clients")

GRID = {
    "clients_per_round": Column("int 1..", "clients", "M"),
    "local_epochs": Column("int? 1..", "epochs", "E"),
    "local_steps": Column("int? 1..", "steps", "K"),
}
COUNTS = {
    "num_seeds": Column("int 1..", "runs", "runs, diverged ones included"),
    "num_diverged": Column("int 0..", "runs", "runs that diverged; left out of the means"),
    "num_clients": Column("int 0..", "clients", "evaluation clients at the last round"),
    "num_diverged_clients": Column(
        "int 0..",
        "(client, seed) pairs",
        "personalized models that are not finite; their accuracy counts in the means",
    ),
}
ACCURACIES = {
    "initial_mean": Column("float? 0..1", "accuracy", "mean over seeds of the mean over clients"),
    "initial_std": Column("float? 0..", "accuracy", "standard deviation over seeds (n - 1)"),
    "personalized_mean": Column("float? 0..1", "accuracy", "the same after the selected epoch"),
    "personalized_std": Column("float? 0..", "accuracy", "standard deviation over seeds (n - 1)"),
}
POOLED_MEANS = {
    f"{model}_pooled_mean": Column("float? 0..1", "share of all test labels", "mean over seeds")
    for model in ("initial", "personalized")
}
HURT_SHARE = Column(
    "float? 0..1", "share of (client, seed) pairs", "personalized accuracy below the initial one"
)
COMPARED_WITH = Column("str", "-", "the model that differences are to")
DIFFERENCE = Column(
    "float? -1..1", "accuracy", "minus that model's, seed by seed, then the mean over seeds"
)

_INTERVAL = "95 % interval of the difference over seeds (Student's t), the clients fixed"
DIFFERENCE_ENDS = {end: Column("float?", "accuracy", _INTERVAL) for end in ("low", "high")}
EPOCH_AT_EDGE = Column(
    "str",
    "-",
    "`lowest` or `highest` if the selected fine-tune epoch is at the edge of those tried, so that "
    "a better one may lie beyond",
)
