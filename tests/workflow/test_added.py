"""A data set of token sequences with a label per position and a recurrent network, added as one
new file each: through the DAG without a change to any other file."""

import shutil

import numpy as np
import pandas as pd

from perfedavg.data.store import ClientStore
from perfedavg.storage.checkpoints import load_tensors
from tests.added.lstm_tiny import SHAPES
from tests.workflow.checkout import OWN_OUTPUT, ROOT, Checkout


def test_a_data_set_and_a_network_are_one_new_file_each(tmp_path):
    checkout, added = Checkout(tmp_path), ROOT / "tests/added"
    package = checkout.folder / "src/perfedavg"
    before = {path for path in package.rglob("*") if "__pycache__" not in path.parts}
    data = shutil.copy(added / "sequences.py", package / "data/sets")
    network = shutil.copy(added / "lstm_tiny.py", package / "models")
    shutil.copy(added / "sequences.yaml", checkout.folder)
    figures = ("rounds", "data_card", "theory", "algorithms", "stage2")
    files = [f"results/sequences/figures/{name}.png" for name in figures]
    checkout.snakemake("--cores", "2", "tables", *files, configfile="sequences.yaml")
    after = {path for path in package.rglob("*") if "__pycache__" not in path.parts}
    assert {str(path) for path in after - before} == {str(data), str(network)}

    results = checkout.folder / "results/sequences"
    store = ClientStore(next((checkout.folder / "results/data").glob("sequences-*")))
    assert (len(store), store.label_shape) == (12, (7,))
    tensors, _ = load_tensors(results / "runs/fedavg-m2-e2-s0/model.safetensors")
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == SHAPES
    rows = pd.read_parquet(results / "personalization/fedavg-m2-e2-s0.parquet")
    assert rows["loss"].notna().all()
    assert rows.groupby("epoch")["loss"].mean().is_monotonic_decreasing, "fine-tuning helps"
    measured = pd.read_parquet(results / "theory/fedavg-m2-e2-s0.parquet")
    assert (measured["residual"] < 1e-12).all()
    assert np.isfinite(pd.read_csv(results / "tables/algorithms.csv")["personalized_mean"]).all()
    assert all((checkout.folder / file).exists() for file in files)

    mixed = checkout.snakemake(
        "-n", "--config", "model=cnn_small", configfile="sequences.yaml", check=False
    )
    assert "`cnn_small` takes images, but sequences holds tokens" in mixed.stdout + mixed.stderr
    for path in (data, network):  # what reruns names both files
        with checkout.edit(path):
            output = checkout.snakemake("-n", OWN_OUTPUT, configfile="sequences.yaml").stdout
        assert ("build_store" in output) == (path == data)
        assert "train_fedavg" in output
