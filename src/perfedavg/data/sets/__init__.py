"""The data sets that a config can name, one file each, found by its name."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Annotated, Any, Union

from pydantic import Field, TypeAdapter

from perfedavg.data.sources import DataSet


def _data_set(name: str) -> type[DataSet]:
    module = import_module(f"{__name__}.{name}")
    (only,) = (
        value
        for value in vars(module).values()
        if getattr(value, "__module__", "") == module.__name__
        and isinstance(value, type)
        and issubclass(value, DataSet)
    )
    return only


DATA_SETS = {module.name: _data_set(module.name) for module in iter_modules(__path__)}
Data = Annotated[Union[tuple(DATA_SETS.values())], Field(discriminator="dataset")]  # noqa: UP007


def data_set(block: dict[str, Any]) -> DataSet:
    """The data set that a config block, as plain values, describes."""
    return TypeAdapter(Data).validate_python(block)
