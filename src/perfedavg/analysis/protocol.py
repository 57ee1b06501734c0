"""The paper's protocol beside a config, value by value: what is as in the paper, what differs, and
where the paper says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from perfedavg.runtime.errors import PerfedavgError, reason

SAME, DIFFERS, SILENT = "as in the paper", "differs", "the paper is silent"
NOT_RUN = "not run"


class Compared(NamedTuple):
    """A value of the protocol: ``paper``, ``standard`` (the field's) and ``here`` in words, what is
    known of the paper's (``fact``, ``inferred`` or ``unknown``), and how the two compare."""

    item: str
    paper: str
    standard: str
    here: str
    status: str
    result: str


def read_protocol(path: str | Path, kind: str) -> dict[str, Any]:
    """The file ``config/paper_protocol.yaml``: ``paper``, and of the protocol for data of this kind
    (``images``, ``vectors`` or ``tokens``) ``called`` and ``rows``.

    Raises:
        PerfedavgError: the file cannot be read, or has another form.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        of_kind = next(p for p in values["protocols"] if kind in p["kinds"])
        rows = [row for row in of_kind["rows"] if row["item"] and row["key"] and row["status"]]
        return {"paper": dict(values["paper"]), "called": of_kind["called"], "rows": rows}
    except (OSError, ValueError, yaml.YAMLError, LookupError, TypeError, StopIteration) as error:
        raise PerfedavgError(
            f"{path} cannot be read as the paper's protocol ({reason(error)}); put the project's "
            "own back."
        ) from error


def compare(rows: list[dict[str, Any]], config: Mapping[str, Any]) -> list[Compared]:
    """Every row of the protocol beside the config's value.

    A part of a study that was not run has no row: that it was not run is one difference."""
    found = []
    for row in rows:
        measure = row.get("measure", "value")
        value = _value(config, row["key"])
        if value is _NOWHERE:
            continue
        here = _measured(value, measure)
        paper = row.get("paper")
        if row["status"] == "unknown":
            result, shown = SILENT, ""
        else:
            result, shown = (SAME if _equal(paper, here) else DIFFERS), _in_words(paper, measure)
        standard = _in_words(row["standard"], measure) if "standard" in row else ""
        words = (row["item"], shown, standard, _in_words(here, measure), row["status"], result)
        found.append(Compared(*words))
    return found


_NOWHERE = object()


def _value(config: Any, key: str) -> Any:
    """The value of a dotted key; ``_NOWHERE`` below a block that is not there."""
    block, name = config, key
    while "." in name:
        first, name = name.split(".", 1)
        block = block.get(first) if isinstance(block, Mapping) else None
    return block.get(name) if isinstance(block, Mapping) else _NOWHERE


def _measured(value: Any, measure: str) -> Any:
    if measure == "length":
        return len(value or ())
    if measure == "grid":
        amounts = value.get("local_epochs") or value.get("local_steps") or ()
        product = len(value["clients_per_round"]) * len(amounts)
        return product - len(value.get("without") or ())
    return value is not None if measure == "presence" else value


def _equal(paper: Any, here: Any) -> bool:
    """Lists in any order; a number anywhere in a range."""
    if isinstance(paper, Mapping):
        return isinstance(here, int | float) and paper["from"] <= here <= paper["to"]
    if isinstance(paper, list):
        return isinstance(here, list) and sorted(paper) == sorted(here)
    return paper == here


def _in_words(value: Any, measure: str) -> str:
    if measure == "presence":
        return "run" if value else NOT_RUN
    if isinstance(value, Mapping):
        return f"{value['from']} to {value['to']}"
    if isinstance(value, list):
        return ", ".join(_in_words(one, measure) for one in value)
    if value is None:
        return "not set"
    return f"{value:g}" if isinstance(value, float) else str(value)
