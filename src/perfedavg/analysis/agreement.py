"""Does a run agree with an independent one? ``python -m perfedavg.analysis.agreement
results/emnist62-small``.

The independent run is a plain PyTorch program that someone else wrote for the same 415 writers, 315
of them training, with the same protocol; its numbers are in ``docs/results/independent_run.csv``.
It looked at all 100 held-out writers, so validation and evaluation clients are pooled for this one
check."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from perfedavg.analysis.runs import read_runs_table

TOLERANCE, TOLERANCE_EARLY, EARLY_ROUND = 0.03, 0.05, 20
NEEDED = {("FedAvg", 0), ("FedAvg", 1), ("centralized", 0)}
"""(model, fine-tune epoch) that must be there; of the others, what the run has."""


def held_out_means(rows: pd.DataFrame) -> pd.Series:
    """Unweighted mean accuracy over all held-out clients, by (round, epoch), where both groups were
    looked at."""
    both = rows.groupby(["round", "epoch"]).client_group.nunique()
    return rows.groupby(["round", "epoch"]).accuracy.mean()[both == 2]


def agreement(ours: dict[str, list[pd.Series]], independent: pd.DataFrame) -> pd.DataFrame:
    """One row a (model, rounds or passes, epoch 0 or 1): means over seeds, difference, tolerance,
    agreement.

    What is needed and missing does not agree.

    Args:
        ours: for each model, one :func:`held_out_means` a seed.
        independent: columns ``model, seed, trained, epoch0, epoch1, ...``.
    """
    rows = []
    for (model, trained), theirs in independent.groupby(["model", "trained"], sort=False):
        for epoch in (0, 1):
            found = [
                means[(trained, epoch)]
                for means in ours.get(model, [])
                if (trained, epoch) in means.index
            ]
            if not found and (model, epoch) not in NEEDED:
                continue
            expected, got = (
                theirs[f"epoch{epoch}"].mean(),
                sum(found) / len(found) if found else float("nan"),
            )
            tolerance = (
                TOLERANCE_EARLY if trained == EARLY_ROUND and model == "FedAvg" else TOLERANCE
            )
            rows.append(
                (
                    model,
                    trained,
                    epoch,
                    expected,
                    len(theirs),
                    got,
                    len(found),
                    got - expected,
                    tolerance,
                )
            )
    columns = [
        "model",
        "trained",
        "fine-tune epoch",
        "independent",
        "its seeds",
        "ours",
        "our seeds",
        "difference",
        "tolerance",
    ]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(
        agrees=(table.difference.abs() <= table.tolerance).map({True: "yes", False: "NO"})
    )


def load(results: Path) -> dict[str, list[pd.Series]]:
    """Our side of the comparison: FedAvg (M = 20, E = 5), its stage 2 with Adam, and the
    centralized curve."""
    runs = read_runs_table(results / "runs.csv")
    fedavg = runs[
        (runs.clients_per_round == 20) & (runs.local_epochs == 5) & (runs.study == "grid")
    ]
    adam = runs[
        (runs.study == "stage2")
        & (runs.algorithm == "reptile")
        & (runs.server_optimizer == "adam")
        & (runs.server_lr == 1e-3)
    ]
    ours = {
        name: [
            held_out_means(pd.read_parquet(results / f"personalization/{run_id}.parquet"))
            for run_id in own.run_id
        ]
        for name, own in (("FedAvg", fedavg), ("Reptile/Adam", adam))
    }
    ours["centralized"] = []
    for seed in sorted(runs[runs.algorithm == "centralized"].seed.unique()):
        rows = pd.read_parquet(results / f"personalization/centralized-best-s{seed}.parquet")
        evaluation = (
            rows[(rows.client_group == "evaluation") & (rows.epoch == 0)]
            .groupby("round")
            .accuracy.agg(["mean", "size"])
        )
        validation = (
            pd.read_parquet(results / f"runs/centralized-s{seed}/passes.parquet")
            .set_index("pass")
            .validation_accuracy
        )
        n = rows[rows.client_group == "validation"].client_id.nunique()
        initial = (evaluation["mean"] * evaluation["size"] + validation * n) / (
            evaluation["size"] + n
        )
        personalized = held_out_means(rows)
        initial.index = pd.MultiIndex.from_product([initial.index, [0]])
        ours["centralized"].append(
            pd.concat([initial, personalized[personalized.index.get_level_values(1) > 0]])
        )
    return ours


def main() -> None:
    """Print the table; exit with 1 where something disagrees."""
    parser = argparse.ArgumentParser(
        description="Compare a run of config/emnist62-small.yaml with an independent one."
    )
    parser.add_argument(
        "results",
        type=Path,
        help="results folder of the experiment, such as results/emnist62-small",
    )
    parser.add_argument(
        "--independent", type=Path, default=Path("docs/results/independent_run.csv")
    )
    arguments = parser.parse_args()
    table = agreement(load(arguments.results), pd.read_csv(arguments.independent))
    print(
        table.to_markdown(index=False, floatfmt=["", "", "", ".4f", "", ".4f", "", "+.4f", "g", ""])
    )
    raise SystemExit(0 if (table.agrees == "yes").all() else 1)


if __name__ == "__main__":
    main()
