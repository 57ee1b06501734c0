"""``runs.csv``: every run's settings and status. Everything else joins on ``run_id``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from perfedavg.runtime.errors import reading
from perfedavg.storage.files import read_json
from perfedavg.storage.tables import Column, checked, read_table, write_table

RUNS = {
    "run_id": Column("str", "-", "`<setting>-s<seed>`"),
    "setting": Column(
        "str",
        "-",
        "the run without its seed: `fedavg-m<M>-e<E>` (`k<K>` for local steps), `<stage-1 "
        "setting>.<variant>` in stage 2, `<entry>.x<server learning-rate factor>` in the algorithm "
        "comparison, `centralized-best`, `centralized-matched`, `local-only`",
    ),
    "dataset": Column("str", "-", "data set"),
    "split": Column("str", "-", "`sorted`, `shuffled` or `file`"),
    "study": Column(
        "str", "-", "what asks for the run: `grid` (Table 1), `stage2`, `comparison` or `baseline`"
    ),
    "variant": Column(
        "str",
        "-",
        "what differs in stage 2; of centralized runs, `best` or `matched`; may be empty",
    ),
    "entry": Column(
        "str",
        "-",
        "name in the algorithm comparison; `rest.<λ>` and `powers.<λ>` are its interpolation; may "
        "be empty",
    ),
    "server_lr_factor": Column(
        "float? 0..", "-", "factor on the entry's server learning rates that the run tries"
    ),
    "algorithm": Column("str", "-", "algorithm; of a schedule, its phases' joined by `+`"),
    "stage": Column("int 1..", "-", "1, or 2 for a run that starts from another one's model"),
    "parent_run_id": Column(
        "str?",
        "-",
        "that other run; for `centralized-matched` the FedAvg run at whose initial accuracy it was "
        "stopped",
    ),
    "clients_per_round": Column("int? 1..", "clients", "M; not of baselines"),
    "local_epochs": Column(
        "int? 1..", "epochs", "E, of a schedule its first phase's, as with all numbers here"
    ),
    "local_steps": Column("int? 1..", "steps", "K"),
    "client_lr": Column("float? 0..", "-", "client learning rate β"),
    "server_optimizer": Column(
        "str",
        "-",
        "`sgd`, `adam`, `yogi` or `adagrad`, of a schedule its phases' joined by `+`; `nesterov` "
        "for centralized training",
    ),
    "server_lr": Column(
        "float? 0..", "-", "server learning rate α, or that of centralized training"
    ),
    "seed": Column("int 0..", "-", "seed"),
    "rounds": Column(
        "int 0..",
        "rounds",
        "number of the last round, in stage 2 counted on from stage 1's; of centralized training "
        "the pass chosen; 0 for local-only",
    ),
    "status": Column(
        "str", "-", "`finished`, `diverged at round <r>` or `diverged before stage 2`"
    ),
    "caveat": Column(
        "str",
        "-",
        "what must be said wherever a number of the run is shown; empty for the paper's complete "
        "data",
    ),
}


def write_runs_table(run_files: Iterable[str | Path], caveat: str, path: str | Path) -> None:
    """Write ``runs.csv`` from every run's ``run.json``; ``caveat`` is what must be said of their
    data.

    Raises:
        PerfedavgError: a ``run.json`` is damaged.
    """
    rows = {}
    for file in run_files:
        with reading(file):
            rows[file] = {**_row(read_json(file)), "caveat": caveat}
    table = pd.DataFrame(list(rows.values()), columns=list(RUNS))
    try:
        write_table(RUNS, table, path)
    except Exception:
        for file, row in rows.items():  # whose fault it is
            with reading(file):
                checked(RUNS, pd.DataFrame([row], columns=list(RUNS)))
        raise


def _row(run: dict[str, Any]) -> dict[str, Any]:
    if "server" in run:
        run["client_lr"] = run["client"]["lr"]
        run |= {f"server_{key}": run["server"][key] for key in ("optimizer", "lr")}
        # Of a schedule, the names in the order of its stages and the values of its first.
        for later in run["then"]:
            run["algorithm"] += f"+{later['algorithm']}"
            run["server_optimizer"] += f"+{later['server']['optimizer']}"
    texts = {name: run.get(name) or "" for name in ("variant", "entry")}
    return {"study": "baseline", **run, **texts}


def read_runs(run_files: Iterable[str | Path]) -> pd.DataFrame:
    """What selection needs of every ``run.json``: columns ``run_id, setting, study, rounds``.

    Raises:
        PerfedavgError: one is damaged.
    """
    rows = []
    for file in run_files:
        with reading(file):
            run = {"study": None, **read_json(file)}
            rows.append({name: run[name] for name in ("run_id", "setting", "study", "rounds")})
    return pd.DataFrame(rows)


def read_runs_table(path: str | Path) -> pd.DataFrame:
    """Read ``runs.csv``."""
    return read_table(RUNS, path)


def local_work(table: pd.DataFrame) -> tuple[str, str]:
    """The column that holds a grid's amounts of local work, and the paper's letter for it."""
    return ("local_epochs", "E") if table.local_epochs.notna().all() else ("local_steps", "K")


def stage1(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of the grid: those that Table 1 is about."""
    return runs[runs.study == "grid"]
