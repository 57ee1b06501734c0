"""What a step does around its work."""

import platform
import subprocess
import sys

import pytest

PAGE_FAULTS = """
import resource, sys
from perfedavg.job import prepare_process
if sys.argv[1] == "prepared":
    prepare_process()
for step in range(4):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [bytearray(8 << 20) for _ in range(5)]
    blocks.clear()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_a_step_takes_no_memory_anew_that_the_last_one_has_freed():
    plain, prepared = (
        int(subprocess.run([sys.executable, "-c", PAGE_FAULTS, how], capture_output=True, text=True, check=True).stdout)
        for how in ("plain", "prepared")
    )
    assert plain > 1000, "else this test shows nothing"
    assert prepared < 100
