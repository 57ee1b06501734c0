"""Table ``theory``: FedAvg's update beside FedSGD's, FOMAML's and MAML's (sections 2 and 6, claim
C1).

One row a (checkpoint, K, seed, kind of batches), all that was measured; for people, the mean over
seeds of what says most."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

import pandas as pd

COMPARED = ("fedsgd", "fomaml", "maml_printed", "maml", "reptile", "fedavg")
PAIRS = tuple(combinations(COMPARED, 2))

THEORY = {
    "round": "int 1..",
    "k": "int 1..",
    "seed": "int 0..",
    "batches": "str",
    "residual": "float? 0..",
    "residual_other_batches": "float? 0..",
    "residual_unequal_weights": "float? 0..",
    **{f"cos_{a}_{b}": "float? -1..1" for a, b in PAIRS},
    **{f"norm_ratio_{a}_{b}": "float? 0.." for a, b in PAIRS},
    "caveat": "str",
}

SHOWN = {
    "cos_fomaml_maml": "cos(FOMAML, MAML)",
    "cos_maml_printed_maml": "cos(printed MAML, MAML)",
    "norm_ratio_fomaml_maml": "norm, FOMAML / MAML",
    "norm_ratio_maml_printed_maml": "norm, printed MAML / MAML",
    "cos_fedsgd_fedavg": "cos(FedSGD, FedAvg)",
    "cos_fomaml_fedavg": "cos(FOMAML, FedAvg)",
    "cos_maml_fedavg": "cos(MAML, FedAvg)",
    "cos_reptile_fedavg": "cos(Reptile, FedAvg)",
}
"""What the table for people holds beside the residuals."""


def theory_table(files: Iterable[str | Path], caveat: str) -> pd.DataFrame:
    """What the files ``theory/<run_id>.parquet`` of all seeds hold, with ``note``, in the order of
    round, K and seed."""
    table = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
    return table.sort_values(["round", "k", "seed", "batches"], ignore_index=True).assign(
        caveat=caveat
    )[list(THEORY)]


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The same table for people: a row a (kind of batches, checkpoint, K); of the identity's
    residual the largest."""
    groups = table.groupby(["batches", "round", "k"])
    means = groups[[*SHOWN, "residual_other_batches", "residual_unequal_weights"]].mean()
    keys = means.index.to_frame(index=False)
    columns = {
        "batches": keys.batches,
        "round": keys["round"],
        "K": keys.k,
        "residual": groups.residual.max().map(lambda r: _number(r, ".1e" if r else ".0f")),
        "with other batches": means.residual_other_batches.map(_number),
        "with unequal weights": means.residual_unequal_weights.map(_number),
        **{name: means[column].map(_number) for column, name in SHOWN.items()},
        "seeds": groups.seed.nunique(),
    }
    return pd.DataFrame({name: list(values) for name, values in columns.items()})


def _number(value: float, form: str = ".3f") -> str:
    return "" if pd.isna(value) else format(value, form)


def caption(table: pd.DataFrame, clients: int) -> str:
    """What the numbers are; ``clients`` are in each cohort."""
    caveat = table.caveat.iloc[0] if len(table) else "All runs diverged: nothing could be measured."
    return (
        "FedAvg's update of K local steps is FedSGD's plus those of FOMAML(1) to FOMAML(K "
        "- 1). Residual: what is left of the "
        "difference, relative to FedAvg's update, the largest over seeds (float64: about "
        "1e-16 is rounding; at K = 1 both sides "
        "are one gradient). The two controls break one condition and must not be small: "
        "the right-hand side from other batches; "
        "the left-hand side weighted by n_i. Other columns compare the mean updates of "
        "FOMAML(K), MAML(K) (exact, and with the "
        "Jacobian as printed), Reptile(K), FedSGD and FedAvg(E = K epochs, weighted by "
        "n_i). Means over seeds, at models along "
        f"the reference run, for cohorts of {clients} training clients; full-batch: a step "
        f"uses all of a client's examples." + (f" **{caveat}**" if caveat else "")
    )
