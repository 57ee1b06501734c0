"""Numbers of pages come from results: what the README and the page of the claims say is what the
kept metrics say, and the kept verdicts are what the metrics decide."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.analysis.pdf_text import attached, pages
from tools import costs, redraw, steps
from tools.results_page import filled

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "docs/results/claims/emnist62-claims"


@pytest.mark.parametrize("page", ["README.md", "docs/results/claims.md"])
def test_a_page_is_what_the_results_say(page):
    text = (ROOT / page).read_text()
    assert "<!-- verdicts -->" in text
    assert filled(text, KEPT) == text


def test_kept_metrics_decide_as_the_run_did():
    written = pd.read_csv(KEPT / "tables/claims.csv").set_index("id").verdict
    command = [sys.executable, "-m", "perfedavg.analysis.claims", str(KEPT)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = re.findall(r"^(\S+) +(supported|refuted|inconclusive|not tested)", run.stdout, re.M)
    assert dict(found) == written.to_dict()


def test_a_second_script_decides_the_same():
    command = [sys.executable, "tools/recompute_claims.py", str(KEPT)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


def test_the_article_of_the_claims_is_drawn_from_what_was_kept(tmp_path):
    drawn = {(product.kind, product.name) for product in redraw.redraw(KEPT, tmp_path)}
    assert drawn >= {("table", "claims"), ("figure", "stage2"), ("table", "baselines")}
    table = pd.read_csv(KEPT / "tables/claims.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "tables/claims.csv"), table)
    counts = table.verdict.value_counts()
    said = [f"{counts['supported']} are supported", f"{counts['refuted']} refuted"]
    for pdf in ((tmp_path / "article.pdf"), ROOT / "docs/results/claims/article.pdf"):
        text = " ".join(pages(pdf.read_bytes()))
        assert [part for part in said if part not in text] == []
        assert "Not run here: the measurement of the identity" in text
        for part in KEPT.glob("provenance*.json"):  # both parts are named
            assert json.loads(part.read_text())["git_commit"][:12] in text
        (config,) = attached(pdf.read_bytes())
        studies = json.loads(config)["studies"]
        assert (studies["theory"], studies["stage2"]["control_work"]) == (None, None)
        assert studies["centralized"]["passes"] == 15


def test_the_costs_of_the_readme_are_those_of_the_plans_and_none_is_missing():
    table, page = pd.read_csv(costs.COSTS), costs.PAGE.read_text()
    assert costs.filled(page, table) == page
    assert "<!-- costs -->\n| config | jobs | core-hours | GB written |" in page
    assert costs.filled(page, table.assign(jobs=7)) != page
    assert table.config.tolist() == costs.configs()
    assert "config/emnist62.yaml" in table.config.tolist()
    assert "config/claims.yaml" not in table.config.tolist(), "it is no experiment"


def test_the_picture_of_the_steps_is_of_the_workflow():
    drawn = re.findall(r"<title>(.*?)</title>", steps.PICTURE.read_text())
    graph = steps.reduced(steps.steps(steps.rule_graph()))
    nodes = {name for name in drawn if "&#45;&gt;" not in name} - {"steps"}
    edges = {tuple(name.split("&#45;&gt;")) for name in drawn if "&#45;&gt;" in name}
    assert nodes == set(graph)
    assert edges == {(before, after) for before in graph for after in graph[before]}


def test_an_edge_that_others_imply_is_left_out():
    assert steps.reduced({"a": {"b", "c", "d"}, "b": {"c"}, "c": set(), "d": {"c"}}) == {
        "a": {"b", "d"},
        "b": {"c"},
        "c": set(),
        "d": {"c"},
    }
