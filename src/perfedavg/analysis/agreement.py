"""Does a run agree with an independent one? ``python -m perfedavg.analysis.agreement
results/emnist62-small``.

The independent run is a plain PyTorch program that someone else wrote for the same 415 writers, 315
of them training, with the same protocol; its numbers are in ``docs/results/independent_run.csv``.
It evaluated all 100 held-out writers, so validation and evaluation clients are pooled for this one
check."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from perfedavg.analysis.runs import read_runs_table
from perfedavg.runtime.errors import PerfedavgError, reading
from perfedavg.storage.contracts import PASSES, PERSONALIZATION
from perfedavg.storage.tables import read_table

TOLERANCE, TOLERANCE_EARLY, EARLY_ROUND = 0.03, 0.05, 20
NEEDED = {("FedAvg", 0), ("FedAvg", 1), ("centralized", 0)}
"""(model, fine-tune epoch) that must be there; of the others, what the run has."""


def held_out_means(rows: pd.DataFrame) -> pd.Series:
    """Unweighted mean accuracy over all held-out clients, by (round, epoch), where both groups were
    evaluated."""
    both = rows.groupby(["round", "epoch"]).client_group.nunique()
    return rows.groupby(["round", "epoch"]).accuracy.mean()[both == 2]


def agreement(ours: dict[str, list[pd.Series]], independent: pd.DataFrame) -> pd.DataFrame:
    """One row per (model, rounds or passes, epoch 0 or 1): means over seeds, difference,
    tolerance, agreement.

    What is needed and missing does not agree.

    Args:
        ours: for each model, one :func:`held_out_means` per seed.
        independent: columns ``model, seed, trained, epoch0, epoch1, ...``.
    """
    rows = []
    for (model, trained), theirs in independent.groupby(["model", "trained"], sort=False):
        for epoch in (0, 1):
            means = [m[trained, epoch] for m in ours.get(model, []) if (trained, epoch) in m.index]
            if not means and (model, epoch) not in NEEDED:
                continue
            expected, mean = theirs[f"epoch{epoch}"].mean(), pd.Series(means, dtype=float).mean()
            early = trained == EARLY_ROUND and model == "FedAvg"
            tolerance = TOLERANCE_EARLY if early else TOLERANCE
            compared = (expected, len(theirs), mean, len(means), mean - expected, tolerance)
            rows.append((model, trained, epoch, *compared))
    columns = ["model", "trained", "fine-tune epoch", "independent", "its seeds", "ours"]
    columns += ["our seeds", "difference", "tolerance"]
    table = pd.DataFrame(rows, columns=columns)
    agrees = table.difference.abs() <= table.tolerance
    return table.assign(agrees=agrees.map({True: "yes", False: "NO"}))


def load(results: Path) -> dict[str, list[pd.Series]]:
    """Our side of the comparison: FedAvg (M = 20, E = 5), its stage 2 with Adam, and the
    centralized curve."""
    runs = read_runs_table(results / "runs.csv")
    grid, stage2 = runs[runs.study == "grid"], runs[runs.study == "stage2"]
    fedavg = grid[(grid.clients_per_round == 20) & (grid.local_epochs == 5)]
    reptile = stage2[stage2.algorithm == "reptile"]
    adam = reptile[(reptile.server_optimizer == "adam") & (reptile.server_lr == 1e-3)]
    ours: dict[str, list[pd.Series]] = {"centralized": []}
    for name, runs_of_model in (("FedAvg", fedavg), ("Reptile/Adam", adam)):
        ours[name] = [held_out_means(_rows(results, run_id)) for run_id in runs_of_model.run_id]
    best = runs[(runs.algorithm == "centralized") & (runs.variant == "best")]
    for run_id, seed in sorted(zip(best.run_id, best.seed, strict=True), key=lambda run: run[1]):
        rows = _rows(results, run_id)
        before = rows[(rows.client_group == "evaluation") & (rows.epoch == 0)]
        evaluation = before.groupby("round").accuracy.agg(["mean", "size"])
        passes = read_table(PASSES, results / f"runs/centralized-s{seed}/passes.parquet")
        validation = passes.set_index("pass").validation_accuracy
        n = rows[rows.client_group == "validation"].client_id.nunique()
        total = evaluation["mean"] * evaluation["size"] + validation * n
        initial = total / (evaluation["size"] + n)
        initial.index = pd.MultiIndex.from_product([initial.index, [0]])
        personalized = held_out_means(rows)
        personalized = personalized[personalized.index.get_level_values(1) > 0]
        ours["centralized"].append(pd.concat([initial, personalized]))
    return ours


def _rows(results: Path, run_id: str) -> pd.DataFrame:
    return read_table(PERSONALIZATION, results / f"personalization/{run_id}.parquet")


def main() -> None:
    """Print the table; exit with 1 where something disagrees."""
    parser = argparse.ArgumentParser(
        description="Compare a run of config/emnist62-small.yaml with an independent one."
    )
    parser.add_argument("results", type=Path, help="folder, such as results/emnist62-small")
    independent = Path("docs/results/independent_run.csv")
    parser.add_argument("--independent", type=Path, default=independent)
    arguments = parser.parse_args()
    try:
        ours = load(arguments.results)
        with reading(arguments.independent, "put the project's own back"):
            table = agreement(ours, pd.read_csv(arguments.independent))
    except PerfedavgError as error:
        raise SystemExit(f"Error: {error}") from None
    formats = ["", "", "", ".4f", "", ".4f", "", "+.4f", "g", ""]
    print(table.to_markdown(index=False, floatfmt=formats))
    raise SystemExit(0 if (table.agrees == "yes").all() else 1)


if __name__ == "__main__":
    main()
