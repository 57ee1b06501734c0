"""Are two results folders the same? `python tools/same_results.py BEFORE AFTER [--map OLD=NEW ...]`

Compares every value of every table, every JSON value, every checkpoint's tensors and every Arrow
file's bytes, and prints each difference; names may have changed as `NAMES` and `--map` say, and
columns and keys may have been added. Figures and texts are reported only: their words may change.
Wall times, logs and provenance are left out. Exit code 1 on any difference."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors import deserialize, safe_open

# Columns, keys, stems of file names, and texts that are one of these names and nothing else.
NAMES = {
    "headline_epoch": "selected_epoch",
    "in_between": "interpolation",
    "note": "caveat",
    "part": "study",
    "relative_rate": "server_lr_factor",
}
VALUES = {("study", "algorithms"): "comparison"}  # by new column or key
LEFT_OUT = re.compile(
    r"(^|/)(logs|benchmarks|\.resume)/|(^|/)\.|(timings\.parquet|provenance\.json|report\.html)$"
)
METADATA_LEFT_OUT = ("config_sha256", "git_commit")
KINDS = {
    ".csv": "table",
    ".parquet": "table",
    ".json": "JSON file",
    ".safetensors": "checkpoint",
    ".arrow": "Arrow file",
}


class Comparison:
    """What was compared, what is different (fails), and what is worth a look (does not)."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names
        self.counts: Counter[str] = Counter()
        self.differences: list[str] = []
        self.remarks: list[str] = []

    def folders(self, before: Path, after: Path) -> None:
        """Compare all files below."""
        old = {self._renamed_path(path): before / path for path in _files(before)}
        new = {self._renamed_path(path): after / path for path in _files(after)}
        self.differences += [f"{path}: missing" for path in sorted(old.keys() - new.keys())]
        self.differences += [f"{path}: added" for path in sorted(new.keys() - old.keys())]
        for path in sorted(old.keys() & new.keys()):
            kind = KINDS.get(Path(path).suffix, "figure or text")
            self.counts[kind] += 1
            different = list(self._file(kind, old[path], new[path]))
            self.differences += [f"{path}: {what}" for what in different]

    def _file(self, kind: str, old: Path, new: Path) -> Iterator[str]:
        if kind == "table":
            yield from self._tables(_table(old), _table(new), new)
        elif kind == "JSON file":
            before, after = (json.loads(path.read_text()) for path in (old, new))
            yield from self._values(self._renamed(before), self._renamed(after), "", new)
        elif kind == "checkpoint":
            yield from _checkpoints(old, new)
        elif old.read_bytes() != new.read_bytes():
            if kind == "Arrow file":
                yield "other bytes"
            else:
                self.remarks.append(f"{new.name}: other bytes")

    def _tables(self, old: pd.DataFrame, new: pd.DataFrame, path: Path) -> Iterator[str]:
        old, new = (table.rename(columns=self.names) for table in (old, new))
        missing = [column for column in old.columns if column not in new.columns]
        added = [column for column in new.columns if column not in old.columns]
        if added:
            self.remarks.append(f"{path.name}: added columns {', '.join(added)}")
        if missing:
            yield f"columns {', '.join(missing)} are missing"
        shared = [column for column in old.columns if column in new.columns]
        if [column for column in new.columns if column in shared] != shared:
            yield "columns in another order"
        if len(old) != len(new):
            yield f"{len(old)} rows before, {len(new)} after"
            return
        for column in shared:
            before, after = old[column], new[column]
            if before.dtype != after.dtype:
                yield f"column {column}: type {before.dtype} before, {after.dtype} after"
                continue
            if not pd.api.types.is_numeric_dtype(before):
                before, after = (
                    values.map(lambda value, key=column: self._renamed(value, key))
                    for values in (before, after)
                )
            different = ~((before == after) | (before.isna() & after.isna())).to_numpy(dtype=bool)
            if different.any():
                row = int(different.argmax())
                yield (
                    f"column {column}: {different.sum()} values differ, the first in row {row}: "
                    f"{before.iloc[row]!r} before, {after.iloc[row]!r} after"
                )

    def _values(self, old: Any, new: Any, key: str, path: Path) -> Iterator[str]:
        if isinstance(old, dict) and isinstance(new, dict):
            for name in old.keys() - new.keys():
                yield f"{key}.{name}: missing"
            for name in sorted(new.keys() - old.keys()):
                self.remarks.append(f"{path.name}: added key {key}.{name}")
            for name in (name for name in old if name in new):
                yield from self._values(old[name], new[name], f"{key}.{name}", path)
        elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            for position, (a, b) in enumerate(zip(old, new, strict=True)):
                yield from self._values(a, b, f"{key}[{position}]", path)
        elif json.dumps(old) != json.dumps(new):  # which tells 1 from 1.0, and NaN equals NaN
            yield f"{key}: {old!r} before, {new!r} after"

    def _renamed(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            pairs = ((self.names.get(name, name), inner) for name, inner in value.items())
            return {name: self._renamed(inner, name) for name, inner in pairs}
        if isinstance(value, list):
            return [self._renamed(inner, key) for inner in value]
        if isinstance(value, str):
            return VALUES.get((key, value)) or self.names.get(value, value)
        return value

    def _renamed_path(self, path: str) -> str:
        stem, dot, ending = Path(path).name.partition(".")
        return str(Path(path).with_name(self.names.get(stem, stem) + dot + ending))


def _files(folder: Path) -> list[str]:
    paths = (str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    return [path for path in paths if not LEFT_OUT.search(path)]


def _table(path: Path) -> pd.DataFrame:
    """Of a CSV file every value as it is written."""
    if path.suffix == ".csv":
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    return pd.read_parquet(path)


def _checkpoints(old: Path, new: Path) -> Iterator[str]:
    before, after = (dict(deserialize(path.read_bytes())) for path in (old, new))
    if before.keys() != after.keys():
        yield "other tensors"
    for name in (name for name in before if name in after):
        for fact in ("dtype", "shape", "data"):
            if before[name][fact] != after[name][fact]:
                yield f"tensor {name}: other {fact}"
    facts = [_metadata(path) for path in (old, new)]
    for name in sorted(facts[0].keys() | facts[1].keys()):
        a, b = (metadata.get(name) for metadata in facts)
        if a != b and name not in METADATA_LEFT_OUT:
            yield f"metadata {name}: {a!r} before, {b!r} after"


def _metadata(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="np") as file:
        return json.loads((file.metadata() or {}).get("perfedavg", "{}"))


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("before", type=Path, help="a results folder")
    parser.add_argument("after", type=Path, help="the other one")
    parser.add_argument("--map", nargs="*", default=[], metavar="OLD=NEW", help="further new names")
    args = parser.parse_args(arguments)
    comparison = Comparison(NAMES | dict(pair.split("=", 1) for pair in args.map))
    comparison.folders(args.before, args.after)
    for remark in comparison.remarks:
        print("not counted:", remark)
    for difference in comparison.differences:
        print("DIFFERENT:", difference)
    counts = ", ".join(f"{n} of kind {kind}" for kind, n in sorted(comparison.counts.items()))
    print(f"compared {counts or 'nothing'}: {len(comparison.differences)} differences")
    return 1 if comparison.differences or not comparison.counts else 0


if __name__ == "__main__":
    sys.exit(main())
