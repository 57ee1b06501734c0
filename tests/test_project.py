"""The house: one set of versions, one direction of imports, documentation in sync with the
contracts."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import perfedavg
from perfedavg.runtime.source import PACKAGE, source_closure
from tools.outputs import MARK, PAGE, generated, sections

ROOT = Path(__file__).parents[1]


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


def test_the_address_of_the_source_is_the_same_to_cite_and_in_the_article():
    """The article shows the package's; there may be none."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert project.get("urls", {}).get("Repository") == citation.get("repository-code")


# A room imports from the floors below its own; the rooms of one floor do not know each other.
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
BELOW["__init__"] = {"runtime"}


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
        for p in source_closure(ROOT / "workflow/scripts/train_federated.py")
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
        str(p.relative_to(PACKAGE)) for p in source_closure(PACKAGE / "analysis/figures/rounds.py")
    }
    assert {"analysis/figures/style.py", "analysis/choices.py", "analysis/summary.py"} <= figure
    assert not any(name.startswith(("training/", "analysis/tables/")) for name in figure)


def test_docs_of_outputs_are_generated_from_the_contracts():
    """`make schema` writes them."""
    assert PAGE.read_text().split(MARK)[1] == "\n" + generated()


@pytest.mark.parametrize("name", sections())
def test_docs_list_every_column_in_order_with_its_meaning(name):
    section = PAGE.read_text().split(f"## `{name}`\n", 1)[1].split("\n## ", 1)[0]
    lines = re.findall(r"^\| `(\w+)` \| (.*) \| (.+) \| (.+) \|$", section, re.MULTILINE)
    assert [line[0] for line in lines] == list(sections()[name][1])
    assert {line[1] for line in lines} <= {"text", "integer", "real"}


def test_no_long_files_and_no_pickle():
    sources = [*PACKAGE.rglob("*.py"), *(ROOT / "workflow").rglob("*.smk")]
    limits = dict.fromkeys(sources, 320) | dict.fromkeys((ROOT / "tests").rglob("*.py"), 400)
    assert [str(p) for p, most in limits.items() if p.read_text().count("\n") > most] == []
    unsafe = re.compile(r"\bpickle\.|torch\.(load|save)\(")
    assert [str(p) for p in PACKAGE.rglob("*.py") if unsafe.search(p.read_text())] == []


def test_the_command_says_its_version():
    command = [sys.executable, "-m", "perfedavg", "--version"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == f"perfedavg {perfedavg.__version__}\n"
