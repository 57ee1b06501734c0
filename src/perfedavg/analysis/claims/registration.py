"""Were the claims fixed before the runs? The entry of each in ``config/claims.yaml`` now is
compared with the one at the commit that trained the runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from perfedavg.runtime.errors import reading
from perfedavg.runtime.machine import file_at

FILE = "config/claims.yaml"


def entries(path: str | Path) -> dict[str, Any]:
    """The claims file, parsed as it is."""
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


def commit_of(model: str | Path) -> str:
    """The commit of the source that trained a model, ``model.safetensors``; its weights are not
    read.

    Raises:
        PerfedavgError: it cannot be read.
    """
    from safetensors import safe_open

    with reading(model), safe_open(model, framework="np") as file:
        return str(json.loads(file.metadata()["perfedavg"])["git_commit"])


def registered(commits: Iterable[str]) -> dict[str, Mapping[str, Any] | None]:
    """By commit, the claims file as it was there, parsed; None where it cannot be had."""
    found: dict[str, Mapping[str, Any] | None] = {}
    for commit in sorted(set(commits)):
        text = file_at(commit, FILE)
        found[commit] = yaml.safe_load(text) if text else None
    return found


def post_hoc(
    now: Mapping[str, Any], then: Mapping[str, Mapping[str, Any] | None], seeds: Iterable[int]
) -> dict[str, str]:
    """By claim, why it was not fixed before the runs; claims that were are left out.

    Args:
        now: the claims file, parsed.
        then: of :func:`registered`.
        seeds: of the experiment's runs.
    """
    late: dict[str, str] = {}
    for claim in now["claims"]:
        reasons = []
        for commit, file in then.items():
            short = commit.removesuffix("-modified")[:12]
            if file is None:
                reasons.append(f"the claims at the runs' commit ({short}) cannot be read")
                continue
            entries = {entry["id"]: entry for entry in file["claims"]}
            if claim["id"] not in entries:
                reasons.append(f"not among the claims at the runs' commit {short}")
            elif entries[claim["id"]] != claim:
                keys = {*claim, *entries[claim["id"]]}
                before = entries[claim["id"]]
                changed = sorted(k for k in keys if before.get(k) != claim.get(k))
                reasons.append(f"{', '.join(changed)} changed after the runs' commit {short}")
            elif list(file["seeds"]) != list(now["seeds"]):
                reasons.append(f"seeds changed after the runs' commit {short}")
        further = sorted(set(seeds) - set(now["seeds"]))
        if further:
            reasons.append(f"seeds were added: {', '.join(map(str, further))}")
        if reasons:
            late[claim["id"]] = reasons[0]
    return late
