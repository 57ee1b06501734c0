"""The settings of one run and of its personalization: what training reads, and no more.

Kept apart from ``config``, so that a new key for a table or a figure makes nothing train again.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(gt=0, strict=True)]
Natural = Annotated[int, Field(ge=0, strict=True)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Momentum = Annotated[float, Field(ge=0, lt=1)]
ModelName = Literal["cnn_small", "cnn_emnist"]


class Block(BaseModel):
    """Base of all blocks: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ClientTraining(Block):
    """Local training on a client."""

    lr: Rate = Field(0.02, description="client learning rate β of SGD")
    batch_size: Count = Field(20, description="examples a local batch")
    shuffle_buffer: Count = Field(
        1000, description="examples in the shuffle buffer, `repeat(E).shuffle(buffer).batch(size)`: batches can span epochs"
    )


class ServerSGD(Block):
    """Server optimizer SGD, with momentum where it is above 0."""

    optimizer: Literal["sgd"] = Field("sgd", description="name of the server optimizer")
    lr: Rate = Field(1.0, description="server learning rate α")
    momentum: Momentum = Field(0.9, description="momentum of the mean delta")


class ServerAdam(Block):
    """Server optimizer Adam, bias-corrected."""

    optimizer: Literal["adam"] = Field("adam", description="name of the server optimizer")
    lr: Rate = Field(1e-3, description="server learning rate α")
    beta1: Momentum = Field(0.9, description="decay of the first moment")
    beta2: Momentum = Field(0.999, description="decay of the second moment")
    eps: Rate = Field(1e-8, description="added to the root of the second moment")


Server = Annotated[ServerSGD | ServerAdam, Field(discriminator="optimizer")]


class Personalization(Block):
    """Fine-tuning on a held-out client, accuracy and loss after every epoch."""

    lr: Rate = Field(0.02, description="learning rate of SGD, the client optimizer of training")
    batch_size: Count = Field(20, description="examples a batch")
    epochs: Count = Field(10, description="fine-tune epochs; accuracy and loss are kept after each of 0..epochs")
    shown_epochs: tuple[Count, ...] = Field((1, 5), description="epochs shown in Table 1 beside the selected one")


class RunSpec(Block):
    """One federated run: everything that its result depends on besides the data.

    A run of a later stage starts from its parent's last model and counts its rounds on from there, so that its cohorts and
    batches are those that the parent would have drawn next.
    """

    run_id: str
    setting: str = Field(description="the run without its seed: runs of one setting differ in nothing else")
    dataset: str
    split: str
    algorithm: Literal["fedavg", "reptile"]
    stage: Count = 1
    parent_run_id: str | None = None
    parent_rounds: Natural = Field(0, description="the parent's last round")
    keeps_server_state: bool = Field(False, description="the server optimizer goes on with the parent's state")
    clients_per_round: Count
    local_epochs: Count | None = None
    local_steps: Count | None = None
    client: ClientTraining
    server: Server
    seed: int
    rounds: Count = Field(description="number of the last round, the parent's rounds included")
    evaluated_rounds: tuple[Count, ...]
    model: ModelName
