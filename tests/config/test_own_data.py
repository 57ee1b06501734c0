"""Configs of own data: networks that fit, files that split."""

import pandas as pd
import pytest

from perfedavg.config.load import load_config
from perfedavg.models import num_parameters
from perfedavg.runtime.errors import PerfedavgError
from tests.config.test_config import raw

OWN = {
    "experiment": "mine",
    "seeds": [0],
    "data": {"dataset": "table", "path": "mine.parquet"},
    "split": {"training_clients": 3, "validation_clients": 1},
    "training": {"rounds": 2, "clients_per_round": [2], "local_epochs": [1]},
    "evaluation": {"every": 1},
    "studies": {"reference": {"clients_per_round": 2, "local_work": 1}},
}
FEATURES = {
    "vectors": [[0.5] * 7] * 10,
    "images": [[[1, 200, 3]] * 9] * 10,
    "tokens": [[3, 1, 2]] * 10,
}


@pytest.mark.parametrize(
    ("features", "network"),
    [("vectors", "mlp@7,2"), ("images", "cnn_any@9x3,2"), ("tokens", "lstm_any@3,2,5")],
)
def test_without_a_model_a_small_one_that_fits_is_taken_and_said(
    tmp_path, monkeypatch, features, network
):
    monkeypatch.chdir(tmp_path)
    columns = {"client_id": [*"aabbccddee"], "label": [0, 1] * 5, "features": FEATURES[features]}
    pd.DataFrame(columns).to_parquet("mine.parquet")
    config = load_config(OWN)
    assert (config.network, config.data.size.clients) == (network, 5)
    assert f"{network.partition('@')[0]}, {num_parameters(network):,} parameters" in (
        config.chosen_network
    )
    named = load_config(OWN | {"model": network.partition("@")[0]})
    assert (named.network, named.chosen_network) == (network, "")
    with pytest.raises(PerfedavgError, match=f"table holds {features}.* fit: {named.model}") as e:
        load_config(OWN | {"model": "cnn_small"})
    assert "`cnn_small` takes images" in str(e.value)
    with pytest.raises(PerfedavgError, match="leave no evaluation client of the table's 5 clients"):
        load_config(OWN | {"split": {"training_clients": 3, "validation_clients": 2}})


def test_what_may_be_a_mistake_in_a_table_is_said_at_the_start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame({"client_id": [*"aabbccddee"], "label": [1, 2] * 5, "splits": "train"})
    frame["features"] = FEATURES["vectors"]
    frame.assign(colour="red").to_parquet("mine.parquet")
    network, *doubts = load_config(OWN).said_at_start
    assert "mlp" in network
    assert doubts == [
        "table: Columns not used: colour, splits (did you mean `split`?).",
        "table: Labels go from 1 to 2, so there are 3 classes, 1 of them without an example (the "
        "first: 0); label 0 does not occur, but labels start at 0.",
    ]
    assert load_config(raw()).said_at_start == []


def test_a_client_that_the_table_does_not_hold_is_said_at_the_start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    columns = {"client_id": [*"aabbccddee"], "label": [0, 1] * 5, "features": FEATURES["vectors"]}
    pd.DataFrame(columns).to_parquet("mine.parquet")
    groups = ["client_id,client_group", "a,training", "b,training", "c,validation", "d,evaluation"]
    (tmp_path / "groups.csv").write_text("\n".join(groups))
    config = load_config(OWN | {"split": {"file": "groups.csv"}})
    assert config.split.num_training == 2
    for ids, said in (("f", "names the client 'f', which"), ("fg", "names 2 clients that")):
        more = [f"{name},evaluation" for name in ids]
        (tmp_path / "groups.csv").write_text("\n".join(groups + more))
        with pytest.raises(PerfedavgError, match=f"groups.csv {said} the data do not hold"):
            load_config(OWN | {"split": {"file": "groups.csv"}})


def test_the_reference_setting_is_the_last_of_the_grid_or_named(tmp_path):
    config = raw() | {"studies": {}}
    config["training"] |= {"clients_per_round": [2, 4], "local_epochs": [5, 1]}
    reference = load_config(config).reference
    assert (reference.clients_per_round, reference.local_work) == (4, 1)
    config["studies"] = {"reference": {"clients_per_round": 2, "local_work": 5}}
    reference = load_config(config).reference
    assert (reference.clients_per_round, reference.local_work) == (2, 5)


def test_a_split_file_takes_the_place_of_numbers(tmp_path):
    path = tmp_path / "groups.csv"
    groups = ["training"] * 20 + ["validation"] + ["evaluation"] * 25
    lines = [f"w{n:04d},{group}" for n, group in enumerate(groups)]
    path.write_text("\n".join(["client_id,client_group", *lines]))
    config = load_config(raw() | {"split": {"file": str(path)}})
    assert (config.split.num_training, config.split.num_validation) == (20, 1)
    assert config.split.name == "file"
    copy = path.rename(tmp_path / "moved.csv")
    moved = load_config(raw() | {"split": {"file": str(copy)}}).split
    assert moved.content == config.split.content, "its place is no content"
    copy.write_text(copy.read_text().replace("w0045", "w0099"))
    other = load_config(raw() | {"split": {"file": str(copy)}}).split
    assert other.content != moved.content
    both = {"file": str(copy), "training_clients": 5}
    for split, sentence in (
        (both, "leave training_clients and validation_clients out"),
        ({}, "give training_clients and validation_clients, or file"),
        ({"file": str(path)}, "groups.csv .split.file. is no file: nothing is there"),
        ({"training_clients": 5, "validation_clients": 5, "seed": 2**32}, "less than or equal to"),
    ):
        with pytest.raises(PerfedavgError, match=sentence) as error:
            load_config(raw() | {"split": split})
        assert str(error.value).count("\n") == 0
    copy.write_text(copy.read_text().replace("training", "evaluation", 17))
    with pytest.raises(PerfedavgError, match="only 3") as error:
        load_config(raw() | {"split": {"file": str(copy)}})
    assert "moved.csv" in str(error.value)
