"""docs/extending.md: every file that it says to write, written into a copy of the project and run.

No other file is edited."""

import json
import os
import re

import numpy as np
import pandas as pd
import yaml

from perfedavg.data.store import ClientStore
from tests.workflow.checkout import ROOT, Checkout

SEQUENCES = {
    "train": [[1, 2, 3], [4, 5, 6, 7, 8, 9, 10, 11], [3, 1]],
    "test": [[2, 4, 6, 8], [1, 1]],
}


def examples():
    """Of the page: {path: text of a file}, and the blocks of the config, put together."""
    page = (ROOT / "docs/extending.md").read_text()
    files = re.findall(r"`(src/\S+?)`:\n\n```python\n(.*?)```", page, re.DOTALL)
    config = {}
    for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL):
        config = merged(config, yaml.safe_load(block))
    return dict(files), config


def merged(block, changes):
    """``block`` with ``changes``, block by block."""
    both = {
        k: merged(block[k], v) for k, v in changes.items() if isinstance(v, dict) and k in block
    }
    return block | changes | both


def test_every_file_of_the_page_is_found_and_runs(tmp_path):
    files, config = examples()
    rooms = {path.split("/")[-2] for path in files}
    assert rooms == {"family", "servers", "tables", "figures", "readers", "sets"}
    checkout = Checkout(tmp_path)
    for path, text in files.items():
        assert not (tmp_path / path).exists()
        (tmp_path / path).write_text(text)
    tiny = merged(yaml.safe_load((tmp_path / "tiny.yaml").read_text()), config)
    tiny["seeds"] = [0]
    tiny["studies"] |= {"theory": None, "strategies": [], "centralized": None, "local_only": None}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(tiny))
    checkout.snakemake("--cores", "2", "report")

    # FedProx, with the proximal term by hand: with mu = 0 it would be FedAvg, run beside it.
    points = pd.read_csv(checkout.results / "figures/algorithms.csv")
    assert {"fedavg", "fedprox"} <= set(points.entry)
    norms = {
        name: pd.read_parquet(checkout.results / f"runs/{name}.x1-s0/rounds.parquet").update_norm
        for name in ("fedavg", "fedprox")
    }
    assert norms["fedprox"][0] < norms["fedavg"][0], "it is held back"
    assert norms["fedprox"][0] > 0.9 * norms["fedavg"][0]

    # The clipped server: a kind of its own in stage 2, and no round moves further than its norm.
    assert "clipped" in json.loads((checkout.results / "selection.json").read_text())["reptile"]
    runs = pd.read_csv(checkout.results / "runs.csv").set_index("run_id")
    assert "clipped" in set(runs.server_optimizer)

    gains = pd.read_csv(checkout.results / "tables/gains.csv").set_index("setting").gain
    table1 = pd.read_csv(checkout.results / "tables/table1.csv")
    by_hand = table1.personalized_mean - table1.initial_mean
    np.testing.assert_allclose(gains.to_numpy(), by_hand.to_numpy(), atol=2e-6)
    assert (checkout.results / "figures/gains.png").is_file()
    page = (checkout.results / "report.html").read_text()
    assert "Gain in the 4 settings of the grid." in page
    assert '<figure id="figure-gains">' in page

    # The reader: of one client, numbers by hand.
    lines = [json.dumps({"id": f"c{n}", **SEQUENCES}) for n in range(3)]
    (tmp_path / "diaries.jsonl").write_text("\n".join(lines))
    network = (ROOT / "tests/added/lstm_tiny.py").read_text()
    (tmp_path / "src/perfedavg/models/lstm_tiny.py").write_text(network)
    (tmp_path / "diaries.yaml").write_text(
        yaml.safe_dump(
            {
                "experiment": "diaries",
                "seeds": [0],
                "data": {"dataset": "diaries", "path": "diaries.jsonl"},
                "split": {"order": "sorted", "training_clients": 1, "validation_clients": 1},
                "model": "lstm_tiny",
                "training": {"rounds": 1, "clients_per_round": [1], "local_epochs": [1]},
                "evaluation": {"every": 1},
                "studies": {"reference": {"clients_per_round": 1, "local_work": 1}},
            }
        )
    )
    table1 = "results/diaries/tables/table1.csv"
    checkout.snakemake("--cores", "2", table1, configfile="diaries.yaml")
    store = ClientStore(next((tmp_path / "results/data").glob("diaries-*")))
    client = store.client(0)
    assert client.train_x.tolist() == [
        [1, 2, 0, 0, 0, 0, 0],
        [4, 5, 6, 7, 8, 9, 10],
        [3, 0, 0, 0, 0, 0, 0],
    ]
    assert client.train_y.tolist()[:2] == [[2, 3, -1, -1, -1, -1, -1], [5, 6, 7, 8, 9, 10, 11]]
    assert client.test_y.tolist() == [[4, 6, 8, -1, -1, -1, -1], [1, -1, -1, -1, -1, -1, -1]]
    assert (tmp_path / table1).is_file()

    # Other bytes in the file are other data; the same ones under another time stamp are not.
    os.utime(tmp_path / "diaries.jsonl", (0, 0))
    assert (
        "Nothing to be done" in checkout.snakemake("-n", table1, configfile="diaries.yaml").stdout
    )
    (tmp_path / "diaries.jsonl").write_text("\n".join(lines).replace("c2", "c9"))
    planned = checkout.snakemake("-n", configfile="diaries.yaml").stdout
    assert "build_store" in planned
    assert "train_fedavg" in planned
