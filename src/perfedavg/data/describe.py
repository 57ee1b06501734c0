"""What a data set is like: sizes, labels, and how much writers differ.

How much the writers of images differ is the share of the within-class variance of two simple
measures of an image, its ink and its slant, that the writer explains, against the same share for
permuted writers. Real EMNIST-62: about 60 % against 0.9 %."""

from __future__ import annotations

import numpy as np
import pandas as pd

from perfedavg.data.sets import DATA_SETS
from perfedavg.data.sources import DataSet
from perfedavg.data.store import ClientStore
from perfedavg.randomness import PERMUTED_WRITERS, StreamKey, stream

DATA_CARD = {"quantity": "str", "value": "float", "unit": "str", "caveat": "str"}

CARD_CLIENTS = 500  # clients measured at most, so that a card of a million clients stays cheap
_QUANTILES = "smallest", "5 % quantile", "median", "95 % quantile", "largest"


def ink_and_slant(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean ink (0 paper, 1 black) and slant (shear of the ink's second moments, positive leaning
    right) of ``[n, h, w]``."""
    ink = 1 - images.astype(np.float64) / (255 if images.dtype == np.uint8 else 1)
    mass = ink.sum((1, 2)) + 1e-12
    y, x = np.mgrid[: ink.shape[1], : ink.shape[2]]
    dx = x - ((ink * x).sum((1, 2)) / mass)[:, None, None]
    dy = y - ((ink * y).sum((1, 2)) / mass)[:, None, None]
    return ink.mean((1, 2)), -(ink * dx * dy).sum((1, 2)) / ((ink * dy * dy).sum((1, 2)) + 1e-12)


def share_explained(values: np.ndarray, labels: np.ndarray, writers: np.ndarray) -> float:
    """Share of the variance of ``values`` around their class means that the writers' means explain
    (between 0 and 1)."""
    frame = pd.DataFrame({"value": values, "label": labels, "writer": writers})
    within = frame.value - frame.groupby("label").value.transform("mean")
    by_writer = within.groupby(frame.writer).transform("mean")
    return float((by_writer**2).sum() / (within**2).sum())


def data_card(store: ClientStore, groups: pd.DataFrame) -> pd.DataFrame:
    """Table ``data_card``: columns ``quantity, value, unit``. ``groups`` is the client split."""
    train, test = (store.column(name).astype(np.int64) for name in ("num_train", "num_test"))
    labels = store.label_counts()  # small integers, summed as large ones
    rows: list[tuple[str, float, str]] = [("clients", len(store), "clients")]
    for name, n in groups.client_group.value_counts(sort=False).items():
        rows.append((f"{name} clients", n, "clients"))
    rows += [("train examples", train.sum(), "examples"), ("test examples", test.sum(), "examples")]
    for name, sizes in (("train", train), ("test", test)):
        for what, q in zip(_QUANTILES, (0, 0.05, 0.5, 0.95, 1), strict=True):
            size = float(np.quantile(sizes, q))
            rows.append((f"{name} examples a client, {what}", size, "examples"))
    rows.append(("classes", store.num_classes, "classes"))
    held = float(np.median((labels > 0).sum(1)))
    rows.append(("classes a client holds, median", held, "classes"))
    largest = labels.sum(0).max() / labels.sum()
    rows.append(("share of the most frequent class", largest, "share of train examples"))
    if _kind(store) == "images":
        rows += _explained_by_writers(store)
    return pd.DataFrame(rows, columns=["quantity", "value", "unit"])


def _data_set(store: ClientStore) -> type[DataSet]:
    return DATA_SETS[store.metadata["dataset"]]


def _kind(store: ClientStore) -> str:
    return store.metadata.get("kind") or _data_set(store).kind


def _explained_by_writers(store: ClientStore) -> list[tuple[str, float, str]]:
    rows, clients = [], [store.client(i) for i in range(min(len(store), CARD_CLIENTS))]
    images, y = (np.concatenate([getattr(c, x) for c in clients]) for x in ("train_x", "train_y"))
    writers = np.repeat(np.arange(len(clients)), [len(c.train_y) for c in clients])
    permuted = stream(StreamKey(0, PERMUTED_WRITERS)).permutation(writers)
    for name, values in zip(("ink", "slant"), ink_and_slant(images), strict=True):
        for who, ids in (("writer", writers), ("permuted writer", permuted)):
            share, unit = share_explained(values, y, ids), "share of within-class variance"
            rows.append((f"{name}: share explained by the {who}", share, unit))
    return rows


def examples_shown(
    store: ClientStore, clients: int = 12, examples: int = 24
) -> np.ndarray | list[str]:
    """Train examples of clients spread over the store: the first ``examples`` images of each, in
    [0, 1], ``[clients, examples, h, w]``, white where a client has fewer; of others one line per
    client, its first example."""
    data, chosen = _data_set(store), np.linspace(0, len(store) - 1, clients).astype(int)
    shown = [store.client(int(index)).train_x[:examples] for index in chosen]
    if _kind(store) != "images":
        return [data.text(x[0]) if len(x) else "" for x in shown]
    sheet = np.ones((clients, examples, *store.example_shape), dtype=np.float32)
    for row, x in zip(sheet, shown, strict=True):
        row[: len(x)] = x / 255 if x.dtype == np.uint8 else x
    return sheet
