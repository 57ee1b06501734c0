"""The reader of TFF's layout on text: a client's features as they are, whatever their names."""

import io
import tarfile

import h5py
import numpy as np
import pytest

from perfedavg.data.archives import Layout, clients_of
from perfedavg.runtime.errors import PerfedavgError

MEMBERS = "plays_train.h5", "plays_test.h5"
LINES = {"THE_TEMPEST_ARIEL": [b"All hail", b"great master!"], "A_MIRANDA": [b"O, wonder!"]}


def characters(features):
    """Every line as four bytes, and the next byte of each."""
    if not len(features["snippets"]):
        raise ValueError("no line")
    codes = [list(line[:5]) for line in features["snippets"]]
    return np.array(codes, dtype=np.uint8)[:, :-1], np.array(codes)[:, 1:]


def archive(path, lines):
    with tarfile.open(path, "w:bz2") as tar:
        for member in MEMBERS:
            buffer = io.BytesIO()
            with h5py.File(buffer, "w") as file:
                for client, texts in lines.items():
                    file[f"examples/{client}/snippets"] = np.array(texts, dtype=h5py.string_dtype())
            info = tarfile.TarInfo(member)
            info.size = buffer.getbuffer().nbytes
            buffer.seek(0)
            tar.addfile(info, buffer)
    return path


def test_lines_of_text_become_tokens(tmp_path):
    path = archive(tmp_path / "a.tar.bz2", LINES)
    clients = list(clients_of(path, tmp_path / "scratch", Layout(MEMBERS, characters)))
    assert [client.client_id for client in clients] == sorted(LINES)
    assert clients[1].train_x.tolist() == [list(b"All "), list(b"grea")]
    assert clients[1].test_y.tolist() == [list(b"ll h"), list(b"reat")]
    assert not list((tmp_path / "scratch").iterdir())


def test_what_is_wrong_with_a_client_is_one_sentence(tmp_path):
    path = archive(tmp_path / "a.tar.bz2", {"B": []})
    with pytest.raises(PerfedavgError, match=r"\(plays_train\.h5\): client 'B' has no line; "):
        list(clients_of(path, tmp_path, Layout(MEMBERS, characters)))
