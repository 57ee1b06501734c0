"""The same clients in every form give the same store, byte for byte."""

import numpy as np
import pandas as pd
import pytest

from perfedavg.data.sets import data_set
from perfedavg.data.store import ClientExamples, ClientStore, write_store
from tests.data.published import FORMS, READ, WRITERS, as_folder, floats, h5_files, make_writers

EMNIST = data_set({"dataset": "emnist62"})


def expected(writers):
    """The clients as they were made up."""
    empty = make_writers({"x": (0, 0)})["x"][0]
    for name in sorted(writers):
        train, test = writers[name]
        notes = [f"the {part} split does not have the client" for part, s in
                 (("train", train), ("test", test)) if s is None]  # fmt: skip
        yield ClientExamples(name, *(train or empty), *(test or empty), tuple(notes))


def stored(folder, clients):
    write_store(folder, clients, 62, {"dataset": "emnist62"})
    return {name: (folder / f"{name}.arrow").read_bytes() for name in ("examples", "clients")}


@pytest.mark.parametrize("form", FORMS)
def test_the_same_clients_give_the_same_store(tmp_path, form):
    writers = make_writers(WRITERS | {"f0100_00": (2, 0)})
    writers |= {
        "f9000_00": (writers["f0424_27"][0], None),
        "f8000_00": (None, writers["f3001_11"][1]),
    }
    path = FORMS[form](tmp_path, writers)
    clients = READ.get(form, EMNIST.clients)
    read = stored(tmp_path / "read", clients(path, tmp_path / "scratch"))
    assert read == stored(tmp_path / "made", expected(writers))
    assert not list((tmp_path / "scratch").glob("*")), "what was unpacked is gone"
    assert ClientStore(tmp_path / "read").assumed == [
        "the test split does not have the client (1 client)",
        "the train split does not have the client (1 client)",
    ]


@pytest.mark.parametrize("grey_levels", [True, False])
def test_a_table_of_one_s_own_gives_the_store_of_the_published_archive(
    tmp_path, monkeypatch, grey_levels
):
    monkeypatch.chdir(tmp_path)
    writers = make_writers()
    rows = [
        {"client_id": name, "split": part, "features": image, "label": int(label)}
        for name, splits in writers.items()
        for part, (x, y) in zip(("train", "test"), splits, strict=True)
        for image, label in zip(x if grey_levels else floats(x), y, strict=True)
    ]
    frame = pd.DataFrame(rows).assign(features=lambda f: [x.tolist() for x in f.features])
    rng = np.random.default_rng(0)
    order = np.argsort(rng.random(len(frame)) + 10 * (frame.split == "test"), kind="stable")
    frame.iloc[order].to_parquet("mine.parquet", row_group_size=30)  # clients mixed, in order each
    table = data_set({"dataset": "table", "path": "mine.parquet", "classes": 62})
    mixed = sorted(table.clients(None, tmp_path / "scratch"), key=lambda c: c.client_id)
    archive = as_folder(tmp_path / "unpacked", h5_files(writers))
    published = list(EMNIST.clients(archive, tmp_path / "scratch"))
    for own, theirs in zip(mixed, published, strict=True):
        assert sorted(map(bytes, own.train_x)) == sorted(map(bytes, theirs.train_x))
    frame.to_parquet("mine.parquet")
    table = data_set({"dataset": "table", "path": "mine.parquet", "classes": 62})
    read = stored(tmp_path / "read", table.clients(None, tmp_path / "scratch"))
    assert read == stored(tmp_path / "theirs", published)
