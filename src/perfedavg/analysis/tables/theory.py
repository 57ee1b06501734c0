"""Table ``theory``: FedAvg's update beside FedSGD's, FOMAML's and MAML's (sections 2 and 6, claim
C1).

One row per (checkpoint, K, seed, kind of batches), all that was measured; for people, the mean over
seeds of what says most."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pandas as pd

from perfedavg.analysis.columns import CAVEAT, SEED
from perfedavg.analysis.formats import number_in_words
from perfedavg.storage.tables import Column

TITLE = "FedAvg's update and MAML"
SECTION = "Is FedAvg's update a meta-learning one?"
CAPTION = (
    "Residuals of the identity between FedAvg, FedSGD and FOMAML with two controls, and cosines "
    "and norm ratios of the algorithms' averaged updates, at models along the reference run."
)
FOLDED = True
ROWS = (
    "One row per (round, K, seed, kind of batches): what `theory/<run_id>.parquet` of all seeds "
    "hold. FedSGD, FOMAML(K), MAML(K) and Reptile(K) count clients equally, FedAvg(E = K) by their "
    "train examples. A value is empty where an update is zero or not finite."
)

COMPARED = {
    "fedsgd": "FedSGD",
    "fomaml": "FOMAML(K)",
    "maml_printed": "printed MAML(K)",
    "maml": "exact MAML(K)",
    "reptile": "Reptile(K)",
    "fedavg": "FedAvg(E = K)",
}
_PAIRS = list(combinations(COMPARED, 2))
_SHARE = "share of FedAvg(K)'s norm"

CONTRACT = {
    "round": Column("int 1..", "rounds", "round of the reference run's model"),
    "k": Column("int 1..", "steps", "K, local steps (of FedAvg(E = K): epochs)"),
    "seed": SEED,
    "batches": Column(
        "str",
        "-",
        "`full-batch`: every step uses all the client's train examples; `mini-batch`: local "
        "batches as in training",
    ),
    "residual": Column(
        "float? 0..",
        _SHARE,
        "norm of FedAvg(K) - FedSGD - FOMAML(1) - ... - FOMAML(K - 1), equal weights, one walk per "
        "client; rounding is about 1e-16, at K = 1 it is 0",
    ),
    "residual_other_batches": Column(
        "float? 0..",
        _SHARE,
        "control: FedSGD and FOMAML(j) from another draw of the batches (full-batch: a random half "
        "of the client's examples in every step)",
    ),
    "residual_unequal_weights": Column(
        "float? 0..",
        _SHARE,
        "control: FedAvg(K) weighted by the clients' train examples, the other side equally",
    ),
    **{
        f"cos_{a}_{b}": Column(
            "float? -1..1", "-", f"cosine of {COMPARED[a]}'s and {COMPARED[b]}'s averaged updates"
        )
        for a, b in _PAIRS
    },
    **{
        f"norm_ratio_{a}_{b}": Column(
            "float? 0..", "-", f"norm of {COMPARED[a]}'s averaged update by that of {COMPARED[b]}'s"
        )
        for a, b in _PAIRS
    },
    "caveat": CAVEAT,
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


def asked(config: Any) -> bool:
    """Where there is a theory experiment."""
    return bool(config.studies.theory)


def settings(config: Any) -> dict[str, int]:
    """How many clients are in a cohort."""
    return {"clients": config.studies.theory.clients}


def compute(theory_rows: pd.DataFrame, caveat: str) -> pd.DataFrame:
    """All that was measured, in the order of round, K and seed."""
    order = ["round", "k", "seed", "batches"]
    table = theory_rows.sort_values(order, ignore_index=True).assign(caveat=caveat)
    return table[list(CONTRACT)]


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The same table for people: one row per (kind of batches, checkpoint, K); of the identity's
    residual the largest."""
    groups = table.groupby(["batches", "round", "k"])
    means = groups[[*SHOWN, "residual_other_batches", "residual_unequal_weights"]].mean()
    keys = means.index.to_frame(index=False)
    columns = {
        "batches": keys.batches,
        "round": keys["round"],
        "K": keys.k,
        "residual": groups.residual.max().map(lambda r: number_in_words(r, ".1e" if r else ".0f")),
        "with other batches": means.residual_other_batches.map(number_in_words, form=".3f"),
        "with unequal weights": means.residual_unequal_weights.map(number_in_words, form=".3f"),
        **{name: means[column].map(number_in_words, form=".3f") for column, name in SHOWN.items()},
        "seeds": groups.seed.nunique(),
    }
    return pd.DataFrame({name: list(values) for name, values in columns.items()})


def caption(table: pd.DataFrame, clients: int) -> str:
    """What the numbers are; ``clients`` are in each cohort."""
    return (
        "FedAvg's update of K local steps is FedSGD's plus those of FOMAML(1) to FOMAML(K - 1). "
        "Residual: what is left of the difference, relative to FedAvg's update, the largest over "
        "seeds (float64: about 1e-16 is rounding; at K = 1 both sides are one gradient). The two "
        "controls break one condition and must not be small: the right-hand side from other "
        "batches; the left-hand side weighted by n_i. Other columns compare the mean updates of "
        "FOMAML(K), MAML(K) (exact, and with the Jacobian as printed), Reptile(K), FedSGD and "
        "FedAvg(E = K epochs, weighted by n_i). Means over seeds, at models along the reference "
        f"run, for cohorts of {clients} training clients; full-batch: a step uses all of a "
        "client's examples."
    )
