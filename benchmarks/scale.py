"""How the project scales with the number of clients: store, opening, a round, memory.

For each population a client store of random images is built by the project's own writer, split by
its own splitter, and FedAvg is trained on it by its own loop. Each step is a fresh process, so that
memory is that step's own. Populations take turns in training and rounds of all turns count, so that
a machine that drifts slows all of them alike.

    python benchmarks/scale.py                      # 400, 3,400, 100,000 and 1,000,000 clients
    python benchmarks/scale.py --sizes 400 100000
    python benchmarks/scale.py --quick              # a few seconds: does it run at all
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

SIZES = (400, 3_400, 100_000, 1_000_000)
QUICK_SIZES = (100, 400)
FEWEST, MOST = 3, 8
"""Examples a client, train and test together: uniform, so that every population's rounds cost the
same."""
BYTES_PER_CLIENT = 5_000  # on disk
FEWEST_WRITTEN = 20_000  # clients, for a time that can be measured
CLASSES, COHORT, HELD_OUT = 62, 20, 20
TURNS, WARM_UP, ROUNDS = 3, 5, 25
COLUMNS = (
    "clients",
    "store_examples_per_second",
    "open_seconds",
    "seconds_per_round",
    "rss_mib",
    "peak_mib",
    "build_peak_mib",
    "split_seconds",
    "split_peak_mib",
    "store_mib",
)


def scale_rows(
    sizes: Sequence[int], folder: str | Path, turns: int = TURNS, rounds: int = ROUNDS
) -> list[dict[str, Any]]:
    """One row a population: ``COLUMNS``.

    Args:
        sizes: numbers of clients, each above ``2 * COHORT + HELD_OUT``.
        folder: scratch for the stores, some 5 kB a client; whatever is written there is removed
            again.
        turns: fresh training processes a population.
        rounds: measured rounds a turn, behind ``WARM_UP`` rounds.
    """
    _check_room(sizes, Path(folder))
    with TemporaryDirectory(dir=folder, prefix="scale-") as scratch:
        stores = {size: Path(scratch) / str(size) for size in sizes}
        rows = {size: _step("build", store, clients=size) for size, store in stores.items()}
        for size, store in stores.items():
            rows[size] |= _step("split", store, clients=size)
        trained: dict[int, list[dict]] = {size: [] for size in sizes}
        for turn in range(turns):
            for size in sizes if turn % 2 == 0 else reversed(sizes):
                trained[size].append(_step("train", stores[size], rounds=rounds))
        for size, parts in trained.items():
            rows[size]["seconds_per_round"] = float(
                np.median(np.concatenate([part["seconds"] for part in parts]))
            )
            rows[size]["open_seconds"] = float(np.median([part["open_seconds"] for part in parts]))
            rows[size] |= {
                name: max(part[name] for part in parts) for name in ("rss_mib", "peak_mib")
            }
    return [{"clients": size} | {name: rows[size][name] for name in COLUMNS[1:]} for size in sizes]


def random_clients(clients: int) -> Iterator[Any]:
    """Clients with a few random images each, one at a time, and a progress line."""
    from perfedavg.data.store import ClientExamples
    from perfedavg.runtime.job import Progress

    rng = np.random.default_rng(0)
    pool = rng.integers(0, 256, (4_096, 28, 28), dtype=np.uint8)
    progress = Progress(f"store of {clients:,} clients", clients, "client")
    for start in range(0, clients, 1_000):
        count = min(1_000, clients - start)
        sizes = rng.integers(FEWEST, MOST + 1, count)
        images, labels = (
            rng.integers(0, len(pool), (count, MOST)),
            rng.integers(0, CLASSES, (count, MOST)),
        )
        for i, n in enumerate(sizes.tolist()):
            x, y = pool[images[i, :n]], labels[i, :n]
            yield ClientExamples(f"client{start + i:09d}", x[:-1], y[:-1], x[-1:], y[-1:])
        progress.advance(to=start + count)
    progress.close()


def build(store: Path, clients: int) -> dict[str, Any]:
    """Write a population, a small one many times over; the time includes making its images up."""
    from perfedavg.data.store import ClientStore, write_store

    write_store(store, random_clients(1), CLASSES)  # whatever is imported or set up at first use
    times = max(1, FEWEST_WRITTEN // clients)
    began = time.perf_counter()
    for _ in range(times):
        write_store(store, random_clients(clients), CLASSES, {"dataset": "random"})
    seconds = (time.perf_counter() - began) / times
    peak = peak_mib()
    written = ClientStore(store)
    examples = int(written.column("num_train").sum() + written.column("num_test").sum())
    store_bytes = sum(file.stat().st_size for file in store.iterdir())
    return {
        "store_examples_per_second": examples / seconds,
        "build_peak_mib": peak,
        "store_mib": store_bytes / 2**20,
    }


def split(store: Path, clients: int) -> dict[str, Any]:
    """Who trains: all but two small groups."""
    from perfedavg.data.splits import split_clients, write_split
    from perfedavg.data.store import ClientStore

    began = time.perf_counter()
    ids = ClientStore(store).client_ids()
    write_split(
        store / "split.csv",
        split_clients(ids, "shuffled", clients - 2 * HELD_OUT, HELD_OUT, seed=0),
    )
    return {"split_seconds": time.perf_counter() - began, "split_peak_mib": peak_mib()}


def train(store: Path, rounds: int) -> dict[str, Any]:
    """Open a population and train FedAvg on it, as a job of the workflow does."""
    import pandas as pd
    import psutil
    import torch

    from perfedavg.algorithms.spec import RunSpec
    from perfedavg.data.splits import read_group
    from perfedavg.data.store import ClientStore
    from perfedavg.storage.tables import TRAINING, VALIDATION
    from perfedavg.training.federated import train_runs

    torch.set_num_threads(1)
    spec = RunSpec(
        run_id="scale",
        setting="scale",
        dataset="random",
        split="shuffled",
        algorithm="fedavg",
        clients_per_round=COHORT,
        local_epochs=5,
        client={"lr": 0.02, "batch_size": 20},
        server={"optimizer": "sgd", "lr": 1.0, "momentum": 0.9},
        seed=0,
        rounds=WARM_UP + rounds,
        evaluated_rounds=[WARM_UP + rounds],
        model="cnn_small",
    )
    began = time.perf_counter()
    opened = ClientStore(store)
    opened.client(len(opened) // 2)
    open_seconds = time.perf_counter() - began
    groups = [read_group(store / "split.csv", group) for group in (TRAINING, VALIDATION)]
    with TemporaryDirectory(dir=store) as folder:
        train_runs(
            [spec], opened, *groups, runs_folder=f"{folder}/runs", resume_folder=f"{folder}/resume"
        )
        rss = psutil.Process().memory_info().rss / 2**20
        timings = pd.read_parquet(f"{folder}/runs/scale/timings.parquet")
    seconds = timings.loc[timings["round"] > WARM_UP, "seconds"].tolist()
    return {
        "seconds": seconds,
        "open_seconds": open_seconds,
        "rss_mib": rss,
        "peak_mib": peak_mib(),
    }


def peak_mib() -> float:
    """The most memory that this process has held resident."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what the parent held when it started this process
        kib = next(
            line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")
        )
        return int(kib) / 2**10
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


