"""Damaged results of a run, through the workflow: one file of a finished experiment is damaged, and
the step that reads it is run. Whatever it says, the same command ends with the undisturbed bytes
once its advice has been followed."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from tests.hostile.oracle import Group, WrongError
from tests.hostile.workflow import advised, delete, ended, same_as
from tests.workflow.checkout import Checkout

RUN = "runs/fedavg-m4-e2-s0"
# What is damaged, and what the step that reads it makes; both below results/tiny, or results.
READ = {
    "facts of a run": ("runs/*/run.json", "runs.csv"),
    "facts, to select": ("runs/fedavg-m*/run.json", "selection.json"),
    "facts of a parent": (f"{RUN}/run.json", "runs/fedavg-m4-e2.*-s0/model.safetensors"),
    "a checkpoint": (
        "runs/fedavg-m4-e?-s?/checkpoints/*.safetensors",
        "personalization/fedavg-m4-*.parquet",
    ),
    "a model": ("runs/fedavg-m4-e?-s?/model.*", "personalization/fedavg-m4-*.parquet"),
    "a parent's model": (f"{RUN}/model.*", "runs/fedavg-m4-e2.*-s0/model.safetensors"),
    "a parent's server": (f"{RUN}/server.*", "runs/fedavg-m4-e2.*-s0/model.safetensors"),
    "a model of the theory": (f"{RUN}/checkpoints/*.safetensors", "theory/*.parquet"),
    "the split": ("split.csv", "runs.csv"),
    "the split, to evaluate": ("split.csv", "personalization/fedavg-m2-*.parquet"),
    "the store": ("/data/*/*.arrow", "split.csv"),
    "the store, to show": ("/data/*/*.arrow", "figures/data_card.png"),
    "validation rows": ("personalization/validation/fedavg-m*.parquet", "selection.json"),
    "rows": ("personalization/fedavg-m*.parquet", "tables/*.csv"),
    "rounds": ("runs/*.x*/rounds.parquet", "algorithms.json"),
    "passes": ("runs/*/passes.parquet", "personalization/centralized-*.parquet"),
    "measured": ("theory/*.parquet", "tables/theory.csv"),
    "selection": ("selection.json", "figures/rounds.png"),
    "rates": ("algorithms.json", "tables/algorithms.csv"),
    "runs": ("runs.csv", "tables/table1.csv"),
    "a table": ("tables/*.md", "report.html"),
    "a table's data": ("tables/*.csv", "report.html"),
    "a figure": ("figures/*.svg", "report.html"),
    "provenance": ("provenance.json", "report.html"),
}
HOWS = ("gone", "cut", "a bit", "another run's", "empty, no record")


@cache
def finished():
    """The tiny experiment, run once."""
    checkout = Checkout(Path(mkdtemp(prefix="hostile-")) / "done")
    checkout.snakemake("--cores", "2")
    return checkout


def spoil(rng, results, path, others, how):
    """Damage a file below the folder ``results`` in one way."""
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])
    elif how == "a bit":
        content = bytearray(path.read_bytes())
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
    elif how == "another run's":
        different = [p for p in others if p.read_bytes() != path.read_bytes()]
        path.write_bytes(rng.choice(different).read_bytes())
    else:  # what is read is not what was written, and no checksum says so
        path.write_bytes(b"")
        experiment, *names = path.relative_to(results).parts
        record = results / experiment / ".sha256" / Path(*names)
        (record if record.exists() else record.parent).unlink(missing_ok=True)


def damaged(rng, folder, what):
    """One file, one way, and the step that reads it."""
    number = int(folder.name.rsplit("-", 1)[1])
    kind = sorted(READ)[number % len(READ)]
    how = HOWS[(number + number // len(READ)) % len(HOWS)]
    base = finished()
    checkout = base.copy(folder / "project")
    pattern, made = READ[kind]
    results = checkout.folder / "results"
    root = results if pattern.startswith("/") else checkout.results
    found = sorted(root.glob(pattern.removeprefix("/")))
    path = rng.choice(found)
    same_kind = [p for p in results.rglob(f"*{path.suffix}") if p.is_file()]
    what[0] = f"{kind}: {path.relative_to(checkout.folder)}, {how}"
    outputs = sorted(finished().results.glob(made))
    outputs = [str(p.relative_to(finished().folder)) for p in outputs]
    for output in outputs:
        (checkout.folder / output).unlink(missing_ok=True)
    others = found if len(found) > 1 else same_kind
    spoil(rng, results, path, others, how)
    for _ in range(5):
        run = checkout.start("--cores", "2", *outputs, start_new_session=True)
        said = ended(checkout, run)
        if "Traceback (most recent call last)" in said:
            raise WrongError(f"a traceback: {said[-1500:]}")
        if not run.returncode:
            break
        delete(checkout, [advised(checkout, said)])
    else:
        raise WrongError(f"its advice leads nowhere: {said[-600:]}")
    same_as(finished(), checkout)


GROUPS = {"damaged results through the workflow": Group(damaged, 0, 78)}
