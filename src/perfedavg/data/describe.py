"""What a data set is like: sizes, labels, and how much clients differ.

How much clients differ is measured in two ways, each beside the same of permuted clients, which is
what chance alone gives. *Labels*: the Jensen-Shannon divergence between a client's labels and those
of all. *Style*: the share of the variance within a class that the client explains, of two simple
measures of an image, its ink and its slant (real EMNIST-62: about 60 % against 0.9 %), of the
mean pixel where images are not ink on paper, of the values of a vector, or of the next token given
the present one."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from functools import partial
from hashlib import blake2b

import numpy as np
import pandas as pd

from perfedavg.data.caveat import LEFT_OUT
from perfedavg.data.sets import DATA_SETS
from perfedavg.data.sources import DataSet
from perfedavg.data.store import ClientStore
from perfedavg.randomness import PERMUTED_CLIENTS, StreamKey, stream

logger = logging.getLogger("perfedavg")

CARD_CLIENTS = 500
"""Clients at most whose examples are measured, spread over the store."""
LINE = 92
"""Characters of a line of text that the card shows."""
_QUANTILES = "smallest", "5 % quantile", "median", "95 % quantile", "largest"
_INK, _PIXEL = "mean ink", "mean pixel value"

Rows = list[tuple[str, float, str]]


def data_card(store: ClientStore, groups: pd.DataFrame) -> pd.DataFrame:
    """Table ``data_card``: columns ``quantity, value, unit``. ``groups`` is the client split."""
    train, test = (store.column(name).astype(np.int64) for name in ("num_train", "num_test"))
    word, labels = client_word(store), store.label_counts()  # small integers, summed as large ones
    rows: Rows = [("clients", len(store), f"{word}s")]
    for name, n in groups.client_group.value_counts(sort=False).items():
        left_out = name.startswith(LEFT_OUT)
        rows.append((f"clients {name}" if left_out else f"{name} clients", n, f"{word}s"))
    examples = "windows" if store.label_shape else "examples"
    for name, sizes in (("train", train), ("test", test)):
        rows.append((f"{name} {examples}", sizes.sum(), examples))
        rows.append((f"clients without {name} {examples}", (sizes == 0).sum(), f"{word}s"))
        for what, q in zip(_QUANTILES, (0, 0.05, 0.5, 0.95, 1), strict=True):
            size = float(np.quantile(sizes, q))
            rows.append((f"{name} {examples} per client, {what}", size, examples))
    if store.label_shape:
        targets = labels.sum(1, dtype=np.int64)
        tests = sum(int((store.client(i).test_y >= 0).sum()) for i in range(len(store)))
        rows += [("train labels", targets.sum(), "labels"), ("test labels", tests, "labels")]
        rows.append(("train labels per client, median", float(np.median(targets)), "labels"))
    own, others = repeated_tests(store)
    rows.append(
        (f"test {examples} that are also train {examples} of the same client", own, examples)
    )
    rows.append((f"test {examples} that are also train {examples} of any client", others, examples))
    rows += _lengths(store)
    rows.append(("classes", store.num_classes, "classes"))
    held = float(np.median((labels > 0).sum(1)))
    rows.append(("classes a client holds, median", held, "classes"))
    largest = labels.sum(0).max() / labels.sum()
    rows.append(("share of the most frequent class", largest, "share of train labels"))
    for who, divergences in zip((word, f"permuted {word}"), label_divergences(store), strict=True):
        what = f"label divergence of a {who}, mean"
        rows.append((what, float(np.mean(divergences)), "bits, 0 to 1"))
    rows += _style(store, word)
    return pd.DataFrame(rows, columns=["quantity", "value", "unit"])


def client_word(store: ClientStore) -> str:
    """What a client of these data is."""
    return _data_set(store).client_word


def _data_set(store: ClientStore) -> type[DataSet]:
    return DATA_SETS[store.metadata["dataset"]]


def _kind(store: ClientStore) -> str:
    return store.metadata.get("kind") or _data_set(store).kind


def _measured(store: ClientStore) -> np.ndarray:
    """Positions of the clients whose examples are measured."""
    return np.unique(np.linspace(0, len(store) - 1, CARD_CLIENTS).astype(int))


def repeated_tests(store: ClientStore) -> tuple[int, int]:
    """How many test examples are also train examples, byte for byte: of the same client, and of any
    client."""
    train, test, own = [], [], 0
    for index in range(len(store)):
        client = store.client(index)
        digests = [
            np.array([_digest(example) for example in x], dtype=np.uint64)
            for x in (client.train_x, client.test_x)
        ]
        own += int(np.isin(digests[1], digests[0]).sum())
        train.append(np.unique(digests[0]))
        test.append(digests[1])
    return own, int(np.isin(np.concatenate(test), np.concatenate(train)).sum())


def _digest(example: np.ndarray) -> int:
    return int.from_bytes(blake2b(example.tobytes(), digest_size=8).digest(), "little")


def label_divergences(store: ClientStore) -> tuple[np.ndarray, np.ndarray]:
    """Jensen-Shannon divergence, in bits, between a client's train labels and those of all, one
    value per measured client that has some; and the same if every client had as many labels, drawn
    from those of all without replacement."""
    counts = store.label_counts()[_measured(store)].astype(np.int64)
    counts = counts[counts.sum(1) > 0]
    pool, rng = counts.sum(0), stream(StreamKey(0, PERMUTED_CLIENTS, 1))
    draws = [rng.multivariate_hypergeometric(pool, n, method="marginals") for n in counts.sum(1)]
    return _divergence(counts, pool), _divergence(np.array(draws), pool)


def _divergence(counts: np.ndarray, pool: np.ndarray) -> np.ndarray:
    from scipy.spatial.distance import jensenshannon

    return jensenshannon(counts, np.broadcast_to(pool, counts.shape), base=2, axis=1) ** 2


def _style(store: ClientStore, word: str) -> Rows:
    clients = [c for index in _measured(store) if len((c := store.client(int(index))).train_y)]
    ids = np.repeat(np.arange(len(clients)), [len(c.train_y) for c in clients])
    permuted = stream(StreamKey(0, PERMUTED_CLIENTS)).permutation(ids)
    y, rows = np.concatenate([c.train_y for c in clients]), []
    unit, kind = "share of within-class variance", _kind(store)
    if kind == "images" and not _data_set(store).ink:
        pixels = np.concatenate([mean_pixel(c.train_x) for c in clients])
        rows.append((_PIXEL, float(pixels.mean()), "0 to 1"))
        shares = {_PIXEL: partial(share_explained, pixels, y)}
    elif kind == "images":
        measures = [ink_and_slant(c.train_x) for c in clients]
        ink, slant = map(np.concatenate, zip(*measures, strict=True))
        rows.append((_INK, float(ink.mean()), "0 paper, 1 black"))
        values = {"ink": ink, "slant": slant}
        shares = {name: partial(share_explained, v, y) for name, v in values.items()}
    else:
        x = np.concatenate([c.train_x for c in clients])
        if store.label_shape:
            unit = "share of variance given the present token"
            shares = {"next token": partial(share_of_next_tokens, x, y)}
        elif kind == "tokens":
            shares = {}  # the number of a token says nothing
        else:
            shares = {"values": partial(_mean_share, x, y)}
    for name, share in shares.items():
        for who, of in ((word, ids), (f"permuted {word}", permuted)):
            rows.append((f"{name}: share explained by the {who}", share(of), unit))
    return rows


def _mean_share(x: np.ndarray, labels: np.ndarray, clients: np.ndarray) -> float:
    """:func:`share_explained` of every value of an example that varies, and their mean."""
    varying = [values for values in x.reshape(len(x), -1).T if np.ptp(values)]
    shares = [share_explained(values, labels, clients) for values in varying]
    return float(np.mean(shares)) if shares else 0.0


def _lengths(store: ClientStore) -> Rows:
    """Of sequences that are padded."""
    padding = _padding(store)
    if padding is None:
        return []
    measured = (store.client(int(index)).train_x for index in _measured(store))
    lengths = np.concatenate([(x != padding).sum(1) for x in measured])
    return [
        ("tokens per sequence, median", float(np.median(lengths)), "tokens"),
        ("tokens per sequence, largest", float(lengths.max(initial=0)), "tokens"),
    ]


def _padding(store: ClientStore) -> int | None:
    padding = store.metadata.get("padding")
    return None if padding is None else int(padding)


def mean_pixel(images: np.ndarray) -> np.ndarray:
    """Mean (between 0 and 1) of every image of ``[n, h, w]``."""
    return images.mean((1, 2), dtype=np.float64) / (255 if images.dtype == np.uint8 else 1)


def ink_and_slant(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean ink (0 paper, 1 black) and slant (shear of the ink's second moments, positive leaning
    right) of ``[n, h, w]``."""
    ink = 1 - images.astype(np.float64) / (255 if images.dtype == np.uint8 else 1)
    mass = ink.sum((1, 2)) + 1e-12
    y, x = np.mgrid[: ink.shape[1], : ink.shape[2]]
    dx = x - ((ink * x).sum((1, 2)) / mass)[:, None, None]
    dy = y - ((ink * y).sum((1, 2)) / mass)[:, None, None]
    return ink.mean((1, 2)), -(ink * dx * dy).sum((1, 2)) / ((ink * dy * dy).sum((1, 2)) + 1e-12)


