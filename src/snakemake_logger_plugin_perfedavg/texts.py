"""How times, names and reasons are written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any


def duration(seconds: float) -> str:
    """``32 s``, ``5 min 12 s``, ``2 h 05 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def counted(n: int, thing: str) -> str:
    """``1 job``, ``2 jobs``."""
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"


def listed(names: Iterable[str], width: int) -> str:
    """As many names as fit into ``width`` characters, and how many more there are."""
    names, shown = list(names), ""
    if len(whole := ", ".join(names)) <= width:
        return whole
    for n, name in enumerate(names):
        longer = f"{shown}, {name}" if shown else name
        rest = len(names) - n - 1
        if shown and len(longer) + (len(f", {rest} more") if rest else 0) > width:
            return f"{shown}, {len(names) - n} more"
        shown = longer
    return shown


def job_name(rule: str, wildcards: Any) -> str:
    """``train_fedavg, M = 5, E = 10, seed 0``."""
    values = dict(wildcards or {})
    return ", ".join([rule, *(_wildcard(name, str(value)) for name, value in values.items())])


def _wildcard(name: str, value: str) -> str:
    """A wildcard by the name that it has in figures and tables."""
    if name == "clients":  # of a round, not how many the job is about
        return f"M = {value}"
    work = re.fullmatch(r"([ek])(\d+)", value) if name == "work" else None
    return f"{work[1].upper()} = {work[2]}" if work else f"{name} {value}"


_HASHED = re.compile(r"([\w.]+) [0-9a-f]{8}\b")


def changed(before: Iterable[str], now: Iterable[str]) -> tuple[list[str], bool]:
    """Of parameters that are not the same any more: the modules whose hash stands there, and
    whether there are others."""
    texts = [*map(str, before), *map(str, now)]
    modules = sorted({m for text in texts for m in _HASHED.findall(text)})
    return modules, any(not _HASHED.search(text) for text in texts)
