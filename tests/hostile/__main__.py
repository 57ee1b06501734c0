"""The long run: ``python -m tests.hostile [--scale S] [--seed N] [--only GROUP [NUMBER]]``."""

import argparse
import logging
import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.hostile.oracle import run

MODULES = (
    "archives",
    "hdf5",
    "servers",
    "configs",
    "results",
    "machine",
    "workflow",
    "damage",
    "readers",
    "disk",
)
GROUPS = {
    name: group
    for module in MODULES
    for name, group in import_module(f"tests.hostile.{module}").GROUPS.items()
}


def main():
    """Print tried, survived and failed per group; the exit status says whether any failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="of the long run's numbers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", metavar=("GROUP", "NUMBER"), help="one group or trial")
    arguments = parser.parse_args()
    logging.getLogger("perfedavg").setLevel(logging.CRITICAL)
    only = int(arguments.only[1]) if arguments.only and len(arguments.only) > 1 else None
    rows, failures = [], []
    for name, group in GROUPS.items():
        if arguments.only and name != arguments.only[0]:
            continue
        times = max(1, round(arguments.scale * group.many))
        with TemporaryDirectory(prefix="hostile-") as folder:
            counts, failed = run(name, group, times, arguments.seed, Path(folder), only, shown=True)
        rows.append((name, *(counts[k] for k in ("tried", "survived", "failed", "seconds"))))
        failures += failed
    print("| group | tried | survived | failed | seconds |\n|---|---|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
