"""Table ``algorithms``: all algorithms side by side, at equal rounds and at equal gradient
evaluations."""

from __future__ import annotations

from typing import Any

import pandas as pd

from perfedavg.analysis.choices import EQUAL_GRADIENTS, EQUAL_ROUNDS, RateChoice, ServerRates
from perfedavg.analysis.columns import ACCURACIES, CAVEAT, EPOCH_AT_EDGE, HURT_SHARE, SELECTED_EPOCH
from perfedavg.analysis.formats import (
    accuracy_in_words,
    edge,
    epoch_in_words,
    number_in_words,
    share_in_words,
)
from perfedavg.analysis.names import entry_in_words
from perfedavg.analysis.paired import hurt_share
from perfedavg.analysis.points import POINTS, choice_rounds, points
from perfedavg.analysis.server_rates import costs
from perfedavg.analysis.summary import INITIAL, PERSONALIZED, mean_over_clients, rounds_to_target
from perfedavg.storage.tables import Column

TITLE = "all algorithms"
SECTION = "How do the algorithms compare?"
CAPTION = (
    "The algorithms of the comparison side by side, at equal rounds and at equal gradient "
    "evaluations. Each one's server learning rate and number of fine-tune epochs were chosen on "
    "validation clients."
)
ROWS = (
    "One row per (entry, basis): every entry of the algorithm comparison and its interpolation, "
    "`rest.<λ>` for w = (1, λ, ..., λ) and `powers.<λ>` for w = (1, λ, λ², ...), at equal rounds "
    "and at equal gradient evaluations, i.e. at the last evaluated round within the budget. The "
    "setting was chosen on validation clients: fewest diverged runs, then highest personalized "
    "accuracy."
)
_MEAN = "up to that round, whole cohort, mean over seeds"
CONTRACT = {
    **{name: POINTS[name] for name in ("entry", "basis", "setting")},
    "algorithm": Column("str", "-", "algorithm; of a schedule, its phases' joined by `+`"),
    "server_optimizer": Column("str", "-", "its server optimizer; of a schedule likewise"),
    "server_lr": Column(
        "float? 0..", "-", "its server learning rate, of a schedule the first phase's"
    ),
    "server_lr_factor": Column(
        "float? 0..", "-", "factor on the config's rate, which of those tried was chosen"
    ),
    "rate_at_edge": Column(
        "str",
        "-",
        "`lowest` or `highest` if the factor is at the edge of those tried, so that a better one "
        "may lie beyond",
    ),
    "num_seeds": Column("int 0..", "runs", "runs that reached the round"),
    "num_diverged": Column("int 0..", "runs", "runs that did not"),
    "num_clients": Column("int 0..", "clients", "evaluation clients"),
    "rounds": Column("float? 0..", "rounds", "mean over seeds"),
    "gradient_evaluations": Column("float? 0..", "mini-batch gradients", _MEAN),
    "hessian_vector_products": Column("float? 0..", "mini-batch products", _MEAN),
    "cost": Column(
        "float? 0..",
        "mini-batch gradients",
        "with Hessian-vector products counted as the config says",
    ),
    "megabytes": Column("float? 0..", "10^6 bytes", "sent up and down"),
    **ACCURACIES,
    "selected_epoch": SELECTED_EPOCH,
    "epoch_at_edge": EPOCH_AT_EDGE,
    "hurt_share": HURT_SHARE,
    "rounds_to_target_initial": Column(
        "float? 0..",
        "rounds",
        "first evaluated round at or above the target, mean over the runs that reached it",
    ),
    "rounds_to_target_personalized": Column("float? 0..", "rounds", "likewise"),
    "initial_never": Column(
        "int 0..", "runs", "runs that did not reach it within the rounds of the comparison"
    ),
    "personalized_never": Column("int 0..", "runs", "likewise"),
    "target": Column("float 0..1", "accuracy", "the target"),
    "caveat": CAVEAT,
}


