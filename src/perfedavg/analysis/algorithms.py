"""Table ``algorithms``: all algorithms side by side, at equal rounds and at equal gradient
evaluations."""

from __future__ import annotations

from typing import Any

import pandas as pd

from perfedavg.analysis.comparison import (
    accuracy_in_words,
    hurt_share,
    number_in_words,
    share_in_words,
)
from perfedavg.analysis.rates import EQUAL_GRADIENTS, EQUAL_ROUNDS, rounds_compared
from perfedavg.analysis.selection import setting_of
from perfedavg.analysis.summary import INITIAL, PERSONALIZED, mean_over_clients, rounds_to_target

ALGORITHMS_TABLE = {
    "entry": "str",
    "basis": "str",
    "setting": "str",
    "algorithm": "str",
    "server_optimizer": "str",
    "server_lr": "float? 0..",
    "server_lr_factor": "float? 0..",
    "rate_at_edge": "str",
    "num_seeds": "int 0..",
    "num_diverged": "int 0..",
    "num_clients": "int 0..",
    "rounds": "float? 0..",
    "gradient_evaluations": "float? 0..",
    "hessian_vector_products": "float? 0..",
    "cost": "float? 0..",
    "megabytes": "float? 0..",
    "initial_mean": "float? 0..1",
    "initial_std": "float? 0..",
    "personalized_mean": "float? 0..1",
    "personalized_std": "float? 0..",
    "selected_epoch": "int? 1..",
    "hurt_share": "float? 0..1",
    "rounds_to_target_initial": "float? 0..",
    "rounds_to_target_personalized": "float? 0..",
    "initial_never": "int 0..",
    "personalized_never": "int 0..",
    "target": "float 0..1",
    "caveat": "str",
}

POINTS = {
    "entry": "str",
    "basis": "str",
    "setting": "str",
    "run_id": "str",
    "seed": "int 0..",
    "round": "int 1..",
    "epoch": "int 1..",
    "initial": "float? 0..1",
    "personalized": "float? 0..1",
    "num_clients": "int 1..",
    "caveat": "str",
}


def points(
    evaluation: pd.DataFrame, runs: pd.DataFrame, costs: pd.DataFrame, chosen: dict[str, Any]
) -> pd.DataFrame:
    """One row a (entry, basis, seed): accuracy of the initial and of the personalized model at the
    round of the comparison.

    Args:
        evaluation: ``personalization`` rows of evaluation clients.
        chosen: ``algorithms.json``.
    """
    frames = [pd.DataFrame(columns=list(POINTS))]
    seeds = runs.set_index("run_id").seed
    for (entry, basis), choice in _choices(chosen):
        at = _rounds_compared(runs, costs, chosen, entry, basis)
        compared = evaluation[evaluation["round"] == evaluation.run_id.map(at)]
        means = mean_over_clients(compared).set_index("run_id")
        before, after = means[means.epoch == 0], means[means.epoch == choice["selected_epoch"]]
        own = pd.DataFrame(
            {INITIAL: before.accuracy, PERSONALIZED: after.accuracy, "round": before["round"]}
        )
        own = own.assign(
            num_clients=before.num_clients, epoch=choice["selected_epoch"]
        ).reset_index()
        frames.append(
            own.assign(
                entry=entry, basis=basis, setting=choice["setting"], seed=own.run_id.map(seeds)
            )
        )
    return pd.concat(frames, ignore_index=True).assign(caveat=runs.caveat.iloc[0])[list(POINTS)]