def share_explained(values: np.ndarray, labels: np.ndarray, clients: np.ndarray) -> float:
    """Share of the variance of ``values`` around their class means that the clients' means explain
    (between 0 and 1; 0 where nothing varies)."""
    frame = pd.DataFrame({"value": values, "label": labels, "client": clients})
    within = frame.value - frame.groupby("label").value.transform("mean")
    by_client = within.groupby(frame.client).transform("mean")
    return float((by_client**2).sum() / ((within**2).sum() or 1))


def share_of_next_tokens(x: np.ndarray, y: np.ndarray, clients: np.ndarray) -> float:
    """Share of the variance of the next token around its mean given the present one, that the mean
    given present token and client explains (between 0 and 1; Goodman and Kruskal's tau).

    Args:
        x: tokens ``[n, length]``, and
        y: the next ones; negative ones are masked. A token counts as a vector of zeros and a one.
        clients: whose each of the ``n`` sequences is."""
    known = y >= 0
    rows = {"client": np.repeat(clients, known.sum(1)), "present": x[known], "next": y[known]}
    counts = pd.DataFrame(rows).value_counts()

    def around(*given: str) -> float:
        """Sum of squares around the means given these."""
        n = counts.groupby([*given, "next"]).sum()
        return float(n.sum() - (n**2 / n.groupby(list(given)).transform("sum")).sum())

    within = around("present")
    return (within - around("present", "client")) / (within or 1)


