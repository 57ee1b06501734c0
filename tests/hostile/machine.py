"""A machine without disk, memory, rights or files, and workers that are killed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import psutil

from perfedavg.data.store import ClientStore
from perfedavg.runtime.pool import Pool
from perfedavg.runtime.source import PACKAGE
from tests.data.published import as_folder, h5_files
from tests.hostile.meeting import WRITERS, as_lists
from tests.hostile.oracle import Group, WrongError, check_sentence, judge

STEP = """
import json, os, resource, sys
from pathlib import Path
import h5py, numpy, pyarrow
from perfedavg.data.sets import data_set
from perfedavg.data.store import write_store
from perfedavg.runtime.job import job
limits = json.loads(sys.argv[1])
pages = int(Path("/proc/self/statm").read_text().split()[0])
for name, value in limits.items():
    if name == "uid":
        os.setuid(value)
        continue
    value += pages * resource.getpagesize() if name == "RLIMIT_AS" else 0
    resource.setrlimit(getattr(resource, name), (value, value))
with job("results/e/logs/step.log"):
    data = data_set({"dataset": "emnist62"})
    write_store("results/data/store", data.clients(Path("data"), Path("results/data")), 62, {})
"""


def step(rng, folder, what):
    """A conversion under a limit: right, or one sentence and nothing half-written."""
    as_folder(folder / "data", h5_files(WRITERS))
    limits = rng.choice([
        {"RLIMIT_FSIZE": rng.choice([0, 1, 100, 3000, 8000, 20_000])},
        {"RLIMIT_AS": rng.choice([8, 16, 24, 32, 64]) << 20},
        {"RLIMIT_NOFILE": rng.choice([6, 8, 10, 12, 20])},
        {"uid": 65534},
    ])  # fmt: skip
    if "uid" in limits:
        place = rng.choice(["results", "results/data", "data"])
        (folder / "results/data").mkdir(parents=True)
        (folder / "results/e/logs").mkdir(parents=True)
        for path in [folder, *folder.rglob("*")]:
            os.chmod(path, 0o777)
        os.chmod(folder / place, 0o500 if place == "data" else 0o555)
        if place == "results":
            os.chmod(folder / "results/data", 0o555)
        if os.geteuid():
            return
    what[0] = str(limits)
    run = subprocess.run(
        [sys.executable, "-c", STEP, json.dumps(limits)],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        | {"PYTHONPATH": str(PACKAGE.parent)},
    )  # fmt: skip
    done = folder / "results/data/store"
    if run.returncode == 0:
        store = ClientStore(done)
        got = {c.client_id: as_lists(c) for c in map(store.client, range(len(store)))}
        if got != {name: as_lists(pair) for name, pair in WRITERS.items()}:
            raise WrongError("another result")
        return
    lines = [line for line in run.stderr.splitlines() if "::" not in line]  # but for progress
    if len(lines) != 1 or not lines[0].startswith("Error: "):
        raise WrongError(f"rc {run.returncode}, not one sentence: {run.stderr[-600:]}")
    check_sentence(lines[0])
    left = [p for p in folder.glob("results/data/**/*") if p.is_file() or p.name.startswith(".un")]
    if left:
        raise WrongError(f"left over: {left}")


def slow(number):
    """A worker's task."""
    time.sleep(0.05)
    return number * number


def worker(rng, folder, what):
    """A worker ends at any moment, by any signal."""
    number = rng.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGABRT])
    wait = rng.uniform(0, 3)
    what[0] = f"worker, {number.name} after {wait:.1f} s"

    def kill():
        time.sleep(wait)
        mine = psutil.Process().children()
        workers = [p for p in mine if "perfedavg.runtime.pool" in " ".join(p.cmdline())]
        if workers:
            rng.choice(workers).send_signal(number)

    killer = threading.Thread(target=kill)
    with Pool(2) as pool:
        killer.start()
        tasks = [(n,) for n in range(60)]
        judge(
            lambda: pool.run(partial(slow), tasks, [f"task {n}" for n in range(60)], range(60)),
            ("task ",),
            lambda found: found == [n * n for n in range(60)],
        )
    killer.join()


def machine(rng, folder, what):
    """Any of these."""
    rng.choice([step, step, step, worker])(rng, folder, what)


GROUPS = {"the machine": Group(machine, 4, 40)}
