"""The settings of centralized training, and what one baseline run is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from perfedavg.blocks import Block, Count, Momentum, Natural, Rate

BEST, MATCHED = "best", "matched"
"""Where centralized training is stopped: see :class:`Centralized`."""


class Centralized(Block):
    """A model trained on the pooled train data of the training clients, by SGD with Nesterov
    momentum.

    It is evaluated twice: at its best on validation clients, and stopped at the pass whose initial
    accuracy on validation clients is nearest to the reference FedAvg model's."""

    passes: Count = Field(description="passes over the pooled data")
    personalize_every: Count | None = Field(
        None,
        description="passes between two at which evaluation clients are personalized too; null: "
        "only where it is stopped",
    )
    fine_tuning_lr: Rate | None = Field(
        None, description="its fine-tune rate; null: `evaluation.fine_tuning.lr`"
    )
    batch_size: Count = Field(100, description="examples per batch (inferred)")
    lr: Rate = Field(0.01, description="learning rate (inferred)")
    momentum: Momentum = Field(0.9, description="Nesterov momentum (inferred)")
    decay: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="factor on the learning rate after every pass (the paper: a decay, "
        "how much is unknown)",
    )


class BaselineSpec(Block):
    """One baseline run; the counterpart of ``RunSpec``."""

    run_id: str
    setting: str
    study: Literal["baseline"] = "baseline"
    variant: str = Field("", description="of centralized runs: where they are stopped")
    dataset: str
    split: str
    algorithm: Literal["centralized", "local_only"]
    stage: Count = 1
    parent_run_id: str | None = Field(
        None, description="the run at whose initial accuracy a centralized one was stopped"
    )
    seed: int
    rounds: Natural = Field(description="passes; 0 for local-only training")
    client_lr: Rate | None = Field(None, description="learning rate of local-only training")
    server_optimizer: str = Field("", description="optimizer of centralized training")
    server_lr: Rate | None = Field(None, description="learning rate of centralized training")
    model: str
    status: str = "finished"
