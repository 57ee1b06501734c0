"""What of the source counts for a result, and what is wording."""

import ast
import subprocess
import sys
import time

import pytest

from perfedavg.runtime import source
from perfedavg.runtime.source import PACKAGE, code, code_hash, source_closure, source_fingerprint
from tests.workflow.checkout import ROOT

MODULE = '''"""What it is for."""
from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, Field

from perfedavg.randomness import stream

if TYPE_CHECKING:
    from perfedavg.analysis.table1 import TABLE1

logger = logging.getLogger("perfedavg")
RATE: float = 0.5


class Settings(BaseModel):
    """Settings."""

    rate: float = Field(0.1, gt=0, description="how far")
    steps: int


def total(values: Sequence[float], start: float = 0.0) -> float:
    """The sum."""
    result: float = start
    for value in values:  # one by one
        if value < 0:
            logger.warning("%s is negative", value)
            raise ValueError(f"{value} is negative", 1)
        result += value
    "a bare text"
    return result
'''
WORDING = {
    "a docstring": ('"""The sum."""', '"""The total\n    of all."""'),
    "no docstring": ('    """The sum."""\n', ""),
    "a module's docstring": ("What it is for", "Sums"),
    "a class's docstring": ('    """Settings."""\n\n', ""),
    "a bare text": ('    "a bare text"\n', ""),
    "a comment": ("  # one by one", "  # each"),
    "formatting": ("start: float = 0.0", "start: float\n    = 0.00"),
    "a log text": ('logger.warning("%s is negative", value)', 'logger.info("negative")'),
    "no log": ('            logger.warning("%s is negative", value)\n', ""),
    "an error's text": ('f"{value} is negative"', '"negative: " + str(value)'),
    "a setting's description": ('description="how far"', 'description="step size"'),
    "no description": (', description="how far"', ""),
    "a hint of an argument": ("values: Sequence[float]", "values: list[float]"),
    "a hint of what is returned": (") -> float:", "):"),
    "a hint of a variable": ("result: float = start", "result = start"),
    "a hint of a constant": ("RATE: float = 0.5", "RATE = 0.5"),
    "an import for hints": ("import Sequence", "import Iterable, Sequence"),
    "an import for type checkers": ("analysis.table1 import TABLE1", "models import Model"),
}
CODE = {
    "a number": ("0.5", "0.6"),
    "a default": ("start: float = 0.0", "start: float = 1.0"),
    "the type of a field": ("steps: int", "steps: float"),
    "a bound of a field": ("gt=0", "ge=0"),
    "a default of a field": ("Field(0.1", "Field(0.2"),
    "a field more": ("    steps: int\n", "    steps: int\n    epochs: int\n"),
    "a condition": ("value < 0", "value <= 0"),
    "the error raised": ("raise ValueError", "raise KeyError"),
    "an argument of an error that is no text": ("negative\", 1)", "negative\", 2)"),
    "a name": ("def total", "def sum_of"),
    "a text that is used": ('getLogger("perfedavg")', 'getLogger("other")'),
    "an import": ("randomness import stream", "randomness import torch_stream"),
    "a statement": ("        result += value\n", "        result += value\n        result *= 2\n"),
    "where a statement stands": ("        result += value", "    result += value"),
}  # fmt: skip


def hash_of(tmp_path, name, text):
    path = tmp_path / f"{name.replace(' ', '_')}.py"  # files are read once per process
    path.write_text(text)
    return code_hash(path)


@pytest.mark.parametrize("edit", WORDING)
def test_wording_does_not_count(tmp_path, edit):
    old, new = WORDING[edit]
    assert old in MODULE
    assert hash_of(tmp_path, "before", MODULE) == hash_of(
        tmp_path, "after", MODULE.replace(old, new)
    )


