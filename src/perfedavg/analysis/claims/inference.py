"""Estimates with their intervals and the p-values of the two null hypotheses of a claim: the effect
is at most 0, and it is at least the margin.

The tests are in scipy; what is here is which of them, and the intervals that it does not have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LEVEL = 0.025
"""Of each one-sided test, and of each end of an interval."""
POWER = 0.8
MOST_SEEDS = 10_000


class Estimate(NamedTuple):
    """An effect, its 95 % interval, and one-sided p-values."""

    estimate: float
    low: float
    high: float
    p_above_zero: float
    """of the null hypothesis that the effect is at most 0"""
    p_below_margin: float
    """of the null hypothesis that it is at least the margin"""
    p_below_zero: float
    """of the null hypothesis that it is at least 0"""
    standard_deviation: float = math.nan
    """of one seed's number, where the effect is a mean of them"""


def t_test(values: np.ndarray, margin: float) -> Estimate:
    """Student's t for the mean of one number per seed. Without any variance the mean is exact.

    Args:
        values: [seeds], at least two.
    """
    values = np.asarray(values, dtype=float)
    n, mean = len(values), float(np.mean(values))
    deviation = float(np.std(values, ddof=1))
    error = deviation / math.sqrt(n)
    return _from_t(mean, error, n - 1, margin)._replace(standard_deviation=deviation)


def welch(a: np.ndarray, b: np.ndarray, margin: float) -> Estimate:
    """Welch's t for mean(a) - mean(b) of two independent groups of seeds, [seeds] each."""
    of_a, of_b = (
        (float(np.mean(x)), float(np.std(x, ddof=1)), len(x))
        for x in (np.asarray(a, dtype=float), np.asarray(b, dtype=float))
    )
    return welch_of_summaries(*of_a, *of_b, margin)


def welch_of_summaries(
    mean_a: float, std_a: float, n_a: int, mean_b: float, std_b: float, n_b: int, margin: float
) -> Estimate:
    """The same from means, standard deviations (n - 1) and numbers of runs."""
    var_a, var_b = std_a**2 / n_a, std_b**2 / n_b
    error = math.sqrt(var_a + var_b)
    spread = var_a**2 / (n_a - 1) + var_b**2 / (n_b - 1)
    df = (var_a + var_b) ** 2 / spread if spread else n_a + n_b - 2
    return _from_t(mean_a - mean_b, error, df, margin)


def pitman_morgan(x: np.ndarray, y: np.ndarray, margin: float) -> Estimate:
    """The log ratio of the standard deviations of ``x`` and ``y`` over seeds, x and y paired by
    seed (Pitman 1939, Morgan 1939): the variances of x and r y are equal if and only if x + r y and
    x - r y are uncorrelated.

    Args:
        x, y: [settings, seeds]. Settings are pooled, each centred on its own mean, so that
            settings x (seeds - 1) degrees of freedom are left.
    """
    x, y = (np.atleast_2d(np.asarray(v, dtype=float)) for v in (x, y))
    x, y = (v - v.mean(axis=1, keepdims=True) for v in (x, y))
    df = x.shape[0] * (x.shape[1] - 1) - 1
    var_x, var_y = float((x**2).sum()), float((y**2).sum())
    if var_x == 0 or var_y == 0:  # a model that does not vary at all
        effect = math.inf * (1 if var_x > 0 else -1) if var_x != var_y else 0.0
        return _from_t(effect, 0.0, df, margin)
    r = float((x * y).sum()) / math.sqrt(var_x * var_y)
    effect = 0.5 * math.log(var_x / var_y)

    def p_at_most(log_ratio: float) -> float:
        # The correlation of x + e^l y and x - e^l y.
        scaled = var_y * math.exp(2 * log_ratio)
        difference = var_x - scaled
        root = math.sqrt(max((var_x + scaled) ** 2 - 4 * r**2 * var_x * scaled, 0.0))
        correlation = difference / root if root else 0.0
        if abs(correlation) >= 1:
            return 0.0 if correlation > 0 else 1.0
        t = correlation * math.sqrt(df / (1 - correlation**2))
        return _t_cdf(-t, df)

    quantile = _t_quantile(df)
    k = 1 + 2 * (1 - r**2) * quantile**2 / df
    half = 0.5 * math.log(k + math.sqrt(k**2 - 1))
    return Estimate(
        effect, effect - half, effect + half, p_at_most(0), 1 - p_at_most(margin), 1 - p_at_most(0)
    )


