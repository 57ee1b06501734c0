"""What a step does around its work."""

import platform
import signal
import subprocess
import sys

import pytest

STOPPED = """
import os, signal, sys, time
from perfedavg.runtime.job import job
with job(sys.argv[1]):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        print("saved")
"""
FAILED = """
import sys
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.runtime.job import job
with job(sys.argv[1]):
    exec(sys.argv[2])
"""
PAGE_FAULTS = """
import resource, sys
from perfedavg.runtime.job import keep_freed_memory
if sys.argv[1] == "prepared":
    keep_freed_memory()
for step in range(4):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [bytearray(8 << 20) for _ in range(5)]
    blocks.clear()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_a_step_takes_no_memory_anew_that_the_last_one_has_freed():
    plain, prepared = (
        int(
            subprocess.run(
                [sys.executable, "-c", PAGE_FAULTS, how], capture_output=True, text=True, check=True
            ).stdout
        )
        for how in ("plain", "prepared")
    )
    assert plain > 1000, "else this test shows nothing"
    assert prepared < 100


def test_a_step_that_is_told_to_stop_twice_saves_and_goes(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", STOPPED, str(tmp_path / "log")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.stdout, run.returncode) == ("saved\n", 128 + signal.SIGTERM)


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        ("open('/dev/full', 'w').write('a' * 10**6)", "No space left on device; make room"),
        (
            "from safetensors import SafetensorError as E; raise E('I/O error (os error 28)')",
            "Error: No space left on device; make room on the disk and give",
        ),
        (  # a library that stumbles while it cleans up
            "with __import__('contextlib').closing(None): open('/dev/full', 'w').write('a' * 9999)",
            "No space left on device; make room on the disk and give",
        ),
        ("raise MemoryError", "has no memory left for this step; lower `execution.workers`"),
        ("raise KeyboardInterrupt", "stopped by Ctrl-C; the same command goes on"),
        ("{}['key']", "unexpected KeyError: 'key'; please report it with the log"),
        ("raise PerfedavgError('the id a\\r\\x1bb; rename it')", "Error: the id a\\r\\x1bb; ren"),
        ("raise ValueError('two\\nlines')", "unexpected ValueError: two lines; please report it"),
    ],
)
def test_any_failure_is_one_sentence_and_its_traceback_in_the_log_alone(tmp_path, failure, said):
    run = subprocess.run(
        [sys.executable, "-c", FAILED, str(tmp_path / "log"), failure],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode
    assert run.stderr.startswith("Error: ")
    assert said in run.stderr
    assert run.stderr.count("\n") == 1
    log = (tmp_path / "log").read_text()
    assert ("Traceback (most recent" in log) == (
        "Keyboard" not in failure and "Perfedavg" not in failure
    )
