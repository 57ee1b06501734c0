"""tools/same_results.py: each kind of difference is caught, and renaming is none."""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("same_results", ROOT / "tools/same_results.py")
tool = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tool)

TENSORS = {"weight": np.array([1.5, -0.0, np.nan], dtype=np.float32), "bias": np.zeros(2)}
METADATA = {"seed": "0", "config_sha256": "a", "git_commit": "b"}


def checkpoint(path, tensors, metadata):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, {"perfedavg": json.dumps(metadata)})


def table(**changes):
    columns = {
        "setting": ["a", "b"],
        "headline_epoch": [1, 2],
        "accuracy": [0.1 + 0.2, np.nan],
        "part": ["grid", "algorithms"],
    }
    return pd.DataFrame(columns | changes)


@pytest.fixture
def folders(tmp_path):
    """A results folder as it was, and the same with the new names."""
    before, after = tmp_path / "before", tmp_path / "after"
    for folder in (before, after):
        for name in ("tables", "figures", "logs", "data"):
            (folder / name).mkdir(parents=True)
        (folder / "logs/job.log").write_text(folder.name)
        (folder / "provenance.json").write_text(json.dumps(folder.name))
        (folder / "data/clients.arrow").write_bytes(b"arrow")
        (folder / "figures/rounds.png").write_bytes(b"png")
    (before / "figures/in_between.png").write_bytes(b"png")
    (after / "figures/interpolation.png").write_bytes(b"png")
    renamed = table(part=["grid", "comparison"]).rename(
        columns={"headline_epoch": "selected_epoch", "part": "study"}
    )
    for path, rows in ((before, table()), (after, renamed)):
        rows.to_csv(path / "tables/table1.csv", index=False)
        rows.to_parquet(path / "rows.parquet", index=False)
    choice = {"headline_epoch": 1, "rates": [0.5, float("nan")], "note": "made up"}
    (before / "selection.json").write_text(json.dumps(choice))
    choice = {"selected_epoch": 1, "rates": [0.5, float("nan")], "caveat": "made up"}
    (after / "selection.json").write_text(json.dumps(choice))
    checkpoint(before / "model.safetensors", TENSORS, METADATA)
    checkpoint(after / "model.safetensors", TENSORS, METADATA | {"git_commit": "c"})
    return before, after


def compare(folders, capsys, *arguments):
    """Exit code and what is printed."""
    exit_code = tool.main([*map(str, folders), *arguments])
    return exit_code, capsys.readouterr().out


def test_renaming_is_no_difference(folders, capsys):
    exit_code, said = compare(folders, capsys)
    assert (exit_code, said) == (
        0,
        "compared 1 of kind Arrow file, 1 of kind JSON file, 1 of kind checkpoint, "
        "2 of kind figure or text, 2 of kind table: 0 differences\n",
    )
    assert compare(folders[:1] * 2, capsys)[0] == compare(folders[1:] * 2, capsys)[0] == 0


def rewrite(path, change):
    """Change a table in place."""
    if path.suffix == ".parquet":
        change(pd.read_parquet(path)).to_parquet(path, index=False)
    else:
        change(pd.read_csv(path, dtype=str)).to_csv(path, index=False)


def edit_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


