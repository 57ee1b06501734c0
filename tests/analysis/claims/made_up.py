"""A finished experiment that was never run: every table that the claims read, with effects that are
known."""

import json

import numpy as np
import pandas as pd

from perfedavg.analysis.choices import (
    EQUAL_GRADIENTS,
    EQUAL_ROUNDS,
    EntryRates,
    RateChoice,
    Selection,
    ServerRates,
    SettingChoice,
)
from perfedavg.analysis.runs import RUNS
from perfedavg.storage.contracts import PERSONALIZATION

SEEDS = (10, 11, 12, 13, 14, 15, 16)
EVALUATION, VALIDATION, EPOCHS = 12, 5, 5
REFERENCE = "fedavg-m5-e10"
GRID = [(5, 2), (5, 5), (5, 10), (5, 20), (20, 2), (20, 5), (20, 10)]


def settings():
    """(setting, study, stage, algorithm, M, E, rounds evaluated, last initial accuracy, gain)."""
    stage1 = range(7, 64, 7)
    for m, e in GRID:
        initial = 0.70 + 0.05 * (m == 20) + 0.02 * (e == 10)
        row = ("grid", 1, "fedavg", m, e, stage1, initial, 0.06)
        yield f"fedavg-m{m}-e{e}", *row
    stage2 = range(70, 92, 7)
    for variant, initial, gain in (
        ("continued", 0.72, 0.05),
        ("reptile-k10-adam-lr0.001-b0.9", 0.76, 0.05),
        ("e2", 0.73, 0.05),
        ("rate-div10", 0.74, 0.04),
    ):
        kind = "reptile" if variant.startswith("reptile") else "fedavg"
        yield f"{REFERENCE}.{variant}", "stage2", 2, kind, 5, 10, stage2, initial, gain
    yield "centralized-best", "baseline", 1, "centralized", None, None, range(3, 16, 3), 0.78, 0.01
    yield "fedsgd.x3", "comparison", 1, "fedsgd", 20, None, range(80, 401, 80), 0.74, 0.02


def rows_of(rng, run_id, rounds, initial, gain, noise):
    """``personalization`` rows of one run; the accuracy climbs to its last value."""
    of_client = np.random.default_rng(99).normal(0, 0.03, EVALUATION + VALIDATION)
    of_seed = rng.normal(0, noise)
    rows = []
    for n, round_number in enumerate(rounds):
        climb = -0.2 * (1 - (n + 1) / len(rounds))
        jump = rng.normal(0, noise)
        for c, offset in enumerate(of_client):
            for epoch in range(EPOCHS + 1):
                lift = gain * min(epoch, 2) / 2
                accuracy = initial + climb + of_seed + offset + lift + jump / (1 + epoch)
                accuracy += rng.normal(0, noise)
                group = "evaluation" if c < EVALUATION else "validation"
                rows.append(
                    (run_id, round_number, f"c{c:02}", group, 20 + c, 5 + c, epoch, accuracy)
                )
    columns = ["run_id", "round", "client_id", "client_group", "num_train", "num_test_labels"]
    return pd.DataFrame(rows, columns=[*columns, "epoch", "accuracy"])


def experiment(noise=0.005, seeds=SEEDS):
    """``runs``, rows by run, ``selection``, ``rates``."""
    rng = np.random.default_rng(5)
    runs, rows, chosen = [], {}, {}
    for setting, study, stage, algorithm, m, e, rounds, initial, gain in settings():
        chosen[setting] = SettingChoice(2, initial, initial + gain, len(seeds), 0)
        for seed in seeds:
            run_id = f"{setting}-s{seed}"
            parent = f"{REFERENCE}-s{seed}" if study == "stage2" else None
            variant = setting.split(".")[-1] if study == "stage2" else ""
            facts = {
                "run_id": run_id,
                "setting": setting,
                "dataset": "emnist62",
                "split": "shuffled",
                "study": study,
                "variant": "best" if study == "baseline" else variant,
                "entry": "fedsgd" if study == "comparison" else "",
                "server_lr_factor": 3.0 if study == "comparison" else None,
                "algorithm": algorithm,
                "stage": stage,
                "parent_run_id": parent,
                "clients_per_round": m,
                "local_epochs": e,
                "local_steps": None,
                "client_lr": 0.002 if variant == "rate-div10" else 0.02,
                "server_optimizer": "sgd",
                "server_lr": 1.0,
                "seed": seed,
                "rounds": max(rounds) if study != "baseline" else 12,
                "status": "finished",
                "caveat": "made up",
            }
            runs.append(facts)
            rows[run_id] = rows_of(rng, run_id, rounds, initial, gain, noise)
    table = pd.DataFrame(runs, columns=list(RUNS))
    selection = Selection(
        VALIDATION, chosen, None, None, {"adam": f"{REFERENCE}.reptile-k10-adam-lr0.001-b0.9"}
    )
    choice = RateChoice("fedsgd.x3", 2)
    entry = EntryRates([400], {EQUAL_ROUNDS: choice, EQUAL_GRADIENTS: choice})
    return table, rows, selection, ServerRates(400, 1.0, {"fedsgd": entry})


def write(folder, runs, rows, selection, rates):
    """The same as the files of a results folder."""
    (folder / "personalization").mkdir(parents=True)
    (folder / "tables").mkdir()
    runs.to_csv(folder / "runs.csv", index=False)
    for run_id, table in rows.items():
        facts = runs[runs.run_id == run_id].iloc[0]
        table = table.assign(
            **{name: facts[name] for name in ("algorithm", "stage", "seed")},
            num_test=table.num_test_labels,
            strategy="full",
            fine_tune_lr=0.02,
            loss=1.0,
        )[list(PERSONALIZATION)]
        table.to_parquet(folder / f"personalization/{run_id}.parquet", index=False)
    selection.save(folder / "selection.json")
    rates.save(folder / "algorithms.json")
    config = {
        "training": {"clients_per_round": [5, 20]},
        "studies": {"reference": {"clients_per_round": 5, "local_work": 10}},
    }
    (folder / "provenance.json").write_text(json.dumps({"config": config}))
