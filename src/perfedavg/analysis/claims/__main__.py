"""The verdicts from the files of a finished experiment, without the workflow:
``python -m perfedavg.analysis.claims results/emnist62-claims``.

``--swaps`` also asks how often the rules support a claim where there is nothing: from the real
numbers the methods' means are removed, then methods are swapped within seeds at random. ``--other``
names a second experiment, for claims that compare two."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from perfedavg.analysis.claims.component import Component, Measured
from perfedavg.analysis.claims.experiment import commits, load
from perfedavg.analysis.claims.inference import t_test
from perfedavg.analysis.claims.registration import post_hoc, registered
from perfedavg.analysis.claims.verdicts import (
    SUPPORTED,
    Claim,
    Verdict,
    by_tests,
    decide,
    p_refute,
    p_support,
    within_families,
)
from perfedavg.runtime.errors import PerfedavgError

LARGEST_SHARE = 3.3
"""Percent of swaps in which any claim of a family may be supported."""


def swapped(verdicts: list[Verdict], swaps: int, seed: int = 0) -> dict[str, float]:
    """By family, in percent of the swaps: how often any of its claims is supported.

    Of every component that is a mean over seeds, that mean is removed; to swap the two methods of a
    difference in one seed is to turn its sign, in all claims alike."""
    rng = np.random.default_rng(seed)
    tried = [v for v in verdicts if any(c.by_seed is not None for c in v.components)]
    seeds = sorted({s for v in tried for c in v.components if c.by_seed is not None
                    for s in c.by_seed.index})  # fmt: skip
    counts: Counter[str] = Counter()
    for _ in range(swaps):
        sign = dict(zip(seeds, rng.choice([-1.0, 1.0], len(seeds)), strict=True))
        measured = [_under(v, sign) for v in tried]
        families = [v.claim.family for v in tried]
        support = within_families(families, [p_support(m) for m in measured])
        refute = within_families(families, [p_refute(m) for m in measured])
        found = {
            f for f, *p in zip(families, support, refute, strict=True) if by_tests(*p) == SUPPORTED
        }
        counts.update(found)
    return {f: 100 * counts[f] / swaps for f in dict.fromkeys(v.claim.family for v in tried)}


def _under(verdict: Verdict, sign: dict[int, float]) -> Measured:
    parts = []
    for c in verdict.components:
        if c.by_seed is None or len(c.by_seed) < 2:
            continue
        signs = np.array([sign[s] for s in c.by_seed.index])
        values = (c.by_seed.to_numpy() - c.by_seed.mean()) * signs
        parts.append(Component(c.name, t_test(values, verdict.claim.margin), c.num_seeds))
    return Measured(parts, joint=len(verdict.components) > 1)


def main() -> None:
    """Print the verdicts; with ``--swaps`` exit with 1 where too many are supported."""
    from perfedavg.analysis.claims.registration import FILE, entries

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="folder of the experiment")
    parser.add_argument("--claims", type=Path, default=Path(FILE), help=f"default: {FILE}")
    parser.add_argument("--other", type=Path, action="append", default=[], help="further folder")
    parser.add_argument("--swaps", type=int, default=0, help="how often methods are swapped")
    arguments = parser.parse_args()
    file: dict[str, Any] = entries(arguments.claims)
    decides = arguments.results.resolve().name == file["experiment"]
    late = {}
    try:
        measures = load(arguments.results, file["seeds"] if decides else None)
        if decides:
            late = post_hoc(file, registered(commits(arguments.results)), set(measures.runs.seed))
        others = {folder.name: load(folder) for folder in arguments.other}
    except PerfedavgError as error:
        raise SystemExit(f"Error: {error}") from None
    verdicts = decide([Claim(**c) for c in file["claims"]], measures, others, late)
    for v in verdicts:
        effect = ""
        if v.lead:
            e = v.lead.estimate
            effect = f"{e.estimate:+.4f} [{e.low:+.4f}, {e.high:+.4f}]"
        print(f"{v.claim.id:24} {v.verdict:13} {effect:32} {v.why}")
    if arguments.swaps:
        shares = swapped(verdicts, arguments.swaps)
        print(
            f"\nmeans removed, methods swapped within seeds {arguments.swaps} times, any claim of "
            f"a family supported (at most {LARGEST_SHARE:g} % of the swaps):"
        )
        for name, share in shares.items():
            print(f"{name:24} {share:5.2f} %")
        raise SystemExit(any(share > LARGEST_SHARE for share in shares.values()))


if __name__ == "__main__":
    main()
