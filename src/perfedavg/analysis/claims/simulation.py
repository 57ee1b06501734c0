"""Do the verdicts keep their promises? Simulated data with known effects, through the functions
that decide: ``python -m perfedavg.analysis.claims.simulation``.

Of each method it is printed how often it is right, beside the bounds that it must keep; wrong
methods, which are often met, must fall out of the bounds of the right ones."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from perfedavg.analysis.claims.component import Component, Measured
from perfedavg.analysis.claims.inference import LEVEL, new_clients, pitman_morgan, t_test
from perfedavg.analysis.claims.verdicts import (
    REFUTED,
    SUPPORTED,
    by_tests,
    p_refute,
    p_support,
    within_families,
)

CLIENTS, MARGIN = 70, 0.01
SCENARIOS = {
    "seed-dominated": (0.01, 0.003, 0.02),
    "client-dominated": (0.001, 0.04, 0.02),
    "both": (0.01, 0.05, 0.05),
    "neither": (0.0005, 0.0005, 0.05),
}
"""Standard deviations of the seeds' effects, the clients' effects, and what is left."""
FAMILY, SEEDS, PAIRED_SD = 5, 7, 0.0075
RESAMPLES = 400

Rng = np.random.Generator


class Cell(NamedTuple):
    """A line of the result: a share in percent with its bounds. Of a wrong method the bounds are
    those that it must miss."""

    group: str
    name: str
    trial: Callable[[Rng], float]
    low: float | None
    high: float | None
    wrong: bool = False


def differences(rng: Rng, scenario: str, seeds: int) -> tuple[np.ndarray, float]:
    """[seeds, clients] of effects around 0, and the effect for these clients with all seeds."""
    of_seed, of_client, rest = SCENARIOS[scenario]
    clients = rng.normal(0, of_client, CLIENTS)
    table = rng.normal(0, of_seed, (seeds, 1)) + clients + rng.normal(0, rest, (seeds, CLIENTS))
    return table, float(clients.mean())


def covers(interval: tuple[float, float], truth: float) -> float:
    """1 or 0."""
    return float(interval[0] <= truth <= interval[1])


def _t(values: np.ndarray) -> tuple[float, float]:
    estimate = t_test(values, 0)
    return estimate.low, estimate.high


def t_over_seeds(rng: Rng, scenario: str, seeds: int) -> float:
    """Student's t over seeds, for these clients."""
    table, truth = differences(rng, scenario, seeds)
    return covers(_t(table.mean(axis=1)), truth)


def for_new_clients(rng: Rng, scenario: str, seeds: int) -> float:
    """The interval for other clients."""
    return covers(new_clients(differences(rng, scenario, seeds)[0]), 0.0)


def ratio_of_spreads(rng: Rng, ratio: float, seeds: int) -> float:
    """Pitman and Morgan's interval of the log ratio, x and y correlated by 0.5."""
    x, z = rng.normal(size=(2, seeds))
    y = (0.5 * x + np.sqrt(0.75) * z) / ratio
    estimate = pitman_morgan(x, y, 0)
    return covers((estimate.low, estimate.high), float(np.log(ratio)))


def skewed(rng: Rng, seeds: int) -> float:
    """Student's t where seeds are skewed (exponential)."""
    return covers(_t(rng.exponential(0.01, seeds) - 0.01), 0.0)


def failing(rng: Rng, seeds: int) -> float:
    """Student's t where one seed in ten fails, 30 points below the others."""
    values = rng.normal(0, PAIRED_SD, seeds) - 0.3 * (rng.random(seeds) < 0.1)
    return covers(_t(values), -0.03)


def family(rng: Rng, effect: float, holm: bool = True) -> list[str]:
    """The verdicts on a family of claims with this effect, independent of each other."""
    estimates = [t_test(rng.normal(effect, PAIRED_SD, SEEDS), MARGIN) for _ in range(FAMILY)]
    support = [e.p_above_zero for e in estimates]
    refute = [e.p_below_margin for e in estimates]
    if holm:
        support, refute = (within_families(["a"] * FAMILY, p) for p in (support, refute))
    return [by_tests(*p) for p in zip(support, refute, strict=True)]


def best_of_four(rng: Rng, above: tuple[float, float, float]) -> tuple[np.ndarray, str]:
    """[settings, seeds] of four settings, the first so much above each other one, and the verdict
    on its being best."""
    values = rng.normal(0, PAIRED_SD / np.sqrt(2), (4, SEEDS))
    values[1:] -= np.array(above)[:, None]
    parts = [Component("", t_test(values[0] - other, MARGIN), SEEDS) for other in values[1:]]
    measured = Measured(parts, joint=True)
    return values, by_tests(p_support(measured), p_refute(measured))


# Wrong methods.


def t_over_clients(rng: Rng, scenario: str, seeds: int) -> float:
    """Clients as replicates."""
    table, truth = differences(rng, scenario, seeds)
    return covers(_t(table.mean(axis=0)), truth)


def bootstrap_over_seeds(rng: Rng, scenario: str, seeds: int) -> float:
    """Percentile bootstrap over a handful of seeds."""
    table, truth = differences(rng, scenario, seeds)
    means = table.mean(axis=1)
    drawn = means[rng.integers(seeds, size=(RESAMPLES, seeds))].mean(axis=1)
    return covers(tuple(np.percentile(drawn, [2.5, 97.5])), truth)


def seeds_apart(rng: Rng, scenario: str, seeds: int) -> float:
    """Seeds resampled for each client apart."""
    table, truth = differences(rng, scenario, seeds)
    picked = rng.integers(seeds, size=(RESAMPLES, seeds, CLIENTS))
    drawn = table[picked, np.arange(CLIENTS)].mean(axis=(1, 2))
    return covers(tuple(np.percentile(drawn, [2.5, 97.5])), truth)


