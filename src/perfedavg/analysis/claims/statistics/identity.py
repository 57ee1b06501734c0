"""An identity that holds up to rounding (claim C1), from the theory experiment.

Arguments: ``residual_below``, of the residual; ``controls_above``, of the two controls, which break
one condition each. Both of mini-batches and of full batches, K from 2 on (at K = 1 both sides are
one gradient). Of a control, the mean over cohorts counts: in a cohort whose clients happen to have
equally many examples, weights by their number are equal ones."""

from __future__ import annotations

from typing import Any

from perfedavg.analysis.claims.component import Measured
from perfedavg.analysis.claims.measures import Measures, MissingError

CONTROLS = ("residual_other_batches", "residual_unequal_weights")


def measure(measures: Measures, arguments: dict[str, Any], margin: float) -> Measured:
    """Whether it holds, and the largest residual beside the smallest control."""
    if measures.theory is None or measures.theory.empty:
        raise MissingError("the theory experiment")
    rows = measures.theory[measures.theory.k > 1]
    residual = float(rows.residual.max())
    control = float(rows.groupby(["batches", "k"])[list(CONTROLS)].mean().min().min())
    holds = residual < arguments["residual_below"] and control > arguments["controls_above"]
    note = (
        f"largest residual {residual:.1e}, smallest control {control:.2g} (mean over cohorts), "
        f"{len(rows)} cases"
    )
    return Measured(exact=bool(holds), note=note)
