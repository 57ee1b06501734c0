"""Weights on disk: safetensors only, never pickle, written whole or not at all.

The metadata is one JSON value under the key ``perfedavg``: safetensors writes several keys in an
order that differs from process to process, and equal runs must give equal bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from perfedavg.runtime.errors import ANEW, PerfedavgError, reading
from perfedavg.storage.files import atomic, read_json

_KEY = "perfedavg"


def save_tensors(path: str | Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write named tensors and their metadata."""
    text = json.dumps(metadata, sort_keys=True)
    with atomic(path) as temporary:
        save_file(
            {name: tensor.detach().contiguous() for name, tensor in tensors.items()},
            temporary,
            {_KEY: text},
        )


def load_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read what :func:`save_tensors` wrote.

    Raises:
        PerfedavgError: the file is missing or no safetensors file.
    """
    with reading(path, anew(path)), safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, dict(json.loads(file.metadata()[_KEY]))


def anew(path: str | Path) -> str:
    """What to do about a model that cannot be read: a run's checkpoints are one output."""
    if Path(path).parent.name == "checkpoints":
        return f"delete the folder {Path(path).parent} and give the same command again"
    return ANEW


def models_of(folder: str | Path, rounds: Iterable[int]) -> dict[int, Path]:
    """The checkpoints of a run, ``folder``/round_<n>.safetensors, after those of ``rounds`` that it
    has: a run that diverged lacks the later ones.

    Raises:
        PerfedavgError: ``run.json`` beside the folder says that it has finished, and one is
            missing.
    """
    folder = Path(folder)
    files = {n: folder / f"round_{n}.safetensors" for n in rounds}
    missing = [file for file in files.values() if not file.exists()]
    facts = folder.parent / "run.json"
    if missing and facts.exists():
        with reading(facts):
            finished = read_json(facts).get("status") == "finished"
        if finished:
            raise PerfedavgError(
                f"{missing[0]} is missing, although its run has finished; delete the folder "
                f"{folder} and give the same command again."
            )
    return {n: file for n, file in files.items() if file not in missing}
