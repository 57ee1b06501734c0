"""The block ``studies``: what is done with the grid's runs, and beside them."""

from __future__ import annotations

from pydantic import Field

from perfedavg.blocks import Block, Name
from perfedavg.config.comparison import Comparison
from perfedavg.config.stage2 import Stage2
from perfedavg.config.theory import Theory
from perfedavg.config.training import GridSetting
from perfedavg.personalization.settings import FineTuning, LocalOnly
from perfedavg.training.settings import Centralized


class Studies(Block):
    """Stage 2, the algorithm comparison, the theory experiment, strategies and baselines."""

    reference: GridSetting | None = Field(
        None,
        description="the FedAvg setting that others start from and are compared with; null: the "
        "last M and the last E (or K) of the grid",
    )
    stage2: Stage2 | None = Field(None, description="stage 2 and its controls; null: none")
    comparison: Comparison | None = Field(None, description="the algorithm comparison; null: none")
    theory: Theory | None = Field(None, description="the theory experiment; null: none")
    strategies: tuple[FineTuning, ...] = Field(
        (),
        description="further ways to fine-tune the reference runs' last models, compared with "
        "`evaluation.fine_tuning`",
    )
    centralized: Centralized | None = Field(
        None, description="the centralized baseline; null: none"
    )
    local_only: LocalOnly | None = Field(None, description="the local-only baseline; null: none")
    other_data: Name | None = Field(
        None,
        description="another experiment, finished or named in `also`, on other data: claims that "
        "compare two data sets read its results; null: they are not tested",
    )
    other_split: Name | None = Field(
        None,
        description="another experiment, finished or named in `also`, with the other order of "
        "client ids: figure `split_sensitivity`; null: none",
    )
