"""Runs that were made in two parts, kept one after the other, decide as if made in one."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from safetensors.numpy import save_file

from perfedavg.analysis.choices import Selection
from perfedavg.analysis.claims.experiment import commits, load
from perfedavg.analysis.claims.statistics import NAMES
from perfedavg.analysis.claims.verdicts import Claim, decide
from perfedavg.config.claims import load_claims
from perfedavg.runtime.errors import PerfedavgError
from tests.analysis.claims import made_up
from tools.keep_metrics import add, keep

ROOT = Path(__file__).parents[3]
FILE = load_claims(ROOT / "config/claims.yaml", NAMES)
CLAIMS = [Claim(**entry) for entry in FILE["claims"]]
SPLIT = "client_id,client_index,client_group\na,0,training\n"


def part_of(made, folder, studies, commit):
    """The runs of some studies as an experiment's folder; with a model each."""
    runs, rows, selection, rates = made
    runs = runs[runs.study.isin(studies)]
    made_up.write(folder, runs, {r: rows[r] for r in runs.run_id}, selection, rates)
    (folder / "split.csv").write_text(SPLIT)
    (folder / "logs").mkdir()
    config = yaml.safe_load((ROOT / "config/emnist62-claims.yaml").read_text())
    (folder / "provenance.json").write_text(json.dumps({"config": config}))
    for run in runs.drop(columns="caveat").to_dict("records"):
        run = {name: None if pd.isna(value) else value for name, value in run.items()}
        if run["algorithm"] == "centralized":
            model = folder / f"runs/{run['run_id']}/checkpoints/round_12.safetensors"
        else:
            model = folder / f"runs/{run['run_id']}/model.safetensors"
        model.parent.mkdir(parents=True)
        (folder / f"runs/{run['run_id']}/run.json").write_text(json.dumps(run))
        metadata = {"perfedavg": json.dumps({"git_commit": commit})}
        save_file({"w": np.zeros(3)}, model, metadata=metadata)
    return folder


@pytest.fixture
def kept(tmp_path):
    """The grid and stage 2, kept."""
    made = made_up.experiment()
    first = part_of(made, tmp_path / "first", ["grid", "stage2"], "a" * 40)
    (first / "algorithms.json").unlink()
    keep(first, tmp_path / "kept/emnist62-claims")
    return made, tmp_path / "kept/emnist62-claims"


def verdicts(folder):
    return {v.claim.id: v for v in decide(CLAIMS, load(folder, FILE["seeds"]))}


def test_added_runs_decide_as_if_made_at_once(kept, tmp_path):
    made, folder = kept
    before = verdicts(folder)
    assert before["C4-equal"].verdict == before["C15-fedsgd-best"].verdict == "not tested"
    second = part_of(made, tmp_path / "second", ["baseline", "comparison"], "b" * 40)
    assert add(second, folder) == sorted(
        made[0].run_id[made[0].study.isin(["baseline", "comparison"])]
    )
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]

    whole = part_of(made, tmp_path / "whole", list(set(made[0].study)), "b" * 40)
    chosen = Selection.load(folder / "selection.json")
    chosen.save(whole / "selection.json")  # made-up choices are no choices
    at_once, now = verdicts(whole), verdicts(folder)
    assert now["C4-equal"].lead
    assert now["C15-fedsgd-best"].lead
    for name, verdict in at_once.items():
        assert (now[name].verdict, now[name].p_support) == (verdict.verdict, verdict.p_support)
    table = pd.read_csv(folder / "tables/claims.csv").set_index("id")
    effect = at_once["C4-equal"].lead.estimate.estimate
    assert table.estimate["C4-equal"] == pytest.approx(effect, abs=1e-6)
    assert "cannot be read" in table.why["C4-equal"]  # two commits that there are not
    assert commits(folder) == {"a" * 40, "b" * 40}
    assert len(pd.read_csv(folder / "models.csv")) == len(made[0])
    assert (folder / "figures/claims.png").stat().st_size > 10_000

    rows = pd.concat([t for r, t in made[1].items() if r.startswith("centralized-best")])
    rows = rows[(rows["round"] == 12) & (rows.client_group == "validation") & (rows.epoch > 0)]
    best = rows.groupby("epoch").accuracy.mean().idxmax()
    assert chosen.epochs["centralized-best"] == best


def test_other_metrics_of_the_same_run_are_refused_and_nothing_changes(kept, tmp_path):
    made, folder = kept
    again = part_of(made, tmp_path / "again", ["grid"], "a" * 40)
    assert add(again, folder) == []  # the same: nothing to add
    files = {f: f.read_bytes() for f in folder.rglob("*") if f.is_file()}
    path = next((again / "personalization").glob("*.parquet"))
    rows = pd.read_parquet(path)
    rows.loc[0, "accuracy"] += 1e-9
    rows.to_parquet(path, index=False)
    with pytest.raises(PerfedavgError, match="other rows than those kept of this run"):
        add(again, folder)
    (again / "split.csv").write_text(SPLIT.replace("training", "validation"))
    with pytest.raises(PerfedavgError, match="another split of the clients"):
        add(again, folder)
    assert files == {f: f.read_bytes() for f in folder.rglob("*") if f.is_file()}
    (again / "split.csv").write_text(SPLIT)
    (folder / "algorithms.json").write_text("{}")
    with pytest.raises(PerfedavgError, match="add a comparison whole"):
        add(again, folder)
