"""The paper's own Table 1 under the rules of ``docs/claims.md``: what its means and standard
deviations carry, by Welch's t, for 7, 10 and 14 runs per row (how many there were is unknown)."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd

from perfedavg.analysis.claims.inference import Estimate, holm, welch_of_summaries
from perfedavg.analysis.claims.verdicts import by_tests
from perfedavg.analysis.summary import INITIAL, PERSONALIZED

RUNS = (7, 10, 14)


class PapersClaim(NamedTuple):
    """A statement about two groups of the table's cells: that the first is above each second."""

    id: str
    statement: str
    margin: float
    pairs: list[tuple[tuple[str, int, int], tuple[str, int, int]]]
    """each ((model, M, E), (model, M, E))"""
    gains: bool = False
    """compare the gains of the two cells instead of a model's accuracies"""


def statements(paper: pd.DataFrame) -> list[PapersClaim]:
    """Those that the table's numbers can be asked for; C11 has no standard deviations."""
    found = []
    for clients, initial, personalized in ((20, 10, 5), (5, 5, 10)):
        name, amounts = ("C7" if clients == 20 else "C8"), sorted(
            paper.local_epochs[paper.clients_per_round == clients]
        )  # fmt: skip
        for model, best in ((INITIAL, initial), (PERSONALIZED, personalized)):
            others = [e for e in amounts if e != best]
            pairs = [((model, clients, best), (model, clients, e)) for e in others]
            margin = min(0.01, _smallest(paper, pairs) / 2)
            text = f"M = {clients}: {model} accuracy is best at E = {best}"
            found.append(PapersClaim(f"{name}-{model}", text, margin, pairs))
            last = [((model, clients, best), (model, clients, 20))]
            margin = min(0.01, _smallest(paper, last) / 2)
            text = f"M = {clients}: {model} accuracy at E = 20 is below E = {best}"
            found.append(PapersClaim(f"C12-M{clients}-{model}", text, margin, last))
    for clients in (5, 20):
        pairs = [
            ((PERSONALIZED, clients, e), (INITIAL, clients, e))
            for e in paper.local_epochs[paper.clients_per_round == clients]
        ]
        text = f"M = {clients}: personalized exceeds initial accuracy at every E"
        found.append(PapersClaim(f"C9-M{clients}", text, 0.01, pairs))
    for amount in sorted(set(paper.local_epochs)):
        pair = [((PERSONALIZED, 5, amount), (PERSONALIZED, 20, amount))]
        text = f"E = {amount}: the gain is larger at M = 5 than at M = 20"
        found.append(PapersClaim(f"C9-more-E{amount}", text, 0.01, pair, gains=True))
    for model in (INITIAL, PERSONALIZED):
        pairs = [((model, 20, e), (model, 5, e)) for e in sorted(set(paper.local_epochs))]
        text = f"M = 20 beats M = 5 in {model} accuracy at every E"
        margin = min(0.01, _smallest(paper, pairs) / 2)
        found.append(PapersClaim(f"C13-{model}", text, margin, pairs))
    return sorted(found, key=lambda c: int(c.id[1:].split("-")[0]))


def verdicts(paper: pd.DataFrame) -> pd.DataFrame:
    """One row per (statement, number of runs): the weakest pair's difference, its interval, t and
    the verdict of the two tests, Holm over all statements."""
    rows: list[dict[str, Any]] = []
    for runs in RUNS:
        claims = statements(paper)
        estimates = [[_estimate(paper, c, pair, runs) for pair in c.pairs] for c in claims]
        support = holm([max(e.p_above_zero for e in es) for es in estimates])
        refute = holm(
            [
                es[0].p_below_margin
                if len(es) == 1
                else min(1.0, len(es) * min(e.p_below_zero for e in es))
                for es in estimates
            ]
        )
        for claim, es, s, r in zip(claims, estimates, support, refute, strict=True):
            weakest = max(es, key=lambda e: e.p_above_zero)
            rows.append(
                {
                    "id": claim.id,
                    "statement": claim.statement,
                    "num_runs": runs,
                    "estimate": weakest.estimate,
                    "ci_low": weakest.low,
                    "ci_high": weakest.high,
                    "t": weakest.estimate / weakest.standard_deviation,
                    "margin": claim.margin,
                    "p_value": s,
                    "p_refute": r,
                    "verdict": by_tests(s, r),
                }
            )
    return pd.DataFrame(rows)


def _cell(paper: pd.DataFrame, clients: int, amount: int) -> pd.Series:
    here = (paper.clients_per_round == clients) & (paper.local_epochs == amount)
    return paper[here].iloc[0]


def _smallest(paper: pd.DataFrame, pairs: list) -> float:
    return min(
        _cell(paper, *a[1:])[f"{a[0]}_mean"] - _cell(paper, *b[1:])[f"{b[0]}_mean"]
        for a, b in pairs
    )


def _estimate(paper: pd.DataFrame, claim: PapersClaim, pair: tuple, runs: int) -> Estimate:
    """Its ``standard_deviation`` is the standard error of the difference.

    A gain is a difference of two accuracies of the same runs; how they vary together is not in the
    table, so it is taken as if they did not."""
    sides = []
    for model, clients, amount in pair:
        cell = _cell(paper, clients, amount)
        mean, std = cell[f"{model}_mean"], cell[f"{model}_std"]
        if claim.gains:
            mean = cell[f"{PERSONALIZED}_mean"] - cell[f"{INITIAL}_mean"]
            std = (cell[f"{PERSONALIZED}_std"] ** 2 + cell[f"{INITIAL}_std"] ** 2) ** 0.5
        sides.append((float(mean), float(std), runs))
    estimate = welch_of_summaries(*sides[0], *sides[1], claim.margin)
    error = ((sides[0][1] ** 2 + sides[1][1] ** 2) / runs) ** 0.5
    return estimate._replace(standard_deviation=error)
