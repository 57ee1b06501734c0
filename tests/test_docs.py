"""The pages of ``docs/`` as text: figures, links, and the file of the container image. What only a
built site shows is in ``tests/page/test_site.py``."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tools.figures import PAGE, figures, filled

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [path for path in DOCS.rglob("*.md") if "api" not in path.relative_to(DOCS).parts]
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def test_captions_of_figures_are_those_of_their_modules():
    """`make schema` writes them."""
    assert filled(PAGE.read_text()) == PAGE.read_text()


@pytest.mark.parametrize("name", [product.name for product in figures()])
def test_every_figure_is_explained(name):
    section = PAGE.read_text().split(f"\n## {name}\n", 1)[1].split("\n## ", 1)[0]
    by_hand = section.split("<!-- end -->")[1]
    assert "**Look" in by_hand, "say in docs/figures.md what to look at first"
    assert "**Do not**" in by_hand, "and what not to conclude"


def test_a_new_figure_has_to_be_explained():
    page = PAGE.read_text()
    start, end = page.index("\n## rounds\n"), page.index("\n## clients_before_after\n")
    assert "\n## rounds\n" in filled(page[:start] + page[end:])


def test_every_page_is_reached_from_the_index():
    listed = re.findall(r"^```\{toctree\}.*?^```", (DOCS / "index.md").read_text(), re.M | re.S)
    names = re.findall(r"^(?:.* <)?([\w/-]+)>?$", "\n".join(listed), re.MULTILINE)
    expected = {str(path.relative_to(DOCS).with_suffix("")) for path in PAGES} - {"index"}
    assert set(names) == expected


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda p: p.stem)
def test_links_to_other_sites_are_whole(page):
    """There may be no network, so that nothing is asked for."""
    text = FENCE.sub("", page.read_text())
    for target in re.findall(r"\]\((\w+:[^)\s]*)\)", text):
        parts = urlsplit(target)
        assert parts.scheme == "https", target
        assert re.fullmatch(r"[\w-]+(\.[\w-]+)+", parts.netloc), target
        assert not re.search(r"[<>\s\"]", target), target


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda p: p.stem)
def test_links_to_files_lead_somewhere_on_the_code_host_too(page):
    text = re.sub(r"`[^`]*`", "", FENCE.sub("", page.read_text()))
    for target in re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", text):
        assert (page.parent / target).exists(), target


def test_without_results_the_build_says_in_one_sentence_what_to_run(tmp_path):
    pytest.importorskip("sphinx", reason="needs the extra: pip install -e '.[docs]'")
    command = [sys.executable, "-m", "sphinx", "--quiet", DOCS, tmp_path / "site"]
    environment = os.environ | {"PERFEDAVG_RESULTS": str(tmp_path / "none")}
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert run.returncode != 0
    (said,) = [line for line in run.stderr.splitlines() if "none" in line]
    assert "run `make reproduce` first" in said
    assert "Traceback" not in run.stderr


def instructions(text):
    """The instructions of a container file: (keyword, the rest)."""
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [line.split(" ", 1) for line in lines if line and line[0] != "#"]


def test_the_image_is_set_up_by_the_makefile_from_the_lock(tmp_path):
    """No daemon is at hand to build it, so that its file is read: what stands before the set-up is
    all that the Makefile and the package's metadata ask for."""
    steps = instructions((ROOT / "Containerfile").read_text())
    assert steps[0] == ["FROM", "python:3.11-slim"]
    at = next(i for i, step in enumerate(steps) if step[1].startswith("make .venv/.complete"))
    for keyword, rest in steps[:at]:
        if keyword == "COPY":
            *names, folder = rest.split()
            for name in names:
                copy = tmp_path / (Path(folder) / Path(name).name if folder == "./" else folder)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes((ROOT / name).read_bytes())
    command = [*steps[at][1].split(), "--dry-run"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "pip install --quiet --disable-pip-version-check -r requirements.lock" in run.stdout
    assert "PYTHON=python3.11" in command
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text())
    assert (tmp_path / project["project"]["readme"]).exists()
    assert "__version__" in (tmp_path / "src/perfedavg/__init__.py").read_text()
    assert steps[at + 1] == ["COPY", ". ."]
    keyword, program = steps[-1]
    assert keyword == "CMD"
    assert program.startswith('[".venv/bin/snakemake"')
    installed = re.search(r"apt-get install .*? (git make)\b", str(steps))
    assert installed, "make sets up, git names the commit of a run"


def test_the_image_holds_no_environment_and_no_results_of_this_machine():
    left_out = set((ROOT / ".dockerignore").read_text().split("\n"))
    ignored = [
        line.replace("!/", "!").strip("/") for line in (ROOT / ".gitignore").read_text().split()
    ]
    missing = {name for name in ignored if name not in left_out and f"**/{name}" not in left_out}
    assert missing == set()
