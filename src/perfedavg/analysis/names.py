"""Names that people read in the place of a config's keys."""

from __future__ import annotations

_ALGORITHMS = {
    "fedsgd": "FedSGD",
    "fedavg": "FedAvg",
    "fedprox": "FedProx",
    "reptile": "Reptile",
    "fomaml": "FOMAML",
    "maml": "MAML",
    "maml_printed": "MAML, as printed",
    "personalized-fedavg": "Personalized FedAvg",
}


def entry_in_words(entry: str) -> str:
    """An entry of the algorithm comparison: an algorithm by the name of the literature, any other
    as the config calls it."""
    return _ALGORITHMS.get(entry, entry)
