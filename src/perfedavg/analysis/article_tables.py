"""Tables as the article shows them: fewer columns than on the page, heads and cells that break
where they may, and which columns are of numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

import pandas as pd

from perfedavg.analysis.claims.verdicts import NOT_TESTED
from perfedavg.analysis.provenance import times_of
from perfedavg.analysis.tables import claims

TABLES = ("table1", "baselines", "stage2", "strategies", "algorithms", "ngrams")
"""Those that are shown; claims and the data card have places of their own."""
DROPPED = re.compile(
    "pooled, |after epoch |gradients|Hessian products$|trained parameters$|MB$|"
    "algorithms: rounds to "
)
"""Columns that only the full table has; those of one table stand behind its name."""
BESIDE = ("M", "E", "K", "seeds")
"""Columns of Table 1 that stand in both its parts, ours and the one beside the paper's."""
LONGEST_RULES = 8
RATIO = "log ratio"
"""What units begin with that are one; what it is of follows."""
_NUMBER = re.compile(r"[-+±]?[\d.,]+(e[-+]\d+)?( ?%)?( \([^()]*\)| \[[^\]]*\])?")

Table = dict[str, Any]


def read_markdown(path: Path) -> pd.DataFrame:
    """The table of a product's Markdown form, all of it text.

    Raises:
        ValueError: the file holds no such table.
    """
    lines = path.read_text(encoding="utf-8").split("\n\n", 1)[-1].strip().splitlines()
    head, rule, *rows = [
        [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
        for line in lines
    ]
    if not rows or set("".join(rule)) - set(":-"):
        raise ValueError("no table is in it")
    return pd.DataFrame(rows, columns=head)


def shown(frame: pd.DataFrame) -> Table:
    """``head``, ``rows`` and ``numeric`` (by column) of a table of texts."""
    columns = [list(frame.iloc[:, i]) for i in range(frame.shape[1])]
    return {
        "head": [_broken(name) for name in frame.columns],
        "rows": [[_cell(cell) for cell in row] for row in frame.to_numpy().tolist()],
        "numeric": [_numeric(cells) for cells in columns],
    }


def of_product(name: str, frame: pd.DataFrame) -> list[Table]:
    """A product's table without what the article leaves out; Table 1 beside the paper's has a
    second part."""
    drop = [bool(DROPPED.match(c) or DROPPED.match(f"{name}: {c}")) for c in frame.columns]
    frame = frame.loc[:, [not out for out in drop]]
    if "diverged" in frame and (frame.diverged == "0").all():
        frame = frame.drop(columns="diverged")
    papers = [n for n in frame.columns if n.startswith(("paper: ", "difference, "))]
    if not papers:
        return [shown(frame)]
    own = [n for n in frame.columns if n in BESIDE or n.endswith(" accuracy")]
    beside = [n for model in ("initial", "personalized") for n in papers if n.endswith(model)]
    order = sorted([*own, *beside], key=lambda n: (n not in BESIDE, "personalized" in n))
    return [shown(frame.drop(columns=papers)), shown(frame[order].drop(columns="seeds"))]


def of_claims(table: pd.DataFrame, verdicts: Sequence[str]) -> Table:
    """The claims in ``groups`` by verdict; of each its id, text, why it is not decided, effect, on
    how many seeds, how many analyses agree, the paper's value, and the margin with the unit of all
    these numbers.
    ``why`` is what stands behind every claim not tested."""
    reasons = table.why[table.verdict == NOT_TESTED].unique()
    common = reasons[0].partition("; ")[0] if len(reasons) else ""
    if not all(reason.partition("; ")[0] == common for reason in reasons):
        common = ""
    people = claims.shown(table)
    blank = pd.Series("", index=table.index)
    effect, seeds, agree, paper, margin = (
        people.get(name, blank)
        for name in ("effect [95 %]", "seeds", "analyses that agree", "paper", "margin")
    )
    shows = table.shows.str.extract(r"^(.*?)(?: \((\d+) seeds?\))?$").fillna("")
    effect, seeds = (own.where(own != "", shows[n]) for n, own in enumerate((effect, seeds)))
    units = table.unit.str.partition(f"{RATIO} of ")
    rows = [
        {
            "id": row.id,
            "verdict": row.verdict,
            "claim": row.claim,
            "why": row.why.removeprefix(common).removeprefix("; "),
            "effect": signed(effect[n].replace(", ", ",\u00a0")),
            "seeds": seeds[n],
            "agree": agree[n].partition(" (")[0],
            "paper": signed(paper[n]),
            "margin": margin[n] and f"{margin[n]} {RATIO if units[2][n] else row.unit}".strip(),
        }
        for n, row in table.iterrows()
    ]
    columns = ("effect", "seeds", "agree", "paper", "margin")
    filled = [name for name in columns if any(row[name] for row in rows)]
    groups = [(v, [row for row in rows if row["verdict"] == v]) for v in verdicts]
    return {
        "groups": [{"verdict": v, "number": str(len(of)), "rows": of} for v, of in groups if of],
        "why": common,
        "filled": filled,
        "ratios": sorted({what for what in units[2] if what}),
    }


def by_family(table: pd.DataFrame, verdicts: list[str]) -> Table:
    """How many claims of each family have which verdict."""
    counts = pd.crosstab(table.family, table.verdict).reindex(columns=verdicts, fill_value=0)
    counts = counts.loc[list(dict.fromkeys(table.family))]
    counts.loc["all"] = counts.sum()
    frame = counts.assign(claims=counts.sum(axis=1)).astype(str).reset_index(names="family")
    return shown(frame)


def of_times(results: Path) -> tuple[Table, dict[str, float]]:
    """The rules that took longest, and the sums over all: ``jobs``, ``startup_seconds``,
    ``work_seconds``."""
    times = times_of(results)
    sums = times.drop(columns="rule").sum().to_dict()
    rest = times.iloc[LONGEST_RULES:]
    times = times.iloc[:LONGEST_RULES]
    if len(rest):
        others = rest.drop(columns="rule").sum().to_dict()
        times.loc[len(times)] = {"rule": f"{len(rest)} other rules", **others}
    words = {
        "rule": times.rule,
        "jobs": times.jobs.astype(int).astype(str),
        "start-up, seconds": times.startup_seconds.map("{:.1f}".format),
        "work, seconds": times.work_seconds.map("{:.1f}".format),
    }
    return shown(pd.DataFrame(words)), sums


def of_config(config: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """``{"a": {"b": 1}}`` as ``[("a.b", "1")]``; what is not set is left out."""
    rows: list[tuple[str, str]] = []
    for key, value in config.items():
        if isinstance(value, dict):
            rows += of_config(value, f"{prefix}{key}.")
        elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
            for number, one in enumerate(value):
                rows += of_config({f"{key}[{number}]": one}, prefix)
        elif value not in (None, [], ""):
            values = value if isinstance(value, list) else [value]
            rows.append((f"{prefix}{key}", ", ".join(map(str, values))))
    return rows


def _broken(name: str) -> str:
    return "\n".join(wrap(name, 13, break_long_words=False, break_on_hyphens=False))


def signed(text: str) -> str:
    """With a true minus before numbers."""
    return re.sub(r"(?<![\w.)-])-(?=\d)", "−", text)


def _cell(text: str) -> str:
    """A number as it is printed: its interval below it, its spread beside it."""
    if not _NUMBER.match(text):
        return text
    text = re.sub(r"(?<=\d) \[", "\n[", text).replace(" (", "\u00a0(")
    return signed(text.replace(", ", ",\u00a0"))


def _numeric(cells: list[str]) -> bool:
    filled = [cell for cell in cells if cell]
    return 2 * sum(bool(_NUMBER.fullmatch(cell)) for cell in filled) > len(filled)