def remarks(store: ClientStore) -> list[str]:
    """Sentences that belong to a data card: what was assumed in reading the data, and whether their
    images look inverted."""
    assumed = " ".join(f"{one[0].upper()}{one[1:].rstrip('.')}." for one in store.assumed)
    sentences = [f"Assumed: {assumed}"] if assumed else []
    expected = _data_set(store).mean_ink
    if _kind(store) == "images" and expected:
        images = (store.client(int(index)).train_x for index in _measured(store))
        ink = float(np.concatenate([ink_and_slant(x)[0] for x in images]).mean())
        if abs(ink - expected) > abs(1 - ink - expected):
            sentences.append(
                f"Warning: the mean ink is {ink:.2f} where {store.metadata['dataset']} has about "
                f"{expected:g} on white paper: the images look inverted, white on black."
            )
            logger.warning(sentences[-1])
    return sentences


def examples_shown(
    store: ClientStore, clients: int = 10, examples: int = 24
) -> np.ndarray | Sequence[str]:
    """Train examples of clients spread over the store: the first ``examples`` images of each, in
    [0, 1], ``[clients, examples, h, w]``, white where a client has fewer; of others one line per
    client, its first example, and the next ones as long as they fit."""
    chosen = clients_shown(store, clients)
    shown = [store.client(int(index)).train_x[:examples] for index in chosen]
    if _kind(store) != "images":
        return [_line(_text(store, example) for example in x) for x in shown]
    sheet = np.ones((len(shown), examples, *store.example_shape), dtype=np.float32)
    for row, x in zip(sheet, shown, strict=True):
        row[: len(x)] = x / 255 if x.dtype == np.uint8 else x
    return sheet


def clients_shown(store: ClientStore, clients: int = 10) -> np.ndarray:
    """Positions of the clients whose examples are shown."""
    return np.unique(np.linspace(0, len(store) - 1, clients).astype(int))


def _text(store: ClientStore, example: np.ndarray) -> str:
    """An example as people read it; a dot stands for its padding."""
    padding = _padding(store)
    kept = example if padding is None else example[example != padding]
    return _data_set(store).text(kept) + (" ·" if len(kept) < len(example) else "")


def _line(texts: Iterable[str]) -> str:
    line = ""
    for text in texts:
        longer = f"{line} | {text}" if line else text
        if line and len(longer) > LINE:
            break
        line = longer
    return line if len(line) <= LINE else f"{line[: LINE - 1]}…"
