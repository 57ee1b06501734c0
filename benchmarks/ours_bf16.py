"""This project's engine with training steps in bfloat16."""

from functools import partial

from benchmarks import ours

start = partial(ours.start, dtype="bfloat16")