def algorithms_table(
    evaluation: pd.DataFrame,
    runs: pd.DataFrame,
    costs: pd.DataFrame,
    chosen: dict[str, Any],
    rates: list[float],
    target: float,
    target_rounds: list[int],
) -> pd.DataFrame:
    """One row a (entry, basis).

    Args:
        rates: the relative server rates that were tried; a choice at the edge of them is marked.
        target_rounds: the rounds at which all runs are looked at; rounds to the target are counted
        on these alone."""
    watched = evaluation[evaluation["round"].isin(target_rounds)]
    times = watched[["client_id", "run_id", "round"]].drop_duplicates().groupby("client_id").size()
    watched = watched[
        watched.client_id.isin(times.index[times == times.max()])
    ]  # those looked at in all of them
    shown = points(evaluation, runs, costs, chosen)
    rows = []
    for (entry, basis), choice in _choices(chosen):
        own = shown[(shown.entry == entry) & (shown.basis == basis)]
        of_setting = runs[runs.run_id.map(setting_of) == choice["setting"]]
        compared = _rounds_compared(runs, costs, chosen, entry, basis)
        spent = costs.reindex(pd.MultiIndex.from_frame(own[["run_id", "round"]]))
        relative = float(choice["setting"].rsplit(".x", 1)[1])
        row: dict[str, Any] = {
            "entry": entry,
            "basis": basis,
            "setting": choice["setting"],
            **of_setting.iloc[0][["algorithm", "server_optimizer", "server_lr"]].to_dict(),
            "server_lr_factor": relative,
            "rate_at_edge": _edge(relative, rates),
            "num_seeds": len(compared),
            "num_diverged": len(compared) - len(own),
            "num_clients": own.num_clients.max() if len(own) else 0,
            "rounds": own["round"].mean(),
            "megabytes": spent.bytes.mean() / 1e6,
            "selected_epoch": choice["selected_epoch"],
            "target": target,
            "caveat": runs.caveat.iloc[0],
        }
        row |= {
            name: spent[name].mean()
            for name in ("gradient_evaluations", "hessian_vector_products", "cost")
        }
        for model in (INITIAL, PERSONALIZED):
            row |= {f"{model}_mean": own[model].mean(), f"{model}_std": own[model].std(ddof=1)}
        row["hurt_share"] = _hurt(evaluation, own, choice["selected_epoch"])
        row |= _to_target(watched, choice, len(of_setting), target)
        rows.append(row)
    return pd.DataFrame(rows)[list(ALGORITHMS_TABLE)]


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The same table for people, without the entries in between, which have a figure."""
    table = table[~table.entry.str.contains(".", regex=False)]

    def reached(row: pd.Series, model: str) -> str:
        if row.basis != EQUAL_ROUNDS:
            return ""
        never, rounds = row[f"{model}_never"], row[f"rounds_to_target_{model}"]
        if pd.isna(rounds):
            return "never"
        return f"{rounds:.1f}" + (f" (never: {never} of {row.num_seeds})" if never else "")

    columns: dict[str, Any] = {
        "algorithm": table.entry,
        "compared at": table.basis,
        "server rate": table.apply(_rate, axis=1),
        "rounds": table["rounds"].map(number_in_words, form=".0f"),
        "gradients": table.gradient_evaluations.map(number_in_words, form=".0f"),
        "Hessian products": table.hessian_vector_products.map(number_in_words, form=".0f"),
        "MB": table.megabytes.map(number_in_words, form=".0f"),
    }
    for model in (INITIAL, PERSONALIZED):
        columns[f"{model} accuracy"] = table.apply(accuracy_in_words, axis=1, name=model)
    columns["fine-tune epochs"] = table.selected_epoch.map(number_in_words, form=".0f")
    columns["clients hurt"] = table.hurt_share.map(share_in_words)
    target = table.target.iloc[0]
    for model in (INITIAL, PERSONALIZED):
        columns[f"rounds to {target:g}, {model}"] = table.apply(reached, axis=1, model=model)
    return pd.DataFrame({**columns, "seeds": table.num_seeds, "diverged": table.num_diverged})


def caption(table: pd.DataFrame, budget: float, hessian_vector_product: float) -> str:
    """What the numbers are."""
    caveat = table.caveat.iloc[0]
    return (
        f"All algorithms at {EQUAL_ROUNDS}, and at {EQUAL_GRADIENTS}: the last evaluated "
        f"round within {budget:g} mini-batch "
        f"gradients, a Hessian-vector product counted as {hessian_vector_product:g}. "
        f"Accuracy: mean over "
        f"{table.num_clients.max()} evaluation clients, then mean (std) over seeds. Server "
        f"learning rates and fine-tune epochs "
        "were chosen on validation clients. MB: sent up and down."
        + (f" **{caveat}**" if caveat else "")
    )


def _choices(chosen: dict[str, Any]) -> list[tuple[tuple[str, str], dict[str, Any]]]:
    return [
        ((entry, basis), bases[basis])
        for basis in (EQUAL_ROUNDS, EQUAL_GRADIENTS)
        for entry, bases in chosen["entries"].items()
        if bases[basis]
    ]


def _rate(row: pd.Series) -> str:
    return f"{row.server_lr:.3g} (×{row.server_lr_factor:g}" + (
        f", {row.rate_at_edge} tried)" if row.rate_at_edge else ")"
    )


def _rounds_compared(
    runs: pd.DataFrame, costs: pd.DataFrame, chosen: dict[str, Any], entry: str, basis: str
) -> dict[str, int]:
    own = runs.run_id[runs.run_id.map(setting_of) == chosen["entries"][entry][basis]["setting"]]
    return rounds_compared(
        list(own),
        costs,
        basis,
        chosen["rounds"],
        chosen["budget"],
        chosen["entries"][entry]["rounds"],
    )


def _edge(rate: float, rates: list[float]) -> str:
    """A rate at the edge of those tried may not be the best there is."""
    if len(rates) < 2 or min(rates) < rate < max(rates):
        return ""
    return "lowest" if rate == min(rates) else "highest"


def _hurt(evaluation: pd.DataFrame, own: pd.DataFrame, epoch: int) -> float:
    rows = evaluation.merge(own[["run_id", "round"]], on=["run_id", "round"])
    keys = ["run_id", "client_id"]
    before, after = (rows[rows.epoch == e].set_index(keys).accuracy for e in (0, epoch))
    return hurt_share(pd.DataFrame({INITIAL: before, PERSONALIZED: after}))


def _to_target(
    watched: pd.DataFrame, choice: dict[str, Any], num_runs: int, target: float
) -> dict[str, float]:
    means = mean_over_clients(watched[watched.run_id.map(setting_of) == choice["setting"]])
    out: dict[str, float] = {}
    for model, epoch in ((INITIAL, 0), (PERSONALIZED, choice["selected_epoch"])):
        curves = means[means.epoch == epoch].groupby("run_id")
        reached = pd.Series(
            [rounds_to_target(curve, target) for _, curve in curves], dtype=float
        ).dropna()
        out |= {
            f"rounds_to_target_{model}": reached.mean(),
            f"{model}_never": num_runs - len(reached),
        }
    return out
