"""Speed and memory against peers and against the machine's floor: ``make bench``, or ``python -m
benchmarks --help``."""