STEPS = {"build": build, "split": split, "train": train}


def _step(name: str, store: Path, **arguments: int) -> dict[str, Any]:
    """Run one of ``STEPS`` in a process of its own."""
    call = [
        sys.executable,
        __file__,
        "--step",
        name,
        json.dumps({"store": str(store), **arguments}),
    ]
    done = subprocess.run(call, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"Error: the step {name!r} failed, see above.")
    return json.loads(done.stdout)


def _check_room(sizes: Sequence[int], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    needed, free = sum(sizes) * BYTES_PER_CLIENT, shutil.disk_usage(folder).free
    if needed > free:
        raise SystemExit(
            f"Error: the stores need {needed / 1e9:.1f} GB in {folder}, {free / 1e9:.1f} "
            f"GB are free; see --folder."
        )
    if min(sizes) < 2 * COHORT + HELD_OUT:
        raise SystemExit(f"Error: a population needs at least {2 * COHORT + HELD_OUT} clients.")


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Show the rows, and how far each population is from the first."""
    from tabulate import tabulate

    print(
        tabulate(
            [
                [f"{row[name]:,.4g}" if name != "clients" else f"{row[name]:,}" for name in COLUMNS]
                for row in rows
            ],
            COLUMNS,
        )
    )
    for row in rows[1:]:
        time_ratio, memory = (
            row["seconds_per_round"] / rows[0]["seconds_per_round"],
            row["rss_mib"] - rows[0]["rss_mib"],
        )
        print(
            f"{row['clients']:,} clients against {rows[0]['clients']:,}: a round "
            f"{time_ratio:.3f} times, memory {memory:+.0f} MiB"
        )


def write_rows(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Put the rows under ``scale`` in a JSON file, whatever else it holds."""
    from perfedavg.storage.files import read_json, write_json

    write_json(path, (read_json(path) if path.exists() else {}) | {"scale": rows})


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        default=SIZES,
        help="numbers of clients (default: %(default)s)",
    )
    parser.add_argument(
        "--folder",
        default=os.environ.get("TMPDIR", "/tmp"),
        help="scratch for the stores (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("results/bench/bench.json"),
        help="JSON (default: %(default)s)",
    )
    parser.add_argument(
        "--turns",
        type=int,
        default=TURNS,
        help="training processes a population (default: %(default)s)",
    )
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help="measured rounds a turn (default: %(default)s)"
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"sizes {QUICK_SIZES}, one turn, 2 rounds"
    )
    parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    if arguments.step:
        name, values = arguments.step[0], json.loads(arguments.step[1])
        print(json.dumps(STEPS[name](Path(values.pop("store")), **values)))
        return
    sizes, turns, rounds = (
        (QUICK_SIZES, 1, 2)
        if arguments.quick
        else (arguments.sizes, arguments.turns, arguments.rounds)
    )
    rows = scale_rows(sizes, arguments.folder, turns, rounds)
    print_table(rows)
    write_rows(rows, arguments.out)


if __name__ == "__main__":
    main()
