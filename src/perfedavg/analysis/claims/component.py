"""What a statistic gives: its components, each with one number per seed, an estimate and p-values.

A claim such as "at every E" has several components; most have one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from perfedavg.analysis.claims.inference import Estimate, new_clients, t_test
from perfedavg.analysis.claims.measures import Measures


@dataclass(frozen=True)
class Component:
    """One effect. ``by_seed``: one number per seed, where the effect is a mean of them."""

    name: str
    estimate: Estimate
    num_seeds: int
    by_seed: pd.Series | None = None
    for_new_clients: tuple[float, float] | None = None


@dataclass(frozen=True)
class Measured:
    """All components of a claim, and what is missing."""

    components: list[Component] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    joint: bool = False
    """whether all components must hold, those that are missing too"""
    exact: bool | None = None
    """of an identity: whether it holds; there is nothing to test then"""
    note: str = ""


def of_clients(name: str, clients: pd.DataFrame, measures: Measures, margin: float) -> Component:
    """From an effect per seed and evaluation client, [seeds, clients]."""
    by_seed = measures.mean(clients)
    component = of_seeds(name, by_seed, margin)
    if min(clients.shape) < 2 or measures.analysis.over != "clients":
        return component
    interval = new_clients(clients.to_numpy())
    return Component(name, component.estimate, component.num_seeds, by_seed, interval)


def of_seeds(name: str, by_seed: pd.Series, margin: float) -> Component:
    """From one number per seed; those without one are left out."""
    by_seed = by_seed.astype(float).replace([np.inf, -np.inf], np.nan).dropna()
    n = len(by_seed)
    if n < 2:
        nan = float("nan")
        value = float(by_seed.mean()) if n else nan
        return Component(name, Estimate(value, nan, nan, nan, nan, nan), n, by_seed)
    return Component(name, t_test(by_seed.to_numpy(), margin), n, by_seed)