FLIPPED = TENSORS | {"weight": np.array([1.5, 0.0, np.nan], dtype=np.float32)}
DIFFERENCES = {
    "a value of a Parquet table, in its last bit": (
        lambda f: rewrite(f / "rows.parquet", lambda t: t.assign(accuracy=[0.3, np.nan])),
        "rows.parquet: column accuracy: 1 values differ, the first in row 0",
    ),
    "a missing value": (
        lambda f: rewrite(f / "rows.parquet", lambda t: t.assign(accuracy=[0.1 + 0.2, 1.0])),
        "rows.parquet: column accuracy: 1 values differ, the first in row 1",
    ),
    "a type": (
        lambda f: rewrite(f / "rows.parquet", lambda t: t.assign(selected_epoch=[1.0, 2.0])),
        "rows.parquet: column selected_epoch: type int64 before, float64 after",
    ),
    "a value of a CSV table, as it is written": (
        lambda f: rewrite(f / "tables/table1.csv", lambda t: t.assign(selected_epoch=["1.0", "2"])),
        "table1.csv: column selected_epoch: 1 values differ",
    ),
    "a text": (
        lambda f: rewrite(f / "rows.parquet", lambda t: t.assign(study=["grid", "stage2"])),
        "rows.parquet: column study: 1 values differ, the first in row 1: 'comparison' before",
    ),
    "a missing column": (
        lambda f: rewrite(f / "rows.parquet", lambda t: t.drop(columns="study")),
        "rows.parquet: columns study are missing",
    ),
    "the order of columns": (
        lambda f: rewrite(f / "rows.parquet", lambda t: t[t.columns[::-1]]),
        "rows.parquet: columns in another order",
    ),
    "a missing row": (
        lambda f: rewrite(f / "rows.parquet", lambda t: t.head(1)),
        "rows.parquet: 2 rows before, 1 after",
    ),
    "the order of rows": (
        lambda f: rewrite(f / "rows.parquet", lambda t: t[::-1].reset_index(drop=True)),
        "rows.parquet: column setting: 2 values differ",
    ),
    "a JSON value": (
        lambda f: edit_json(f / "selection.json", rates=[0.5, 1.0]),
        "selection.json: .rates[1]: nan before, 1.0 after",
    ),
    "a JSON key": (
        lambda f: (f / "selection.json").write_text('{"selected_epoch": 1, "caveat": "made up"}'),
        "selection.json: .rates: missing",
    ),
    "a tensor's sign of zero": (
        lambda f: checkpoint(f / "model.safetensors", FLIPPED, METADATA),
        "model.safetensors: tensor weight: other data",
    ),
    "a tensor's type": (
        lambda f: checkpoint(
            f / "model.safetensors", TENSORS | {"bias": np.zeros(2, np.float32)}, METADATA
        ),
        "model.safetensors: tensor bias: other dtype",
    ),
    "a missing tensor": (
        lambda f: checkpoint(f / "model.safetensors", {"bias": np.zeros(2)}, METADATA),
        "model.safetensors: other tensors",
    ),
    "metadata": (
        lambda f: checkpoint(f / "model.safetensors", TENSORS, METADATA | {"seed": "1"}),
        "model.safetensors: metadata seed: '0' before, '1' after",
    ),
    "an Arrow file": (
        lambda f: (f / "data/clients.arrow").write_bytes(b"other"),
        "data/clients.arrow: other bytes",
    ),
    "a missing file": (lambda f: (f / "rows.parquet").unlink(), "rows.parquet: missing"),
    "a file more": (lambda f: shutil.copy(f / "rows.parquet", f / "x.parquet"), "x.parquet: added"),
}


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_a_difference_is_caught(folders, capsys, difference):
    change, expected = DIFFERENCES[difference]
    change(folders[1])
    exit_code, said = compare(folders, capsys)
    assert exit_code == 1
    assert f"DIFFERENT: {expected}" in said or f"DIFFERENT: tables/{expected}" in said
    file = expected.split(":")[0]
    reported = [line for line in said.splitlines() if line.startswith("DIFFERENT")]
    assert all(file in line for line in reported), "and in no other file"


ADDED = {
    "a column": (
        lambda f: rewrite(f / "rows.parquet", lambda t: t.assign(extra=1)),
        "rows.parquet: added columns extra",
    ),
    "a key": (
        lambda f: edit_json(f / "selection.json", extra=1),
        "selection.json: added key .extra",
    ),
    "a figure's bytes": (
        lambda f: (f / "figures/rounds.png").write_bytes(b"other text"),
        "rounds.png: other bytes",
    ),
}


@pytest.mark.parametrize("added", ADDED)
def test_what_may_change_is_listed(folders, capsys, added):
    change, expected = ADDED[added]
    change(folders[1])
    exit_code, said = compare(folders, capsys)
    assert exit_code == 0
    assert said.startswith(f"not counted: {expected}\n")


def test_further_names_are_given_on_the_command_line(folders, capsys):
    rewrite(folders[1] / "rows.parquet", lambda t: t.rename(columns={"setting": "name"}))
    rewrite(folders[1] / "tables/table1.csv", lambda t: t.rename(columns={"setting": "name"}))
    assert compare(folders, capsys)[0] == 1
    assert compare(folders, capsys, "--map", "setting=name")[0] == 0


def test_empty_folders_are_not_the_same_results(tmp_path, capsys):
    assert compare([tmp_path, tmp_path], capsys) == (1, "compared nothing: 0 differences\n")
