"""The whole DAG on the tiny config: reruns are right, and the bytes do not depend on the cores."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from perfedavg.files import sha256_of
from tests.data.test_emnist62 import make_archive

ROOT = Path(__file__).parents[2]
PROJECT = ("Snakefile", "workflow", "src", "config", "profiles", "environment.yml")
# Wall times and machine facts, and what shows them.
NOT_COMPARED = re.compile(r"/(logs|benchmarks)/|timings\.parquet$|provenance\.json$|report\.html$")


class Checkout:
    """A copy of the project whose own `src` is imported."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        for name in PROJECT:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, folder / name)
        shutil.copy(ROOT / "tests/workflow/tiny.yaml", folder / "tiny.yaml")
        self.results = folder / "results/tiny"

    def snakemake(self, *arguments, configfile="tiny.yaml", check=True):
        """Standard output and error of one call."""
        command = [sys.executable, "-m", "snakemake", *arguments]
        if configfile:
            command += ["--configfile", configfile]
        env = os.environ | {"PYTHONPATH": str(self.folder / "src")}
        run = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, check=False)
        assert not check or run.returncode == 0, run.stdout + run.stderr
        return run

    def planned(self, *arguments):
        """{rule: number of jobs} that a dry run plans; {} for nothing to be done."""
        output = self.snakemake("--dry-run", *arguments)
        text = output.stdout + output.stderr
        if "Nothing to be done" in text:
            return {}
        table = text.split("Job stats:")[1].split("total")[0]
        return {m[1]: int(m[2]) for m in re.finditer(r"^(\w+) +(\d+)$", table, re.MULTILINE) if m[1] != "all"}

    def edit(self, path, add="\n# edited\n"):
        """Append to a file for the length of a `with` block."""
        return _Edit(self.folder / path, add)

    def products(self):
        """Bytes of every result that must be reproducible."""
        folder = self.folder / "results"
        files = {f"/{p.relative_to(folder)}": p for p in folder.rglob("*") if p.is_file()}
        return {name: p.read_bytes() for name, p in files.items() if not NOT_COMPARED.search(name)}


