"""Numbers of pages come from results: what the README and the page of the claims say is what the
kept metrics say, and the kept verdicts are what the metrics decide."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

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
