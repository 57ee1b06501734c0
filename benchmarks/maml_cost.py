"""Seconds a round of FOMAML, MAML exact and MAML as printed, in alternation in one call: `python
benchmarks/maml_cost.py --help`.

Random data; the same clients, batches and dropout for all. Only ratios inside one call count.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
import torch

from perfedavg.algorithms.federated import CohortClient, FederatedRun
from perfedavg.algorithms.spec import RunSpec
from perfedavg.models.steps import to_examples
from perfedavg.runtime.machine import machine_facts

ALGORITHMS = ("fomaml", "maml", "maml_printed")


def a_run(model: str, algorithm: str, steps: int) -> RunSpec:
    """A run of one algorithm at the paper's client settings."""
    values = {
        "run_id": algorithm,
        "setting": algorithm,
        "dataset": "random",
        "split": "sorted",
        "clients_per_round": 1,
    }
    client, server = (
        {"lr": 0.02, "batch_size": 20},
        {"optimizer": "sgd", "lr": 1.0, "momentum": 0.9},
    )
    return RunSpec(
        **values,
        algorithm=algorithm,
        local_steps=steps,
        client=client,
        server=server,
        seed=0,
        rounds=10**6,
        evaluated_rounds=(1,),
        model=model,
    )


def seconds_a_round(model: str, steps: int, clients: int, repeats: int) -> pd.DataFrame:
    """One row a (repeat, algorithm), after a round to warm up."""
    runs = {name: FederatedRun(a_run(model, name, steps)) for name in ALGORITHMS}
    rng = np.random.default_rng(0)
    network = next(iter(runs.values())).model
    cohort = [
        CohortClient(
            str(i),
            to_examples(
                network,
                rng.integers(0, 256, (100, 28, 28)).astype(np.uint8),
                rng.integers(0, 62, 100),
            ),
        )
        for i in range(clients)
    ]
    state = next(iter(runs.values())).init()
    rows = []
    for repeat in range(repeats + 1):
        for name, run in runs.items():
            began = time.perf_counter()
            run.round(state, repeat + 1, cohort)
            rows.append((model, repeat, name, time.perf_counter() - began))
    return pd.DataFrame(rows, columns=["model", "repeat", "algorithm", "seconds"]).query(
        "repeat > 0"
    )


def main() -> None:
    """Print, for each model, seconds per round over FOMAML's: the median over repeats."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5, help="K, local steps (default 5)")
    parser.add_argument("--clients", type=int, default=4, help="clients per round (default 4)")
    parser.add_argument(
        "--repeats", type=int, default=7, help="rounds of each algorithm (default 7)"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    k = arguments.steps
    facts = machine_facts()
    print(
        f"{facts['processor']}, one torch thread; K = {k}, {arguments.clients} clients a "
        f"round, batch 20"
    )
    print(f"gradients: FOMAML {k + 1}; MAML {k + 1} and {k} Hessian-vector products")
    for model in ("cnn_small", "cnn_emnist"):
        table = seconds_a_round(model, k, arguments.clients, arguments.repeats)
        wide = table.pivot(index="repeat", columns="algorithm", values="seconds")
        for name in ALGORITHMS[1:]:
            ratio = (wide[name] / wide["fomaml"]).median()
            product = (ratio * (k + 1) - (k + 1)) / k
            print(
                f"{model}: {name} / fomaml = {ratio:.2f}; a Hessian-vector product costs "
                f"{product:.2f} gradients"
            )


if __name__ == "__main__":
    main()
