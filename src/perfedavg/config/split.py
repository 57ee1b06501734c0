"""The block ``split``."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, field_validator, model_validator

from perfedavg.blocks import Block, Count
from perfedavg.data.splits import read_split_file
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.storage.files import sha256_of
from perfedavg.storage.tables import EVALUATION, TRAINING, VALIDATION


class Named(NamedTuple):
    """How many clients ``split.file`` names for each group, and the sha256 of its bytes."""

    training: int
    validation: int
    evaluation: int
    sha256: str


class Split(Block):
    """Which clients train, which validate; all others are evaluation clients."""

    order: Literal["sorted", "shuffled"] = Field(
        "shuffled",
        description="`sorted`: the first ids train; `shuffled`: the first of a permutation. Which "
        "one the paper used is unknown",
    )
    training_clients: Count | None = Field(
        None, description="number of clients that train; not beside `file`"
    )
    validation_clients: Count | None = Field(
        None,
        description="number of held-out clients, drawn at random, on which everything is chosen; "
        "not beside `file`",
    )
    seed: Annotated[int, Field(ge=0, le=2**32 - 1, strict=True)] = Field(
        42, description="seed of the permutation and of the draw of validation clients"
    )
    file: str | None = Field(
        None,
        description="CSV with columns `client_id,client_group` (training, validation or "
        "evaluation) that names the clients of every group in place of the keys above; clients "
        "that are not in it are left out",
    )
    empty_clients: Literal["leave_out", "refuse"] = Field(
        "leave_out",
        description="training clients without a train label and held-out clients without a test "
        "label: left out and counted, or refused before anything is trained",
    )

    @field_validator("file")
    @classmethod
    def _home(cls, file: str | None) -> str | None:
        return file and str(Path(file).expanduser())

    @model_validator(mode="after")
    def _check(self) -> Split:
        numbers = (self.training_clients, self.validation_clients)
        if self.file is None and None in numbers:
            raise ValueError("give training_clients and validation_clients, or file")
        if self.file is not None and numbers != (None, None):
            raise ValueError(
                "file says who trains and validates; leave training_clients and "
                "validation_clients out"
            )
        if self.file is not None:
            try:
                self.named  # noqa: B018 - read now, so that a mistake in it is said now
            except PerfedavgError as error:
                raise ValueError(str(error).removesuffix(".")) from None
        return self

    @cached_property
    def groups(self) -> dict[str, str]:
        """The group of every client that ``file`` names."""
        return read_split_file(self.file) if self.file else {}

    @cached_property
    def named(self) -> Named | None:
        """What ``file`` holds, if it is given."""
        if self.file is None:
            return None
        counts = Counter(self.groups.values())
        groups = (TRAINING, VALIDATION, EVALUATION)
        return Named(*(counts[group] for group in groups), sha256=sha256_of(self.file))

    @property
    def num_training(self) -> int:
        """Clients that train, those without examples too."""
        return self.named.training if self.named else self.training_clients or 0

    @property
    def num_validation(self) -> int:
        """Validation clients, likewise."""
        return self.named.validation if self.named else self.validation_clients or 0

    @property
    def given_by(self) -> str:
        """What the number of training clients is, in words."""
        if self.named:
            return f"the number of training clients in {self.file}"
        return "split.training_clients"

    @property
    def name(self) -> str:
        """How clients are assigned, in a word."""
        return "file" if self.named else self.order

    @property
    def content(self) -> dict[str, Any]:
        """What the assignment depends on: not where ``file`` lies, but what it holds."""
        content = self.model_dump(mode="json", exclude={"file"})
        return content | ({"file_sha256": self.named.sha256} if self.named else {})
