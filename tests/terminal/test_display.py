"""What the terminal shows, from a stream of Snakemake's records: through a pipe and on a
pseudo-terminal."""

import json
import logging
import os
import pty
import re
import subprocess
import sys
from io import StringIO

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_perfedavg import LogHandler, LogHandlerSettings
from snakemake_logger_plugin_perfedavg.arguments import refused
from snakemake_logger_plugin_perfedavg.run import Run
from snakemake_logger_plugin_perfedavg.texts import job_name
from tests.terminal.records import info, job, settings

PROGRAM = """
import sys, time
from tests.terminal.records import play
play(seconds=float(sys.argv[1]))
"""


def test_a_run_through_a_pipe_is_one_line_per_job_and_a_few(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, "0"], cwd=tmp_path, capture_output=True, text=True,
        check=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    lines = run.stderr.splitlines()
    assert run.stdout == ""
    finished = [line for line in lines if re.match(r"\d\d:\d\d:\d\d +\d+/12 ", line)]
    assert len(finished) == 12
    assert "12/12  100%" in finished[-1]
    assert " 1/12   27%  train_fedavg, seed 0  (0 s)" in finished[0], "work counts, not jobs"
    assert len(lines) <= 12 + 4
    assert lines[-2].startswith("Done in 0 s: 12 jobs (2 trained runs, 1 table, 1 figure).")
    assert lines[-1] == "Open results/tiny/report.html"
    assert "\x1b" not in run.stderr


def test_a_job_names_its_wildcards_as_tables_do():
    assert job_name("personalize", {"clients": 4}) == "personalize, M = 4"
    wildcards = {"clients": "5", "work": "k10", "seed": "0"}
    assert job_name("train_fedavg", wildcards) == "train_fedavg, M = 5, K = 10, seed 0"
    assert job_name("train_stage2", {"variant": "e10"}) == "train_stage2, variant e10"


def test_a_terminal_shows_runs_at_work_and_is_left_as_it_was(tmp_path):
    """80 columns wide; Ctrl-C in the middle."""
    for columns in (80, 200):
        text = on_a_terminal(tmp_path, columns)
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
        assert "fedavg-m2-e1-s0 · round 3/4 · validation accuracy 0.512 · 1 min 05 s" in plain
        assert re.search(r"0 of 12 jobs · 20% of the work · \d s", plain), "a part of a job counts"
        assert "\x1b[?25l" not in text, "the cursor stays"
        assert "\x1b[?1049h" not in text, "what was there before stays"
        lines = plain.replace("\r", "\n").split("\n")
        assert max(map(len, lines)) <= columns
        assert "Done in" in plain.split("fedavg-m2-e1-s0 · round")[-1]


def on_a_terminal(folder, columns):
    """What a run draws."""
    program, terminal = pty.openpty()
    environment = os.environ | {
        "COLUMNS": str(columns), "TERM": "xterm", "NO_COLOR": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }  # fmt: skip
    run = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "1.5"], cwd=folder, env=environment,
        stdin=terminal, stdout=terminal, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    read = b""
    while True:
        try:
            part = os.read(program, 4096)
        except OSError:  # Linux says so at its end
            break
        if not part:
            break
        read += part
    assert run.wait() == 0, read.decode()
    os.close(program)
    return read.decode()


def shown(monkeypatch, *records, **options):
    """What a handler writes for some records."""
    stream = StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    handler = LogHandler(settings(**options), LogHandlerSettings())
    for record in records:
        handler.handle(record)
    handler.close()
    return stream.getvalue()


