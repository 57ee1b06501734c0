"""A step tells the run that started it, and nobody else."""

import json
import os
import socket
import subprocess
import sys

import pytest

from perfedavg.runtime.channel import VARIABLE

STEP = """
import sys, logging
from perfedavg.runtime.job import job, Progress, logger
with job("logs/a b.log"):
    progress = Progress("run-1", 3, "round")
    logger.warning("careful")
    progress.advance(loss="0.5")
    progress.advance(loss="0.4")
    if sys.argv[1:]:
        raise ValueError(sys.argv[1])
    progress.advance(loss="0.3")
    progress.close()
"""


def step(folder, owner, *arguments):
    environment = os.environ | {VARIABLE: f"{folder}@{owner}"}
    command = [sys.executable, "-c", STEP, *arguments]
    return subprocess.run(
        command, cwd=folder.parent, env=environment, capture_output=True, text=True, check=False
    )


def test_what_a_step_says_goes_to_the_run_that_listens_and_to_its_log(tmp_path):
    folder = tmp_path / "channel"
    folder.mkdir()
    run = step(folder, f"{socket.gethostname()}@{os.getpid()}", "two\nlines")
    assert run.returncode == 1
    assert run.stderr == "", "the run draws the terminal"
    (file,) = folder.iterdir()
    assert file.name == "logs%2Fa%20b.log.json", "as the logger plugin looks for it"
    told = json.loads(file.read_text())
    assert told["warnings"] == ["careful"]
    assert told["error"].startswith("Error: unexpected ValueError: two lines; please report")
    log = (tmp_path / "logs/a b.log").read_text()
    assert "careful" in log
    assert "Error: unexpected" in log


@pytest.mark.parametrize(
    "owner",
    [f"elsewhere@{os.getpid()}", f"{socket.gethostname()}@4194305"],
    ids=["on another machine", "ended"],  # the same in every worker of pytest
)
def test_without_a_listener_a_step_writes_to_the_terminal(tmp_path, owner):
    """On a node of a cluster, or when the run has ended."""
    folder = tmp_path / "channel"
    folder.mkdir()
    run = step(folder, owner)
    assert run.returncode == 0
    assert "careful" in run.stderr
    assert "run-1: 100%" in run.stderr
    assert list(folder.iterdir()) == []


def test_a_channel_that_cannot_be_written_leaves_errors_to_the_terminal(tmp_path):
    folder = tmp_path / "channel"
    folder.mkdir()
    (folder / "logs%2Fa%20b.log.tmp").mkdir()
    run = step(folder, f"{socket.gethostname()}@{os.getpid()}", "trouble")
    assert "Error: unexpected ValueError: trouble" in run.stderr
