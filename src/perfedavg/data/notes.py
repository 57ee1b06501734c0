"""What must be said of a data set wherever a number made from it is shown."""

from __future__ import annotations

from collections.abc import Sequence

SYNTHETIC = "Synthetic data (glyphs62), for trying the pipeline: they say nothing about the paper."
EMNIST62_WRITERS = 3400


def note_about(dataset: str, client_ids: Sequence[str]) -> str:
    """One sentence, or nothing for the complete data of the paper."""
    if dataset == "glyphs62":
        return SYNTHETIC
    if dataset == "emnist62" and len(client_ids) < EMNIST62_WRITERS:
        late = sum(client_id >= "f1500" for client_id in client_ids) / len(client_ids)
        return (
            f"{len(client_ids)} of EMNIST-62's about {EMNIST62_WRITERS:,} writers, {100 * late:.0f} % with ids from f1500 on: "
            "client counts, the share of hard writers and accuracies differ from the full data's."
        )
    return ""
