"""``glyphs62``: a built-in stand-in for EMNIST-62, drawn from the fonts that matplotlib ships.

It exists so that the pipeline can be tried with no network, in seconds; results on it say nothing
about the paper.

A *writer* is a base font, a personal style (slant, stroke weight, size, aspect, jitter, smear) and
personal letter forms: inside every group of look-alikes (``0 O o``, ``1 l I``, ...) a writer draws
some classes with another member's shape. As in federated EMNIST, characters are centred and keep
the size they are written in, so that telling ``O`` from ``o`` takes knowing how large this writer
writes. Each image is 28x28, white paper (255), dark ink (towards 0).

How it is drawn: every (font, character) becomes a signed distance field once; an image samples that
field at 28x28 points moved by the writer's affine map, and turns distance into ink. Stroke weight
is an offset of the distance and smear is the width of the edge, so both are exact at any size."""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from perfedavg.blocks import Count, Natural
from perfedavg.data.sources import DataSet, DataSize
from perfedavg.data.store import ClientExamples

CLASSES = string.digits + string.ascii_uppercase + string.ascii_lowercase
"""The 62 classes in EMNIST's order: label 0-9 digits, 10-35 A-Z, 36-61 a-z."""

SIDE = 28
FONT_FILES = (
    *(
        f"DejaVu{family}{style}.ttf"
        for family in ("Sans", "SansMono")
        for style in ("", "-Bold", "-Oblique", "-BoldOblique")
    ),
    *(f"DejaVuSerif{style}.ttf" for style in ("", "-Bold", "-Italic", "-BoldItalic")),
    *(f"STIXGeneral{style}.ttf" for style in ("", "Bol", "Italic", "BolIta")),
    *(f"cm{name}10.ttf" for name in ("r", "b", "ss", "tt", "mi", "ti")),
)
"""The 22 faces that hold all 62 characters; symbol and last-resort fonts are left out."""

LOOK_ALIKES = ("0Oo", "1lI", "5Ss", "2Zz", "Cc", "Kk", "Pp", "UuVv", "Ww", "Xx", "9gq", "6b")
OTHER_FORM_PROBABILITY = 0.3
DIGIT_SHARE = 0.5  # EMNIST: 0.71. Fewer digits here, so that small clients still hold some letters.
TRAIN_SHARE = 0.8  # EMNIST: 0.9. A larger test split, since these clients are small.
MEAN_SHARE = 0.97  # a client's mean number of examples, of the median

CAP_HEIGHT = 15.0  # height of a capital in pixels, at size 1

_FIELD = 80  # side of a distance field, in cells
_CELLS = 40  # height of a capital H in a field: no character is wider or higher than 78 cells

SYNTHETIC = "Synthetic data (glyphs62), for trying the pipeline: they say nothing about the paper."


class Glyphs62(DataSet):
    """The built-in data set: synthetic writers drawn from fonts. For trying the pipeline; says
    nothing about the paper."""

    dataset: Literal["glyphs62"] = Field(description="name of the data set")
    seed: Natural = Field(0, description="seed of the generator")
    writers: Count = Field(280, description="number of writers, each one client")
    median_examples: int = Field(
        52, ge=10, strict=True, description="median examples per writer, train and test together"
    )

    kind = "images"
    num_classes = len(CLASSES)
    example_shape = (SIDE, SIDE)
    client_word, labels_are = "writer", "0-9 digits, 10-35 A-Z, 36-61 a-z"
    ink, mean_ink = True, 0.08
    packages = ("matplotlib", "numpy", "pillow", "scipy")

    def clients(
        self, archive: Path | None = None, scratch: Path | None = None
    ) -> Iterator[ClientExamples]:
        """Every writer's train and test examples, in the order of their ids ``w0000``, ``w0001``,
        ...

        A writer depends on the seed and its own position alone, so more writers change none of the
        others."""
        for index in range(self.writers):
            rng = np.random.default_rng(np.random.SeedSequence([self.seed, index]))
            writer = make_writer(rng)
            n = client_sizes(rng, self.median_examples)
            labels = rng.choice(len(CLASSES), size=n, p=writer.class_probabilities)
            pixels = draw(writer, labels, rng)
            num_train = min(n - 2, round(TRAIN_SHARE * n))
            yield ClientExamples(
                client_id=f"w{index:04d}",
                train_x=pixels[:num_train],
                train_y=labels[:num_train],
                test_x=pixels[num_train:],
                test_y=labels[num_train:],
            )

    @property
    def size(self) -> DataSize:
        """From the distribution of :func:`client_sizes`."""
        examples = MEAN_SHARE * self.median_examples
        return DataSize(self.writers, TRAIN_SHARE * examples, (1 - TRAIN_SHARE) * examples)

    def caveat(
        self,
        client_ids: Sequence[str],
        training_clients: int | None = None,
        rounds: int | None = None,
    ) -> str:
        """They are synthetic."""
        return SYNTHETIC