def asked(config: Any) -> bool:
    """Where there is an algorithm comparison."""
    return bool(config.studies.comparison)


def settings(config: Any) -> dict[str, Any]:
    """What is shown; rounds to the target are counted on every ``every``-th round alone, and the
    last, at which all runs are evaluated."""
    block = config.studies.comparison
    return {
        "entries": list(block.entries),
        "server_lr_factors": list(block.server_lr_factors),
        "last_epoch": config.evaluation.fine_tuning.epochs,
        "target": config.evaluation.target_accuracy,
        "target_rounds": sorted({*range(block.every, block.rounds, block.every), block.rounds}),
        "hessian_vector_product": block.hessian_vector_product,
    }


def compute(
    comparison_evaluation: pd.DataFrame,
    runs: pd.DataFrame,
    comparison_rounds: pd.DataFrame,
    server_rates: ServerRates,
    server_lr_factors: list[float],
    last_epoch: int,
    target: float,
    target_rounds: list[int],
    hessian_vector_product: float,
) -> pd.DataFrame:
    """One row per (entry, basis)."""
    spent_by_run = costs(comparison_rounds, hessian_vector_product)
    # Rounds to the target: the clients that were evaluated in all these rounds.
    watched = comparison_evaluation[comparison_evaluation["round"].isin(target_rounds)]
    times = watched[["client_id", "run_id", "round"]].drop_duplicates().groupby("client_id").size()
    watched = watched[watched.client_id.isin(times.index[times == times.max()])]
    compared_points = points(comparison_evaluation, runs, spent_by_run, server_rates)
    rows = []
    for entry, basis, choice in server_rates.choices():
        of_entry = (compared_points.entry == entry) & (compared_points.basis == basis)
        reached = compared_points[of_entry]
        of_setting = runs[runs.setting == choice.setting]
        compared = choice_rounds(runs, spent_by_run, server_rates, entry, basis)
        spent = spent_by_run.reindex(pd.MultiIndex.from_frame(reached[["run_id", "round"]]))
        facts = ["algorithm", "server_optimizer", "server_lr", "server_lr_factor"]
        row: dict[str, Any] = {
            "entry": entry,
            "basis": basis,
            "setting": choice.setting,
            **of_setting.iloc[0][facts].to_dict(),
            "num_seeds": len(compared),
            "num_diverged": len(compared) - len(reached),
            "num_clients": reached.num_clients.max() if len(reached) else 0,
            "rounds": reached["round"].mean(),
            "megabytes": spent.bytes.mean() / 1e6,
            "selected_epoch": choice.selected_epoch,
            "target": target,
            "caveat": runs.caveat.iloc[0],
        }
        tried = min(server_lr_factors), max(server_lr_factors)
        row["rate_at_edge"] = edge(row["server_lr_factor"], *tried)
        row["epoch_at_edge"] = edge(choice.selected_epoch or float("nan"), 1, last_epoch)
        for name in ("gradient_evaluations", "hessian_vector_products", "cost"):
            row[name] = spent[name].mean()
        for model in (INITIAL, PERSONALIZED):
            values = reached[model]
            row |= {f"{model}_mean": values.mean(), f"{model}_std": values.std(ddof=1)}
        row["hurt_share"] = _hurt(comparison_evaluation, reached, choice.selected_epoch)
        row |= _to_target(watched, of_setting.run_id, choice, target)
        rows.append(row)
    return pd.DataFrame(rows)[list(CONTRACT)]


def _hurt(evaluation: pd.DataFrame, reached: pd.DataFrame, epoch: int | None) -> float:
    rows = evaluation.merge(reached[["run_id", "round"]], on=["run_id", "round"])
    keys = ["run_id", "client_id"]
    before, after = (rows[rows.epoch == e].set_index(keys).accuracy for e in (0, epoch))
    return hurt_share(pd.DataFrame({INITIAL: before, PERSONALIZED: after}))


