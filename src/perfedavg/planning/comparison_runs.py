"""The runs of the algorithm comparison: every entry with every relative server rate and seed, and
the weights in between.

A gradient's weight decides how far a round moves, so at one server rate an algorithm that returns a
single gradient loses by construction. An entry's server rate is therefore `algorithms.server.lr`
times K / sum_j |w_j|, so that at the relative rate 1 all entries with weights of one sign would go
equally far if a client's gradients were all the same; validation clients choose among the relative
rates."""

from __future__ import annotations

from perfedavg.algorithms.spec import LaterStage, RunSpec, Stage
from perfedavg.config.comparison import AlgorithmComparison, EntryStage
from perfedavg.config.experiment import Config, every

REST, POWERS = "rest", "powers"
"""The families of weights in between: (1, λ, ..., λ) and (1, λ, λ^2, ...)."""


def entries(block: AlgorithmComparison) -> dict[str, tuple[EntryStage, ...]]:
    """All entries by name, spelled out: those of the config, then the weights in between that are
    none of them."""
    named = {
        name: tuple(_with_work(stage, block) for stage in stages)
        for name, stages in block.entries.items()
    }
    for (family, rate), stage in _stages_interpolation(block).items():
        if (stage,) not in named.values():
            named[f"{family}.{rate:g}"] = (stage,)
    return named


def interpolation(block: AlgorithmComparison) -> list[dict[str, str | float]]:
    """Points of the figure `interpolation`: family, λ, and the entry that has these weights."""
    names = {stages: name for name, stages in reversed(entries(block).items())}
    return [
        {"family": family, "rate": rate, "entry": names[(stage,)]}
        for (family, rate), stage in _stages_interpolation(block).items()
    ]


def algorithm_runs(config: Config) -> list[RunSpec]:
    """The runs of the comparison."""
    block = config.algorithms
    if not block:
        return []
    return [
        RunSpec(
            run_id=f"{setting}-s{seed}",
            setting=setting,
            study="comparison",
            entry=name,
            server_lr_factor=rate,
            dataset=config.data.dataset,
            split=config.split.order,
            clients_per_round=block.clients_per_round,
            seed=seed,
            rounds=max(evaluated),
            evaluated_rounds=evaluated,
            model=config.model,
            backend=config.backend,
            then=tuple(
                LaterStage(
                    **_stage(stage, config, rate), first_round=1 + sum(s.rounds for s in stages[:n])
                )
                for n, stage in enumerate(stages[1:], start=1)
            ),
            **_stage(stages[0], config, rate),
        )
        for name, stages in entries(block).items()
        for rate in block.server_lr_factors
        for setting in [setting_name(name, rate)]
        for evaluated in [evaluated_rounds(block, stages)]
        for seed in config.seeds
    ]


def setting_name(entry: str, server_lr_factor: float) -> str:
    """The setting of an entry's runs at one relative server rate."""
    return f"{entry}.x{server_lr_factor:g}"


def settings_of_entries(block: AlgorithmComparison) -> dict[str, list[str]]:
    """The settings of every entry, of which validation clients choose one."""
    return {
        name: [setting_name(name, rate) for rate in block.server_lr_factors]
        for name in entries(block)
    }


def evaluated_rounds(block: AlgorithmComparison, stages: tuple[EntryStage, ...]) -> tuple[int, ...]:
    """Every ``every``-th round up to ``rounds``, and the round at which the gradient evaluations
    are spent."""
    spent = _round_at_equal_gradients(block, stages)
    return tuple(sorted({*every(block.every, block.rounds), *([spent] if spent else [])}))


def compared_rounds(block: AlgorithmComparison, stages: tuple[EntryStage, ...]) -> list[int]:
    """The rounds of its last stage at which an entry may be compared: ``rounds``, and where the
    gradient evaluations are spent; with local epochs the data decide that, so it can be any
    evaluated round."""
    if any(stage.local_epochs for stage in stages):
        rounds = list(evaluated_rounds(block, stages))
    else:
        spent = _round_at_equal_gradients(block, stages)
        rounds = sorted({block.rounds, *([spent] if spent else [])})
    return [n for n in rounds if n > sum(stage.rounds for stage in stages[:-1])]


def gradient_budget(block: AlgorithmComparison) -> int:
    """Gradient evaluations of the comparison at equal ones: those of ``rounds`` rounds with K local
    steps."""
    return block.rounds * block.clients_per_round * block.local_steps


def _round_at_equal_gradients(
    block: AlgorithmComparison, stages: tuple[EntryStage, ...]
) -> int | None:
    """The last round within the budget; None where the data decide it or the last stage is not
    reached."""
    costs = [_cost(stage, block) for stage in stages]
    if None in costs:
        return None
    before = sum(stage.rounds for stage in stages[:-1])
    left = block.rounds * block.local_steps - sum(
        s.rounds * c for s, c in zip(stages[:-1], costs, strict=False)
    )
    return before + int(left // costs[-1]) if left >= costs[-1] else None


def _cost(stage: EntryStage, block: AlgorithmComparison) -> float | None:
    """Gradient evaluations of one client in one round, Hessian-vector products counted in; None
    with local epochs."""
    if stage.local_epochs:
        return None
    if stage.weights:
        return len(stage.weights)
    steps = stage.local_steps or 1
    of_maml = steps + 1 + block.hessian_vector_product * steps
    costs = {
        "fedsgd": 1,
        "fedavg": steps,
        "reptile": steps,
        "fomaml": steps + 1,
        "maml": of_maml,
        "maml_printed": of_maml,
    }
    return costs[stage.algorithm]


def _total_weight(stage: EntryStage, block: AlgorithmComparison) -> float:
    """sum_j |w_j|; with local epochs it differs from client to client, and K stands for it."""
    if stage.weights:
        return sum(map(abs, stage.weights))
    steps = stage.local_steps or block.local_steps
    return {
        "fedsgd": 1,
        "fedavg": steps,
        "reptile": steps,
        "fomaml": 1,
        "maml": 1,
        "maml_printed": 1,
    }[stage.algorithm]


def _with_work(stage: EntryStage, block: AlgorithmComparison) -> EntryStage:
    takes_steps = stage.algorithm not in ("fedsgd", "weighted") and not (
        stage.local_epochs or stage.local_steps
    )
    return stage.model_copy(update={"local_steps": block.local_steps}) if takes_steps else stage


def _stages_interpolation(block: AlgorithmComparison) -> dict[tuple[str, float], EntryStage]:
    """The stage of every family and λ; at λ = 0 and 1 both families are the named algorithms."""
    k = block.local_steps
    stages = {}
    for family in (REST, POWERS):
        for rate in block.interpolation:
            if rate == 0:
                stage = EntryStage(algorithm="fedsgd")
            elif rate == 1:
                stage = EntryStage(algorithm="reptile", local_steps=k)
            else:
                weights = [1.0] + [rate if family == REST else rate**j for j in range(1, k)]
                stage = EntryStage(algorithm="weighted", weights=weights)
            stages[family, rate] = stage
    return stages


def _stage(stage: EntryStage, config: Config, server_lr_factor: float) -> dict:
    """The values of a run's stage."""
    block = config.algorithms
    server = stage.server or block.server
    factor = (
        server_lr_factor
        if stage.server
        else server_lr_factor * block.local_steps / _total_weight(stage, block)
    )
    values = {
        **stage.model_dump(exclude={"server", "rounds"}),
        "client": block.client or config.federated.client,
    }
    return Stage(**values, server=server.model_copy(update={"lr": server.lr * factor})).model_dump()