@dataclass(frozen=True)
class Writer:
    """One writer's hand. Lengths are in output pixels, angles in radians, ``size`` and ``aspect``
    are ratios."""

    font: int
    slant: float
    weight: float
    size: float
    aspect: float
    smear: float
    jitter: float
    forms: np.ndarray  # [62] the class whose shape is drawn for each class
    class_probabilities: np.ndarray  # [62]


def make_writer(rng: np.random.Generator) -> Writer:
    """Draw one writer's style, letter forms and (mildly skewed) label distribution."""
    forms = np.arange(len(CLASSES))
    for group in LOOK_ALIKES:
        members = [CLASSES.index(c) for c in group]
        for member in members:
            if rng.random() < OTHER_FORM_PROBABILITY:
                forms[member] = rng.choice([m for m in members if m != member])
    is_digit = np.arange(len(CLASSES)) < 10
    base = np.where(is_digit, DIGIT_SHARE / 10, (1 - DIGIT_SHARE) / 52)
    return Writer(
        font=int(rng.integers(len(FONT_FILES))),
        slant=float(rng.normal(0.0, 0.15)),
        weight=float(rng.normal(0.0, 0.25)),
        size=float(rng.uniform(0.75, 1.15)),
        aspect=float(rng.uniform(0.75, 1.15)),
        smear=float(rng.uniform(0.8, 2.0)),
        jitter=float(rng.uniform(0.6, 1.4)),
        forms=forms,
        class_probabilities=rng.dirichlet(base * 200),
    )


def draw(writer: Writer, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one image per label in this writer's hand: uint8 ``[n, 28, 28]``, 255 paper, 0 ink."""
    from scipy.ndimage import map_coordinates

    n = len(labels)
    jitter = writer.jitter
    slant = (writer.slant + jitter * rng.normal(0, 0.12, n))[:, None, None]
    turn = (jitter * rng.normal(0, 0.08, n))[:, None, None]
    size = (writer.size * np.exp(jitter * rng.normal(0, 0.12, n)))[:, None, None]
    aspect = (writer.aspect * np.exp(jitter * rng.normal(0, 0.10, n)))[:, None, None]
    weight = (writer.weight + jitter * rng.normal(0, 0.25, n))[:, None, None]
    weight = np.maximum(-0.2, weight)  # no stroke vanishes
    shift_x, shift_y = (jitter * rng.normal(0, 0.6, (2, n)))[..., None, None]

    centre = (SIDE - 1) / 2
    y, x = np.mgrid[:SIDE, :SIDE] - centre
    x, y = x[None] - shift_x, y[None] - shift_y
    x, y = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    x = (x + np.tan(slant) * y) / aspect  # a positive slant leans to the right, as italics do
    pixels_per_cell = size * CAP_HEIGHT / _CELLS
    field_centre = (_FIELD - 1) / 2
    layer = (writer.font * len(CLASSES) + writer.forms[labels])[:, None, None] + np.zeros_like(x)
    row, column = (axis / pixels_per_cell + field_centre for axis in (y, x))
    where = np.stack([layer, row, column])
    # Outside the field nothing is drawn: a large distance.
    cells = map_coordinates(_distance_fields(), where, order=1, mode="constant", cval=_FIELD)
    ink = np.clip(0.5 + (weight - cells * pixels_per_cell) / writer.smear, 0, 1)
    return np.round(255 * (1 - ink)).astype(np.uint8)


def client_sizes(rng: np.random.Generator, median: int) -> int:
    """Number of examples of one writer: as in EMNIST most are near the ``median``, some far below,
    few up to twice it."""
    kind = rng.random()
    if kind < 0.15:
        ratio = rng.uniform(0.3, 0.9)
    elif kind < 0.95:
        ratio = rng.normal(1.0, 0.07)
    else:
        ratio = rng.uniform(1.1, 2.1)
    return max(8, round(median * ratio))


@cache
def _distance_fields() -> np.ndarray:
    """Signed distance, in cells, to the outline (negative inside): float32 ``[22 * 62, 80,
    80]``."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont
    from scipy.ndimage import distance_transform_edt

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    fields = np.empty((len(FONT_FILES) * len(CLASSES), _FIELD, _FIELD), dtype=np.float32)
    for f, name in enumerate(FONT_FILES):
        font = ImageFont.truetype(str(folder / name), size=4 * _CELLS)
        _, top, _, bottom = font.getbbox("H")
        scale = _CELLS / (bottom - top)
        for c, character in enumerate(CLASSES):
            left, top, right, bottom = font.getbbox(character)
            large = Image.new("L", (right - left, bottom - top), 0)
            ImageDraw.Draw(large).text((-left, -top), character, font=font, fill=255)
            width, height = (min(_FIELD - 2, round(side * scale)) for side in large.size)
            cell = Image.new("L", (_FIELD, _FIELD), 0)
            cell.paste(
                large.resize((width, height), Image.Resampling.BOX),
                ((_FIELD - width) // 2, (_FIELD - height) // 2),
            )
            inside = np.asarray(cell) >= 128
            outer, inner = (distance_transform_edt(mask) for mask in (~inside, inside))
            fields[f * len(CLASSES) + c] = outer - inner
    return fields
