"""Ctrl-C while modules are imported: one sentence in a step, Python's own way elsewhere."""

import subprocess
import sys

import pytest

from perfedavg.runtime.interrupts import SENTENCE


@pytest.mark.parametrize("step", [True, False], ids=["a step", "a notebook"])
@pytest.mark.parametrize("error", ["KeyboardInterrupt", "ZeroDivisionError"])
def test_only_an_interrupt_of_a_step_is_one_sentence(step, error):
    code = f"{'snakemake = 1' if step else ''}\nimport perfedavg\nraise {error}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode
    if step and error == "KeyboardInterrupt":
        assert run.stderr == SENTENCE + "\n"
    else:
        assert error in run.stderr
        assert "Traceback" in run.stderr
