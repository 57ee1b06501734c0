"""What the products about claims share: their settings, and the measures of the runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from perfedavg.analysis.choices import Selection, ServerRates
from perfedavg.analysis.claims.measures import Measures
from perfedavg.analysis.claims.registration import commit_of
from perfedavg.analysis.inputs import INPUTS
from perfedavg.runtime.errors import reading
from perfedavg.storage.files import read_json


def asked(config: Any) -> bool:
    """Data of the user's own have nothing to do with the paper's claims."""
    return not config.data.of_the_user


def settings(config: Any, reference: str, claims: Mapping[str, Any]) -> dict[str, Any]:
    """The claims, and why these runs may not decide them."""
    undecided = ""
    if not config.data.is_the_papers:
        undecided = "not the paper's data"
    elif config.experiment != claims["experiment"]:
        undecided = f"decided by the experiment {claims['experiment']}"
    return {"claims": dict(claims), "reference": reference, "undecided": undecided}


def measures(
    evaluation: pd.DataFrame,
    comparison_evaluation: pd.DataFrame,
    grid_validation: pd.DataFrame,
    theory_rows: pd.DataFrame,
    runs: pd.DataFrame,
    selection: Selection,
    server_rates: ServerRates | None,
    reference: str,
    claims: Mapping[str, Any],
    undecided: str,
) -> Measures:
    """What the statistics read. Where the runs may not decide, all their seeds count."""
    seeds = sorted(set(runs.seed)) if undecided else claims["seeds"]
    rows = pd.concat([evaluation, comparison_evaluation], ignore_index=True)
    return Measures(
        rows, grid_validation, runs, selection, reference, tuple(seeds), server_rates, theory_rows
    )


def read(results: Path) -> dict[str, Any]:
    """What the products about claims read of a finished experiment, or of what was kept of it, by
    the names of their inputs, and its ``reference``."""
    runs = INPUTS["runs"]([results / "runs.csv"])
    files = {run_id: results / f"personalization/{run_id}.parquet" for run_id in runs.run_id}
    there = {run_id: file for run_id, file in files.items() if file.exists()}
    compared = set(runs.run_id[runs.study == "comparison"])
    rates = results / "algorithms.json"
    with reading(results / "provenance.json"):
        config = read_json(results / "provenance.json")["config"]
        grid_config, named = config["training"], config["studies"]["reference"] or {}
        clients = named.get("clients_per_round", grid_config["clients_per_round"][-1])
        work = named.get("local_work") or grid_config["local_epochs"][-1]
    here = (runs.study == "grid") & (runs.clients_per_round == clients)
    return {
        "runs": runs,
        "caveat": runs.caveat.iloc[0],
        "selection": INPUTS["selection"]([results / "selection.json"]),
        "server_rates": INPUTS["server_rates"]([rates] if rates.exists() else []),
        "evaluation": INPUTS["evaluation"]([f for r, f in there.items() if r not in compared]),
        "comparison_evaluation": INPUTS["evaluation"](
            [f for r, f in there.items() if r in compared]
        ),
        "grid_validation": INPUTS["grid_validation"](
            [files[r] for r in runs.run_id[runs.study == "grid"]]
        ),
        "theory_rows": INPUTS["theory_rows"](sorted((results / "theory").glob("*.parquet"))),
        "reference": runs.setting[here & (runs.local_epochs == work)].iloc[0],
    }


def commits(results: Path) -> set[str]:
    """Those that trained the models; where only metrics were kept, those noted there."""
    kept = results / "models.csv"
    if kept.exists():
        return set(pd.read_csv(kept).git_commit)
    return set(map(commit_of, sorted(results.glob("runs/*/model.safetensors"))))


def load(results: Path, seeds: list[int] | None = None) -> Measures:
    """The runs of a finished experiment; of ``seeds``, or of all its own."""
    values = read(results)
    del values["caveat"]
    claims = {"seeds": seeds or sorted(set(values["runs"].seed))}
    return measures(**values, claims=claims, undecided="")


def others(folder: Path | None) -> dict[str, Measures]:
    """The experiment on other data by its name; of None, none."""
    return {folder.name: load(folder)} if folder else {}
