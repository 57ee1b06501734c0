"""Write the part of ``docs/outputs.md`` that follows from contracts: ``python -m tools.outputs``.

Contracts of tables and figures carry units and meanings; those of other tables have them here."""

from pathlib import Path

from perfedavg.analysis.products import all_products
from perfedavg.analysis.runs import RUNS
from perfedavg.analysis.tables.theory import CONTRACT as THEORY
from perfedavg.personalization.evaluate import PERSONALIZATION
from perfedavg.planning.estimate import PLAN
from perfedavg.storage.files import write_text
from perfedavg.storage.tables import Column, Contract
from perfedavg.training.centralized import PASSES
from perfedavg.training.federated import ROUNDS, TIMINGS
from perfedavg.training.theory import THEORY_MEASURED

PAGE = Path(__file__).parents[1] / "docs/outputs.md"
MARK = "<!-- From here on generated from the contracts by `make schema`; do not edit. -->\n"

ROUNDS_COLUMNS = {
    "run_id": ("-", "run"),
    "stage": ("-", "stage"),
    "round": ("rounds", "1 is the first"),
    "num_clients": ("clients", "in the cohort"),
    "num_examples": ("examples", "train examples that the cohort holds"),
    "gradient_evaluations": ("mini-batch gradients", "computed by the cohort"),
    "hessian_vector_products": ("mini-batch products", "computed by the cohort (MAML)"),
    "train_loss": (
        "nats per label",
        "mean over the labels of all examples processed, at the parameters that met them",
    ),
    "update_norm": ("-", "L2 norm of the averaged delta"),
    "bytes_up": ("bytes", "sent by the cohort: a float32 delta per client"),
    "bytes_down": ("bytes", "sent to the cohort: the float32 model per client"),
}
TIMINGS_COLUMNS = {
    "run_id": ("-", "run"),
    "round": ("rounds", "round"),
    "seconds": ("seconds", "wall time of the round, without the accuracy shown as progress"),
}
PERSONALIZATION_COLUMNS = {
    "run_id": ("-", "run"),
    "algorithm": ("-", "algorithm"),
    "stage": ("-", "stage"),
    "seed": ("-", "seed"),
    "round": (
        "rounds",
        "round of the initial model; of centralized training the pass; 0 for local-only, whose "
        "model is fresh",
    ),
    "client_id": ("-", "client"),
    "client_group": ("-", "`validation` or `evaluation`"),
    "num_train": ("examples", "the client's train examples"),
    "num_test": ("examples", "the client's test examples"),
    "num_test_labels": ("labels", "labels of its test examples: one each, or one per position"),
    "strategy": (
        "-",
        "what was fine-tuned and how: `full` (all layers), `last layer` or `all but last layer`, "
        "by SGD; with `, Adam` after it, by Adam",
    ),
    "fine_tune_lr": ("-", "learning rate of fine-tuning"),
    "epoch": ("epochs", "fine-tune epochs done; 0 is the initial model"),
    "accuracy": ("share of the test examples", "classified correctly"),
    "loss": ("nats per label", "mean cross-entropy on the test split"),
}
PASSES_COLUMNS = {
    "run_id": ("-", "`centralized-s<seed>`"),
    "pass": ("passes", "1 is the first"),
    "lr": ("-", "learning rate of this pass"),
    "train_loss": ("nats per label", "mean over the pass, at the parameters that met each batch"),
    "validation_accuracy": ("accuracy", "after the pass: mean over validation clients"),
}
PLAN_COLUMNS = {
    "rule": ("-", "rule of the workflow; `total`"),
    "jobs": ("jobs", "jobs of this rule"),
    "seconds_per_job": ("seconds", "mean, on one core of this machine"),
    "core_hours": ("hours", "of all jobs, one core each"),
    "gpu_hours": ("hours", "of the jobs that compute on a GPU"),
    "written_gb": ("GB", "models, checkpoints, data and rows that the jobs write"),
    "memory_limit_mb": ("MB", "limit of the largest job, as a cluster is asked for it"),
    "time_limit_minutes": ("minutes", "limit of the longest job"),
}


def described(contract: Contract, columns: dict[str, tuple[str, str]]) -> Contract:
    """The contract with unit and meaning of every column."""
    return {
        name: spec if isinstance(spec, Column) else Column(spec, *columns[name])
        for name, spec in contract.items()
    }


def sections() -> dict[str, tuple[str, Contract]]:
    """By file: what a row is, and its contract."""
    measured = {name: THEORY[name][1:] for name in THEORY_MEASURED}
    fixed = {
        "runs.csv": ("One row per run; everything else joins on `run_id`.", RUNS),
        "runs/<run_id>/rounds.parquet": (
            "One row per round; of a diverged run, the last row is the round at which its loss or "
            "update was no longer finite.",
            described(ROUNDS, ROUNDS_COLUMNS),
        ),
        "runs/<run_id>/timings.parquet": (
            "One row per round.",
            described(TIMINGS, TIMINGS_COLUMNS),
        ),
        "personalization/<run_id>.parquet": (
            "One row per (evaluated round, client, fine-tune epoch). Validation clients appear at "
            "the last round only (at all evaluated rounds with "
            "`evaluation.validation_at_every_round`); evaluation clients at all evaluated rounds, "
            "before the last one possibly a fixed subset of them. Means in tables are unweighted "
            "over clients; `num_test_labels` lets you weight.",
            described(PERSONALIZATION, PERSONALIZATION_COLUMNS),
        ),
        "runs/centralized-s<seed>/passes.parquet": (
            "One row per pass. The two centralized runs of a seed, `centralized-best` and "
            "`centralized-matched`, are stops of this one training.",
            described(PASSES, PASSES_COLUMNS),
        ),
        "theory/<run_id>.parquet": (
            "One row per (round, kind of batches, K) of one reference run, measured in float64 at "
            "its models, on `theory.clients` training clients drawn anew in each round. Rounds "
            "after a divergence have no rows.",
            described(THEORY_MEASURED, measured),
        ),
        "plan.csv": (
            "What was left to do when `snakemake plan` was called, one row per rule, and their "
            "total; `plan.md` shows the same.",
            described(PLAN, PLAN_COLUMNS),
        ),
    }
    products = {
        f"{product.kind}s/{product.name}.csv": (product.module.ROWS, product.module.CONTRACT)
        for product in sorted(all_products(), key=lambda p: (p.kind != "table", p.name))
    }
    return fixed | products


def section(file: str, rows: str, contract: Contract) -> str:
    """One section: a heading, what a row is, and a line per column."""
    lines = [
        f"## `{file}`",
        "",
        rows,
        "",
        "| column | type | unit | meaning |",
        "|---|---|---|---|",
    ]
    for name, (spec, unit, meaning) in contract.items():
        kind = spec.split()[0]
        empty = "; may be empty" if kind.endswith("?") else ""
        word = {"str": "text", "int": "integer", "float": "real"}[kind.rstrip("?")]
        lines.append(f"| `{name}` | {word} | {unit} | {meaning}{empty} |")
    return "\n".join(lines) + "\n"


def generated() -> str:
    """All that stands below the mark."""
    return "\n".join(section(file, *content) for file, content in sections().items())


if __name__ == "__main__":
    head = PAGE.read_text(encoding="utf-8").split(MARK)[0]
    write_text(PAGE, f"{head}{MARK}\n{generated()}")
