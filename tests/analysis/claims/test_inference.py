"""Intervals and p-values against scipy and statsmodels called directly, and by brute force."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.multitest import multipletests

from perfedavg.analysis.claims.inference import (
    Estimate,
    holm,
    new_clients,
    pitman_morgan,
    seeds_needed,
    t_test,
    welch,
    welch_of_summaries,
)

RNG = np.random.default_rng(3)


def test_t_is_scipys():
    values, margin = RNG.normal(0.004, 0.01, 7), 0.01
    found = t_test(values, margin)
    above = stats.ttest_1samp(values, 0, alternative="greater")
    below = stats.ttest_1samp(values, margin, alternative="less")
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert found.p_above_zero == pytest.approx(above.pvalue, rel=1e-9)
    assert found.p_below_margin == pytest.approx(below.pvalue, rel=1e-9)
    assert found.p_below_zero == pytest.approx(1 - above.pvalue, rel=1e-9)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert found.standard_deviation == pytest.approx(values.std(ddof=1))


@pytest.mark.parametrize(("value", "above", "below"), [(0.0, 1, 0), (0.02, 0, 1), (-0.02, 1, 0)])
def test_numbers_without_any_variance_decide(value, above, below):
    found = t_test(np.full(7, value), 0.01)
    assert (found.p_above_zero, found.p_below_margin) == (above, below)
    assert found.low == found.high == value


def test_welch_is_scipys():
    a, b = RNG.normal(0.03, 0.01, 7), RNG.normal(0.01, 0.03, 5)
    found = welch(a, b, 0.0)
    direct = stats.ttest_ind(a, b, equal_var=False, alternative="greater")
    interval = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert found.p_above_zero == pytest.approx(direct.pvalue, rel=1e-9)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-9)
    of_summaries = welch_of_summaries(a.mean(), a.std(ddof=1), 7, b.mean(), b.std(ddof=1), 5, 0.0)
    assert of_summaries == pytest.approx(found, nan_ok=True)


def test_pitman_morgan_is_the_correlation_of_sum_and_difference():
    x, y = RNG.normal(0, 2, 9), RNG.normal(0, 1, 9)
    found, margin = pitman_morgan(x, y, 0.2), 0.2
    r = stats.pearsonr(x + y, x - y, alternative="greater")
    assert found.p_above_zero == pytest.approx(r.pvalue, rel=1e-6)
    scaled = np.exp(margin) * y
    r = stats.pearsonr(x + scaled, x - scaled, alternative="less")
    assert found.p_below_margin == pytest.approx(r.pvalue, rel=1e-6)
    assert found.estimate == pytest.approx(np.log(x.std() / y.std()))
    for end in (found.low, found.high):  # the ends are where the two-sided test is at 5 %
        scaled = np.exp(end) * y
        assert stats.pearsonr(x + scaled, x - scaled).pvalue == pytest.approx(0.05, rel=1e-6)


def test_pooled_settings_count_their_degrees_of_freedom():
    x, y = RNG.normal(size=(2, 3, 6))
    found = pitman_morgan(x, y, 0.0)
    x, y = (v - v.mean(axis=1, keepdims=True) for v in (x, y))
    r = np.corrcoef((x + y).ravel(), (x - y).ravel())[0, 1]
    df = 3 * 5 - 1
    assert found.p_above_zero == pytest.approx(stats.t.sf(r * np.sqrt(df / (1 - r**2)), df))


def test_new_clients_is_the_two_way_analysis_of_variance():
    seeds, clients = 5, 8
    table = (
        RNG.normal(0, 0.02, (seeds, 1))
        + RNG.normal(0, 0.03, clients)
        + RNG.normal(0, 0.02, (seeds, clients))
    )
    long = pd.DataFrame(table).rename_axis("s").reset_index().melt("s", var_name="c")
    anova = anova_lm(ols("value ~ C(s) + C(c)", long).fit())
    squares, df = anova.mean_sq.to_numpy(), anova.df.to_numpy()
    total = squares[0] + squares[1] - squares[2]
    assert total > squares[2]
    of_total = total**2 / (squares**2 / df).sum()
    half = stats.t.ppf(0.975, of_total) * np.sqrt(total / table.size)
    assert new_clients(table) == pytest.approx((table.mean() - half, table.mean() + half))


def test_new_clients_has_the_error_as_its_floor():
    table = np.array([[0.0, 1.0], [1.0, 0.0]])  # rows and columns have the same means
    half = stats.t.ppf(0.975, 1) * np.sqrt(1.0 / 4)  # the error's mean square is 1, df 1
    assert new_clients(table) == pytest.approx((0.5 - half, 0.5 + half))


def test_holm_is_statsmodels():
    p = [*list(RNG.uniform(0, 0.2, 6)), 0.01, 0.01]
    assert holm(p) == pytest.approx(list(multipletests(p, method="holm")[1]))
    assert holm([]) == []


@pytest.mark.parametrize(
    "values", [[0.004, 0.012, 0.006, 0.014, 0.002], [2.24, -0.72, -0.3, 0.2, 1.24, 0.6, 0.55]]
)
def test_seeds_needed_reach_the_power_in_simulation(values):
    found = t_test(np.array(values), 0.01)
    n = seeds_needed(found, 0.01)
    mean, deviation = found.estimate, found.standard_deviation
    draws = np.random.default_rng(0).normal(mean, deviation, (20_000, n))
    t = draws.mean(axis=1) / (draws.std(axis=1, ddof=1) / np.sqrt(n))
    power = (t > stats.t.ppf(0.975, n - 1)).mean()
    assert 0.79 < power < 0.9
    assert seeds_needed(Estimate(0.0, 0, 0, 1, 1, 1), 0.01) is None
