"""A contestant as a process: ``python -m benchmarks.serve MODULE WORK THREADS`` answers one line of
JSON per line of JSON.

It reads ``{"task": name, ...arguments}`` from standard input and writes what the task returns; what
libraries print goes to standard error. All contestants stay alive and warm while they take turns,
so that start-up and compilation count for nobody."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable

from benchmarks.work import Work

Tasks = dict[str, Callable[..., dict]]


def main() -> None:
    """Set up the contestant, say that it is ready, answer until standard input ends."""
    module, work, threads = sys.argv[1], Work(**json.loads(sys.argv[2])), int(sys.argv[3])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def serve(tasks: Tasks) -> None:
        print(json.dumps({"ready": sorted(tasks)}), file=answers)
        for line in sys.stdin:
            request = json.loads(line)
            print(json.dumps(tasks[request.pop("task")](**request)), file=answers)

    importlib.import_module(module).start(work, threads, serve)


if __name__ == "__main__":
    main()
