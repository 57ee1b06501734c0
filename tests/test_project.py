"""The house: one set of versions, one direction of imports, documentation in sync with the contracts."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from perfedavg.algorithms.run import ROUNDS, TIMINGS
from perfedavg.algorithms.theory import THEORY_MEASURED
from perfedavg.analysis.algorithms import ALGORITHMS_TABLE, POINTS
from perfedavg.analysis.comparison import COMPARISON
from perfedavg.analysis.figures.clients_before_after import CLIENTS_BEFORE_AFTER
from perfedavg.analysis.figures.data_card import DATA_CARD_FIGURE
from perfedavg.analysis.figures.finetune_curve import FINETUNE_CURVE
from perfedavg.analysis.figures.in_between import IN_BETWEEN
from perfedavg.analysis.figures.rounds import ROUNDS_FIGURE
from perfedavg.analysis.figures.stage2 import STAGE2_FIGURE
from perfedavg.analysis.figures.strategies import STRATEGIES_FIGURE
from perfedavg.analysis.figures.theory import THEORY_FIGURE
from perfedavg.analysis.strategies import STRATEGIES
from perfedavg.analysis.summary import RUNS
from perfedavg.analysis.table1 import TABLE1
from perfedavg.analysis.theory_table import THEORY
from perfedavg.baselines.centralized import PASSES
from perfedavg.data.describe import DATA_CARD
from perfedavg.imports import PACKAGE, source_closure
from perfedavg.personalize import PERSONALIZATION
from perfedavg.plan import PLAN

ROOT = Path(__file__).parents[1]
CONTRACTS = {
    "runs.csv": RUNS,
    "runs/<run_id>/rounds.parquet": ROUNDS,
    "runs/<run_id>/timings.parquet": TIMINGS,
    "personalization/<run_id>.parquet": PERSONALIZATION,
    "tables/table1.csv": TABLE1,
    "runs/centralized-s<seed>/passes.parquet": PASSES,
    "tables/baselines.csv` and `tables/stage2.csv": COMPARISON,
    "tables/data_card.csv": DATA_CARD,
    "theory/<run_id>.parquet": THEORY_MEASURED,
    "tables/theory.csv": THEORY,
    "figures/theory.csv": THEORY_FIGURE,
    "tables/strategies.csv": STRATEGIES,
    "tables/algorithms.csv": ALGORITHMS_TABLE,
    "figures/strategies.csv": STRATEGIES_FIGURE,
    "figures/algorithms.csv": POINTS,
    "figures/in_between.csv": IN_BETWEEN,
    "figures/finetune_curve.csv": FINETUNE_CURVE,
    "figures/clients_before_after.csv": CLIENTS_BEFORE_AFTER,
    "figures/stage2.csv": STAGE2_FIGURE,
    "figures/rounds.csv": ROUNDS_FIGURE,
    "figures/data_card.csv": DATA_CARD_FIGURE,
    "plan.csv": PLAN,
}


def pins(lines):
    found = {}
    for line in lines:
        name, _, version = re.sub(r"\[.*\]", "", line).partition("==")
        found[name.strip().lower().replace("_", "-")] = version.strip()
    return found


def test_pyproject_lock_and_environment_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = pins(project["dependencies"] + project["optional-dependencies"]["dev"])
    lock = pins(line for line in (ROOT / "requirements.lock").read_text().splitlines() if line and line[0] != "#")
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    conda = pins(next(entry["pip"] for entry in environment if isinstance(entry, dict)))
    assert all(declared.values()), "every dependency is pinned"
    assert {name: lock.get(name) for name in declared} == declared
    assert conda == lock


def layer(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


# What each layer may import from the package, besides itself and the small helpers below.
HELPERS = {"errors", "files", "randomness", "imports", "job", "machine", "tables", "settings", "pool", "__init__"}
ALLOWED = {
    "data": set(),
    "models": set(),
    "training": {"models"},
    "algorithms": {"training", "models", "data"},
    "algorithm_entries": {"config", "config_algorithms"},
    "personalize": {"training", "models", "data", "personalize_batched"},
    "personalize_batched": {"training", "models"},
    "baselines": {"training", "models", "data"},
    "analysis": set(),
    "config": {"config_algorithms", "config_errors", "data", "baselines"},
    "config_algorithms": {"config_errors"},
    "config_errors": set(),
    "experiment": {"config", "baselines"},
    "config_docs": {"config"},
    "work": {"config", "data", "experiment", "algorithm_entries"},
    "resources": {"work"},
    "calibration": {
        "work",
        "resources",
        "config",
        "experiment",
        "algorithm_entries",
        "algorithms",
        "baselines",
        "personalize",
        "data",
        "models",
        "training",
    },
    "plan": {"work", "resources", "calibration", "data"},
}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    own = layer(path)
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("perfedavg"):
            modules |= {node.module} if node.module != "perfedavg" else {f"perfedavg.{a.name}" for a in node.names}
        if isinstance(node, ast.Import):
            modules |= {a.name for a in node.names}
    used = {module.split(".")[1] for module in modules if module.startswith("perfedavg.")}
    if own in HELPERS:
        assert used <= HELPERS
    else:
        assert used - HELPERS - {own} <= ALLOWED[own]
    assert not any(module.split(".")[0] == "snakemake" for module in modules), "src knows nothing of Snakemake"
    if own == "data":
        assert "torch" not in modules


def test_source_closure_follows_imports():
    names = {str(p.relative_to(PACKAGE)) for p in source_closure(ROOT / "workflow/scripts/train_fedavg.py")}
    assert {"algorithms/run.py", "training/local.py", "models/__init__.py", "data/store.py", "__init__.py"} <= names
    assert "randomness.py" in names, "imported by an import"
    assert not any(name.startswith("analysis/") for name in names), "a figure's tweak never retrains"
    assert not {"config.py", "experiment.py", "baselines/settings.py"} & names, "nor does a new config key"
    figure = {str(p.relative_to(PACKAGE)) for p in source_closure(ROOT / "workflow/scripts/rounds_figure.py")}
    assert {"analysis/figures/rounds.py", "analysis/figures/style.py", "analysis/selection.py"} <= figure
    assert "algorithms/run.py" not in figure


@pytest.mark.parametrize("name", CONTRACTS)
def test_docs_list_every_column_in_order(name):
    text = (ROOT / "docs/outputs.md").read_text()
    section = text.split(f"## `{name}`", 1)[1].split("\n## ", 1)[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(CONTRACTS[name])


def test_no_long_files_and_no_pickle():
    sources = [*PACKAGE.rglob("*.py"), *(ROOT / "workflow").rglob("*.smk"), *(ROOT / "tests").rglob("*.py")]
    assert [str(p) for p in sources if len(p.read_text().splitlines()) > 320] == []
    assert [str(p) for p in PACKAGE.rglob("*.py") if re.search(r"\bpickle\.|torch\.(load|save)\(", p.read_text())] == []
