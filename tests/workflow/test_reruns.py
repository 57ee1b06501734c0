"""docs/reruns.md, row by row: what Snakemake plans after a change is what the table says."""

import re
from contextlib import contextmanager, nullcontext

import pytest

from tests.workflow.checkout import ROOT

SRC = "src/perfedavg/"
# What the test does, by the first column of the table: a module to edit, a file to delete, or keys
# of the config.
CHANGES = {
    "code of one figure": {"edit": SRC + "analysis/figures/rounds.py"},
    "style of all figures": {"edit": SRC + "analysis/figures/style.py"},
    "code of one table": {"edit": SRC + "analysis/tables/table1.py"},
    "template of the page": {"edit": SRC + "analysis/report.html.j2"},
    "how the fine-tune epoch is chosen": {"edit": SRC + "analysis/selection.py"},
    "code of fine-tuning": {"edit": SRC + "personalize.py"},
    "code of local training": {"edit": SRC + "training/local.py"},
    "an algorithm, a server optimizer": {"edit": SRC + "algorithms/server.py"},
    "code of the theory experiment": {"edit": SRC + "algorithms/theory.py"},
    "code of centralized training": {"edit": SRC + "baselines/centralized.py"},
    "code of the built-in data": {"edit": SRC + "data/sets/glyphs62.py"},
    "one script of a rule": {"edit": "workflow/scripts/write_report.py"},
    "cost model, plan, profiles, docs": {"edit": SRC + "resources.py"},
    "a file's time stamp only": {"touch": SRC + "training/local.py"},
    "deleted a figure or table": {"delete": "figures/rounds.png"},
    "deleted a run's checkpoints": {"delete": "runs/fedavg-m4-e2-s0/checkpoints"},
    "`data`": {"config": "data={seed: 2}"},
    "`split`": {"config": "split={seed: 7}"},
    "`seeds`, one more": {"config": "seeds=[0, 1, 2]"},
    "`federated.rounds`": {"config": "federated={rounds: 5}"},
    "`federated.client`": {"config": "federated={client: {lr: 0.04}}"},
    "`federated.clients_per_round`, one more": {
        "config": "federated={clients_per_round: [2, 4, 8]}"
    },
    "`stage2`": {"config": "stage2={rounds: 3}"},
    "`algorithms.rounds` or `entries`": {"config": "algorithms={rounds: 4}"},
    "`theory`": {"config": "theory={clients: 3}"},
    "`strategies`": {"config": "strategies=[{layers: last, lr: 0.1}]"},
    "`centralized`": {"config": "centralized={passes: 4}"},
    "`local_only`": {"config": "local_only={epochs: 4}"},
    "`personalization.lr`": {"config": "personalization={lr: 0.1}"},
    "`personalization.epochs` or `batch_size`": {"config": "personalization={epochs: 3}"},
    "`personalization.shown_epochs`": {"config": "personalization={shown_epochs: [2]}"},
    "`evaluation.intermediate_clients`": {"config": "evaluation={intermediate_clients: 3}"},
    "`target_accuracy`": {"config": "target_accuracy=0.07"},
    "`backend`": {"config": "backend={kind: batched}"},
    "`workers`": {"config": "workers=2"},
}


def table():
    """{first column: the rules that its second column stands for}, of the table in the docs."""
    text = (ROOT / "docs/reruns.md").read_text()
    cells = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in text.splitlines()
        if line.startswith("| ")
    ]
    groups = {
        row[0].strip("* "): re.findall(r"`(\w+)`", row[1])
        for row in cells
        if row[0].startswith("*")
    }
    rows = {}
    for change, steps, *_ in (row for row in cells if not row[0].startswith("*")):
        named = [rule for group in re.findall(r"\*([\w -]+)\*", steps) for rule in groups[group]]
        rows[change] = {*named, *re.findall(r"`(\w+)`", steps)}
    return {
        change: rules
        for change, rules in rows.items()
        if change not in ("I changed", "step", "---")
    }


@contextmanager
def deleted(path):
    """Without the file for the length of a `with` block; it comes back with its own time stamp."""
    aside = path.rename(path.with_name(f"{path.name}.aside"))
    try:
        yield
    finally:
        aside.rename(path)


def planned(checkout, edit=None, touch=None, delete=None, config=None):
    """The rules that a dry run plans after one change."""
    if touch:
        (checkout.folder / touch).touch()
    with (
        checkout.edit(edit)
        if edit
        else deleted(checkout.results / delete)
        if delete
        else nullcontext()
    ):
        return set(checkout.planned(*(["--config", config] if config else [])))


def test_the_table_and_the_test_have_the_same_rows():
    assert set(table()) == set(CHANGES)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_reruns_what_the_table_says(done, change):
    assert planned(done, **CHANGES[change]) == table()[change]