def new_clients(matrix: np.ndarray) -> tuple[float, float]:
    """A 95 % interval for the mean that also holds for other clients: seeds and clients are both
    random, as in a two-way analysis of variance with one value per cell, with Satterthwaite's
    degrees of freedom. The variance of the mean is at least what the error alone gives.

    Args:
        matrix: [seeds, clients], at least two of each.
    """
    matrix = np.asarray(matrix, dtype=float)
    seeds, clients = matrix.shape
    mean, of_seed, of_client = matrix.mean(), matrix.mean(axis=1), matrix.mean(axis=0)
    residual = matrix - of_seed[:, None] - of_client[None, :] + mean
    df_seed, df_client = seeds - 1, clients - 1
    df_error = df_seed * df_client
    ms_seed = clients * float(((of_seed - mean) ** 2).sum()) / df_seed
    ms_client = seeds * float(((of_client - mean) ** 2).sum()) / df_client
    ms_error = float((residual**2).sum()) / df_error
    total = ms_seed + ms_client - ms_error
    if total <= ms_error:
        total, df = ms_error, float(df_error)
    else:
        parts = ms_seed**2 / df_seed + ms_client**2 / df_client + ms_error**2 / df_error
        df = total**2 / parts
    half = _t_quantile(df) * math.sqrt(total / (seeds * clients))
    return float(mean) - half, float(mean) + half


def seeds_needed(estimate: Estimate, margin: float) -> int | None:
    """How many seeds it would take to reject one of the two null hypotheses with 80 % power, if the
    effect were this estimate; None where it is not a mean over seeds, or too many."""
    from statsmodels.stats.power import TTestPower

    distance = max(estimate.estimate, margin - estimate.estimate)
    deviation = estimate.standard_deviation
    if not (math.isfinite(deviation) and deviation > 0 and distance > 0):
        return None
    power, size = TTestPower(), distance / deviation

    def enough(seeds: int) -> bool:
        return power.power(size, seeds, LEVEL, alternative="larger") >= POWER

    # From below: far above the answer the power is no number; the solver of statsmodels fails too.
    low, high = 2, 2
    while not enough(high):
        if high >= MOST_SEEDS:
            return None
        low, high = high + 1, min(2 * high, MOST_SEEDS)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted by Holm's method, in the same order: the i-th smallest of n times
    n - i + 1, at least as large as those before it."""
    n, largest = len(p_values), 0.0
    adjusted = [0.0] * n
    for place, i in enumerate(sorted(range(n), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (n - place) * p_values[i]))
        adjusted[i] = largest
    return adjusted


# scipy is imported where it is needed: the workflow imports this file whenever it starts.
def _t_cdf(t: float, df: float) -> float:
    from scipy.special import stdtr

    return float(stdtr(df, t))


def _t_quantile(df: float) -> float:
    """Of the two-sided 95 %."""
    from scipy.special import stdtrit

    return float(stdtrit(df, 1 - LEVEL))


def _from_t(effect: float, error: float, df: float, margin: float) -> Estimate:
    def p_above(bound: float) -> float:
        if error == 0:
            return 0.0 if effect > bound else 1.0
        return _t_cdf((bound - effect) / error, df)

    def p_below(bound: float) -> float:
        if error == 0:
            return 0.0 if effect < bound else 1.0
        return _t_cdf((effect - bound) / error, df)

    half = _t_quantile(df) * error
    return Estimate(effect, effect - half, effect + half, p_above(0), p_below(margin), p_below(0))
