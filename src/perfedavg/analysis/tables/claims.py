"""Table ``claims``: a verdict on every claim of the paper, by the rules of ``docs/claims.md``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from perfedavg.analysis.choices import Selection, ServerRates
from perfedavg.analysis.claims.experiment import asked, measures, others, settings  # noqa: F401
from perfedavg.analysis.claims.measures import ANALYSES
from perfedavg.analysis.claims.registration import post_hoc
from perfedavg.analysis.claims.statistics import NAMES
from perfedavg.analysis.claims.verdicts import NOT_TESTED, Claim, Verdict, decide
from perfedavg.analysis.columns import CAVEAT
from perfedavg.analysis.formats import number_in_words
from perfedavg.storage.tables import Column

TITLE = "the paper's claims"
SECTION = "Did the paper's claims hold?"
CAPTION = (
    "A verdict on every claim of the paper, by rules that were fixed before the runs: the effect, "
    "positive as claimed, with its 95 % interval over seeds, the margin, and how many of twelve "
    "analyses agree."
)
ROWS = (
    'One row per claim of `config/claims.yaml`. Of a claim with several components ("at every E") '
    "the numbers are those of the component that the verdict hangs on."
)
FOUND = [f"perfedavg.analysis.claims.statistics.{name}" for name in NAMES]
CONTRACT = {
    "id": Column("str", "-", "of the claim"),
    "claim": Column("str", "-", "the claim"),
    "family": Column("str", "-", "within which p-values are adjusted (Holm)"),
    "statistic": Column("str", "-", "what is measured: a file of `analysis/claims/statistics`"),
    "component": Column("str", "-", "which of its components the numbers are of; may be empty"),
    "unit": Column("str", "-", "of the numbers"),
    "estimate": Column("float?", "`unit`", "effect, positive as claimed; mean over seeds"),
    "ci_low": Column("float?", "`unit`", "plain 95 % interval: other seeds, these clients"),
    "ci_high": Column("float?", "`unit`", "plain 95 % interval: other seeds, these clients"),
    "new_clients_low": Column("float?", "`unit`", "95 % interval for other clients too"),
    "new_clients_high": Column("float?", "`unit`", "95 % interval for other clients too"),
    "margin": Column("float 0..", "`unit`", "smallest effect that matters"),
    "p_value": Column(
        "float? 0..1", "-", "adjusted, of the null hypothesis that the effect is at most 0"
    ),
    "p_refute": Column(
        "float? 0..1",
        "-",
        "adjusted, of the one that it is at least the margin (of a claim with "
        "several components: at least 0)",
    ),
    "num_seeds": Column("int 0..", "seeds", "seeds that count"),
    "paper": Column("float?", "`unit`", "the paper's own value, where there is one"),
    "verdict": Column("str", "-", "`supported`, `refuted`, `inconclusive` or `not tested`"),
    "why": Column("str", "-", "why it is refuted, inconclusive or not tested; may be empty"),
    "shows": Column("str", "-", "what these runs show where they may not decide; may be empty"),
    "num_agree": Column("int? 0..12", "analyses", "of twelve that give the same verdict"),
    "lowest": Column("float?", "`unit`", "lowest estimate of the twelve"),
    "highest": Column("float?", "`unit`", "highest estimate of the twelve"),
    "caveat": CAVEAT,
}


def compute(
    evaluation: pd.DataFrame,
    comparison_evaluation: pd.DataFrame,
    grid_validation: pd.DataFrame,
    theory_rows: pd.DataFrame,
    runs: pd.DataFrame,
    selection: Selection,
    server_rates: ServerRates | None,
    registered: Mapping[str, Any],
    other_data: Path | None,
    reference: str,
    claims: Mapping[str, Any],
    undecided: str,
) -> pd.DataFrame:
    """One row per claim."""
    found = measures(
        evaluation, comparison_evaluation, grid_validation, theory_rows, runs, selection,
        server_rates, reference, claims, undecided,
    )  # fmt: skip
    late = post_hoc(claims, registered, set() if undecided else set(runs.seed))
    entries = [Claim(**entry) for entry in claims["claims"]]
    beside = others(other_data)
    under = [
        decide(entries, found.under(a), {n: m.under(a) for n, m in beside.items()}, late)
        for a in ANALYSES
    ]
    caveat = runs.caveat.iloc[0]
    rows = [_row(list(same), undecided) for same in zip(*under, strict=True)]
    return pd.DataFrame(rows).assign(caveat=caveat)[list(CONTRACT)]


def _row(under: list[Verdict], undecided: str) -> dict[str, Any]:
    """A claim's row from its verdicts under the twelve analyses."""
    chief, lead = under[0], under[0].lead
    claim, estimate = chief.claim, chief.lead.estimate if chief.lead else None
    estimates = [v.lead.estimate.estimate for v in under if v.lead]
    verdict, why, shows = chief.verdict, chief.why, ""
    decided = not undecided or claim.family == "identity"
    if not decided:
        shows = _shows(chief)
        verdict, why = NOT_TESTED, undecided if estimate else f"{undecided}; {chief.why}"
    tested = decided and verdict != NOT_TESTED and estimate is not None
    new = (lead.for_new_clients if lead else None) or (None, None)
    return {
        "id": claim.id,
        "claim": claim.claim,
        "family": claim.family,
        "statistic": claim.statistic,
        "component": lead.name if lead else "",
        "unit": claim.unit,
        "estimate": estimate.estimate if estimate else None,
        "ci_low": estimate.low if estimate else None,
        "ci_high": estimate.high if estimate else None,
        "new_clients_low": new[0],
        "new_clients_high": new[1],
        "margin": claim.margin,
        "p_value": chief.p_support if tested else None,
        "p_refute": chief.p_refute if tested else None,
        "num_seeds": lead.num_seeds if lead else 0,
        "paper": claim.paper,
        "verdict": verdict,
        "why": why,
        "shows": shows,
        "num_agree": sum(v.verdict == chief.verdict for v in under) if tested else None,
        "lowest": min(estimates, default=None),
        "highest": max(estimates, default=None),
    }


