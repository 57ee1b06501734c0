"""The data sets that a config can name, one file each, found by its name."""

from __future__ import annotations

from types import ModuleType
from typing import Annotated, Any, Union

from pydantic import Field, TypeAdapter

from perfedavg.data.sources import DataSet
from perfedavg.runtime.source import modules_in


def _data_set(module: ModuleType) -> type[DataSet]:
    (only,) = (
        value
        for value in vars(module).values()
        if getattr(value, "__module__", "") == module.__name__
        and isinstance(value, type)
        and issubclass(value, DataSet)
    )
    return only


DATA_SETS = {name: _data_set(module) for name, module in modules_in(__name__).items()}
Data = Annotated[Union[tuple(DATA_SETS.values())], Field(discriminator="dataset")]  # noqa: UP007


def data_set(block: dict[str, Any]) -> DataSet:
    """The data set that a config block, as plain values, describes."""
    return TypeAdapter(Data).validate_python(block)
