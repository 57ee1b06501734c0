"""How many threads torch computes with: it decides bits, so everything that computes says it."""

from __future__ import annotations

import torch


def use_one_thread() -> None:
    """Torch gets one thread: two would give other bits than one, and independent runs or clients
    fill the cores better. Called at the entry of training, personalization and the theory
    experiment, and by the functions that run in worker processes."""
    torch.set_num_threads(1)
