"""Every message of the sources that a user can meet, for docs/troubleshooting.md.

A message is the text of an error that is raised (`PerfedavgError`, `WorkflowError`; `ValueError`
and `RowError`, which become parts of one), or of a warning in the log;
what varies stands as `…`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
RAISED = {"PerfedavgError", "WorkflowError", "ValueError", "RowError", "ConnectionError"}
CALLED = {"warning", "error"}  # of a logger


def messages(root: Path = ROOT) -> dict[str, list[str]]:
    """The messages by file, in the order of the sources."""
    found: dict[str, list[str]] = {}
    for file in sorted([*root.glob("src/**/*.py"), *root.glob("workflow/**/*")]):
        if file.suffix in (".py", ".smk"):
            tree = ast.parse(_python(file))
            texts = list(dict.fromkeys(filter(None, map(_text, _said(tree)))))
            if texts:
                found[file.relative_to(root).as_posix()] = texts
    return found


def _python(file: Path) -> str:
    """The Python in a file of rules: other lines are left out."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".py":
        return text
    calls = re.findall(r"^ *raise (WorkflowError\(\n(?:.*\n)*? *\))$", text, re.MULTILINE)
    return "\n".join(calls)


def _said(tree: ast.AST) -> Iterator[ast.expr]:
    """The first argument of every call that says something."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and node.args):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        of_logger = isinstance(node.func, ast.Attribute) and name in CALLED
        if name in RAISED or of_logger:
            yield node.args[0]


def _text(node: ast.expr) -> str:
    """A text with `…` for what varies; empty where all of it does."""
    text = re.sub(r"[…\s]*…[…\s]*(?=…)", "", _parts(node))
    return text if re.search(r"[A-Za-z]{3}", text) else ""


def _parts(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"%[-.\d]*[sdfg]", "…", node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_parts, node.values))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _parts(node.left) + _parts(node.right)
    return "…"
