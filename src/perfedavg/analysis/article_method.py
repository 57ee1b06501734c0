"""How the runs were made and how claims are decided, as the article says it: numbers as text, from
the config and from the constants of the code that decides."""

from __future__ import annotations

from typing import Any

import pandas as pd

from perfedavg.analysis.choices import Selection
from perfedavg.analysis.claims.inference import LEVEL
from perfedavg.analysis.claims.measures import ANALYSES, LAST_ROUNDS
from perfedavg.analysis.claims.verdicts import FEWEST_SEEDS
from perfedavg.analysis.names import entry_in_words
from perfedavg.analysis.runs import local_work, stage1

OPTIMIZERS = {"sgd": "SGD"}
"""Optimizers whose words are not just their names."""
Facts = dict[str, Any]


def rules() -> Facts:
    """The numbers in the rules by which a claim is decided, those of ``docs/claims.md``."""
    epochs = [a.epoch for a in ANALYSES if a.epoch is not None]
    return {
        "level": f"{100 * LEVEL:g} %",
        "fewest_seeds": str(FEWEST_SEEDS),
        "analyses": str(len(ANALYSES)),
        "last_rounds": str(LAST_ROUNDS[1]),
        "last_rounds_of_stage2": str(LAST_ROUNDS[2]),
        "epochs": [str(epoch) for epoch in dict.fromkeys(epochs)],
    }


def method(config: Facts, runs: pd.DataFrame, selection: Selection, card: Facts) -> Facts:
    """The protocol of these runs, from the config: numbers as text, of studies that were not asked
    for None."""
    training, evaluation, studies = (config[k] for k in ("training", "evaluation", "studies"))
    work = "local_epochs" if training.get("local_epochs") else "local_steps"
    grid = stage1(runs)
    reference = studies.get("reference") or {
        "clients_per_round": training["clients_per_round"][-1],
        "local_work": training[work][-1],
    }
    comparison = studies.get("comparison")
    if comparison:
        entries = comparison.get("entries") or {}
        words = [entry_in_words(name) for name in entries]
        comparison = comparison | {"named": words, "number": len(words)}
        comparison["staged"] = [
            {
                "name": entry_in_words(name),
                "rounds": phases[0]["rounds"],
                "first": entry_in_words(phases[0]["algorithm"]),
            }
            for name, phases in entries.items()
            if len(phases) == 2
        ]
    facts = {
        "work": work,
        "letter": local_work(grid)[1],
        "clients": training["clients_per_round"],
        "amounts": training[work],
        "without": training.get("without") or [],
        "rounds": training["rounds"],
        "client": training["client"],
        "server": training["server"],
        "num_settings": int(grid.setting.nunique()),
        "every": evaluation["every"],
        "intermediate_clients": evaluation.get("intermediate_clients"),
        "fine_tuning": evaluation["fine_tuning"],
        "target": evaluation["target_accuracy"],
        "reference": reference,
        "split": config["split"],
        "seed_list": sorted(int(seed) for seed in runs.seed.unique()),
        "num_validation": selection.num_clients,
        "training_clients": card.get("training clients") or config["split"].get("training_clients"),
        "evaluation_clients": card.get("evaluation clients"),
        "best_by_initial": selection.best_setting_by_initial_accuracy or "",
        "best_by_personalized": selection.best_setting_by_personalized_accuracy or "",
        "reptile": selection.reptile,
        "stage2": studies.get("stage2"),
        "comparison": comparison,
        "theory": studies.get("theory"),
        "strategies": len(studies.get("strategies") or ()),
        "centralized": studies.get("centralized"),
        "local_only": studies.get("local_only"),
    }
    return _in_words(facts)


def _in_words(value: Any) -> Any:
    """Every number of plain values as text, as people write it; so that Typst sets what it gets."""
    if isinstance(value, dict):
        words = {key: _in_words(one) for key, one in value.items()}
        if isinstance(name := words.get("optimizer"), str):
            words["optimizer"] = OPTIMIZERS.get(name, name.capitalize())
        return words
    if isinstance(value, list | tuple):
        return [_in_words(one) for one in value]
    if isinstance(value, float):
        return f"{value:g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value
