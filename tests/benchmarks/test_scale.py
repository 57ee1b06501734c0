"""The scale benchmark runs, keeps what else its JSON file holds, and leaves nothing behind."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.scale import COLUMNS, QUICK_SIZES

SCRIPT = Path(__file__).parents[2] / "benchmarks/scale.py"


def run(*arguments):
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True
    )


def test_quick(tmp_path):
    out, folder = tmp_path / "bench.json", tmp_path / "scratch"
    out.write_text('{"machine": "m", "scale": []}')
    done = run("--quick", "--folder", folder, "--out", out)
    assert done.returncode == 0, done.stderr
    written = json.loads(out.read_text())
    assert written["machine"] == "m"
    assert [row["clients"] for row in written["scale"]] == list(QUICK_SIZES)
    for row in written["scale"]:
        assert list(row) == list(COLUMNS)
        assert all(value > 0 for value in row.values())
        assert row["rss_mib"] <= row["peak_mib"]
        assert (
            3 * 784 * row["clients"] < row["store_mib"] * 2**20 < 5_000 * row["clients"] + 100_000
        )
    assert "400 clients against 100" in done.stdout
    assert list(folder.iterdir()) == []


def test_errors_say_what_is_wrong(tmp_path):
    small, large = (
        run("--sizes", n, "--folder", tmp_path, "--out", tmp_path / "b.json") for n in (10, 10**12)
    )
    assert small.returncode == large.returncode == 1
    assert "at least 60 clients" in small.stderr
    assert "GB are free" in large.stderr
    assert list(tmp_path.iterdir()) == []
