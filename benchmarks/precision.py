"""What bfloat16 costs in accuracy: `python -m benchmarks.precision`, once both runs of
docs/speed.md are there.

Accuracy on evaluation clients after the last round, float32 and bfloat16 side by side: by fine-tune
epoch, the means, their difference by seed, and the difference's mean with its standard error over
clients (each client's mean over seeds)."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd


def accuracies(results: Path) -> pd.Series:
    """Accuracy by seed, client and fine-tune epoch."""
    rows = pd.concat(
        pd.read_parquet(path)
        for path in sorted((results / "personalization").glob("fedavg-*.parquet"))
    )
    rows = rows[(rows["round"] == rows["round"].max()) & (rows.client_group == "evaluation")]
    return rows.set_index(["seed", "client_id", "epoch"]).accuracy


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.precision", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument(
        "--float32",
        type=Path,
        default=Path("results/emnist62-float32"),
        help="default: %(default)s",
    )
    parser.add_argument(
        "--bfloat16", type=Path, default=Path("results/emnist62-bf16"), help="default: %(default)s"
    )
    options = parser.parse_args()
    for folder in (options.float32, options.bfloat16):
        if not (folder / "personalization").is_dir():
            parser.error(
                f"{folder} holds no results; docs/speed.md has the command that makes them."
            )
    both = pd.DataFrame(
        {"float32": accuracies(options.float32), "bfloat16": accuracies(options.bfloat16)}
    )
    both["difference"] = both.bfloat16 - both.float32
    for epoch, rows in both.groupby("epoch"):
        seeds = rows.groupby("seed").mean()
        clients = rows.difference.groupby("client_id").mean()
        print(
            f"epoch {epoch}: float32 {seeds.float32.mean():.4f}, bfloat16 "
            f"{seeds.bfloat16.mean():.4f}; by seed "
            f"{', '.join(f'{d:+.4f}' for d in seeds.difference)}; mean "
            f"{clients.mean():+.4f} ({clients.sem():.4f})"
        )


if __name__ == "__main__":
    main()
