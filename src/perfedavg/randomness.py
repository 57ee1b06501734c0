"""Independent random streams, one for every (seed, purpose, round, client).

No global generator exists. A stream depends on nothing but its own key, so a run resumes from a
round number alone, a client's draws do not depend on who else is in the cohort, and a new algorithm
changes no other one's numbers."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def _sequence(seed: int, purpose: str, round_number: int, client_id: str) -> np.random.SeedSequence:
    words = [
        int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")
        for text in (purpose, client_id)
    ]
    return np.random.SeedSequence([seed, words[0], round_number, words[1]])


def stream(
    seed: int, purpose: str, round_number: int = 0, client_id: str = ""
) -> np.random.Generator:
    """A NumPy generator for this key; equal keys give equal draws on every machine."""
    return np.random.default_rng(_sequence(seed, purpose, round_number, client_id))


def torch_stream(
    seed: int, purpose: str, round_number: int = 0, client_id: str = ""
) -> torch.Generator:
    """A torch CPU generator for this key, for dropout masks and initial weights."""
    import torch

    state = _sequence(seed, purpose, round_number, client_id).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) & (2**63 - 1))
