"""LEAF's JSON: clients over several files, files of strangers, text, and memory of one client."""

import io
import json
import tracemalloc

import numpy as np
import pytest

from perfedavg.data.archives import Layout, clients_of
from perfedavg.data.readers import leaf_json
from perfedavg.data.sets import data_set
from perfedavg.runtime.errors import PerfedavgError
from tests.data.published import as_leaf, make_writers

EMNIST = data_set({"dataset": "emnist62"})
WRITERS = make_writers({"a": (3, 2), "b": (4, 1)})


def write(path, data):
    """One file of LEAF's, of {id: (x, y)}."""
    path.parent.mkdir(parents=True, exist_ok=True)
    users = {name: {"x": x, "y": y} for name, (x, y) in data.items()}
    content = {
        "users": list(users),
        "user_data": users,
        "num_samples": [len(u["y"]) for u in users.values()],
    }
    path.write_text(json.dumps(content))


def images(n, value=0.2):
    return [[value] * 784] * n


def test_a_client_s_examples_come_in_the_order_of_the_files(tmp_path):
    for shard in (0, 2, 10):
        write(tmp_path / f"data/train/{shard}.json", {"a": (images(2), [shard, shard + 1])})
    write(tmp_path / "data/test/all.json", {"a": (images(1), [5])})
    write(tmp_path / "data/all_data/all_data.json", {"z": (images(1), [5])})
    (client,) = EMNIST.clients(tmp_path / "data", tmp_path)
    assert client.train_y.tolist() == [0, 1, 2, 3, 10, 11]
    assert client.train_x.shape == (6, 28, 28)
    assert client.train_x.max() == 51


@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        (images(1), [3.7], r"a label that is no whole number: 3\.7 in example 0"),
        (images(1), [62], r"labels outside 0\.\.61: 62"),
        (images(1), ["a"], "labels that are text"),
        (images(1), [[1]], None),
        (images(1, 255), [1], r"none is above 1|1\.\.255|whole"),
        (images(1, 1.5), [1], r"a pixel outside 0\.\.1, of real numbers: 1\.5"),
        (images(1, None), [1], "pixels of type object"),
        ([[0.2] * 784, [0.2] * 783], [1, 2], "rows of different lengths in `x`"),
        ([[0.2] * 783], [1], r"pixels of shape \[1, 783\]"),
        (images(2), [1], "2 images but 1 labels"),
        ("text", [1], "no lists `x` and `y`"),
    ],
)
def test_values_are_checked_as_in_every_format(tmp_path, x, y, says):
    write(tmp_path / "data/train/0.json", {"a": (x, y)})
    write(tmp_path / "data/test/0.json", {"a": (images(1), [1])})
    if says is None or x == images(1, 255):
        (client,) = EMNIST.clients(tmp_path / "data", tmp_path)
        assert client.assumed
        return
    with pytest.raises(
        PerfedavgError, match=rf"0\.json \(data\.archive\): client 'a' has .*{says}"
    ) as raised:
        list(EMNIST.clients(tmp_path / "data", tmp_path))
    assert str(raised.value).startswith(str(tmp_path / "data/train/0.json"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"users": ["a"], "user_data": {"a": {"x": [[0.1', "no JSON, or damaged or cut off"),
        ('{"user_data": {"a": {"x": [[NaN]], "y": [1]}}}', "no JSON, or damaged or cut off"),
        ('{"users": []}', "no client in `user_data`"),
        ('{"user_data": [1]}', "no client in `user_data`"),
        (
            '{"user_data": {"a": {"x": ' + "[" * 10**5 + "]" * 10**5 + ', "y": []}}}',
            "nested more than 16 levels deep",
        ),
        ('{"user_data": {"a": {"x": [[1e999]], "y": [1]}}}', "client 'a' has|no JSON"),
        ('{"user_data": {"a": 1}}', "client 'a' has no lists `x` and `y`"),
        ('{"user_data": {"a": {"x": [], "y": []}, "a": {"x": [], "y": []}}}', "than one entry"),
        ('{"users": ["a"], "num_samples": [2], "user_data": {"a": {"x": [], "y": []}}}',
         "client 'a' has 0 examples where `num_samples` says 2"),
        ('{"users": ["a", "b"], "num_samples": [0, 0], "user_data": {"a": {"x": [], "y": []}}}',
         "'b' of `users` is not in `user_data`"),
        ('{"user_data": {"a": {"x": [], "y": []}}, "users": ["b"], "num_samples": [0]}',
         "client 'a' has 0 examples where `num_samples` says nothing"),
        ('{"users": ["a"], "num_samples": [0, 1], "user_data": {}}', "1 `users` but 2 `num_samp"),
        ('{"user_data": {"a\\rb": {"x": [], "y": []}}}', r"has the id 'a\\rb'"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_one_sentence(tmp_path, content, says):
    data = as_leaf(tmp_path / "data", WRITERS)
    (data / "train/x.json").write_text(content)
    with pytest.raises(PerfedavgError, match=says) as raised:
        list(EMNIST.clients(data, tmp_path))
    assert str(raised.value).startswith(f"{data}/train/x.json (data.archive): ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_only_brackets_outside_of_text_count_as_depth(size):
    deep = json.dumps({'a[["\\': ["]]\\\\", '"[[[[', [{"x\\n": "[" * 99}]] * 50}).encode()

    def read(content):
        file = leaf_json._Shallow(io.BytesIO(content))
        return b"".join(iter(lambda: file.read(size), b""))

    assert read(deep) == deep
    assert read(b"[" * 16 + b"]" * 16)
    with pytest.raises(ValueError, match="16 levels"):
        read(b"[" * 17)


def test_text_is_read_by_what_the_data_set_makes_of_it(tmp_path):
    """LEAF's Shakespeare: 80 characters, and the one that follows."""

    def codes(features):
        windows, following = features["windows"], features["next"]
        x = np.array([[ord(c) for c in window] for window in windows]).reshape(len(windows), 80)
        y = np.full(x.shape, -1)
        y[:, -1] = [ord(c) for c in following]
        return x, y

    line = "To be, or not to be, that is the question: Whether 'tis nobler in the mind to suffer"
    cut = [line[i : i + 80] for i in range(3)], list(line[80:83])
    for split in ("train", "test"):
        write(tmp_path / f"data/{split}/0.json", {"HAMLET": cut})
    layout = Layout(("a_train.h5", "a_test.h5"), codes, leaf=("windows", "next"))
    (client,) = clients_of(tmp_path / "data", tmp_path, layout)
    assert [chr(c) for c in client.train_y[:, -1]] == list(line[80:83])
    assert "".join(map(chr, client.test_x[2])) == line[2:82]


def test_memory_is_that_of_a_client(tmp_path):
    def peak(clients):
        path = tmp_path / str(clients)
        for split in ("train", "test"):
            users = {f"c{i}": (images(4), [1] * 4) for i in range(clients)}
            write(path / split / "0.json", users)
        tracemalloc.start()
        assert sum(1 for _ in EMNIST.clients(path, tmp_path)) == clients
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(2)
    assert peak(40) < 1.5 * peak(8)
