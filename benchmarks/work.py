"""The work that every contestant does: random clients, initial weights. Plain numpy, since every
environment imports it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from time import perf_counter

import numpy as np

CLASSES = {"cnn": 62, "lstm": 90}
WINDOW = 80
"""Tokens of an example of the LSTM's."""
FULL = 0.58
"""The share of Shakespeare's windows without padding; the others are about equally often of every
length."""
MASKED = -100
"""The label behind a window's end, which torch's losses leave out; the token there is 0."""
SHAPES = {
    "cnn": ((32, 1, 3, 3), (32,), (64, 32, 3, 3), (64,), (128, 9216), (128,), (62, 128), (62,)),
    "lstm": (
        (90, 8),
        *((1024, 8), (1024, 256), (1024,)),
        *((1024, 256), (1024, 256), (1024,)),
        *((90, 256), (90,)),
    ),
}
"""The weights and biases, layer by layer, in torch's order of dimensions, of the
1,206,590-parameter CNN, and of the 820,522-parameter LSTM: embedding, two layers of input weights,
hidden weights and bias each, dense layer."""


@dataclass(frozen=True)
class Work:
    """How much there is to do. A round is one local epoch of ``clients`` clients with ``examples``
    train examples each: images for the CNN, windows of text for the LSTM.

    Personalization takes ``personalized`` clients of 80 to 180 train examples, and a fifth as many
    test examples, through ``epochs`` epochs, with an evaluation before the first and after each
    one. They are measured in ``parts`` equal parts, one an alternation."""

    clients: int = 20
    examples: int = 180
    batch: int = 20
    lr: float = 0.02
    personalized: int = 100
    epochs: int = 10
    parts: int = 5
    seed: int = 0
    network: str = "cnn"

    def to_json(self) -> dict[str, float]:
        """As JSON-able values."""
        return asdict(self)

    def part(self, number: int) -> range:
        """The clients that alternation ``number`` personalizes."""
        size = self.personalized // self.parts
        start = number % self.parts * size
        return range(start, start + size)


CNN = Work()
LSTM = Work(10, examples=52, batch=4, lr=1.0, personalized=0, epochs=0, parts=1, network="lstm")
"""Clients of as many windows as Shakespeare's have on average, at the standard's rate; rounds
alone."""
QUICK = replace(CNN, clients=2, examples=40, personalized=4, epochs=2, parts=2)
QUICK_LSTM = replace(LSTM, clients=2, examples=4)
"""As little as shows that everything works: for tests, not for numbers."""

Data = tuple[np.ndarray, np.ndarray]
"""Grey levels uint8 ``[n, 28, 28]``, labels int64 ``[n]``; or token ids int16 ``[n, WINDOW]``,
labels int64 ``[n, WINDOW]``."""


def train_data(work: Work, client: int) -> Data:
    """Train examples of a round's client."""
    rng = np.random.default_rng([work.seed, 0, client])
    return (_windows if work.network == "lstm" else _random)(rng, work.examples)


def personal_data(work: Work, client: int) -> tuple[Data, Data]:
    """Train and test examples of a client to personalize."""
    rng = np.random.default_rng([work.seed, 1, client])
    n = int(rng.integers(80, 181))
    return _random(rng, n), _random(rng, n // 5)


def part_sizes(work: Work, part: int) -> tuple[int, int]:
    """Train examples that personalizing a part goes through, and test examples."""
    sizes = [[len(data[1]) for data in personal_data(work, client)] for client in work.part(part)]
    train, test = np.sum(sizes, axis=0).tolist()
    return train * work.epochs, test * (work.epochs + 1)


def _random(rng: np.random.Generator, n: int) -> Data:
    return rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), rng.integers(0, CLASSES["cnn"], n)


def _windows(rng: np.random.Generator, n: int) -> Data:
    """Random tokens, each one's label the next. All clients have windows of the same lengths, so
    that averages by windows and by labels are equal."""
    full = round(FULL * n)
    lengths = np.append(np.full(full, WINDOW), np.linspace(1, WINDOW - 1, n - full).round())
    inside = np.arange(WINDOW) < rng.permutation(lengths)[:, None]
    tokens = rng.integers(1, CLASSES["lstm"], (n, WINDOW + 1))
    return np.where(inside, tokens[:, :-1], 0).astype(np.int16), np.where(
        inside, tokens[:, 1:], MASKED
    )


def features(images: np.ndarray) -> np.ndarray:
    """Grey levels as float32 in [0, 1]."""
    return images.astype(np.float32) / np.float32(255)


def initial_weights(work: Work) -> list[np.ndarray]:
    """Glorot-uniform weights and zero biases in the order of the network's ``SHAPES``."""
    rng = np.random.default_rng([work.seed, 2])
    weights = []
    for shape in SHAPES[work.network]:
        fan = sum(shape[:2]) * int(np.prod(shape[2:])) if len(shape) > 1 else 1
        weights.append(
            (rng.uniform(-1, 1, shape) * (6 / fan) ** 0.5 * (len(shape) > 1)).astype(np.float32)
        )
    return weights


def round_result(work: Work, began: float, update_norm: float) -> dict[str, float]:
    """What a round's task answers. ``update_norm`` is the L2 norm of the averaged delta:
    contestants whose norms of the first round differ did not do the same work."""
    return {
        "seconds": perf_counter() - began,
        "examples": work.clients * work.examples,
        "check": update_norm,
    }


def personalization_result(
    work: Work, began: float, part: int, losses: list[float]
) -> dict[str, float]:
    """What a personalization task answers: train examples seen, and the clients' mean test loss
    after the last epoch."""
    seconds = perf_counter() - began
    return {
        "seconds": seconds,
        "examples": part_sizes(work, part)[0],
        "check": float(np.mean(losses)),
    }
