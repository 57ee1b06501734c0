"""Data sets are found by their files' names, at little cost; what a card tells of each kind."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from perfedavg.data import describe
from perfedavg.data.describe import data_card, examples_shown
from perfedavg.data.sets import DATA_SETS, data_set
from perfedavg.data.store import ClientStore, write_store
from tests.added.sequences import Sequences

HEAVY = ("torch", "h5py", "matplotlib", "scipy", "PIL", "pandas")


def test_every_set_has_its_file_s_name_and_says_what_it_holds():
    assert list(DATA_SETS) == [
        "dialogue",
        "emnist62",
        "emnist_digits",
        "glyphs62",
        "shakespeare",
        "table",
    ]
    for name, found in DATA_SETS.items():
        if name == "table":  # what it holds is found in the user's file: test_table.py
            continue
        data = data_set({"dataset": name})
        assert type(data) is found
        assert data.store_name.startswith(f"{name}-")
        assert data.size.train > data.size.test > 0
        assert data.kind == ("tokens" if name in ("dialogue", "shakespeare") else "images")
    assert [name for name, found in DATA_SETS.items() if found.is_the_papers] == ["emnist62"]


def test_finding_them_imports_nothing_that_takes_long():
    code = f"import sys, perfedavg.data.sets; print([m for m in {HEAVY} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["glyphs62", "sequences"])
def test_examples_are_as_declared_and_a_card_describes_them(tmp_path, monkeypatch, name):
    monkeypatch.setitem(describe.DATA_SETS, "sequences", Sequences)
    if name == "sequences":
        data = Sequences(dataset=name, people=5)
    else:
        data = data_set({"dataset": name, "writers": 5})
    clients = list(data.clients(None, tmp_path))
    assert len(clients) == data.size.clients
    for client in clients:
        assert client.train_x.shape[1:] == data.example_shape
        assert client.test_y.shape[1:] == data.label_shape
        assert 0 <= client.train_x.min() <= client.train_x.max() < data.num_values
        assert client.train_y.max() < data.num_classes
    write_store(tmp_path / "store", clients, data.num_classes, {"dataset": name})
    store = ClientStore(tmp_path / "store")
    groups = pd.DataFrame({"client_group": ["training"] * 5})
    card = data_card(store, groups).set_index("quantity").value
    labels = np.concatenate([c.train_y.ravel() for c in clients])
    share = np.bincount(labels[labels >= 0]).max() / (labels >= 0).sum()
    assert card["share of the most frequent class"] == pytest.approx(share)
    assert ("ink: share explained by the writer" in card) == (name == "glyphs62")
    shown = examples_shown(store, clients=3, examples=2)
    if name == "sequences":
        expected = [" | ".join(data.text(x) for x in clients[i].train_x[:2]) for i in (0, 2, 4)]
        assert shown == expected
    else:
        np.testing.assert_allclose(shown[1, 0] * 255, clients[2].train_x[0], atol=1e-4)