def _to_target(
    evaluation: pd.DataFrame, run_ids: pd.Series, choice: RateChoice, target: float
) -> dict[str, float]:
    """By model, the mean rounds to the target, and how many of the runs never reached it."""
    means = mean_over_clients(evaluation[evaluation.run_id.isin(run_ids)])
    out: dict[str, float] = {}
    for model, epoch in ((INITIAL, 0), (PERSONALIZED, choice.selected_epoch)):
        curves = means[means.epoch == epoch].groupby("run_id")
        needed = [rounds_to_target(curve, target) for _, curve in curves]
        reached = pd.Series(needed, dtype=float).dropna()
        out[f"rounds_to_target_{model}"] = reached.mean()
        out[f"{model}_never"] = len(run_ids) - len(reached)
    return out


def shown(table: pd.DataFrame, entries: list[str]) -> pd.DataFrame:
    """The same table for people; the interpolation has a figure instead."""
    table = table[table.entry.isin(entries)]

    def reached(row: pd.Series, model: str) -> str:
        if row.basis != EQUAL_ROUNDS:
            return ""
        never, rounds = row[f"{model}_never"], row[f"rounds_to_target_{model}"]
        if pd.isna(rounds):
            return "never"
        return f"{rounds:.1f}" + (f" (never: {never} of {row.num_seeds})" if never else "")

    columns: dict[str, Any] = {
        "algorithm": table.entry.map(entry_in_words),
        "compared at": table.basis,
        "server rate": table.apply(_rate, axis=1),
        "rounds": table["rounds"].map(number_in_words, form=".0f"),
        "gradients": table.gradient_evaluations.map(number_in_words, form=".0f"),
        "Hessian products": table.hessian_vector_products.map(number_in_words, form=".0f"),
        "MB": table.megabytes.map(_megabytes),
    }
    for model in (INITIAL, PERSONALIZED):
        columns[f"{model} accuracy"] = table.apply(accuracy_in_words, axis=1, name=model)
    columns["fine-tune epochs"] = table.apply(epoch_in_words, axis=1)
    columns["clients hurt"] = table.hurt_share.map(share_in_words)
    target = table.target.iloc[0]
    for model in (INITIAL, PERSONALIZED):
        columns[f"rounds to {target:g}, {model}"] = table.apply(reached, axis=1, model=model)
    return pd.DataFrame({**columns, "seeds": table.num_seeds, "diverged": table.num_diverged})


def _rate(row: pd.Series) -> str:
    edge = f", {row.rate_at_edge} tried" if row.rate_at_edge else ""
    return f"{row.server_lr:.3g} (×{row.server_lr_factor:g}{edge})"


def _megabytes(value: float) -> str:
    if value < 0.1:
        return "< 0.1"
    return number_in_words(value, ".1f" if value < 10 else ".0f")


def caption(
    table: pd.DataFrame,
    server_rates: ServerRates,
    hessian_vector_product: float,
    entries: list[str],
) -> str:
    """What the numbers are, and why entries have no row at equal gradient evaluations."""
    compared = set(table.entry[table.basis == EQUAL_GRADIENTS]) & set(entries)
    budget = (
        f"{server_rates.budget:g} mini-batch gradients, a Hessian-vector product counted as "
        f"{hessian_vector_product:g}"
    )
    bases = f"and at {EQUAL_GRADIENTS}: the last evaluated round within {budget}."
    if not compared:
        bases = f"but not at {EQUAL_GRADIENTS}: no entry is within {budget}."
    elif len(compared) < len(entries):
        bases += " An entry without a row there needs more."
    return (
        f"All algorithms at {EQUAL_ROUNDS}, {bases} "
        f"Accuracy: mean over {table.num_clients.max()} evaluation "
        "clients, then mean (std) over seeds. Server learning rates and fine-tune epochs were "
        "chosen on validation clients; lowest or highest tried: a better one may lie beyond. MB: "
        "sent up and down."
    )