class _Edit:
    def __init__(self, path, add):
        self.path, self.add = path, add

    def __enter__(self):
        self.text = self.path.read_text()
        self.path.write_text(self.text + self.add)

    def __exit__(self, *_):
        self.path.write_text(self.text)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The tiny experiment, run once on two cores."""
    checkout = Checkout(tmp_path_factory.mktemp("two-cores"))
    checkout.snakemake("--cores", "2")
    return checkout


PAGE = {"provenance": 1, "write_report": 1}  # the page names the source of all that it shows
COMPARED = ["comparison_tables", "comparison_figures", "strategies_table", "strategies_figure"]
COMPARED += ["algorithms_table", "algorithms_figures"]
COMPARISON = dict.fromkeys(COMPARED, 1)
ANALYSIS = {"table1": 1, "rounds_figure": 1, "theory_table": 1, "theory_figure": 1} | COMPARISON | PAGE
SELECT = {"select": 1, "runs_table": 1}
RATES = {"choose_rates": 1, "evaluate_algorithms": 1}
PERSONALIZE = {
    "personalize": 2, "personalize_stage2": 1, "personalize_centralized": 1, "train_local_only": 1,
    "personalize_strategies": 1, "validate_algorithms": 1,
} | RATES | SELECT  # fmt: skip
CENTRALIZED = {"personalize_centralized": 1}
FEDERATED = {rule: n for rule, n in PERSONALIZE.items() if rule != "train_local_only"}
TRAIN = {"train_fedavg": 2, "train_stage2": 2, "train_algorithms": 2, "measure_theory": 1}


def test_one_core_and_two_give_the_same_bytes(done, tmp_path):
    one = Checkout(tmp_path)
    one.snakemake("--cores", "1")
    expected, got = done.products(), one.products()
    kinds = {Path(name).suffix for name in got}
    assert kinds >= {".parquet", ".safetensors", ".arrow", ".json", ".csv", ".md", ".tex", ".png", ".pdf", ".svg"}
    assert sorted(got) == sorted(expected)
    assert [name for name in got if got[name] != expected[name]] == []


def test_nothing_to_be_done_afterwards(done):
    assert done.planned() == {}
    assert "Nothing to be done" in done.snakemake("--cores", "2").stderr


@pytest.mark.parametrize(("name", "rule"), [("rounds", "rounds_figure"), ("clients_before_after", "comparison_figures")])
def test_a_deleted_figure_is_one_job(done, name, rule):
    figure = done.results / f"figures/{name}.png"
    before = figure.read_bytes()
    figure.unlink()
    assert done.planned() == {rule: 1}
    done.snakemake("--cores", "2")
    assert figure.read_bytes() == before
    assert done.planned() == {}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("src/perfedavg/analysis/figures/rounds.py", {"rounds_figure": 1} | PAGE),
        ("src/perfedavg/analysis/table1.py", {"table1": 1} | PAGE),
        ("src/perfedavg/analysis/report.html.j2", {"write_report": 1}),
        ("src/perfedavg/analysis/comparison.py", COMPARISON | PAGE),
        ("src/perfedavg/analysis/rates.py", RATES | {"algorithms_table": 1, "algorithms_figures": 1} | PAGE),
        ("src/perfedavg/algorithms/theory.py", {"measure_theory": 1, "theory_table": 1, "theory_figure": 1} | PAGE),
        ("src/perfedavg/analysis/selection.py", SELECT | RATES | {"data_card": 1} | ANALYSIS),
        ("src/perfedavg/baselines/stopping.py", SELECT | CENTRALIZED | ANALYSIS),
        ("src/perfedavg/baselines/centralized.py", SELECT | {"train_centralized": 2} | CENTRALIZED | ANALYSIS),
        ("src/perfedavg/personalize.py", PERSONALIZE | ANALYSIS),
        ("src/perfedavg/algorithms/server.py", TRAIN | FEDERATED | ANALYSIS),
        ("src/perfedavg/training/local.py", TRAIN | {"train_centralized": 2} | PERSONALIZE | ANALYSIS),
        ("src/perfedavg/config_docs.py", {}),
    ],
)
def test_an_edited_module_reruns_what_depends_on_it(done, path, expected):
    with done.edit(path):
        assert done.planned() == expected


def test_a_touched_module_reruns_nothing(done):
    (done.folder / "src/perfedavg/training/local.py").touch()
    assert done.planned() == {}


def test_a_new_seed_trains_only_its_own_runs(done):
    planned = done.planned("--config", "seeds=[0, 1, 2]")
    own = dict.fromkeys(("train_fedavg", "train_stage2", "train_algorithms", "train_centralized"), 1)
    # One job evaluates all seeds where runs are packed; where not, see the test of single runs below.
    assert planned == own | {"measure_theory": 1} | PERSONALIZE | ANALYSIS


def test_another_number_of_workers_changes_nothing(done):
    assert done.planned("--config", "workers=2") == {}


def test_a_new_target_makes_only_tables_and_figures(done):
    assert done.planned("--config", "target_accuracy=0.07") == {"table1": 1, "rounds_figure": 1, "algorithms_table": 1} | PAGE


def test_another_back_end_trains_the_federated_runs_again_and_nothing_else(done):
    assert done.planned("--config", "backend={kind: batched}") == TRAIN | FEDERATED | ANALYSIS


@pytest.mark.parametrize("target", ["data", "federated", "personalized", "algorithms", "tables", "figures", "report"])
def test_named_targets(done, target):
    assert done.planned(target) == {}


def test_single_runs_a_job_with_two_workers_give_the_same_bytes(done, tmp_path):
    single = Checkout(tmp_path)
    runs = [f"results/tiny/personalization/fedavg-m4-{name}-s0.parquet" for name in ("e1", "e2", "e2.e1", "e2.continued")]
    config = ("--config", "federated={pack: false}", "workers=2")
    output = single.snakemake("--cores", "2", *runs, *config)
    assert output.stderr.count("threads: 2\n") == 2 + 2 + 2 + 2, "of every job that trains or personalizes"
    for rule, jobs in (("train_fedavg", 2), ("train_stage2", 2), ("personalize_stage2", 2)):
        assert len(list((single.results / "logs").glob(f"{rule}-*.log"))) == jobs, "one job a run"
    assert single.planned(*runs, *config, "seeds=[0, 1, 2]") == {}, "another seed is none of their business"
    expected, got = done.products(), single.products()
    assert len([name for name in got if name.endswith(".safetensors")]) == 2 * (2 + 2) + 2 * (1 + 2)
    assert [name for name in got if got[name] != expected[name]] == []


def test_runs_that_diverge_do_not_break_the_dag(tmp_path):
    checkout = Checkout(tmp_path)
    checkout.snakemake("--cores", "2", "--config", "federated={client: {lr: 1.0e+30}}", "seeds=[0]")
    runs = pd.read_csv(checkout.results / "runs.csv")
    federated = runs[runs.algorithm.isin(["fedavg", "reptile"])]
    assert federated.status.str.startswith("diverged").all()
    others = runs[~runs.run_id.isin(federated.run_id)].set_index("run_id").status
    assert others[["centralized-best-s0", "local-only-s0"]].tolist() == ["finished", "finished"]
    assert others["centralized-matched-s0"].startswith("diverged: fedavg-m4-e2-s0, to be level with")
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
    chosen = {choice["setting"] for bases in entries for choice in bases.values() if isinstance(choice, dict)}
    for run_id, part in zip(runs.run_id, runs.part, strict=True):
        rows = pd.read_parquet(done.results / f"personalization/{run_id}.parquet")
        assert (rows.client_group == rows.client_id.map(split)).all()
        looked_at = part != "algorithms" or run_id.rsplit("-s", 1)[0] in chosen
        assert set(rows.client_group) == ({"validation", "evaluation"} if looked_at else {"validation"})
        if not looked_at:
            continue
        last = runs.set_index("run_id")["rounds"][run_id]
        assert rows[rows["round"] == last].client_id.nunique() == 3 + 5
    runs = runs[runs.run_id.str.fullmatch(r"fedavg-m\d-e\d-s\d")]
    first = runs.merge(table, on=["clients_per_round", "local_epochs"]).iloc[0]
    rows = pd.read_parquet(done.results / f"personalization/{first.run_id}.parquet")
    own = runs[(runs.clients_per_round == first.clients_per_round) & (runs.local_epochs == first.local_epochs)].run_id
    means = []
    for run_id in own:
        rows = pd.read_parquet(done.results / f"personalization/{run_id}.parquet")
        at_end = (rows["round"] == 4) & (rows.epoch == 0) & (rows.client_group == "evaluation")
        means.append(rows[at_end].accuracy.mean())
    assert first.initial_mean == pytest.approx(sum(means) / 2, abs=1e-6)


def test_the_report_needs_nothing_but_its_folder(done):
    page = (done.results / "report.html").read_text()
    assert "say nothing about the paper" in page
    pictures = re.findall(r'<img src="([^"]+)"', page)
    assert len(pictures) == 9
    assert all((done.results / picture).is_file() for picture in pictures)
    assert "http://" not in page
    assert "https://" not in page


def test_a_config_error_is_one_sentence_before_any_job(done):
    run = done.snakemake("--cores", "1", "--config", "federated={ronds: 3}", check=False)
    assert run.returncode != 0
    text = run.stdout + run.stderr
    assert "Config key `federated.ronds` is unknown; did you mean `rounds`?" in text
    assert "Traceback" not in text


def test_a_failing_step_says_why_and_leaves_nothing_half_written(done, tmp_path):
    checkout = Checkout(tmp_path)
    checkout.snakemake("--cores", "1", "data")
    store = next((tmp_path / "results/data").iterdir())
    (store / "examples.arrow").write_bytes(b"not arrow")
    run = checkout.snakemake("--cores", "1", "federated", check=False)
    assert run.returncode != 0
    assert "holds no readable client store" in run.stderr
    assert "Traceback" not in run.stderr.split("Error: ")[0]
    assert not list((tmp_path / "results/tiny").glob("runs/*/*.parquet"))


def test_data_from_an_archive_are_known_by_their_checksum(tmp_path):
    """A wrong archive is refused and leaves nothing; which copy of the right one was read does not matter afterwards."""
    archive = make_archive(tmp_path / "own.tar.bz2")
    checkout = Checkout(tmp_path / "checkout")
    config = yaml.safe_load((checkout.folder / "tiny.yaml").read_text()) | {"data": {"dataset": "emnist62"}}
    (checkout.folder / "tiny.yaml").write_text(yaml.safe_dump(config))
    wrong = checkout.snakemake("--cores", "1", "data", "--config", f"data={{archive: {archive}}}", check=False)
    assert wrong.returncode != 0
    assert f"has sha256 {sha256_of(archive)}, but fe1ed5a5" in wrong.stderr
    assert not [path for path in (checkout.folder / "results/data").rglob("*") if path.is_file()]
    right = f"sha256: {sha256_of(archive)}"
    too_few = checkout.snakemake("--cores", "1", "data", "--config", f"data={{archive: {archive}, {right}}}", check=False)
    assert "The data hold 2 clients" in too_few.stderr, "the archive was read, the split needs more"
    assert len(list((checkout.folder / "results/data").rglob("*.arrow"))) == 2
    elsewhere = shutil.copy(archive, tmp_path / "copy.tar.bz2")
    again = checkout.snakemake("--dry-run", "data", "--config", f"data={{archive: {elsewhere}, {right}}}")
    assert "rule split_clients" in again.stdout + again.stderr
    assert "rule build_store" not in again.stdout + again.stderr
