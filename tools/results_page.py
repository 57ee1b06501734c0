"""Fill the README, or a page of ``docs/results/``, from the results that it reports:
``python -m tools.results_page docs/results/NAME.md results/EXPERIMENT``.

Between ``<!-- table NAME -->`` and ``<!-- end -->`` goes that table, under its caption; for
``<!-- verdicts -->`` the claims that were decided, for ``<!-- models -->`` the accuracies behind
those about baselines, for ``<!-- provenance -->`` the commit, machine
and packages, for ``<!-- cost -->`` the hours. RESULTS is an experiment's folder, or what
``tools.keep_metrics`` has kept of it. Figures
that the page shows as ``NAME/<figure>.png`` are copied beside it. With ``--check`` nothing is
written, and the exit code says whether the page is what the results say."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from perfedavg.analysis.claims.experiment import load
from perfedavg.analysis.claims.measures import GAIN, in_words
from perfedavg.analysis.provenance import parts_of, times_of
from perfedavg.analysis.summary import INITIAL, PERSONALIZED
from perfedavg.runtime.errors import PerfedavgError, reading
from perfedavg.storage.files import write_text

_BLOCK = re.compile(
    r"<!-- (table (\w+)|verdicts|models|provenance|cost) -->\n.*?<!-- end -->", re.DOTALL
)


def filled(page: str, results: Path) -> str:
    """The page with every block as the results say."""

    def block(match: re.Match[str]) -> str:
        kind = match[1].split()[0]
        text = BLOCKS[kind](results, match[2])
        return f"<!-- {match[1]} -->\n{text.strip()}\n<!-- end -->"

    return _BLOCK.sub(block, page)


def _table(results: Path, name: str) -> str:
    file, kept = results / f"tables/{name}.md", results / f"tables/{name}.txt"
    return (file if file.exists() else kept).read_text(encoding="utf-8")


def _verdicts(results: Path, _: str) -> str:
    """The claims that were tested, in short; what was not, in a line."""
    file = results / "tables/claims.csv"
    with reading(file):
        table = pd.read_csv(file, keep_default_na=False)
    tested = table[table.verdict != "not tested"]
    counts = tested.verdict.value_counts()
    rows = []
    for row in tested.itertuples():
        effect = ""
        if row.estimate != "":
            effect = "{:+.4f} [{:+.4f}, {:+.4f}]".format(
                *(float(v) for v in (row.estimate, row.ci_low, row.ci_high))
            )
        why = f" ({row.why})" if row.why else ""
        rows.append(f"| {row.id} | {row.claim} | **{row.verdict}**{why} | {effect} | {row.unit} |")
    words = ", ".join(
        f"{counts[v]} {v}" for v in ("supported", "refuted", "inconclusive") if v in counts
    )
    head = (
        "| | the paper's claim | verdict | effect as claimed [95 %] | unit |\n|---|---|---|---|---|"
    )
    rest = ", ".join(table.id[table.verdict == "not tested"])
    return (
        f"Of {len(table)} claims {len(tested)} were tested: {words}.\n\n{head}\n"
        + "\n".join(rows)
        + "\n\nIntervals are plain 95 %, each for itself; verdicts are adjusted for all the claims "
        "of a family, so that one can stay open although its interval just excludes 0. Accuracy: "
        "0.01 is one point."
        + (f"\n\nNot tested, for what they need was not run: {rest}." if rest else "")
    )


def _models(results: Path, _: str) -> str:
    """Accuracies of the reference and its baselines, as the verdicts take them."""
    measures = load(results)
    lines = [
        "| model | rounds or passes | fine-tune epochs chosen | initial | personalized | gain |",
        "|---|---|---|---|---|---|",
    ]
    for part in ("reference", "fedsgd", "centralized"):
        runs = measures.runs[measures.runs.setting == measures.setting(part)]
        rounds = " to ".join(map(str, sorted({runs["rounds"].min(), runs["rounds"].max()})))
        means = [
            f"{measures.mean(measures.clients(part, kind)).mean():.4f}"
            for kind in (INITIAL, PERSONALIZED, GAIN)
        ]
        named = measures.setting(part) if part == "reference" else in_words(part)
        lines.append(f"| {' | '.join((named, rounds, str(measures.epoch(part)), *means))} |")
    return "\n".join(lines)


def _provenance(results: Path, _: str) -> str:
    """Of results that were made in several parts, a paragraph for each."""
    with reading(results / "provenance.json"):
        return "\n\n".join(map(_made, parts_of(results)))


def _made(facts: dict[str, Any]) -> str:
    machine, packages = facts["machine"], facts["packages"]
    named = [name for name in ("torch", "numpy") if name in packages]
    shown = ", ".join(f"{name} {packages[name]}" for name in named)
    seeds = ", ".join(map(str, facts["config"]["seeds"]))
    return (
        f"Made at commit `{facts['git_commit']}` with {shown} on {machine['processor']}, "
        f"{machine['cores']} cores; data sha256 `{facts['data_sha256'][:16]}…`; seeds {seeds}."
    )


def _cost(results: Path, _: str) -> str:
    with reading(results / "times.csv"):
        times = times_of(results)
    work = times.work_seconds.sum() / 3600
    largest = ", ".join(
        f"`{row.rule}` {row.work_seconds / 3600:.2f} h" for row in times.head(4).itertuples()
    )
    return f"{times.jobs.sum()} jobs, {work:.1f} hours of work in all; the most by {largest}."


BLOCKS = {
    "table": _table,
    "verdicts": _verdicts,
    "models": _models,
    "provenance": _provenance,
    "cost": _cost,
}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.results_page", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("page", type=Path, help="the page, docs/results/NAME.md")
    parser.add_argument("results", type=Path, help="the results, results/EXPERIMENT")
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date")
    options = parser.parse_args()
    before = options.page.read_text(encoding="utf-8")
    try:
        after = filled(before, options.results)
    except PerfedavgError as error:
        sys.exit(f"Error: {error}")
    if options.check:
        sys.exit(0 if after == before else f"{options.page} is not what {options.results} says.")
    write_text(options.page, after)
    folder = options.page.with_suffix("")
    for name in re.findall(rf"\({folder.name}/(\w+)\.png\)", after):
        drawn = options.results / f"figures/{name}.png"
        if drawn.exists():
            folder.mkdir(exist_ok=True)
            shutil.copyfile(drawn, folder / f"{name}.png")


if __name__ == "__main__":
    main()
