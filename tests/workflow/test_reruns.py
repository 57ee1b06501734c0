"""docs/reruns.md, row by row: what Snakemake plans after a change is what the table says."""

import re
from contextlib import ExitStack, contextmanager

import pytest

from tests.workflow.checkout import ROOT

SRC = "src/perfedavg/"
# What the test does, by the first column of the table: a module to edit, a file to delete, or keys
# of the config.
CHANGES = {
    "code of one figure": {"edit": SRC + "analysis/figures/rounds.py"},
    "style of all figures": {"edit": SRC + "analysis/figures/style.py"},
    "`figures`": {"config": 'figures={initial: "#AA3377"}'},
    "code of one table": {"edit": SRC + "analysis/tables/table1.py"},
    "template of the page": {"edit": SRC + "analysis/page/report.html.j2"},
    "template of the article": {"edit": SRC + "analysis/article.typ"},
    "how the fine-tune epoch is chosen": {"edit": SRC + "analysis/selection.py"},
    "code of fine-tuning": {"edit": SRC + "personalization/fine_tuning.py"},
    "code of a training step": {"edit": SRC + "models/steps.py"},
    "what a client returns": {"edit": SRC + "algorithms/client.py"},
    "a server optimizer": {"edit": SRC + "algorithms/servers/adam.py"},
    "a default of fine-tuning": {"edit": SRC + "personalization/settings.py"},
    "a comment, docstring or type hint": {
        "replace": (
            SRC + "training/federated.py",
            '"""Train every run and write',
            '"""Train all of them and write',
        )
    },
    "a log text, anything in `runtime/`": {"edit": SRC + "runtime/job.py"},
    "code of the theory experiment": {"edit": SRC + "training/theory.py"},
    "code of centralized training": {"edit": SRC + "training/centralized.py"},
    "code of the built-in data": {"edit": SRC + "data/sets/glyphs62.py"},
    "one script of a rule": {"edit": "workflow/scripts/write_report.py"},
    "cost model, plan, profiles, docs": {"edit": SRC + "planning/limits.py"},
    "a file's time stamp only": {"touch": SRC + "models/steps.py"},
    "deleted a figure or table": {"delete": "figures/rounds.png"},
    "deleted a run's checkpoints": {"delete": "runs/fedavg-m4-e2-s0/checkpoints"},
    "`data`": {"config": "data={seed: 2}"},
    "`split`": {"config": "split={seed: 7}"},
    "`seeds`, one more": {"config": "seeds=[0, 1, 2]"},
    "`training.rounds`": {"config": "training={rounds: 5}"},
    "`training.client`": {"config": "training={client: {lr: 0.04}}"},
    "`training.clients_per_round`, one more": {"config": "training={clients_per_round: [2, 4, 8]}"},
    "`studies.stage2`": {"config": "studies={stage2: {rounds: 3}}"},
    "`studies.comparison`": {"config": "studies={comparison: {rounds: 4}}"},
    "`studies.theory`": {"config": "studies={theory: {clients: 3}}"},
    "`studies.strategies`": {"config": "studies={strategies: [{layers: last, lr: 0.1}]}"},
    "`studies.centralized`": {"config": "studies={centralized: {passes: 4}}"},
    "`studies.local_only`": {"config": "studies={local_only: {epochs: 4}}"},
    "`evaluation.fine_tuning.lr`": {"config": "evaluation={fine_tuning: {lr: 0.1}}"},
    "`evaluation.fine_tuning.epochs` or `batch_size`": {
        "config": "evaluation={fine_tuning: {epochs: 3}}"
    },
    "`evaluation.fine_tuning.shown_epochs`": {
        "config": "evaluation={fine_tuning: {shown_epochs: [2]}}"
    },
    "`evaluation.intermediate_clients`": {"config": "evaluation={intermediate_clients: 3}"},
    "`evaluation.target_accuracy`": {"config": "evaluation={target_accuracy: 0.07}"},
    "`execution.backend`": {"config": "execution={backend: {kind: batched}}"},
    "`execution.workers`": {"config": "execution={workers: 2}"},
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


def planned(checkout, edit=None, replace=None, touch=None, delete=None, config=None):
    """The rules that a dry run plans after one change."""
    with ExitStack() as stack:
        if touch:
            (checkout.folder / touch).touch()
        if edit:
            stack.enter_context(checkout.edit(edit))
        if replace:
            path, old, new = replace
            stack.enter_context(checkout.edit(path, old=old, new=new))
        if delete:
            stack.enter_context(deleted(checkout.results / delete))
        return set(checkout.planned(*(["--config", config] if config else [])))


def test_the_table_and_the_test_have_the_same_rows():
    assert set(table()) == set(CHANGES)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_reruns_what_the_table_says(done, change):
    assert planned(done, **CHANGES[change]) == table()[change]
