"""Which finished models a run would overwrite that belong to another configuration."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from perfedavg.runtime.errors import PerfedavgError
from perfedavg.storage.files import read_json


def refuse_overwriting(
    results: str | Path, planned: Iterable[tuple[str, dict[str, Any]]], config: dict[str, Any]
) -> None:
    """Stop before the models of another configuration are replaced.

    Further seeds and runs, other code and other personalization replace none; a run of the same
    settings is the same model.

    Args:
        results: the experiment's folder.
        planned: ``run.json`` and settings of every federated run that is to be trained.
        config: the experiment, as plain values.

    Raises:
        PerfedavgError: names the first run and the key that differs.
    """
    finished = [(path, settings) for path, settings in planned if Path(path).is_file()]
    found = [(path, _difference(_read(path), settings)) for path, settings in finished]
    earlier = _read(Path(results) / "provenance.json").get("config")
    for block in ("data", "split"):
        before = earlier.get(block) if isinstance(earlier, dict) else None
        if what := _difference(before if isinstance(before, dict) else {}, config[block]):
            found = [(path, f"{block}.{what}") for path, _ in finished]
    found = [(path, what) for path, what in found if what]
    if found:
        path, what = found[0]
        raise PerfedavgError(
            f"Finished models of another configuration would be overwritten ({len(found)}), as "
            f"those in {Path(path).parent} ({what}); give the experiment another name, or say that "
            "you mean it: --config 'execution={overwrite: true}'."
        )


def _read(path: str | Path) -> dict[str, Any]:
    try:
        found = read_json(path)
    except (OSError, PerfedavgError):  # what is damaged is no model worth keeping
        return {}
    return found if isinstance(found, dict) else {}


def _difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    """The first key that both have and that differs, with both values. Another place of the same
    archive is no difference, nor is another way to compute the same."""
    for key in old:
        if key not in new or key in ("archive", "backend") or old[key] == new[key]:
            continue
        if isinstance(old[key], dict) and isinstance(new[key], dict):
            if inner := _difference(old[key], new[key]):
                return f"{key}.{inner}"
        else:
            return f"{key}: {old[key]} there, {new[key]} now"
    return ""
