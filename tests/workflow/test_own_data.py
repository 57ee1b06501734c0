"""docs/your-own-data.md: its table, its config and its split file, run as they stand."""

import json
import re
import subprocess
import sys

import pandas as pd
import yaml

from perfedavg.data.store import ClientStore
from tests.workflow.checkout import OWN_OUTPUT, ROOT, Checkout


def test_the_page_leads_from_a_table_to_table_1_and_the_report(tmp_path):
    page = (ROOT / "docs/your-own-data.md").read_text()
    codes = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    config, split = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert len(config.strip().splitlines()) == 10
    checkout = Checkout(tmp_path)
    subprocess.run([sys.executable, "-c", "\n".join(codes)], cwd=tmp_path, check=True)
    (tmp_path / "my.yaml").write_text(config)
    results = tmp_path / "results/mine"
    # All but the figures: the page links to them, and their code is the same for every data set.
    run = checkout.snakemake("--cores", "2", "results/mine/report.html", configfile="my.yaml")
    sentence = "a small one that fits vectors (12 values) in 5 classes was chosen: mlp,"
    assert (run.stdout + run.stderr).count(sentence) == 1

    rows = pd.read_parquet(tmp_path / "mine.parquet")
    store = ClientStore(next((tmp_path / "results/data").glob("table-*")))
    assert (len(store), store.num_classes, store.example_shape) == (40, 5, (12,))
    assert sum(store.column(n).sum() for n in ("num_train", "num_test")) == len(rows)
    assert json.loads(store.metadata["classes"]) == sorted(set(rows.label))
    table1 = pd.read_csv(results / "tables/table1.csv")
    assert table1.local_epochs.tolist() == [1, 5]
    assert (table1.initial_mean > 0.3).all(), "chance is 0.2"
    assert (table1.personalized_mean > table1.initial_mean).all(), "the sensors differ"
    assert not any("paper" in column for column in table1.columns)
    assert "20 % of each client's examples, drawn at random (seed 0)" in table1.caveat[0]
    report = (results / "report.html").read_text()
    assert sentence in report
    assert "EMNIST" not in report

    # The same table with named groups, and an edited one.
    named = yaml.safe_load(config) | yaml.safe_load(split) | {"experiment": "named"}
    (tmp_path / "named.yaml").write_text(yaml.safe_dump(named))
    checkout.snakemake("--cores", "1", "results/named/split.csv", configfile="named.yaml")
    groups = pd.read_csv(tmp_path / "results/named/split.csv").client_group.value_counts()
    expected = {"training": 25, "validation": 5, "evaluation": 5, "left out: not in split.file": 5}
    assert groups.to_dict() == expected
    (tmp_path / "mine.parquet").touch()
    target = ("--dry-run", OWN_OUTPUT, "results/mine/tables/table1.csv")
    again = checkout.snakemake(*target, configfile="my.yaml")
    assert "Nothing to be done" in again.stdout + again.stderr
    rows.assign(label=rows.label.str.upper()).to_parquet(tmp_path / "mine.parquet")
    edited = checkout.snakemake(*target, configfile="my.yaml")
    assert "build_store" in edited.stdout + edited.stderr
