"""What of the source code does a result depend on? Read from import statements and syntax trees,
never typed by hand.

The workflow gives ``code`` to the steps that use it, and a saved state is keyed by it: editing a
module reruns exactly what depends on it. Wording is no part of it: comments, docstrings, log texts,
type hints, the texts of errors and settings. Nor are modules of ``runtime``, which decide no
number."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

PACKAGE = Path(__file__).parents[1]

_HINTS = ("__future__", "collections.abc", "types", "typing")  # modules imported for type hints
_BODIES = (ast.stmt, ast.ExceptHandler, ast.match_case)
_WORDING = ("description", "help")  # keywords of pydantic's Field


def code(path: str | Path, *modules: str) -> list[str]:
    """``dotted.module hash`` of every module that a script depends on, sorted.

    Args:
        path: the script, which does not count itself.
        modules: dotted names of what no import statement tells, since it is found by name.

    Raises:
        ValueError: there is no such module, or a file uses a relative import.
    """
    files = source_closure(path, *modules)
    return [f"{_dotted(file)} {code_hash(file)[:8]}" for file in files]


def source_fingerprint(path: str | Path, *modules: str) -> str:
    """sha256 (hex) of the code of a module and of all that it depends on; see :func:`code`."""
    text = "\n".join([code_hash(path), *code(path, *modules)])
    return hashlib.sha256(text.encode()).hexdigest()


def source_closure(path: str | Path, *modules: str) -> list[Path]:
    """The package's source files that ``path`` imports, directly or through others, sorted, without
    itself and ``runtime``; and those of ``modules`` with theirs.

    Imports inside functions count, imports under ``TYPE_CHECKING`` do not.

    Raises:
        ValueError: there is no such module, or a file uses a relative import.
    """
    named = {module: _files_of(module) for module in modules}
    if missing := [module for module, files in named.items() if not files]:
        raise ValueError(f"no module of the package: {', '.join(missing)}")
    closure = {file for files in named.values() for file in files}
    waiting = [Path(path), *closure]
    while waiting:
        for module in _read(waiting.pop())[0]:
            for file in _files_of(module):
                if file not in closure:
                    closure.add(file)
                    waiting.append(file)
    return sorted(closure - {Path(path)})


def code_hash(file: str | Path) -> str:
    """sha256 (hex) of what a file does, whatever its wording: of its syntax tree without
    docstrings, bare texts, log calls, annotations (a class's fields keep theirs), the texts of
    errors that it raises and the descriptions of its settings."""
    return _read(Path(file))[1]


@cache  # the workflow asks for every script, and they share most modules
def _read(path: Path) -> tuple[frozenset[str], str]:
    """The package's names that a file imports, and the hash of its code."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported: set[str] = set()
    for node in _imports(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif node.level:
            raise ValueError(
                f"{path}, line {node.lineno}: a relative import is not followed; write the full "
                "module name."
            )
        else:
            imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    names = frozenset(name for name in imported if name.split(".")[0] == PACKAGE.name)
    return names, hashlib.sha256(repr(_outline(tree)).encode()).hexdigest()


def _imports(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """All import statements but those for type checkers; they stand in bodies of statements."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif isinstance(child, _BODIES) and not _is_for_type_checkers(child):
            yield from _imports(child)


def _outline(node: Any, in_class: bool = False) -> Any:
    """What of a syntax tree decides results, as nested tuples; without positions, so that
    formatting does not count."""
    if isinstance(node, list):
        return tuple(_outline(item, in_class) for item in node if not _is_wording(item, in_class))
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {name: value for name, value in ast.iter_fields(node) if value is not None}
    fields.pop("ctx", None)  # where a name stands says it
    kind = type(node)
    if kind is ast.ClassDef:
        in_class = True
    elif kind in (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda):
        in_class = False
        fields.pop("returns", None)
    elif kind is ast.arg:
        fields.pop("annotation", None)
    elif kind is ast.AnnAssign and not in_class:
        kind, fields = ast.Assign, {"targets": [node.target], "value": node.value}
    elif kind is ast.Raise and isinstance(node.exc, ast.Call):
        texts = [arg for arg in node.exc.args if not _is_text(arg)]
        fields["exc"] = ast.Call(node.exc.func, texts, node.exc.keywords)
    elif kind is ast.Call and _name(node.func) == "Field":
        fields["keywords"] = [k for k in node.keywords if k.arg not in _WORDING]
    return kind.__name__, *((name, _outline(fields[name], in_class)) for name in fields)


def _is_wording(node: Any, in_class: bool) -> bool:
    """Whether a statement decides nothing."""
    kind = type(node)
    if kind is ast.Expr:
        value = node.value
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
            return _name(value.func.value) == "logger"
        return _is_text(value)
    if kind is ast.AnnAssign:
        return node.value is None and not in_class
    return (kind is ast.ImportFrom and node.module in _HINTS) or _is_for_type_checkers(node)


def _is_for_type_checkers(node: Any) -> bool:
    return type(node) is ast.If and _name(node.test) == "TYPE_CHECKING" and not node.orelse


def _is_text(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return _is_text(node.left) or _is_text(node.right)
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _name(node: ast.expr) -> str | None:
    return getattr(node, "attr", None) or getattr(node, "id", None)


def _dotted(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def _files_of(module: str) -> list[Path]:
    """The file of a dotted name and the ``__init__`` files that importing it executes; [] for a
    name in a module and for ``runtime``."""
    package, *names = module.split(".")
    if package != PACKAGE.name or names[:1] == ["runtime"]:
        return []
    base = PACKAGE.joinpath(*names)
    file = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    if not file.is_file():
        return []
    packages = [p / "__init__.py" for p in base.parents if p.is_relative_to(PACKAGE)]
    return [file, *(p for p in packages if p.is_file())]


def modules_in(package: str) -> dict[str, ModuleType]:
    """The modules of a package by file name: one file adds one thing, and no list names it."""
    files = iter_modules(import_module(package).__path__)
    return {name: import_module(f"{package}.{name}") for name in sorted(f.name for f in files)}
