"""The settings of fine-tuning, and what it reads of a run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from perfedavg.blocks import Block, Count, Rate
from perfedavg.models import LAYERS


class FineTuning(Block):
    """How a client's copy of the initial model is changed: which layers, by which optimizer."""

    layers: Literal["all", "last", "all_but_last"] = Field(
        "all", description="layers that are trained"
    )
    optimizer: Literal["sgd", "adam"] = Field(
        "sgd", description="`sgd`, the client optimizer of training, or `adam`"
    )
    lr: Rate = Field(0.02, description="learning rate")

    @property
    def trained(self) -> slice:
        """The positions in ``Model.shapes`` that are trained: the last layer is the last weight and
        its bias."""
        return LAYERS[self.layers]

    @property
    def strategy(self) -> str:
        """Its name in tables: `full` is SGD on all layers."""
        names = {"all": "full", "last": "last layer", "all_but_last": "all but last layer"}
        return names[self.layers] + (", Adam" if self.optimizer == "adam" else "")


class Personalization(FineTuning):
    """Fine-tuning on a held-out client, accuracy and loss after every epoch."""

    batch_size: Count = Field(20, description="examples per batch")
    epochs: Count = Field(
        10, description="fine-tune epochs; accuracy and loss are kept after each of 0..epochs"
    )
    shown_epochs: tuple[Count, ...] = Field(
        (1, 5), description="epochs shown in Table 1 beside the selected one"
    )


class LocalOnly(Block):
    """Every held-out client on its own: a fresh model trained on its own train data alone."""

    lr: Rate = Field(0.02, description="learning rate of SGD")
    batch_size: Count = Field(20, description="examples per batch")
    epochs: Count = Field(
        50, description="epochs; how many to report is chosen on validation clients"
    )

    def as_fine_tuning(self) -> Personalization:
        """Local-only training is fine-tuning of a model that knows nothing yet."""
        return Personalization(
            lr=self.lr, batch_size=self.batch_size, epochs=self.epochs, shown_epochs=()
        )


class Run(Block, extra="ignore"):
    """What personalization reads of a run, federated or baseline."""

    run_id: str
    algorithm: str
    stage: int
    seed: int
    model: str
