"""The whole DAG on the tiny config: the bytes do not depend on the cores, a rerun is as few jobs as
it can be."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from perfedavg.storage.files import sha256_of
from tests.analysis.pdf_text import attached
from tests.data.test_emnist62 import make_archive
from tests.workflow.checkout import OWN_OUTPUT, Checkout

# The page and the article name the source of all that they show.
PAGE = {"provenance": 1, "write_report": 1, "write_article": 1}
POINTS = dict.fromkeys(("table_algorithms", "figure_algorithms", "figure_interpolation"), 1)
PAIRED = ("baselines", "stage2", "strategies", "algorithms")
PAIRED = {f"table_{name}": 1 for name in PAIRED} | dict.fromkeys(
    ("figure_finetune_curve", "figure_clients_before_after", "figure_stage2"), 1
)
CLAIMS = {"table_claims": 1, "figure_claims": 1}
ANALYSIS = POINTS | PAIRED | CLAIMS | PAGE
ANALYSIS |= {
    f"{kind}_{name}": 1 for kind in ("table", "figure") for name in ("theory", "strategies")
}
ANALYSIS |= {"table_table1": 1, "figure_rounds": 1}
SELECT = {"select": 1, "runs_table": 1}
RATES = {"choose_rates": 1, "evaluate_comparison": 1}
PERSONALIZE = {
    "personalize": 2, "personalize_stage2": 1, "personalize_centralized": 1, "train_local_only": 1,
    "personalize_strategies": 1, "validate_comparison": 1,
} | RATES | SELECT  # fmt: skip
CENTRALIZED = {"personalize_centralized": 1}
TRAIN = {"train_fedavg": 2, "train_stage2": 2, "train_comparison": 2, "measure_theory": 1}


def test_one_core_and_two_give_the_same_bytes(done, tmp_path):
    one = Checkout(tmp_path)
    # Everything but the other figures, which one process draws from these files.
    figures = ("results/tiny/figures/rounds.png", "results/tiny/figures/theory.png")
    one.snakemake("--cores", "1", "federated", "tables", "algorithms", *figures)
    expected, got = done.products(), one.products()
    kinds = {Path(name).suffix for name in got}
    assert kinds >= {
        ".parquet",
        ".safetensors",
        ".arrow",
        ".json",
        ".csv",
        ".md",
        ".tex",
        ".png",
        ".pdf",
        ".svg",
    }
    missing = {name.split("/")[-2] for name in expected.keys() - got.keys()}
    assert got.keys() <= expected.keys()
    assert missing == {"figures"}
    assert [name for name in got if got[name] != expected[name]] == []


def test_nothing_to_be_done_afterwards(done):
    assert done.planned() == {}
    assert "Nothing to be done" in done.snakemake("--cores", "2").stderr


def test_the_config_that_the_article_brings_along_asks_for_the_same(done):
    """As the article says: it was made by the config that is attached to it."""
    (config,) = attached((done.results / "article.pdf").read_bytes())
    (done.folder / "config.json").write_bytes(config)
    assert done.planned(configfile="config.json") == {}


@pytest.mark.parametrize(
    ("name", "rule"),
    [("rounds", "figure_rounds"), ("clients_before_after", "figure_clients_before_after")],
)
def test_a_deleted_figure_is_one_job_and_the_page(done, name, rule):
    figure = done.results / f"figures/{name}.png"
    before = figure.read_bytes()
    figure.unlink()
    assert done.planned() == {rule: 1, "write_report": 1, "write_article": 1}
    done.snakemake("--cores", "2")
    assert figure.read_bytes() == before
    assert done.planned() == {}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("src/perfedavg/analysis/paired.py", PAIRED | {"table_table1": 1} | PAGE),
        ("src/perfedavg/analysis/server_rates.py", RATES | POINTS | CLAIMS | PAGE),
        ("src/perfedavg/training/stopping.py", SELECT | CENTRALIZED | ANALYSIS),
        (
            "src/perfedavg/models/steps.py",
            TRAIN | {"train_centralized": 2} | PERSONALIZE | ANALYSIS,
        ),
    ],
)
def test_an_edited_module_reruns_what_depends_on_it(done, path, expected):
    """How many jobs; `test_reruns` has more modules, by rule."""
    with done.edit(path):
        assert done.planned() == expected


def test_a_new_seed_trains_only_its_own_runs(done):
    planned = done.planned("--config", "seeds=[0, 1, 2]")
    own = dict.fromkeys(
        ("train_fedavg", "train_stage2", "train_comparison", "train_centralized"), 1
    )
    # One job evaluates all seeds where runs are packed; where not, see the test of single runs
    # below.
    assert planned == own | {"measure_theory": 1} | PERSONALIZE | ANALYSIS


@pytest.mark.parametrize(
    "target", ["data", "federated", "personalized", "algorithms", "tables", "figures", "report"]
)
def test_named_targets(done, target):
    assert done.planned(target) == {}


def test_single_runs_a_job_with_two_workers_give_the_same_bytes(done, tmp_path):
    single = Checkout(tmp_path)
    runs = [
        f"results/tiny/personalization/fedavg-m4-{name}-s0.parquet"
        for name in ("e1", "e2", "e2.e1", "e2.continued")
    ]
    config = ("--config", "execution={pack: false, workers: 2}")
    output = single.snakemake("--cores", "2", *runs, *config, OWN_OUTPUT)
    assert output.stderr.count("threads: 2\n") == 2 + 2 + 2 + 2, (
        "of every job that trains or personalizes"
    )
    for rule, jobs in (("train_fedavg", 2), ("train_stage2", 2), ("personalize_stage2", 2)):
        assert len(list((single.results / "logs").glob(f"{rule}-*.log"))) == jobs, "one job a run"
    assert single.planned(*runs, *config, "seeds=[0, 1, 2]") == {}, (
        "another seed is none of their business"
    )
    expected, got = done.products(), single.products()
    models = [n for n in got if n.endswith(".safetensors") and "/.sha256/" not in n]
    assert len(models) == 2 * (2 + 2) + 2 * (1 + 2)
    assert [name for name in got if got[name] != expected[name]] == []


def test_runs_that_diverge_do_not_break_the_dag(tmp_path):
    checkout = Checkout(tmp_path)
    checkout.snakemake("--cores", "2", "--config", "training={client: {lr: 1.0e+30}}", "seeds=[0]")
    runs = pd.read_csv(checkout.results / "runs.csv")
    federated = runs[runs.algorithm.isin(["fedavg", "reptile"])]
    assert federated.status.str.startswith("diverged").all()
    others = runs[~runs.run_id.isin(federated.run_id)].set_index("run_id").status
    assert others[["centralized-best-s0", "local-only-s0"]].tolist() == ["finished", "finished"]
    assert others["centralized-matched-s0"].startswith(
        "diverged: fedavg-m4-e2-s0, to be level with"
    )
    assert "diverged" in (checkout.results / "tables/table1.md").read_text()
    assert runs.status.str.startswith("diverged before stage 2").sum() == 5
    assert "diverged" in (checkout.results / "tables/stage2.md").read_text()
    assert (checkout.results / "tables/algorithms.md").read_text().count("diverged") > 4
    assert "10 of 12 runs diverged" in (checkout.results / "report.html").read_text()


def test_both_entry_files_and_the_graph(done):
    assert "Nothing to be done" in done.snakemake("--cores", "1", "-s", "workflow/Snakefile").stderr
    graph = done.snakemake("--rulegraph").stdout
    assert graph.count("label =") >= 12
    assert "train_fedavg" in graph


def test_the_tables_hold_together(done):
    runs = pd.read_csv(done.results / "runs.csv")
    table = pd.read_csv(done.results / "tables/table1.csv")
    split = pd.read_csv(done.results / "split.csv").set_index("client_id").client_group
    assert len(runs) == 8 + 2 * 5 + 2 * 3 + 2 * 2 * 6
    assert len(table) == 4
    entries = json.loads((done.results / "algorithms.json").read_text())["entries"].values()
    chosen = {
        choice["setting"]
        for bases in entries
        for choice in bases.values()
        if isinstance(choice, dict)
    }
    for run_id, study in zip(runs.run_id, runs.study, strict=True):
        rows = pd.read_parquet(done.results / f"personalization/{run_id}.parquet")
        assert (rows.client_group == rows.client_id.map(split)).all()
        evaluated_at = study != "comparison" or run_id.rsplit("-s", 1)[0] in chosen
        assert set(rows.client_group) == (
            {"validation", "evaluation"} if evaluated_at else {"validation"}
        )
        if not evaluated_at:
            continue
        last = runs.set_index("run_id")["rounds"][run_id]
        assert rows[rows["round"] == last].client_id.nunique() == 3 + 5
    runs = runs[runs.run_id.str.fullmatch(r"fedavg-m\d-e\d-s\d")]
    first = runs.merge(table, on=["clients_per_round", "local_epochs"]).iloc[0]
    rows = pd.read_parquet(done.results / f"personalization/{first.run_id}.parquet")
    own = runs[
        (runs.clients_per_round == first.clients_per_round)
        & (runs.local_epochs == first.local_epochs)
    ].run_id
    means = []
    for run_id in own:
        rows = pd.read_parquet(done.results / f"personalization/{run_id}.parquet")
        at_end = (rows["round"] == 4) & (rows.epoch == 0) & (rows.client_group == "evaluation")
        means.append(rows[at_end].accuracy.mean())
    assert first.initial_mean == pytest.approx(sum(means) / 2, abs=1e-6)


def test_the_report_needs_nothing_beside_it(done):
    page = (done.results / "report.html").read_text()
    assert "say nothing about the paper" in page
    pictures = re.findall(r'<img src="([^"]{0,25})', page)
    assert len(pictures) == 10
    assert all(picture.startswith("data:image/") for picture in pictures)
    assert len(page) < 5e6
    parts = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)  # a library's licence in it
    assert set(re.findall(r"https?://[^/\"<]+", parts)) == {"https://arxiv.org"}, "a link, no part"
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=.?https?:", page)


def test_a_config_error_is_one_sentence_before_any_job(done):
    run = done.snakemake("--cores", "1", "--config", "training={ronds: 3}", check=False)
    assert run.returncode != 0
    text = run.stdout + run.stderr
    assert "Config key `training.ronds` is unknown; did you mean `rounds`?" in text
    assert "Traceback" not in text


def test_a_failing_step_says_why_and_leaves_nothing_half_written(done, tmp_path):
    checkout = Checkout(tmp_path)
    checkout.snakemake("--cores", "1", "data")
    store = next((tmp_path / "results/data").glob("glyphs62-*"))
    damaged = bytearray((store / "examples.arrow").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (store / "examples.arrow").write_bytes(damaged)
    run = checkout.snakemake("--cores", "1", "federated", check=False)
    assert run.returncode != 0
    assert "examples.arrow is not what its step wrote" in run.stderr
    assert "Traceback" not in run.stderr.split("Error: ")[0]
    assert not list((tmp_path / "results/tiny").glob("runs/*/*.parquet"))


def test_data_of_one_s_own_are_known_by_their_content(tmp_path):
    """A wrong checksum is refused before the first job; which copy of the right bytes was read does
    not matter afterwards, nor when they were touched; other bytes are read again."""
    archive = make_archive(tmp_path / "own.tar.bz2")
    checkout = Checkout(tmp_path / "checkout")
    config = yaml.safe_load((checkout.folder / "tiny.yaml").read_text()) | {
        "data": {"dataset": "emnist62"}
    }
    (checkout.folder / "tiny.yaml").write_text(yaml.safe_dump(config))

    def planned(**data):
        named = ", ".join(f"{key}: {value}" for key, value in data.items())
        return checkout.planned("data", "--config", f"data={{{named}}}")

    wrong = f"data={{archive: {archive}, sha256: {'a' * 64}}}"
    refused = checkout.snakemake("--cores", "1", "data", "--config", wrong, check=False)
    assert refused.returncode != 0
    text = refused.stdout + refused.stderr
    assert f"{archive} (data.archive) has sha256 {sha256_of(archive)}, but aaaa" in text
    assert "Traceback" not in text
    own = f"data={{archive: {archive}}}"
    too_few = checkout.snakemake("--cores", "1", "data", "--config", own, check=False)
    assert "The data hold 2 clients" in too_few.stderr, "the archive was read, the split needs more"
    assert len(list((checkout.folder / "results/data").glob("*/*.arrow"))) == 2
    elsewhere = shutil.copy(archive, tmp_path / "copy.tar.bz2")
    split = {"data": 1, "split_clients": 1}
    assert planned(archive=elsewhere) == split
    assert planned(archive=archive, sha256=sha256_of(archive)) == split
    archive.touch()
    assert planned(archive=archive) == split
    archive.write_bytes(archive.read_bytes() + b"\0")
    assert planned(archive=archive) == split | {"download": 1, "build_store": 1}
