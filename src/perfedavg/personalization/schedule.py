"""Which clients of a run are evaluated when, and when they are fine-tuned."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple

from perfedavg.randomness import INTERMEDIATE_CLIENTS, StreamKey, stream
from perfedavg.storage.tables import EVALUATION, VALIDATION


class Visit(NamedTuple):
    """One round at which clients of one group are evaluated."""

    round_number: int
    group: str  # VALIDATION or EVALUATION
    clients: Literal["all", "intermediate"]
    fine_tuned: bool  # else the initial model alone is evaluated


def visits(
    compared_rounds: Collection[int],
    evaluated_rounds: Collection[int] = (),
    personalized_rounds: Collection[int] | None = None,
    *,
    validation_at_every_round: bool = False,
    intermediate: bool = True,
    groups: Sequence[str] = (VALIDATION, EVALUATION),
) -> list[Visit]:
    """The visits of one run, validation clients first, rounds in increasing order.

    Args:
        compared_rounds: where results are compared: all clients of both groups. Of the grid and
            stage 2 the last round; of the algorithm comparison also the round at which gradient
            evaluations are spent; of centralized training the pass at which it is stopped, none
            where it diverged; of local-only training 0.
        evaluated_rounds: further rounds, at which evaluation clients are evaluated.
        personalized_rounds: rounds with fine-tuning; None: all of them.
        validation_at_every_round: validation clients at the further rounds too.
        intermediate: at the further rounds an intermediate subset of evaluation clients, not all.
        groups: the groups that are evaluated.
    """
    every_round = sorted({*compared_rounds, *evaluated_rounds})
    validated = every_round if validation_at_every_round else sorted(compared_rounds)
    planned = []
    for group, rounds in ((VALIDATION, validated), (EVALUATION, every_round)):
        for round_number in rounds if group in groups else ():
            further = group == EVALUATION and round_number not in compared_rounds
            clients = "intermediate" if intermediate and further else "all"
            tuned = personalized_rounds is None or round_number in personalized_rounds
            planned.append(Visit(round_number, group, clients, tuned))
    return planned


def num_clients(
    visits: Sequence[Visit], group_sizes: Mapping[str, int], intermediate_clients: int | None
) -> tuple[int, int]:
    """How many clients are fine-tuned in these visits, each counted as often as it is, and how many
    are evaluated without."""
    counts = [0, 0]
    for visit in visits:
        size = group_sizes[visit.group]
        if visit.clients == "intermediate" and intermediate_clients is not None:
            size = min(size, intermediate_clients)
        counts[not visit.fine_tuned] += size
    return counts[0], counts[1]


def intermediate_subset(clients: Sequence[int], size: int | None, seed: int) -> list[int]:
    """The clients evaluated before the last round: the same for all runs and rounds, in the order
    of ``clients``."""
    if size is None or size >= len(clients):
        return list(clients)
    rng = stream(StreamKey(seed, INTERMEDIATE_CLIENTS))
    chosen = rng.choice(len(clients), size=size, replace=False)
    return [clients[i] for i in sorted(chosen)]
