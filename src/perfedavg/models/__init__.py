"""The networks, one file each: a file here that has ``SHAPES`` is one, and its name is the
network's in a config.

Such a file states as literals, or imports from another network's file, ``SHAPES``, name and shape
of every parameter, the last layer's weight and bias last, and ``TAKES``, the kind of examples
(``images`` or ``tokens``). Its ``MODEL`` is the network (:class:`perfedavg.models.model.Model`).
Nothing here imports torch: the workflow reads names and sizes at every start."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from perfedavg.models.model import Model

LAYERS = {"all": slice(None), "last": slice(-2, None), "all_but_last": slice(None, -2)}
"""Positions in a network's shapes of the parameters that fine-tuning trains."""


def network_file(name: str) -> Path:
    """The file of a network."""
    return Path(__file__).with_name(f"{name}.py")


def shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Name and shape of every parameter of a network."""
    return _literal(network_file(name), "SHAPES")


def takes(name: str) -> str:
    """The kind of examples that a network takes."""
    return _literal(network_file(name), "TAKES")


def num_parameters(name: str) -> int:
    """How many parameters a network has."""
    return trained_parameters(name, "all")


def trained_parameters(name: str, layers: str) -> int:
    """How many parameters fine-tuning of these ``layers`` (:data:`LAYERS`) changes."""
    return sum(prod(shape) for shape in list(shapes(name).values())[LAYERS[layers]])


@cache
def _literal(path: Path, variable: str) -> Any:
    """The value of a file's variable, read without running the file; None: it has none."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == variable:
            return ast.literal_eval(node.value)
        if isinstance(node, ast.ImportFrom) and variable in {alias.name for alias in node.names}:
            return _literal(network_file(node.module.rsplit(".", 1)[1]), variable)
    return None


class _Models(Mapping[str, "Model"]):
    """Every network by name; a network's file is imported when it is first asked for."""

    def __init__(self) -> None:
        files = Path(__file__).parent.glob("*.py")
        self._names = sorted(file.stem for file in files if _literal(file, "SHAPES"))
        self._loaded: dict[str, Model] = {}

    def __getitem__(self, name: str) -> Model:
        if name not in self._loaded:
            if name not in self._names:
                raise KeyError(name)
            self._loaded[name] = import_module(f"{__name__}.{name}").MODEL
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


MODELS = _Models()
ModelName = Literal[*MODELS]
