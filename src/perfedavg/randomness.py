"""Independent random streams, one for every (seed, purpose, round, client).

No global generator exists. A stream depends on nothing but its own key, so a run resumes from a
round number alone, a client's draws do not depend on who else is in the cohort, and a new algorithm
changes no other one's numbers."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import torch

# All that is drawn, in the order of an experiment. The texts key the bits: never change one.
TEST_EXAMPLES = "test examples"  # of a client of the user's own table that came without a split
VALIDATION_CLIENTS = "validation clients"  # which held-out clients everything is chosen on
PERMUTED_CLIENTS = "permuted writers"  # the data card: as if labels or style were shared by all
INITIAL_PARAMETERS = "initial parameters"  # of a run's model, federated, centralized or local-only
COHORT = "cohort"  # the training clients of a round
LOCAL_TRAINING = "local training"  # a client's batches and dropout masks in a round
CENTRALIZED = "centralized"  # order of the pooled examples and dropout masks; the pass is its round
INTERMEDIATE_CLIENTS = "intermediate clients"  # who is evaluated before the last round
FINE_TUNING = "personalization"  # batches and dropout masks of fine-tuning a held-out client
THEORY_COHORT = "theory cohort"  # training clients of the theory experiment at one model
THEORY = "theory"  # their batches, and the dropout masks of all their walks
THEORY_EPOCHS = "theory epochs"  # their batches of whole local epochs
THEORY_OTHER_BATCHES = "theory other batches"  # of the control in which walks differ


class StreamKey(NamedTuple):
    """What a stream is for; ``purpose`` is one of the constants above."""

    seed: int
    purpose: str
    round_number: int = 0
    client_id: str = ""


def stream(key: StreamKey) -> np.random.Generator:
    """A NumPy generator for this key; equal keys give equal draws on every machine."""
    return np.random.default_rng(_sequence(key))


def torch_stream(key: StreamKey) -> torch.Generator:
    """A torch CPU generator for this key, for dropout masks and initial weights."""
    import torch

    state = _sequence(key).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) & (2**63 - 1))


def _sequence(key: StreamKey) -> np.random.SeedSequence:
    purpose, client = (
        int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")
        for text in (key.purpose, key.client_id)
    )
    return np.random.SeedSequence([key.seed, purpose, key.round_number, client])
