"""Values of strangers: pixels, labels and ids in the forms that people hold them in, read right or
refused.

Each check raises ValueError with what a client has, to stand behind "client X has ...". Each
reading that the data alone do not decide is a note for the store (``ClientExamples.assumed``)."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from perfedavg.data.store import ClientExamples

Examples = Callable[[Mapping[str, np.ndarray]], tuple]
"""A client's arrays by feature to its examples ``[n, ...]``, its labels ``[n, ...]`` and, behind
them, notes on what was assumed; raises ValueError, with what the client has, where they are not as
they should be."""

REMEDY = "correct the data, or leave the client out"
"""What to do where a client's values are refused."""

FLOAT_ERROR = 1e-3
"""In grey levels: float32 and float64 hold k/255 to less."""


def grey_images(shape: tuple[int, int], num_classes: int) -> Examples:
    """Images ``pixels`` and their ``label``, as grey levels ``[n, *shape]`` and classes ``[n]``."""

    def examples(features: Mapping[str, np.ndarray]) -> tuple:
        if not {"pixels", "label"} <= set(features):
            raise ValueError(f"{_names(features)} where `pixels` and `label` are expected")
        images, of_images = grey_levels(features["pixels"], shape)
        labels, of_labels = class_labels(features["label"], num_classes)
        if len(images) != len(labels):
            raise ValueError(f"{len(images)} images but {len(labels)} labels")
        return images, labels, *of_images, *of_labels

    return examples


def grey_levels(pixels: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, list[str]]:
    """Images as uint8 ``[n, *shape]``: real numbers k/255 in 0..1, or whole numbers 0..255."""
    notes, size = [], math.prod(shape)
    if pixels.size == 0:
        return np.zeros((0, *shape), dtype=np.uint8), []
    if pixels.dtype.kind not in "uif":
        raise ValueError(f"pixels {_of_type(pixels)}; numbers are expected")
    if pixels.shape[1:] not in (shape, (size,), (*shape, 1)):
        raise ValueError(
            f"pixels of shape {list(pixels.shape)}; {shape[0]}x{shape[1]} are expected"
        )
    if pixels.shape[1:] == (size,):
        notes.append(f"pixels are flat, {size} an image: taken row by row")
    elif pixels.shape[1:] != shape:
        notes.append("pixels have a channel of their own, which is one")
    values = pixels.reshape(-1, *shape)
    whole = pixels.dtype.kind in "ui"
    _check_range(values, 255 if whole else 1, "pixel", "whole" if whole else "real")
    if whole:
        if values.max() <= 1:
            raise ValueError(
                "whole-number pixels of which none is above 1, so 0..255 may be meant or black and "
                "white; store real numbers 0..1, or 0..255"
            )
        notes.append("pixels are whole numbers 0..255: taken as grey levels")
        return values.astype(np.uint8), notes
    scaled = values * np.asarray(255, dtype=np.result_type(values.dtype, np.float32))
    grey = np.rint(scaled)
    # Of 8-bit levels, float16 holds some to an eighth of a level: enough to tell which is meant.
    off = np.abs(scaled - grey) > max(FLOAT_ERROR, 255 * np.finfo(values.dtype).eps)
    if off.any():
        raise ValueError(
            f"pixels that are not on the grid k/255 ({_first(values, off)}); 8-bit grey levels "
            "divided by 255 are expected"
        )
    if values.dtype.itemsize < 4:
        notes.append(f"pixels are {values.dtype}: rounded to grey levels k/255")
    return grey.astype(np.uint8), notes


def class_labels(labels: np.ndarray, num_classes: int) -> tuple[np.ndarray, list[str]]:
    """Labels as int64 ``[n]``: whole numbers 0..num_classes - 1, of any numeric type."""
    notes: list[str] = []
    if labels.size == 0:
        return np.zeros(0, dtype=np.int64), notes
    if labels.dtype.kind not in "uif":
        raise ValueError(f"labels {_of_type(labels)}; whole numbers are expected")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
        notes.append("labels are a column [n, 1]")
    if labels.ndim != 1:
        raise ValueError(f"labels of shape {list(labels.shape)}; one per example is expected")
    if labels.dtype.kind == "f":
        fractional = ~(np.isfinite(labels) & (labels == np.rint(labels)))
        if fractional.any():
            raise ValueError(f"a label that is no whole number: {_first(labels, fractional)}")
        notes.append("labels are real numbers, all of them whole")
    outside = (labels < 0) | (labels >= num_classes)
    if outside.any():
        raise ValueError(f"labels outside 0..{num_classes - 1}: {_first(labels, outside)}")
    return labels.astype(np.int64), notes


def client_id(value: str | bytes | int | float) -> tuple[str, list[str]]:
    """A client's id as text, whatever it is held as."""
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            raise ValueError(f"the id {value!r}, which is no UTF-8 text") from None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value), ["ids are numbers: taken as text"]
    if not isinstance(value, str) or not value:
        raise ValueError(f"the id {value!r}; text or a whole number is expected")
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in value):
        raise ValueError(f"the id {value!r}, in which a character cannot stand in a table")
    return value, []


def _check_range(values: np.ndarray, most: int, what: str, kind: str) -> None:
    wrong = ~np.isfinite(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
    wrong |= (values < 0) | (values > most)
    if wrong.any():
        raise ValueError(f"a {what} outside 0..{most}, of {kind} numbers: {_first(values, wrong)}")


def _first(values: np.ndarray, wrong: np.ndarray) -> str:
    place = np.unravel_index(int(wrong.argmax()), wrong.shape)
    return f"{values[place]} in example {place[0]}"


def _of_type(values: np.ndarray) -> str:
    if values.dtype.kind in "SU":
        return "that are text (is it another data set?)"
    return f"of type {values.dtype}"


def _names(features: Mapping[str, np.ndarray]) -> str:
    return f"{', '.join(f'`{name}`' for name in sorted(features)[:4]) or 'nothing'}"


def in_both_splits(
    name: str, train: tuple | None, test: tuple | None, notes: Iterable[str] = ()
) -> ClientExamples:
    """A client from what ``examples`` made of its splits, None where a split does not have it, and
    further notes."""
    known = train or test
    if known is None:
        raise ValueError("neither split")
    empty = (known[0][:0], known[1][:0])
    notes = [*notes, *(() if train else ("the train split does not have the client",))]
    notes += () if test else ("the test split does not have the client",)
    for split in (train, test):
        notes += split[2:] if split else ()
    (train_x, train_y, *_), (test_x, test_y, *_) = train or empty, test or empty
    return ClientExamples(name, train_x, train_y, test_x, test_y, tuple(dict.fromkeys(notes)))
