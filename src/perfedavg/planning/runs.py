"""Which runs an experiment consists of: the grid of stage 1, the variants of stage 2, baselines.

The comparison runs have their own file.
"""

from __future__ import annotations

from typing import Any

from perfedavg.algorithms.spec import RunSpec
from perfedavg.config.experiment import Config, every
from perfedavg.models import trained_parameters
from perfedavg.training.settings import BEST, MATCHED, BaselineSpec


def shared_facts(config: Config) -> dict[str, Any]:
    """What all federated runs of an experiment have in common."""
    return {
        "dataset": config.data.dataset,
        "split": config.split.name,
        "model": config.network,
        "backend": config.execution.backend,
    }


def grid_runs(config: Config) -> list[RunSpec]:
    """FedAvg with every number of clients per round, amount of local work and seed."""
    grid, runs = config.training, []
    for clients, amount in grid.settings:
        setting = f"fedavg-m{clients}-{work_name(config, amount)}"
        runs += [
            RunSpec(
                run_id=f"{setting}-s{seed}",
                setting=setting,
                algorithm="fedavg",
                clients_per_round=clients,
                client=grid.client,
                server=grid.server,
                seed=seed,
                rounds=grid.rounds,
                evaluated_rounds=tuple(config.evaluated_rounds),
                **{grid.unit: amount},
                **shared_facts(config),
            )
            for seed in config.seeds
        ]
    return runs


def work_name(config: Config, amount: int) -> str:
    """``e<E>`` where the grid counts local epochs, ``k<K>`` where it counts steps."""
    return f"{'e' if config.training.local_epochs else 'k'}{amount}"


def reference_runs(config: Config) -> list[RunSpec]:
    """The grid's runs of the reference setting, one per seed."""
    reference, unit = config.reference, config.training.unit
    runs = [run for run in grid_runs(config) if getattr(run, unit) == reference.local_work]
    return [run for run in runs if run.clients_per_round == reference.clients_per_round]


def stage2_variants(config: Config) -> dict[str, dict[str, Any]]:
    """What the runs of stage 2 do otherwise than their parents: name to changed values."""
    stage2, grid = config.studies.stage2, config.training
    if not stage2:
        return {}
    variants: dict[str, dict[str, Any]] = {}
    for server in stage2.servers:
        variants[f"reptile-k{stage2.reptile_steps}-{server.name}"] = {
            "algorithm": "reptile",
            "local_epochs": None,
            "local_steps": stage2.reptile_steps,
            "keeps_server_state": False,
            "server": server,
        }
    if stage2.controls:
        client, divisor = grid.client, stage2.control_rate_divisor
        variants["continued"] = {}
        if stage2.control_work:
            variants[work_name(config, stage2.control_work)] = {grid.unit: stage2.control_work}
        if divisor:
            lower = client.model_copy(update={"lr": client.lr / divisor})
            variants[f"rate-div{divisor:g}"] = {"client": lower}
    return variants


def stage2_runs(config: Config) -> list[RunSpec]:
    """The runs of stage 2: each starts from the reference run of its seed.

    Controls keep the server's momentum; Reptile has its own server optimizer.
    """
    stage2, first = config.studies.stage2, config.training.rounds
    if not stage2:
        return []
    interval = min(stage2.every or config.evaluation.every, stage2.rounds)
    evaluated = tuple(first + n for n in every(interval, stage2.rounds))
    runs = []
    for variant, changes in stage2_variants(config).items():
        for parent in reference_runs(config):
            facts = {
                "run_id": f"{parent.setting}.{variant}-s{parent.seed}",
                "setting": f"{parent.setting}.{variant}",
                "study": "stage2",
                "variant": variant,
                "stage": 2,
                "parent_run_id": parent.run_id,
                "parent_rounds": first,
                "keeps_server_state": True,
                "rounds": first + stage2.rounds,
                "evaluated_rounds": evaluated,
            }
            runs.append(parent.model_copy(update={**facts, **changes}))
    return runs


def reptile_kinds(config: Config) -> dict[str, list[str]]:
    """Settings of stage 2 by the kind of Reptile's server optimizer: of each kind, validation
    clients choose one."""
    kinds: dict[str, list[str]] = {}
    for run in stage2_runs(config):
        if run.algorithm == "reptile" and run.seed == config.seeds[0]:
            kinds.setdefault(run.server.kind, []).append(run.setting)
    return kinds


def strategies(config: Config) -> list[dict[str, Any]]:
    """The ways to fine-tune that are compared, as plain values; the ordinary one is the first."""
    if not config.studies.strategies:
        return []
    return [
        {
            "strategy": way.strategy,
            **way.model_dump(mode="json", include={"layers", "optimizer", "lr"}),
            "trained_parameters": trained_parameters(config.network, way.layers),
        }
        for way in (config.evaluation.fine_tuning, *config.studies.strategies)
    ]


def baseline_runs(config: Config) -> list[BaselineSpec]:
    """The baselines; of centralized runs, ``rounds`` is how many passes they may take, not yet
    where they are stopped."""
    centralized, local_only = config.studies.centralized, config.studies.local_only
    baselines: list[dict[str, Any]] = []
    if centralized:
        values = {
            "algorithm": "centralized",
            "rounds": centralized.passes,
            "server_optimizer": "nesterov",
            "server_lr": centralized.lr,
        }
        for stop in (BEST, MATCHED):
            baselines.append({"setting": f"centralized-{stop}", "variant": stop, **values})
    if local_only:
        values = {"algorithm": "local_only", "rounds": 0, "client_lr": local_only.lr}
        baselines.append({"setting": "local-only", **values})
    facts = shared_facts(config)
    del facts["backend"]
    return [
        BaselineSpec(run_id=f"{values['setting']}-s{seed}", seed=seed, **values, **facts)
        for values in baselines
        for seed in config.seeds
    ]
