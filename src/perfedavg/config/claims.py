"""The claims file, ``config/claims.yaml``, checked like a config."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from perfedavg.blocks import Block, Natural
from perfedavg.config.load import check_keys
from perfedavg.config.messages import no_repeats, sentence
from perfedavg.runtime.errors import PerfedavgError

PART = r"^(reference|reptile|continued|less_work|lower_rate|centralized|fedsgd|m\d+_e\d+)$"
Part = Annotated[str, Field(pattern=PART)]
Text = Annotated[str, Field(min_length=1)]


class ClaimEntry(Block):
    """One atomic claim."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$", max_length=40)]
    claim: Text = Field(description="as a statement that data can refuse")
    source: Text = Field(description="where the paper says it, and what of it is ours")
    family: Literal["identity", "headline", "stability", "table 1"]
    statistic: Text = Field(description="a file of `perfedavg.analysis.claims.statistics`")
    arguments: dict[str, Any] = Field(description="of the statistic")
    runs: tuple[Part, ...] = Field(
        min_length=1, description="parts of the experiment that it reads"
    )
    other_experiment: str | None = Field(None, description="a second experiment that it reads")
    unit: Text
    margin: float = Field(ge=0, allow_inf_nan=False, description="smallest effect that matters")
    margin_why: Text
    paper: float | None = Field(None, allow_inf_nan=False, description="the paper's own value")
    refuted_if: Text


class ClaimsFile(Block):
    """All claims, the experiment that decides them, and its seeds."""

    experiment: Text
    seeds: tuple[Natural, ...] = Field(min_length=1)
    claims: tuple[ClaimEntry, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> ClaimsFile:
        no_repeats(self.seeds, "seeds")
        no_repeats(tuple(claim.id for claim in self.claims), "claims")
        return self


def load_claims(path: str | Path, statistics: Collection[str]) -> dict[str, Any]:
    """The claims as plain values, and the file's ``sha256``.

    Raises:
        PerfedavgError: one sentence per problem, each with the file.
    """
    check_keys(path)
    try:
        raw = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        claims = ClaimsFile.model_validate(raw)
    except OSError as error:
        raise PerfedavgError(
            f"{path} cannot be read: {error.strerror}; put the project's own back."
        ) from error
    except yaml.YAMLError as error:
        raise PerfedavgError(
            f"{path} is not YAML: {' '.join(str(error).split())}; correct it."
        ) from error
    except ValidationError as error:
        said = [sentence(problem, ClaimsFile) for problem in error.errors()]
        raise PerfedavgError("\n".join(f"{path}: {one}" for one in said)) from error
    for claim in claims.claims:
        if claim.statistic not in statistics:
            raise PerfedavgError(
                f"{path}: claim {claim.id} asks for the statistic `{claim.statistic}`; use one of "
                f"{', '.join(sorted(statistics))}."
            )
    values = claims.model_dump(mode="json", exclude_none=True)
    return values | {"sha256": hashlib.sha256(Path(path).read_bytes()).hexdigest()}
