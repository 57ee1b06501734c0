"""Which runs an experiment consists of: the grid of stage 1, the variants of stage 2, the
baselines."""

from __future__ import annotations

from typing import Any

from perfedavg.algorithms.spec import RunSpec
from perfedavg.config.experiment import Config, every
from perfedavg.config.stage2 import server_name
from perfedavg.training.settings import BEST, MATCHED, BaselineSpec


def stage1_runs(config: Config) -> list[RunSpec]:
    """The grid of FedAvg runs, spelled out."""
    federated = config.federated
    return [
        RunSpec(
            run_id=f"{setting}-s{seed}",
            setting=setting,
            dataset=config.data.dataset,
            split=config.split.order,
            algorithm="fedavg",
            clients_per_round=clients,
            client=federated.client,
            server=federated.server,
            seed=seed,
            rounds=federated.rounds,
            evaluated_rounds=tuple(config.evaluated_rounds),
            model=config.model,
            backend=config.backend,
            **_work(config, work),
        )
        for clients in federated.clients_per_round
        for work in local_work(config)
        for setting in [_setting(config, clients, work)]
        for seed in config.seeds
    ]


def local_work(config: Config) -> tuple[int, ...]:
    """The grid's values of E, or of K where it counts steps."""
    return config.federated.local_epochs or config.federated.local_steps or ()


def work_letter(config: Config) -> str:
    """``e`` where the grid counts local epochs, ``k`` where it counts steps."""
    return "e" if config.federated.local_epochs else "k"


def reference_setting(config: Config) -> str:
    """The setting of the reference runs: their id without the seed."""
    return _setting(config, config.reference.clients_per_round, config.reference.local_work)


def stage2_variants(config: Config) -> dict[str, dict[str, Any]]:
    """What each run of stage 2 does otherwise than its parent: name of the variant to changed
    values of its spec."""
    stage2 = config.stage2
    if not stage2:
        return {}
    reptile = {
        "algorithm": "reptile",
        "local_epochs": None,
        "local_steps": stage2.reptile_steps,
        "keeps_server_state": False,
    }
    variants: dict[str, dict[str, Any]] = {
        f"reptile-k{stage2.reptile_steps}-{server_name(server)}": {**reptile, "server": server}
        for server in stage2.servers
    }
    if stage2.controls:
        client, divisor = config.federated.client, stage2.control_rate_divisor
        variants["continued"] = {}
        variants[f"{work_letter(config)}{stage2.control_work}"] = _work(config, stage2.control_work)
        variants[f"rate-div{divisor:g}"] = {
            "client": client.model_copy(update={"lr": client.lr / divisor})
        }
    return variants


def reptile_kinds(config: Config) -> dict[str, list[str]]:
    """Settings of stage 2 by the kind of Reptile's server optimizer: of each, one is chosen on
    validation clients."""
    kinds: dict[str, list[str]] = {}
    for variant, changes in stage2_variants(config).items():
        if changes.get("algorithm") == "reptile":
            server = changes["server"]
            kind = server.optimizer
            if kind == "sgd" and server.momentum:
                kind = "nesterov" if server.nesterov else "momentum"
            kinds.setdefault(kind, []).append(f"{reference_setting(config)}.{variant}")
    return kinds


def stage2_runs(config: Config) -> list[RunSpec]:
    """The runs of stage 2: each starts from the reference run of its seed. Controls go on with the
    server's momentum; Reptile has a server optimizer of its own."""
    if not config.stage2:
        return []
    parents = [run for run in stage1_runs(config) if run.setting == reference_setting(config)]
    first, rounds = config.federated.rounds, config.stage2.rounds
    interval = min(config.stage2.every or config.evaluation.every, rounds)
    return [
        parent.model_copy(
            update={
                "run_id": f"{parent.setting}.{variant}-s{parent.seed}",
                "setting": f"{parent.setting}.{variant}",
                "study": "stage2",
                "variant": variant,
                "stage": 2,
                "parent_run_id": parent.run_id,
                "parent_rounds": first,
                "keeps_server_state": True,
                "rounds": first + rounds,
                "evaluated_rounds": tuple(first + n for n in every(interval, rounds)),
                **changes,
            }
        )
        for variant, changes in stage2_variants(config).items()
        for parent in parents
    ]


def baseline_runs(config: Config) -> list[BaselineSpec]:
    """The baselines; of centralized runs, ``rounds`` is how many passes they may take, not yet
    where they are stopped."""
    baselines: dict[str, dict[str, Any]] = {}
    if config.centralized:
        values = {
            "rounds": config.centralized.passes,
            "server_optimizer": "nesterov",
            "server_lr": config.centralized.lr,
        }
        baselines |= {
            f"centralized-{stop}": {"algorithm": "centralized", "variant": stop, **values}
            for stop in (BEST, MATCHED)
        }
    if config.local_only:
        baselines["local-only"] = {
            "algorithm": "local_only",
            "rounds": 0,
            "client_lr": config.local_only.lr,
        }
    return [
        BaselineSpec(
            run_id=f"{setting}-s{seed}",
            setting=setting,
            dataset=config.data.dataset,
            split=config.split.order,
            seed=seed,
            model=config.model,
            **values,
        )
        for setting, values in baselines.items()
        for seed in config.seeds
    ]


def _setting(config: Config, clients: int, work: int) -> str:
    return f"fedavg-m{clients}-{work_letter(config)}{work}"


def _work(config: Config, amount: int) -> dict[str, int]:
    return {"local_epochs" if config.federated.local_epochs else "local_steps": amount}
