"""An experiment of two settings with every kind of thing that a page holds, and a browser."""

import os
import shutil
from importlib.util import find_spec

import pytest

from perfedavg.analysis.figures import rounds
from perfedavg.analysis.products import CLAIMS, find
from perfedavg.analysis.report import write_report
from perfedavg.analysis.tables import table1
from perfedavg.storage.files import write_json, write_text
from tests.analysis.frames import RUNS, SELECTION, rows, save


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    """A results folder with a page: Table 1, a figure, and a table in the place of the claims."""
    folder = tmp_path_factory.mktemp("results")
    RUNS.to_csv(folder / "runs.csv", index=False)
    SELECTION.save(folder / "selection.json")
    config = {"experiment": "tiny", "data": {"dataset": "glyphs62"}}
    machine = {"python": "3", "processor": "any", "cores": 2}
    provenance = {"config": config, "machine": machine, "packages": {"torch": "2"}}
    provenance |= {"git_commit": "abc", "data_sha256": "0" * 64, "network": ""}
    write_json(folder / "provenance.json", provenance)
    (folder / "logs").mkdir()
    write_text(folder / "logs/any.log", "start-up 0.50 s, work 60.00 s\n")
    values = {"runs": RUNS, "selection": SELECTION, "grid_evaluation": rows(), "target": 0.6}
    save(rounds, folder / "figures/rounds", **values)
    values |= {"paper": None, "shown_epochs": [1, 2], "data_block": None, "store": folder}
    save(table1, folder / "tables/table1", **values)
    shown = [find("table", "table1").on_page(), find("figure", "rounds").on_page()]
    for form in ("csv", "md", "tex"):
        shutil.copy(folder / f"tables/table1.{form}", folder / f"tables/claims.{form}")
    claims = shown[0] | {"name": "claims", "section": CLAIMS, "title": "claims"}
    write_report(folder / "report.html", [claims, *shown])
    return folder


def needed(what, found):
    """Skip where a tool is missing; fail where all tools are promised, as .ci/run does after it has
    installed them."""
    if not found:
        (pytest.fail if os.environ.get("PAGE_TESTS") == "all" else pytest.skip)(what)


@pytest.fixture(scope="session")
def tex():
    """The path of pdflatex."""
    path = shutil.which("pdflatex")
    needed("no TeX here: tests/page/install.sh", path)
    return path


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium without a network."""
    needed("needs the extra: pip install -e '.[page]'", find_spec("playwright"))
    path = shutil.which("chromium")
    needed("no Chromium here: tests/page/install.sh", path)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        opened = playwright.chromium.launch(executable_path=path, args=flags)
        yield opened
        opened.close()
