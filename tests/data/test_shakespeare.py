"""Shakespeare in the layout of the public archive, made here."""

import tarfile

import h5py
import numpy as np

from perfedavg.data.sets.shakespeare import MEMBERS, Shakespeare
from perfedavg.data.text import LENGTH

ROLES = {
    "MACBETH_FIRST_WITCH": (["When shall we three meet again?", "x" * 200], ["Hail!"]),
    "A_LORD": (["Ay."], ["No more."]),
}


def make_archive(folder, roles=ROLES):
    path = folder / "shakespeare.tar.bz2"
    with tarfile.open(path, "w:bz2") as tar:
        for split, name in enumerate(MEMBERS):
            with h5py.File(folder / name, "w") as file:
                for role, snippets in roles.items():
                    values = np.array([s.encode() for s in snippets[split]])
                    file[f"examples/{role}/snippets"] = values
            tar.add(folder / name, name)
    return path


def test_roles_are_read_with_their_windows(tmp_path):
    data = Shakespeare(dataset="shakespeare")
    clients = list(data.clients(make_archive(tmp_path), tmp_path / "scratch"))
    assert [c.client_id for c in clients] == sorted(ROLES)
    lord, witch = clients
    assert witch.train_x.shape == witch.train_y.shape == (1 + 3, LENGTH)
    assert (witch.train_y >= 0).sum() == (31 + 1) + (200 + 1 - 2)
    assert data.text(witch.train_x[0]) == "When shall we three meet again?"
    assert (lord.train_y >= 0).sum() == len("Ay.") + 1
    assert data.text(lord.test_x[0]) == "No more."
    assert data.num_classes == data.num_values == 90
