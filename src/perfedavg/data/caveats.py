"""What must be said of a data set wherever a number made from it is shown."""

from __future__ import annotations

from collections.abc import Sequence

SYNTHETIC = "Synthetic data (glyphs62), for trying the pipeline: they say nothing about the paper."
WRITERS, TRAINING_CLIENTS, ROUNDS = 3400, 2500, 500
"""The paper's data and protocol; rounds are inferred."""


def caveat_about(
    dataset: str,
    client_ids: Sequence[str],
    training_clients: int | None = None,
    rounds: int | None = None,
) -> str:
    """What tells results on these data from the paper's; nothing for its complete data and
    protocol.

    Args:
        training_clients: clients that train, and
        rounds: rounds of stage 1, where the note is about results.
    """
    if dataset == "glyphs62":
        return SYNTHETIC
    sentences = []
    if dataset == "emnist62" and len(client_ids) < WRITERS:
        late = sum(client_id >= "f1500" for client_id in client_ids) / len(client_ids)
        sentences.append(
            f"{len(client_ids)} of EMNIST-62's about {WRITERS:,} writers, {100 * late:.3g} "
            f"% with ids from f1500 on: "
            "client counts, the share of hard writers and accuracies differ from the full data's."
        )
    if (
        dataset == "emnist62"
        and training_clients
        and (training_clients, rounds) != (TRAINING_CLIENTS, ROUNDS)
    ):
        sentences.append(
            f"{training_clients:,} training clients, {rounds} rounds (the paper: "
            f"{TRAINING_CLIENTS:,} and {ROUNDS})."
        )
    return " ".join(sentences)