@pytest.mark.parametrize("edit", CODE)
def test_code_counts(tmp_path, edit):
    old, new = CODE[edit]
    assert old in MODULE
    assert hash_of(tmp_path, "before", MODULE) != hash_of(
        tmp_path, "after", MODULE.replace(old, new)
    )


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_every_statement_of_the_package_counts_or_is_wording(tmp_path, path):
    """By brute force: before every fifth statement one more of each kind is put."""
    text = path.read_text()
    lines, original = text.splitlines(keepends=True), code_hash(path)
    for position, (line, indent) in enumerate(_statements(ast.parse(text))):
        if position % 5:
            continue
        for kind, added in (("code", "1 + 1"), ("wording", "'text'"), ("wording", "# a comment")):
            edited = [*lines[: line - 1], " " * indent + added + "\n", *lines[line - 1 :]]
            edited_hash = hash_of(tmp_path, f"{path.stem}-{line}-{added[0]}", "".join(edited))
            assert (edited_hash == original) == (kind == "wording"), (line, added)


def _statements(tree):
    """Line and indentation of all statements at which another one can stand."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            node.body = []
        for field in ("body", "orelse", "finalbody"):
            statements = getattr(node, field, None)
            for statement in statements if isinstance(statements, list) else []:
                is_elif = field == "orelse" and isinstance(statement, ast.If)
                if isinstance(statement, ast.stmt) and not is_elif:
                    first = min([statement, *getattr(statement, "decorator_list", [])], key=_line)
                    yield first.lineno, statement.col_offset


def _line(node):
    return node.lineno


def test_of_a_script_every_module_it_depends_on_is_named_with_its_hash():
    script = ROOT / "workflow/scripts/train_federated.py"
    lines = dict(line.split() for line in code(script))
    assert list(lines) == sorted(lines)
    assert {"perfedavg", "perfedavg.training.federated", "perfedavg.randomness"} <= lines.keys()
    for name in ("runtime", "personalization", "analysis", "planning", "config"):
        assert not [module for module in lines if module.split(".")[1:2] == [name]], name
    federated = code_hash(PACKAGE / "training/federated.py")
    assert lines["perfedavg.training.federated"] == federated[:8]


def test_what_is_found_by_name_is_named(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from perfedavg.storage import files\n")
    found_by_name = {line.split()[0] for line in code(script, "perfedavg.models.steps")}
    assert {"perfedavg.storage.files", "perfedavg.models.steps"} <= found_by_name
    assert "perfedavg.models.dropout" in found_by_name, "what it imports, too"
    assert "perfedavg.models.steps" not in {line.split()[0] for line in code(script)}
    with pytest.raises(ValueError, match=r"no module of the package: perfedavg.models.cnn_typo"):
        code(script, "perfedavg.models.cnn_typo")
    assert source_fingerprint(script) != source_fingerprint(script, "perfedavg.models.steps")


def test_imports_for_type_checkers_are_not_followed_and_those_in_functions_are(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import perfedavg.data.store\n"
        "def f():\n    try:\n        import perfedavg.blocks\n    finally:\n        pass\n"
    )
    names = {str(file.relative_to(PACKAGE)) for file in source_closure(path)}
    assert names == {"__init__.py", "blocks.py"}
    path = tmp_path / "relative.py"
    path.write_text("from . import store\n")
    with pytest.raises(ValueError, match="line 1: a relative import is not followed"):
        source_closure(path)


def test_the_closure_is_what_python_imports(tmp_path):
    """Against the modules that a process has after importing everything that a module names."""
    module = "perfedavg.training.federated"
    run = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name for name in run.stdout.split() if name.split(".")[0] == "perfedavg"}
    # Server optimizers are found by their names; runs name those that they use.
    loaded = {name for name in loaded if not name.startswith("perfedavg.algorithms.servers.")}
    path = tmp_path / "script.py"
    path.write_text(f"import {module}\n")
    named = {line.split()[0] for line in code(path)}
    assert {name for name in loaded if not name.startswith("perfedavg.runtime")} <= named


def test_all_scripts_are_read_in_an_instant():
    for cached in (source._read, source._files_of):
        cached.cache_clear()
    began = time.process_time()
    for script in (ROOT / "workflow/scripts").glob("*.py"):
        code(script)
    assert time.process_time() - began < 1.0, "0.2 s where nothing else runs"
