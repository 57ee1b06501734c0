"""Which source files does a Python file depend on? Read from its import statements, never typed by
hand.

The workflow declares these files as inputs of the steps that use them, so that editing a module
reruns exactly what depends on it."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

PACKAGE = Path(__file__).parents[1]


def source_closure(path: str | Path, *named: Path) -> list[Path]:
    """The package's source files that ``path`` imports, directly or through others (``path`` itself
    not included), and those that are found by name, ``named``, with theirs.

    Imports inside functions count, imports under ``TYPE_CHECKING`` too. Sorted, so that the order
    is stable.

    Raises:
        ValueError: a file uses a relative import.
    """
    found: set[Path] = set(named)
    waiting = [Path(path), *named]
    while waiting:
        for module in _imported_modules(waiting.pop()):
            for file in _files_of(module):
                if file not in found:
                    found.add(file)
                    waiting.append(file)
    return sorted(found)


def source_fingerprint(path: str | Path, *named: Path) -> str:
    """sha256 (hex) of the text of ``path`` and of its :func:`source_closure`."""
    digest = hashlib.sha256()
    for file in sorted({*source_closure(path, *named), Path(path)}):
        digest.update(file.read_bytes())
    return digest.hexdigest()


@cache  # the workflow asks for every script, and they share most modules
def _imported_modules(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            raise ValueError(
                f"{path}, line {node.lineno}: a relative import is not followed; write the "
                f"full module name."
            )
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {m for m in modules if m.split(".")[0] == PACKAGE.name}


@cache
def _files_of(module: str) -> list[Path]:
    """The file of a dotted name and the ``__init__`` files that importing it executes; [] for a
    name in a module."""
    base = PACKAGE.joinpath(*module.split(".")[1:])
    own = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    if not own.is_file():
        return []
    packages = [p / "__init__.py" for p in base.parents if p.is_relative_to(PACKAGE)]
    return [own, *(p for p in packages if p.is_file())]


def modules_in(package: str) -> dict[str, ModuleType]:
    """The modules of a package by file name: one file adds one thing, and no list names it.

    Files that begin with an underscore are left out. Sorted, so that the order is stable.
    """
    folder = import_module(package).__path__
    names = sorted(module.name for module in iter_modules(folder) if module.name[0] != "_")
    return {name: import_module(f"{package}.{name}") for name in names}
