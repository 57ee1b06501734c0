"""Shakespeare in the layout of the public archive, made here."""

import json
import tarfile

import h5py
import numpy as np
import pytest

from perfedavg.data.sets.shakespeare import MEMBERS, Shakespeare
from perfedavg.data.text import EOS, LENGTH
from perfedavg.runtime.errors import PerfedavgError

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


LINE = "To be, or not to be, that is the question: Whether 'tis nobler in the mind to suffer"


def as_leaf(folder, x, y):
    content = {"users": ["HAMLET"], "num_samples": [len(y)], "user_data": {"HAMLET": {}}}
    content["user_data"]["HAMLET"] = {"x": x, "y": y}
    for split in ("train", "test"):
        (folder / split).mkdir(parents=True, exist_ok=True)
        (folder / split / "0.json").write_text(json.dumps(content))
    return folder


def test_leafs_windows_have_one_label_each(tmp_path):
    data = Shakespeare(dataset="shakespeare")
    cut = [LINE[i : i + 80] for i in range(3)], list(LINE[80:83])
    (client,) = data.clients(as_leaf(tmp_path / "leaf", *cut), tmp_path)
    assert [data.text(x) for x in client.train_x] == cut[0]
    assert (client.train_y[:, :-1] == -1).all()
    assert data.text(client.train_y[:, -1]) == LINE[80:83]
    assert client.train_y.max() < EOS
    assert client.assumed == ("windows of LEAF's: the character behind a window is its one label",)


@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        ([LINE[:79]], ["a"], "`x` with .To be"),
        ([LINE[:80]], ["ab"], "`y` with 'ab'; one character"),
        ([LINE[:80]], ["a", "b"], "1 windows but 2 characters"),
        ([[0.5]], [1], r"`x` with \[0.5\]"),
    ],
)
def test_other_text_is_refused(tmp_path, x, y, says):
    data = Shakespeare(dataset="shakespeare")
    with pytest.raises(PerfedavgError, match=f"client 'HAMLET' has {says}"):
        list(data.clients(as_leaf(tmp_path / "leaf", x, y), tmp_path))
    (tmp_path / "a").mkdir()
    with h5py.File(make_archive(tmp_path / "a").with_name(MEMBERS[0]), "a") as file:
        file["examples/A_LORD/pixels"] = file["examples/A_LORD"].pop("snippets")[()]
    with pytest.raises(PerfedavgError, match="'A_LORD' has pixels where `snippets` are expected"):
        list(data.clients(tmp_path / "a" / MEMBERS[0], tmp_path))
