"""A user's own table that cannot be meant: one sentence, with file, client and row."""

import os

import numpy as np
import pyarrow as pa
import pytest

from perfedavg.data.sets.table import Table
from perfedavg.runtime.errors import PerfedavgError
from tests.data.tables import (
    FLAT,
    GREY,
    IDS,
    LABELS,
    SEQUENCES,
    SPLIT,
    VECTORS,
    N,
    columns,
    folder,  # noqa: F401 - of every test
    table,
)


def with_(values, row, value):
    changed = list(values)
    changed[row] = value
    return changed


NAN = with_(VECTORS.tolist(), 6, [0.0, 1.0, float("nan"), 0.0, 0.0])
_NULL = "{} has an empty value or NaN (pandas stores NaN as null) in `{}` (row 5, counted from 0)"
REFUSED = {
    "NaN": ({"features": NAN}, {}, "client 'c2' has the value nan in `features`, where finite"),
    "its place": ({"features": NAN}, {}, "numbers are wanted (row 6, at [2], counted from 0)"),
    "null": (
        {"features": pa.array(NAN, from_pandas=True)},
        {},
        "'c2' has an empty value or NaN (pandas stores NaN as null) in `features` (row 6, at [2],",
    ),
    "pixel's place": (
        {"features": with_(GREY.tolist(), 7, [*GREY[7].tolist()[:2], [0, -1] * 3, [0] * 6])},
        {},
        "data.features: vectors) (row 7, at [2][1], counted from 0)",
    ),
    "infinite": ({"features": with_(NAN, 6, [np.inf] * 5)}, {}, "client 'c2' has the value inf"),
    "label 3.7": ({"label": with_(LABELS * 1.0, 5, 3.7)}, {}, "client 'c1' has the value 3.7 in"),
    "negative": ({"label": with_(LABELS, 5, -1)}, {}, "client 'c1' has the label -1, where 0 .."),
    "too many": ({}, {"classes": 2}, "has the label 2, where 0 .. 1 is wanted"),
    "huge label": ({"label": with_(LABELS, 7, 10**6)}, {}, "client 'c3' has the label 1000000"),
    "one class": ({"label": LABELS * 0}, {}, "there is only one label (0), so nothing can be"),
    "one name": ({"label": ["a"] * N}, {}, "there is only one label (a)"),
    "no label": ({"label": with_(LABELS.tolist(), 5, None)}, {}, _NULL.format("'c1'", "label")),
    "no id": ({"client_id": with_(IDS.tolist(), 5, None)}, {}, _NULL.format("a row", "client_id")),
    "id 1.5": ({"client_id": [1.5] * N}, {}, "a row has the value 1.5 in `client_id`"),
    "split": ({"split": with_(SPLIT, 4, "dev")}, {}, "'c0' has the value 'dev' in `split`, where"),
    "all test": ({"split": ["test"] * N}, {}, "all rows are test examples"),
    "ragged": ({"features": with_(NAN, 6, [0.0])}, {}, "client 'c2' has 1 values in `features`"),
    "colour": ({"features": np.zeros((N, 2, 2, 3)).tolist()}, {}, "2x2x3, where images [h, w]"),
    "pixels": ({"features": (GREY - 0.5).tolist()}, {}, "a pixel of "),
    "no square": (
        {"features": VECTORS.tolist()},
        {"features": "images"},
        "5 values in `features`,",
    ),
    "shape": ({"features": FLAT}, {"shape": [5, 5]}, "24 values in `features`, where data.shape"),
    "no lists": ({"features": LABELS}, {}, "single numbers in `features`"),
    "texts": ({"features": [["a"]] * N}, {}, "string in `features`, where numbers are wanted"),
    "token": ({"features": SEQUENCES}, {"tokens": 4}, "'c0' has the token 4 in `features`, where"),
    "negative token": (
        {"features": with_(SEQUENCES, 9, [0, -4])},
        {},
        "-4 in `features`, where 0 and above is wanted; if these are measurements, set "
        "data.features: vectors (row 9, at [1], counted from 0)",
    ),
    "no token": ({"features": with_(SEQUENCES, 9, [])}, {}, "'c1' has an empty sequence"),
    "lengths": ({"features": SEQUENCES, "label": [[0, 1]] * N}, {}, "2 labels, where 1 or 1 is"),
    "complex": ({"label": [{"re": 1.0}] * N}, {}, "in `label`, where numbers are wanted"),
    "column": ({"label": None}, {}, "label is missing."),
    "many columns": (
        {"features": None, **{f"f{n}": LABELS for n in range(12)}},
        {},
        ", f4, ... (15 in all); the columns client_id, features, label and, if there is one, "
        "split are wanted: features is missing; join feature columns into `features`: "
        "docs/your-own-data.md.",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_meant_is_one_sentence_with_file_and_client(what):
    changes, keys, sentence = REFUSED[what]
    with pytest.raises(PerfedavgError) as error:
        table(keys, **changes)
    text = str(error.value)
    assert sentence in text
    assert text.startswith("mine.parquet")
    assert text.count("\n") == 0
    assert not os.path.exists("results"), "nothing is kept of it"


def test_files_that_are_none(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no table")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1" + b"x" * 50)
    for path, sentence in (
        ("there/is/none", f"folder: {tmp_path}/there/is/none does not exist; paths count from"),
        ("empty", "holds no .parquet file but nothing"),
        ("notes.txt", "is no Parquet file; write it with pandas' DataFrame.to_parquet"),
        ("cut.parquet", "is no readable Parquet file"),
        (None, "`data.path` is missing"),
    ):
        with pytest.raises(PerfedavgError, match=sentence):
            Table(dataset="table", path=path).facts  # noqa: B018
    with pytest.raises(PerfedavgError, match="there is no row in it"):
        table(**{name: pa.array([], pa.int8()) for name in columns()})