def seeds_for_new_clients(rng: Rng, scenario: str, seeds: int) -> float:
    """Student's t over seeds, read as if it held for other clients."""
    return covers(_t(differences(rng, scenario, seeds)[0].mean(axis=1)), 0.0)


def best_by_bootstrap(rng: Rng, above: tuple[float, float, float]) -> float:
    """ "Best" where more than half of the resamples say so."""
    values, _ = best_of_four(rng, above)
    drawn = values[:, rng.integers(SEEDS, size=(RESAMPLES, SEEDS))].mean(axis=2)
    return float((drawn.argmax(axis=0) == 0).mean() > 0.5)


def cells() -> Iterator[Cell]:
    """All that is tried."""
    for scenario in SCENARIOS:
        for n in (3, 5, 10):
            yield Cell("coverage, t over seeds", f"{scenario}, {n} seeds",
                       lambda r, s=scenario, n=n: t_over_seeds(r, s, n), 93, 97)  # fmt: skip
        for n in (5, 10):
            yield Cell("coverage, new clients", f"{scenario}, {n} seeds",
                       lambda r, s=scenario, n=n: for_new_clients(r, s, n), 93, None)  # fmt: skip
    for n in (5, 10):
        for ratio in (1.0, 3.0):
            yield Cell("coverage, Pitman-Morgan", f"ratio {ratio:g}, {n} seeds",
                       lambda r, q=ratio, n=n: ratio_of_spreads(r, q, n), 93, 97)  # fmt: skip
    for n in (5, 10):
        yield Cell(
            "coverage, as it is", f"skewed seeds, {n}", lambda r, n=n: skewed(r, n), None, None
        )
        yield Cell("coverage, as it is", f"one failed seed in ten, {n}",
                   lambda r, n=n: failing(r, n), None, None)  # fmt: skip
    yield Cell("family of five", "all effects 0: any supported",
               lambda r: float(SUPPORTED in family(r, 0)), None, 3.3)  # fmt: skip
    yield Cell("family of five", "all effects m: any refuted",
               lambda r: float(REFUTED in family(r, MARGIN)), None, 3.3)  # fmt: skip
    for effect, verdict, low in ((2, SUPPORTED, 90), (-1, REFUTED, 90), (0, REFUTED, 60)):
        yield Cell("family of five", f"effect {effect} m: {verdict}",
                   lambda r, e=effect, v=verdict: family(r, e * MARGIN).count(v) / FAMILY,
                   low, None)  # fmt: skip
    far = 3 * MARGIN  # below the best
    tied = (0.0, far, far)
    yield Cell("best of four", "all equal: refuted",
               lambda r: float(best_of_four(r, (0, 0, 0))[1] == REFUTED), None, 3.3)  # fmt: skip
    yield Cell("best of four", "two tied: supported",
               lambda r: float(best_of_four(r, tied)[1] == SUPPORTED), None, 3.3)  # fmt: skip
    yield Cell("wrong methods", "t over clients (seed-dominated, 5 seeds)",
               lambda r: t_over_clients(r, "seed-dominated", 5), 93, 97, True)  # fmt: skip
    yield Cell("wrong methods", "percentile bootstrap over seeds (5 seeds)",
               lambda r: bootstrap_over_seeds(r, "seed-dominated", 5), 93, 97, True)  # fmt: skip
    yield Cell("wrong methods", "seeds resampled for each client apart (5 seeds)",
               lambda r: seeds_apart(r, "seed-dominated", 5), 93, 97, True)  # fmt: skip
    yield Cell("wrong methods", "t over seeds as if for new clients (5 seeds)",
               lambda r: seeds_for_new_clients(r, "both", 5), 93, None, True)  # fmt: skip
    yield Cell("wrong methods", "no Holm: all effects 0, any supported",
               lambda r: float(SUPPORTED in family(r, 0, holm=False)), None, 3.3, True)  # fmt: skip
    yield Cell("wrong methods", "best by bootstrap probability: two tied, called best",
               lambda r: best_by_bootstrap(r, tied), None, 3.3, True)  # fmt: skip


def share(cell: Cell, replications: int, seed: int) -> float:
    """In percent; every cell has its own random stream."""
    rng = np.random.default_rng([seed, *cell.name.encode()])
    return 100 * float(np.mean([cell.trial(rng) for _ in range(replications)]))


def keeps(cell: Cell, percent: float) -> bool:
    """Whether a right method keeps its bounds, or a wrong one misses them."""
    inside = (cell.low is None or percent >= cell.low) and (
        cell.high is None or percent <= cell.high
    )
    return inside != cell.wrong


def main() -> None:
    """Print the table; exit with 1 where a method does not do as it should."""
    from tqdm import tqdm

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replications", type=int, default=4000, help="per cell (default: 4000)")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers (default: 0)")
    arguments = parser.parse_args()
    print(f"{'group':24} {'cell':52} {'share':>8}  must be")
    failed = 0
    for cell in tqdm(list(cells()), unit="cell", disable=None, leave=False):
        percent = share(cell, arguments.replications, arguments.seed)
        bounds = " to ".join(f"{b:g} %" if b is not None else "..." for b in (cell.low, cell.high))
        bounds = "-" if cell.low is None and cell.high is None else bounds
        expected = f"outside {bounds}" if cell.wrong else bounds
        good = keeps(cell, percent)
        failed += not good
        tqdm.write(
            f"{cell.group:24} {cell.name:52} {percent:6.2f} %  {expected}{'' if good else '  NO'}",
            file=sys.stdout,
        )
    print(f"one-sided tests at {100 * LEVEL:g} %, {arguments.replications} replications per cell")
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