def _shows(verdict: Verdict) -> str:
    """What runs that may not decide show."""
    if verdict.lead is None:
        return ""
    text = _interval(pd.Series(verdict.lead.estimate._asdict()), "estimate", "low", "high")
    n = verdict.lead.num_seeds
    return f"{text} ({n} seed{'s' * (n != 1)})" if text else ""


def _interval(row: Any, mean: str, low: str, high: str) -> str:
    if pd.isna(row[mean]):
        return ""
    text = f"{row[mean]:+.4f}"
    return text if pd.isna(row[low]) else f"{text} [{row[low]:+.4f}, {row[high]:+.4f}]"


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The same table for people."""
    tested = (table.verdict != NOT_TESTED) & table.estimate.notna()
    columns: dict[str, Any] = {
        "id": table.id,
        "verdict": table.verdict,
        "claim": table.claim,
        "effect [95 %]": table.apply(
            _interval, axis=1, mean="estimate", low="ci_low", high="ci_high"
        ).where(tested, ""),
        "new clients": table.apply(
            _interval, axis=1, mean="estimate", low="new_clients_low", high="new_clients_high"
        ).where(tested & table.new_clients_low.notna(), ""),
        "margin": table.margin.map(number_in_words, form="g").where(table.margin > 0, ""),
        "paper": table.paper.map(number_in_words, form="+.4f"),
        "seeds": table.num_seeds.where(tested, "").astype(str),
        "analyses that agree": [
            "" if pd.isna(n) else f"{n:.0f} of 12 ({low:+.4f} to {high:+.4f})"
            for n, low, high in zip(table.num_agree, table.lowest, table.highest, strict=True)
        ],
        "why": table.why,
    }
    if (table.shows != "").any():
        columns["what these runs show"] = table.shows
    frame = pd.DataFrame(columns)
    return frame.loc[:, (frame != "").any(axis=0)]


def caption(
    table: pd.DataFrame, runs: pd.DataFrame, claims: Mapping[str, Any], undecided: str
) -> str:
    """How many claims have which verdict, and what the numbers are."""
    counts = table.verdict.value_counts()
    words = ", ".join(f"{n} {verdict}" for verdict, n in counts.items())
    text = (
        f"Of {len(table)} claims: {words}. Effects are positive as claimed, means over seeds on "
        "the same evaluation clients with a 95 % interval for other seeds (and, under new clients, "
        "for other clients too); logarithms of ratios where the unit is one. A claim is supported "
        "if its effect is above 0, refuted if it is below its margin, by one-sided tests at 2.5 % "
        "adjusted within families; the rules are in docs/claims.md. Claims: config/claims.yaml, "
        f"sha256 {claims['sha256'][:16]}."
    )
    return text + (f" These runs may not decide: {undecided}." if undecided else "")
