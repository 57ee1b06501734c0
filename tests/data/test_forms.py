"""The same clients in every form give the same store, byte for byte."""

import pytest

from perfedavg.data.sets import data_set
from perfedavg.data.store import ClientExamples, ClientStore, write_store
from tests.data.published import FORMS, READ, WRITERS, make_writers

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
