"""Going through a user's table once: is everything in it meant, and what does it hold?

Nothing is guessed in silence: what was assumed is a sentence in ``Facts.assumed``."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import compute as pc

from perfedavg.data import columns
from perfedavg.data.columns import MASKED, Lists, RowError
from perfedavg.data.table_facts import MANY_CLIENTS, Facts, Kind

MANY_CLASSES = 10_000
_MEASUREMENTS = "; if these are measurements, set data.features: vectors"


class Rows:
    """Looks at all rows of a table, some at a time; ``facts`` then says what they hold.

    Args:
        kind, shape, num_classes, num_values: what the config says of them; None: to be found.
    """

    def __init__(
        self,
        kind: Kind | None = None,
        shape: tuple[int, ...] | None = None,
        num_classes: int | None = None,
        num_values: int | None = None,
    ) -> None:
        self.kind, self.asked = kind, (kind, shape, num_classes, num_values)
        self.shape: tuple[int, ...] | None = None
        self.assumed: dict[str, bool] = {}  # sentences, and whether they are a doubt
        self.counts: dict[str, Counter[str]] = {"train": Counter(), "test": Counter()}
        self.splits = False
        self.low, self.high, self.longest = math.inf, -math.inf, 0
        self.integral = self.on_grid = True
        self.lengths: set[int] = set()
        self.labels: set[int] = set()
        self.classes: set[str] = set()
        self.per_position: bool | None = None
        self.numeric = False

    def see(self, rows: pa.RecordBatch) -> None:
        """Look at some rows.

        Raises:
            RowError: a value cannot be meant.
        """
        ids = columns.ids(rows.column("client_id"))
        test = np.zeros(rows.num_rows, dtype=bool)
        if "split" in rows.schema.names:
            column = columns.plain(rows.column("split"))
            if column.null_count < len(column):
                test = columns.is_test(column)
                self.splits = True
        for name, chosen in (("train", ~test), ("test", test)):
            self.counts[name].update(ids.filter(pa.array(chosen)).to_pylist())
        kind = columns.plain(rows.column("client_id")).type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            self.assume(f"Client ids are of type {kind} and read as text.")
        features = columns.lists(rows.column("features"), "features")
        tensor = getattr(rows.column("features").type, "shape", None)
        if tensor and not self.asked[1]:  # Arrow's own type for arrays
            self.asked = (self.asked[0], tuple(tensor), *self.asked[2:])
        if not features.lengths:
            raise RowError(
                "single numbers in `features`, where a list of numbers per row is wanted"
            )
        columns.finite(features.values, "features", features)
        self._see_features(features)
        self._see_labels(rows.column("label"), features.lengths[0])

    def assume(self, sentence: str, doubt: bool = False) -> None:
        """Keep a sentence on how the table is read; a doubt is said at the start."""
        self.assumed[sentence] = doubt

    def _see_features(self, found: Lists) -> None:
        _, shape, _, num_values = self.asked
        if self.kind is None:
            self.kind = _kind_of(found, shape)
            if self.kind == "tokens":
                self.assume(
                    "Features are flat lists of whole numbers and read as token sequences; if they "
                    "are pixels, set data.shape, if they are measurements, data.features: vectors."
                )
        if not len(found.values) or (self.kind != "tokens" and found.shape is None):
            raise self._ragged(found)
        self.low = min(self.low, float(found.values.min()))
        self.high = max(self.high, float(found.values.max()))
        if self.kind == "tokens":
            if len(found.lengths) > 1:
                raise RowError(
                    "nested lists in `features`, where flat lists of token ids are wanted"
                )
            if not found.lengths[0].all():
                raise RowError("an empty sequence in `features`", int(np.argmin(found.lengths[0])))
            values = columns.whole(found.values, "features", found)
            most = num_values or 2**31 - 2
            bad = (values < 0) | (values >= most)
            if bad.any():
                first = int(np.argmax(bad))
                wanted = f"0 .. {most - 1}" if num_values else "0 and above"
                else_ = "" if self.asked[0] else _MEASUREMENTS
                raise RowError(
                    f"the token {values[first]} in `features`, where {wanted} is wanted{else_}",
                    *found.place_of(first),
                )
            self.lengths |= set(np.unique(found.lengths[0]).tolist())
            return
        if self.kind == "images":
            own = self._image_shape(found.shape)
        else:
            own = (math.prod(found.shape),)
            self.shape = self.shape or shape
        if self.shape not in (None, own):
            sizes = ("x".join(map(str, size)) for size in (own, self.shape))
            raise RowError("features of {}, where {} is wanted as in other rows".format(*sizes))
        self.shape = own
        if self.kind == "images":
            self._see_pixels(found)

    def _ragged(self, found: Lists) -> RowError:
        for sizes in found.lengths:
            if len(sizes) and (sizes != sizes[0]).any():
                row = int(np.argmax(found.lengths[0] != found.lengths[0][0]))
                return RowError(
                    f"{found.lengths[0][row]} values in `features`, where other rows have "
                    f"{found.lengths[0][0]}",
                    row,
                )
        return RowError("no values in `features`")

    def _image_shape(self, found: tuple[int, ...]) -> tuple[int, ...]:
        shape = self.asked[1]
        if shape:
            if math.prod(shape) != math.prod(found):
                raise RowError(
                    f"{math.prod(found)} values in `features`, where data.shape asks for "
                    f"{math.prod(shape)}"
                )
            return shape
        if len(found) == 3 and 1 in (found[0], found[2]):
            self.assume("Images have a channel axis of 1, which is dropped.")
            return found[:2] if found[2] == 1 else found[1:]
        if len(found) == 1:
            side = math.isqrt(found[0])
            if side * side != found[0]:
                raise RowError(
                    f"{found[0]} values in `features`, no square; set data.shape: [h, w]"
                )
            self.assume(f"Images are flat and read as {side}x{side}; else set data.shape: [h, w].")
            return (side, side)
        if len(found) != 2:
            raise RowError(
                f"features of {'x'.join(map(str, found))}, where images [h, w] of one channel are "
                "wanted; make them grey"
            )
        return found

    def _see_pixels(self, found: Lists) -> None:
        values = found.values
        if values.dtype.kind == "f":
            self.integral &= bool((values == np.rint(values)).all())
            grid = values.astype(np.float64) * 255
            self.on_grid &= bool((np.abs(grid - np.rint(grid)) <= 1e-3).all())
        bad = (values < 0) | (values > (255 if self.integral else 1))
        if bad.any() or (not self.integral and self.high > 1):
            first = int(np.argmax(bad)) if bad.any() else int(np.argmax(values))
            raise RowError(
                f"a pixel of {values[first]:g}, where 0 .. 255 or 0 .. 1 is wanted (anything else "
                "can be read as data.features: vectors)",
                *found.place_of(first),
            )

    def _see_labels(self, column: pa.Array, lengths: np.ndarray) -> None:
        text = columns.names(column)
        if (text is None) == bool(self.classes) and (self.classes or self.numeric):
            raise RowError("a label of another type than others: names and numbers are mixed")
        if text is not None:
            self.classes |= set(pc.unique(text).to_pylist())
            if len(self.classes) > MANY_CLASSES:
                raise RowError(f"labels with more than {MANY_CLASSES:,} different names")
            return
        self.numeric = True
        found = columns.lists(column, "label")
        values = columns.whole(found.values, "label", found)
        if found.values.dtype.kind == "f":
            self.assume("Labels are real numbers, all whole; they are read as whole numbers.")
        per_position = len(found.lengths) == 1 and not (found.lengths[0] == 1).all()
        if len(found.lengths) > 1:
            raise RowError("nested lists in `label`")
        if found.lengths and not per_position:
            self.assume("Labels are lists of one element, which is taken.")
        if per_position:
            other = found.lengths[0] != lengths
            if self.kind != "tokens" or other.any():
                row = int(np.argmax(other))
                wanted = f"1 or {lengths[row]}" if self.kind == "tokens" else "1"
                raise RowError(f"{found.lengths[0][row]} labels, where {wanted} is wanted", row)
        if self.per_position not in (None, per_position):
            raise RowError("one label for an example and one for every position, mixed")
        self.per_position = per_position
        self._see_values(values, found, per_position)

    def _see_values(self, values: np.ndarray, found: Lists, per_position: bool) -> None:
        num_classes = self.asked[2]
        most = num_classes or MANY_CLASSES
        bad = values >= most
        bad |= (values < 0) & ~np.isin(values, MASKED) if per_position else values < 0
        if bad.any():
            first = int(np.argmax(bad))
            given = "" if num_classes else " (or set data.classes)"
            masked = ", or -1 or -100 for none," if per_position else ""
            raise RowError(
                f"the label {values[first]}, where 0 .. {most - 1}{masked} is wanted{given}",
                *found.place_of(first),
            )
        self.labels |= set(np.unique(values[values >= 0]).tolist())

    def facts(self) -> Facts:
        """What all rows hold.

        Raises:
            RowError: taken together they cannot be learned from.
        """
        train, test = (self.counts[name].total() for name in ("train", "test"))
        if self.splits and not train:
            raise RowError("all rows are test examples; some have to be train examples")
        known = self.counts["train"] | self.counts["test"]
        has_split = bool(test)
        if has_split:
            for name in ("train", "test"):
                without = sum(client not in self.counts[name] for client in known)
                if without:
                    self.assume(f"{without} of {len(known)} clients have no {name} examples.")
        num_classes = self._num_classes()
        values: dict[str, Any] = {"example_shape": self.shape}
        if self.kind == "tokens":
            values = self._token_facts()
        elif self.kind == "images":
            values["pixels"] = self._pixels()
        return Facts(
            kind=self.kind,
            num_classes=num_classes,
            clients=len(known),
            train=train,
            test=test,
            has_split=has_split,
            classes=tuple(sorted(self.classes)),
            assumed=tuple(self.assumed),
            doubts=tuple(sentence for sentence, doubt in self.assumed.items() if doubt),
            ids=tuple(sorted(known)) if len(known) <= MANY_CLIENTS else (),
            **values,
        )

    def _num_classes(self) -> int:
        given, names = self.asked[2], sorted(self.classes)
        found = len(names) or max(self.labels, default=-1) + 1
        if names and given and given < len(names):
            raise RowError(f"labels have {len(names)} names, but data.classes is {given}")
        if (len(names) or len(self.labels)) < 2 and not given:
            only = names[0] if names else next(iter(self.labels), "none")
            raise RowError(
                f"there is only one label ({only}), so nothing can be learned; if other classes "
                "exist, set data.classes to their number"
            )
        if names:
            numbered = ", ".join(f"{n} {name}" for n, name in enumerate(names[:8]))
            more = ", ..." if len(names) > 8 else ""
            self.assume(f"Labels are names; sorted, they are numbered: {numbered}{more}.")
        elif not given and len(self.labels) < found:
            gaps = found - len(self.labels)
            first = next(n for n in range(found) if n not in self.labels)
            start = "" if first else "; label 0 does not occur, but labels start at 0"
            self.assume(
                f"Labels go from {min(self.labels)} to {found - 1}, so there are {found} classes, "
                f"{gaps} of them without an example (the first: {first}){start}.",
                doubt=True,
            )
        return given or found

    def _token_facts(self) -> dict[str, Any]:
        longest, ids = max(self.lengths), self.asked[3] or int(self.high) + 1
        if len(self.lengths) > 1:
            self.assume(
                f"Sequences have {min(self.lengths)} to {longest} tokens; shorter ones are padded "
                f"with a padding id of their own, {ids}."
            )
        per_position = (longest,) if self.per_position else ()
        return {"example_shape": (longest,), "label_shape": per_position, "num_values": ids + 1}

    def _pixels(self) -> str:
        if self.integral and self.high > 1:
            return "grey levels"
        what = "real numbers between 0 and 1"
        if self.integral:
            what = "0 and 1 alone"
            self.assume(f"Pixels are {what}, read as 0 and 255 of 255 grey levels.")
        elif self.on_grid:
            self.assume(f"Pixels are {what}, all of the form k/255, and stored as grey levels k.")
        else:
            self.assume(f"Pixels are {what} and stay as they are.")
        return "unit interval on the grid" if self.on_grid or self.integral else "unit interval"


def _kind_of(found: Lists, shape: tuple[int, ...] | None) -> Kind:
    if len(found.lengths) > 1 or (shape and len(shape) == 2):
        return "images"
    return "vectors" if found.values.dtype.kind == "f" or shape else "tokens"
