"""Verdicts on an experiment with known effects; and the second script that recomputes them."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from safetensors.numpy import save_file

from perfedavg.analysis.claims.__main__ import swapped
from perfedavg.analysis.claims.experiment import load
from perfedavg.analysis.claims.measures import ANALYSES, Measures
from perfedavg.analysis.claims.registration import post_hoc
from perfedavg.analysis.claims.statistics import NAMES
from perfedavg.analysis.claims.verdicts import Claim, decide
from perfedavg.analysis.tables import claims as table
from perfedavg.config.claims import load_claims
from perfedavg.runtime.errors import PerfedavgError
from tests.analysis.claims import made_up
from tools.keep_metrics import keep

ROOT = Path(__file__).parents[3]
FILE = load_claims(ROOT / "config/claims.yaml", NAMES)
CLAIMS = [Claim(**entry) for entry in FILE["claims"]]


def measures(runs, rows, selection, rates):
    every = pd.concat(rows.values(), ignore_index=True)
    groups = {g: t.drop(columns="client_group") for g, t in every.groupby("client_group")}
    return Measures(
        groups["evaluation"], groups["validation"], runs, selection, made_up.REFERENCE,
        made_up.SEEDS, rates,
    )  # fmt: skip


@pytest.fixture(scope="module")
def made():
    return made_up.experiment()


@pytest.fixture(scope="module")
def found(made):
    return measures(*made)


@pytest.fixture(scope="module")
def verdicts(found):
    return {v.claim.id: v for v in decide(CLAIMS, found)}


def test_known_effects_get_their_verdicts(verdicts):
    assert verdicts["C2a"].verdict == "supported"  # 4 points
    assert verdicts["C2b"].verdict == "supported"
    assert verdicts["C4-equal"].verdict == "supported"  # a gain of 6 points against one of 1
    assert verdicts["C9-M5"].verdict == "supported"
    assert verdicts["C12-M5-initial"].verdict == "refuted"  # no difference
    assert "too small" in verdicts["C12-M5-initial"].why
    assert verdicts["C8-initial"].verdict == "refuted"  # E = 10 is best, not E = 5
    assert "reversed: M = 5, E = 5 minus M = 5, E = 10" in verdicts["C8-initial"].why
    assert verdicts["C1"].verdict == "not tested"


def test_estimates_by_hand(made, verdicts):
    _, rows, *_ = made
    effects = []
    for seed in made_up.SEEDS:
        values = []
        for variant in ("reptile-k10-adam-lr0.001-b0.9", "continued"):
            of_run = rows[f"{made_up.REFERENCE}.{variant}-s{seed}"]
            here = (of_run.client_group == "evaluation") & (of_run.epoch == 2)
            here &= of_run["round"].isin([77, 84, 91])
            values.append(of_run.accuracy[here].mean())
        effects.append(values[0] - values[1])
    assert verdicts["C2b"].lead.estimate.estimate == pytest.approx(np.mean(effects), abs=1e-12)
    assert list(verdicts["C2b"].lead.by_seed) == pytest.approx(effects, abs=1e-12)


def test_a_claim_with_a_missing_component_is_never_supported(verdicts):
    verdict = verdicts["C13-initial"]  # M = 20 is 5 points better, but E = 20 was not run
    assert verdict.verdict == "inconclusive"
    assert "not run: M = 20, E = 20" in verdict.why


def test_an_untested_claim_names_all_that_was_not_run(made):
    runs, *rest = made
    alone = measures(runs[runs.setting == "fedavg-m20-e2"], *rest)
    missing = {
        v.claim.id: set(v.why.removeprefix("not run: ").split("; ")) for v in decide(CLAIMS, alone)
    }
    fives = {f"M = 5, E = {e}" for e in (2, 5, 10, 20)}
    assert missing["C9-more"] == {*fives, "M = 20, E = 5", "M = 20, E = 10"} - {"M = 5, E = 20"}
    assert missing["C3-M20"] == {"M = 20, E = 5", "M = 20, E = 10"}
    for claim in (
        "C3-M5",
        "C5",
        "C8-initial",
        "C8-personalized",
        "C9-M5",
        "C10-M5",
        "C11-M5-initial",
    ):
        assert missing[claim] == fives, claim
    assert missing["C2a"] == missing["C6-rounds-initial"] == missing["C6-runs-initial"]
    assert missing["C2a"] == {"stage 2 with Adam", "FedAvg continued"}
    assert missing["C4-equal"] == missing["C4-best"]
    assert missing["C4-equal"] == {"the reference setting", "the centralized model"}


def test_a_claim_turned_round_turns_its_verdict(found):
    turned = []
    for claim in CLAIMS:
        pairs = claim.arguments.get("pairs")
        if claim.id == "C2a":
            pairs = [{"of": pairs[0]["minus"], "minus": pairs[0]["of"]}]
            claim = replace(claim, arguments={**claim.arguments, "pairs": pairs})
        turned.append(claim)
    verdict = next(v for v in decide(turned, found) if v.claim.id == "C2a")
    assert verdict.verdict == "refuted"
    assert verdict.why.startswith("reversed")


def test_identical_choices_in_all_seeds_give_a_verdict(found, verdicts):
    verdict = verdicts["C3-M5"]  # E = 10 is best by both accuracies in every seed
    if verdict.note.startswith("the two choices differ in 0"):
        assert (verdict.verdict, verdict.lead.estimate.estimate) == ("refuted", 0)
        assert verdict.why.startswith("too small")
    quiet = made_up.experiment(noise=0.0)
    verdict = next(v for v in decide(CLAIMS, measures(*quiet)) if v.claim.id == "C3-M20")
    assert verdict.note == "the two choices differ in 0 of 7 seeds"
    assert verdict.verdict == "refuted"


def test_below_five_seeds_at_most_inconclusive(found):
    few = replace(found, seeds=made_up.SEEDS[:4], cache={})
    verdict = next(v for v in decide(CLAIMS, few) if v.claim.id == "C2a")
    assert verdict.verdict == "inconclusive"
    assert verdict.why.startswith("would be supported; 4 of at least 5 seeds")


def test_a_diverged_run_at_most_inconclusive(made):
    runs, *others = made
    broken = runs.assign(status=runs.status.where(runs.run_id != "fedavg-m5-e5-s12", "diverged"))
    verdicts = {v.claim.id: v for v in decide(CLAIMS, measures(broken, *others))}
    assert verdicts["C9-M5"].verdict == "inconclusive"
    assert "1 runs diverged" in verdicts["C9-M5"].why
    assert verdicts["C2a"].verdict == "supported"


def changed(entry, **values):
    file = yaml.safe_load(yaml.safe_dump(FILE))
    for claim in file["claims"]:
        if claim["id"] == entry:
            claim.update(values)
    return file


def test_what_was_changed_after_the_runs_is_post_hoc(found):
    assert post_hoc(FILE, {"a" * 40: FILE}, made_up.SEEDS) == {}
    late = post_hoc(changed("C2a", margin=0.001), {"a" * 40: FILE}, made_up.SEEDS)
    assert list(late) == ["C2a"]
    assert late["C2a"] == "margin changed after the runs' commit aaaaaaaaaaaa"
    verdict = next(v for v in decide(CLAIMS, found, post_hoc=late) if v.claim.id == "C2a")
    assert verdict.verdict == "inconclusive"
    assert "post hoc: margin changed" in verdict.why


def test_a_seed_added_after_the_runs_is_post_hoc():
    late = post_hoc(FILE, {"a" * 40: FILE}, (*made_up.SEEDS, 17))
    assert set(late) == {claim.id for claim in CLAIMS}
    assert late["C2a"] == "seeds were added: 17"
    more = {**FILE, "seeds": [*FILE["seeds"], 17]}
    assert "seeds changed" in post_hoc(more, {"a" * 40: FILE}, (*made_up.SEEDS, 17))["C2a"]


def test_a_second_script_recomputes_every_verdict(made, found, tmp_path):
    made_up.write(tmp_path, *made)
    runs, _, selection, rates = made
    written = table.compute(
        found.evaluation, pd.DataFrame(), found.validation, pd.DataFrame(), runs, selection, rates,
        {"a" * 40: FILE}, None, made_up.REFERENCE, FILE, "",
    )  # fmt: skip
    written.to_csv(tmp_path / "tables/claims.csv", index=False)
    assert {"supported", "refuted", "inconclusive", "not tested"} <= set(written.verdict)
    command = [sys.executable, str(ROOT / "tools/recompute_claims.py"), str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("\n") == len(CLAIMS)
    flipped = written.assign(verdict=written.verdict.where(written.id != "C2a", "refuted"))
    flipped.to_csv(tmp_path / "tables/claims.csv", index=False)
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "DIFFERS" in run.stdout


def test_twelve_analyses(found):
    assert len(set(ANALYSES)) == 12
    last, pooled = found.under(replace(ANALYSES[0], rounds="last")), None
    curve = found.curve("m5_e2", 10, "initial")
    assert last.clients("m5_e2", "initial").loc[10].to_numpy() == pytest.approx(
        curve.iloc[-1].to_numpy()
    )
    pooled = found.under(replace(ANALYSES[0], over="labels"))
    labels = np.array([5 + c for c in range(made_up.EVALUATION)])
    by_hand = (curve.to_numpy() * labels).sum(axis=1) / labels.sum()
    assert pooled.mean(curve).to_numpy() == pytest.approx(by_hand)


def test_the_claims_file_is_checked_like_a_config(tmp_path):
    path = tmp_path / "claims.yaml"
    shutil.copy(ROOT / "config/claims.yaml", path)
    text = path.read_text()
    path.write_text(text.replace("statistic: identity", "statistic: identty", 1))
    with pytest.raises(PerfedavgError, match=r"C1 asks for the statistic `identty`; use one of"):
        load_claims(path, NAMES)
    path.write_text(text.replace("family: headline", "family: headlines", 1))
    with pytest.raises(PerfedavgError, match=r"claims\.yaml: Config key `claims\[1\]\.family`"):
        load_claims(path, NAMES)


def test_nothing_is_supported_where_methods_are_swapped(verdicts):
    shares = swapped(list(verdicts.values()), 300)
    assert set(shares) == {"headline", "stability", "table 1"}
    assert max(shares.values()) <= 3.3


def test_the_command_prints_the_same_verdicts(made, verdicts, tmp_path):
    folder = tmp_path / "emnist62-claims"
    made_up.write(folder, *made)
    command = [sys.executable, "-m", "perfedavg.analysis.claims", str(folder)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    printed = dict(
        re.findall(r"^(\S+) +(supported|refuted|inconclusive|not tested)", run.stdout, re.M)
    )
    assert printed == {name: verdict.verdict for name, verdict in verdicts.items()}


def test_kept_metrics_give_the_same_verdicts(made, verdicts, tmp_path):
    results, kept = tmp_path / "results", tmp_path / "docs/emnist62-claims"
    made_up.write(results, *made)
    for commit, run_id in (("a" * 40, "fedavg-m5-e10-s10"), ("b" * 40, "fedavg-m5-e10-s11")):
        folder = results / "runs" / run_id
        folder.mkdir(parents=True)
        metadata = {"perfedavg": json.dumps({"git_commit": commit})}
        save_file({"w": np.zeros(3)}, folder / "model.safetensors", metadata=metadata)
    keep(results, kept)
    keep(results, kept)
    assert [path.name for path in kept.parent.iterdir()] == ["emnist62-claims"]
    assert list(pd.read_csv(kept / "models.csv").git_commit) == ["a" * 40, "b" * 40]
    for path in (results / "personalization").iterdir():
        again = pd.read_parquet(kept / "personalization" / path.name)
        pd.testing.assert_frame_equal(again, pd.read_parquet(path))
    shutil.rmtree(results)
    found = decide([Claim(**c) for c in FILE["claims"]], load(kept, FILE["seeds"]))
    assert {v.claim.id: v.verdict for v in found} == {n: v.verdict for n, v in verdicts.items()}
    command = [sys.executable, "-m", "perfedavg.analysis.claims", str(kept)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "the claims at the runs' commit (aaaaaaaaaaaa) cannot be read" in run.stdout


def test_two_data_sets_are_compared_where_the_other_is_named(made, found, tmp_path):
    runs, rows, selection, rates = made
    other = {
        run_id: table.assign(accuracy=table.accuracy - 0.03 * (table.epoch == 0))
        for run_id, table in rows.items()
    }
    folder = tmp_path / "shakespeare-small"
    made_up.write(folder, runs, other, selection, rates)
    empty = pd.DataFrame()
    values = (found.evaluation, empty, found.validation, empty, runs, selection, rates)
    for name, verdict, what in ((None, "not tested", "other data set"), (folder, "refuted", "")):
        written = table.compute(*values, {}, name, made_up.REFERENCE, FILE, "")
        row = written.set_index("id").loc["C14"]
        assert row.verdict == verdict
        assert what in row.why
    assert row.estimate == pytest.approx(-0.03), "gains there are larger by that"
