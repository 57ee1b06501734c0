"""The networks, one file each: a file here that has ``SHAPES`` is one, and its name is the
network's in a config.

Such a file states as literals, or imports from another network's file, ``SHAPES``, name and shape
of every parameter, the last layer's weight and bias last, and ``TAKES``, the kind of examples
(``images``, ``vectors`` or ``tokens``). Its ``MODEL`` is the network
(:class:`perfedavg.models.model.Model`).

A network that fits data of any size writes ``"features"`` (values of an example), ``"classes"`` or
``"values"`` (token ids) for the numbers in ``SHAPES`` that follow from the data, and in place of
``MODEL`` has ``model(shapes, sizes)``. Its full name says the sizes: ``mlp@12,5`` is ``mlp`` for 12
features and 5 classes (:func:`fitted`). A network of fixed size may state ``EXAMPLE_SHAPE``, the
shape of the examples that it takes.

Nothing here imports torch: the workflow reads names and sizes at every start."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from perfedavg.models.model import Model

LAYERS = {"all": slice(None), "last": slice(-2, None), "all_but_last": slice(None, -2)}
"""Positions in a network's shapes of the parameters that fine-tuning trains."""


class Sizes(NamedTuple):
    """What a network has to fit: sizes of the data."""

    example_shape: tuple[int, ...]
    num_classes: int
    num_values: int = 0
    """Of tokens: ids are 0 .. num_values - 1; the last one is padding where examples have one
    label."""
    label_shape: tuple[int, ...] = ()


def fitted(name: str, sizes: Sizes) -> str:
    """The full name of a network for data of these sizes; of one of fixed size its name."""
    if not is_sized(name):
        return name
    parts = ["x".join(map(str, sizes.example_shape)), str(sizes.num_classes)]
    if takes(name) == "tokens":
        parts += [str(sizes.num_values), *["each"] * bool(sizes.label_shape)]
    return f"{name}@{','.join(parts)}"


def sizes_in(full_name: str) -> Sizes:
    """The sizes that a full name states."""
    shape, classes, *tokens = full_name.partition("@")[2].split(",")
    example_shape = tuple(map(int, shape.split("x")))
    per_position = example_shape if tokens[1:] else ()
    return Sizes(example_shape, int(classes), int(tokens[0]) if tokens else 0, per_position)


def base(full_name: str) -> str:
    """The name of a network's file."""
    return full_name.partition("@")[0]


def module(full_name: str) -> str:
    """The dotted name of a network's module."""
    return f"{__name__}.{base(full_name)}"


def network_file(name: str) -> Path:
    """The file of a network."""
    return Path(__file__).with_name(f"{base(name)}.py")


def is_sized(name: str) -> bool:
    """Whether a network fits data of any size, so that its full name states one."""
    shapes = _literal(network_file(name), "SHAPES")
    return any(isinstance(n, str) for shape in shapes.values() for n in shape)


def shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Name and shape of every parameter of a network, given by its full name."""
    written = _literal(network_file(name), "SHAPES")
    if not is_sized(name):
        return written
    sizes = sizes_in(name)
    numbers = {
        "features": prod(sizes.example_shape),
        "classes": sizes.num_classes,
        "values": sizes.num_values,
    }
    return {key: tuple(numbers.get(n, n) for n in shape) for key, shape in written.items()}


def takes(name: str) -> str:
    """The kind of examples that a network takes."""
    return _literal(network_file(name), "TAKES")


def misfit(name: str, kind: str, sizes: Sizes) -> str:
    """Why a network, by the name of its file, cannot learn data of this kind and these sizes; empty
    where it can."""
    if takes(name) != kind:
        return f"takes {takes(name)}"
    if is_sized(name):
        return ""
    example_shape = _literal(network_file(name), "EXAMPLE_SHAPE")
    if example_shape and example_shape != sizes.example_shape:
        return f"takes {kind} of {_by(example_shape)}"
    (values, *_), *_, (classes,) = shapes(name).values()
    if kind == "tokens" and not sizes.label_shape:
        return "wants a label for every token"
    if kind == "tokens" and values < sizes.num_values:
        return f"knows {values} token ids"
    return f"tells {classes} classes apart" if classes < sizes.num_classes else ""


def fitting(kind: str, sizes: Sizes) -> list[str]:
    """The networks that can learn such data, those that fit any size first."""
    names = [name for name in NAMES if not misfit(name, kind, sizes)]
    return sorted(names, key=lambda name: not is_sized(name))


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


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


NAMES = tuple(
    sorted(file.stem for file in Path(__file__).parent.glob("*.py") if _literal(file, "SHAPES"))
)
"""All networks, by the names of their files."""


class _Models(Mapping[str, "Model"]):
    """Every network by its full name; it lists those of fixed size. A network's file is imported
    when it is first asked for."""

    def __init__(self) -> None:
        self._loaded: dict[str, Model] = {}

    def __getitem__(self, name: str) -> Model:
        if name not in self._loaded:
            if base(name) not in NAMES or is_sized(name) != ("@" in name):
                raise KeyError(name)
            file = import_module(module(name))
            sized = is_sized(name)
            model = file.model(shapes(name), sizes_in(name)) if sized else file.MODEL
            self._loaded[name] = model
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in NAMES if not is_sized(name))

    def __len__(self) -> int:
        return len(list(iter(self)))


MODELS = _Models()
ModelName = Literal[*NAMES]