def test_a_failed_job_says_why_and_where_its_log_is(monkeypatch, tmp_path):
    log = tmp_path / "train.log"
    log.write_text("a\nError: the disk is full; make room.\n")
    failure = info("", logging.ERROR, LogEvent.JOB_ERROR, jobid=1, rule_name="train", log=[log])
    ends = "returned non-zero exit status 1."
    text = shown(
        monkeypatch,
        info("Building DAG of jobs..."),
        info("the data are synthetic"),
        job(1, "train", str(log)),
        info(ends, logging.ERROR, LogEvent.ERROR),
        failure,
        info("WorkflowError:\nAt least one job did not complete successfully.", logging.ERROR),
    )
    assert text.startswith("the data are synthetic\n")
    failed = f"FAILED  train, seed 0  (log: {log})\nError: the disk is full; make room.\n"
    assert failed in text
    assert "the same command goes on from here" in text
    assert ends not in text
    assert "At least one" not in text
    log.write_text("round 7\n")
    assert "without an error message, after: round 7" in shown(monkeypatch, failure)


def test_a_wrong_config_is_its_sentence_alone(monkeypatch):
    said = "Config key `a` is unknown; did you mean `b`?"
    where = 'WorkflowError in file "/home/me/perfedavg/workflow/rules/common.smk", line 28:'
    raised = '  File "/home/me/perfedavg/workflow/rules/common.smk", line 28, in <module>'
    error = info(f"{where}\n{said}\n{raised}", logging.ERROR, LogEvent.ERROR)
    assert shown(monkeypatch, error) == f"{said}\n"
    other = info("WorkflowError in file 'x.smk', line 3:\nMissing input", logging.ERROR)
    assert "line 3:\nMissing input\n" in shown(monkeypatch, other), "Snakemake's own stay whole"


def test_a_mistake_of_the_display_hands_over_to_snakemakes_own(monkeypatch):
    finished = info("Finished jobid: 1 (Rule: train)", event=LogEvent.JOB_FINISHED)  # no job_id
    text = shown(monkeypatch, finished, info("said later"))
    assert "the run goes on" in text
    assert "Finished jobid: 1" in text
    assert "said later" in text


@pytest.mark.parametrize("option", ["quiet", "verbose", "debug_dag", None])
def test_snakemakes_own_output_is_one_flag_away(option):
    common = settings(**{option: {"rules"}} if option else {})
    assert not LogHandler(common, LogHandlerSettings(off=not option)).writes_to_stream
    assert LogHandler(settings(), LogHandlerSettings()).writes_to_stream


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("--cores 1 --configfile my.yaml figures", "figures"),
        ("--configfile a.yaml b.json results/demo/figures/rounds.png -n", "results/demo"),
        ("--config seeds=[1] figures", "figures"),
        ("figures --cores 1 --configfile a.yaml b.yml --config a=1", None),
        ("--configfile=a.yaml figures", None),
        ("--configfile a.yaml -- figures", None),
        ("--forcerun figure_rounds figures", None),
    ],
)
def test_a_target_behind_configfile_is_refused_by_one_sentence(line, named):
    sentence = refused(line.split())
    assert (f"`{named}" in sentence) if named else sentence == ""


def test_a_job_that_starts_again_is_no_failure():
    run = Run(now=lambda: "12:00:00")
    run.start(1, "train", {"seed": "0"}, ["a.log"], ["a"])
    run.fail(1, "train", [])
    assert run.again(1) == ["12:00:00  train, seed 0 starts again"]
    assert run.failed == {}


def test_the_time_that_is_left_follows_the_work(tmp_path):
    time = [0.0]
    run = Run(tmp_path, clock=lambda: time[0])
    run.expect({1: (30.0, 1), 2: (60.0, 2), 3: (10.0, 0)})
    run.start(1, "a", {}, ["a.log"], ["a"])
    time[0] = 60.0
    run.finish(1)
    run.start(2, "b", {}, ["logs/b.log"], ["b"])
    told = {"runs": {"x": {"done": 1, "total": 2, "unit": "round"}}, "finished": 1}
    (tmp_path / "logs%2Fb.log.json").write_text(json.dumps(told))
    run.listen()
    assert run.share() == pytest.approx((30 + 60 * 1.5 / 2) / 100)
    assert "75% of the work · 1 min 00 s · about 20 s left" in run.status()[-1]
