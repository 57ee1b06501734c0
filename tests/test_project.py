"""The house: one set of versions, one direction of imports, documentation in sync with the
contracts."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from perfedavg.analysis.algorithms import ALGORITHMS_TABLE, POINTS
from perfedavg.analysis.comparison import COMPARISON
from perfedavg.analysis.figures.clients_before_after import CLIENTS_BEFORE_AFTER
from perfedavg.analysis.figures.data_card import DATA_CARD_FIGURE
from perfedavg.analysis.figures.finetune_curve import FINETUNE_CURVE
from perfedavg.analysis.figures.interpolation import INTERPOLATION
from perfedavg.analysis.figures.rounds import ROUNDS_FIGURE
from perfedavg.analysis.figures.stage2 import STAGE2_FIGURE
from perfedavg.analysis.figures.strategies import STRATEGIES_FIGURE
from perfedavg.analysis.figures.theory import THEORY_FIGURE
from perfedavg.analysis.strategies import STRATEGIES
from perfedavg.analysis.summary import RUNS
from perfedavg.analysis.table1 import TABLE1
from perfedavg.analysis.theory_table import THEORY
from perfedavg.data.describe import DATA_CARD
from perfedavg.personalization.evaluate import PERSONALIZATION
from perfedavg.planning.estimate import PLAN
from perfedavg.runtime.source import PACKAGE, source_closure
from perfedavg.training.centralized import PASSES
from perfedavg.training.federated import ROUNDS, TIMINGS
from perfedavg.training.theory import THEORY_MEASURED

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
    "figures/interpolation.csv": INTERPOLATION,
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
    lock = pins(
        line
        for line in (ROOT / "requirements.lock").read_text().splitlines()
        if line and line[0] != "#"
    )
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    conda = pins(next(entry["pip"] for entry in environment if isinstance(entry, dict)))
    assert all(declared.values()), "every dependency is pinned"
    assert {name: lock.get(name) for name in declared} == declared
    assert conda == lock


# A room imports from its own floor's rooms and those below; a floor's rooms do not know each other.
FLOORS = [
    {"runtime"},
    {"storage", "randomness", "blocks"},
    {"data", "models"},
    {"algorithms"},
    {"training", "personalization"},
    {"execution"},
    {"config"},
    {"planning"},
]
BELOW = {room: set().union(*FLOORS[:n]) for n, floor in enumerate(FLOORS) for room in floor}
BELOW["analysis"] = BELOW["data"] | {"data"}  # tables on disk; never models or training


def imported(path):
    """The modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_imports_go_one_way(path):
    room = path.relative_to(PACKAGE).with_suffix("").parts[0]
    modules = set(imported(path))
    rooms = {module.split(".")[1] for module in modules if module.startswith("perfedavg.")}
    assert rooms - {room} <= BELOW.get(room, set())
    assert not any(module.split(".")[0] == "snakemake" for module in modules)
    assert room != "data" or "torch" not in modules


def test_source_closure_follows_imports():
    names = {
        str(p.relative_to(PACKAGE))
        for p in source_closure(ROOT / "workflow/scripts/train_fedavg.py")
    }
    assert {
        "training/federated.py",
        "models/steps.py",
        "models/__init__.py",
        "data/store.py",
        "__init__.py",
    } <= names
    assert "randomness.py" in names, "imported by an import"
    assert not any(name.startswith("analysis/") for name in names), (
        "a figure's tweak never retrains"
    )
    assert (
        not {"config/experiment.py", "planning/runs.py", "personalization/settings.py"} & names
    ), "nor does a new config key"
    figure = {
        str(p.relative_to(PACKAGE))
        for p in source_closure(ROOT / "workflow/scripts/rounds_figure.py")
    }
    assert {
        "analysis/figures/rounds.py",
        "analysis/figures/style.py",
        "analysis/selection.py",
    } <= figure
    assert "training/federated.py" not in figure


@pytest.mark.parametrize("name", CONTRACTS)
def test_docs_list_every_column_in_order(name):
    text = (ROOT / "docs/outputs.md").read_text()
    section = text.split(f"## `{name}`", 1)[1].split("\n## ", 1)[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(CONTRACTS[name])


def test_no_long_files_and_no_pickle():
    sources = [
        *PACKAGE.rglob("*.py"),
        *(ROOT / "workflow").rglob("*.smk"),
        *(ROOT / "tests").rglob("*.py"),
    ]
    assert [str(p) for p in sources if len(p.read_text().splitlines()) > 320] == []
    assert [
        str(p)
        for p in PACKAGE.rglob("*.py")
        if re.search(r"\bpickle\.|torch\.(load|save)\(", p.read_text())
    ] == []
