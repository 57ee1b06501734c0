"""From a parsed config file to an experiment, or to sentences that say what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from perfedavg.config.experiment import Config
from perfedavg.config.messages import MOVED, meant, sentence
from perfedavg.runtime.errors import PerfedavgError


def load_config(raw: dict[str, Any]) -> Config:
    """The experiment that a parsed config file describes.

    Raises:
        PerfedavgError: one sentence per problem, each with the path of its key and, for a typo,
            the nearest valid name; for keys of earlier versions, their names now.
    """
    values = {key: value if key == "experiment" else _typed(value) for key, value in raw.items()}
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        problems = error.errors()
    unknown = [p for p in problems if p["type"] == "extra_forbidden"]
    moved = [p for p in unknown if ".".join(map(str, p["loc"])) in MOVED]
    # A list whose entries are wrong is also called too short; the entries' own errors say it.
    outer = {problem["loc"][:n] for problem in problems for n in range(len(problem["loc"]))}
    # A misspelled key is also called missing; the question whether it was meant says both.
    said = {"too_short": outer, "missing": {meant(problem, Config) for problem in problems}}
    shown = [p for p in problems if p["loc"] not in said.get(p["type"], ())]
    raise PerfedavgError("\n".join(sentence(problem, Config) for problem in moved or shown))


def check_keys(path: str | Path) -> None:
    """Refuse a config file in which a key stands twice: YAML would take the last one.

    Raises:
        PerfedavgError: names the key and both lines.
    """
    try:
        root = yaml.compose(Path(path).read_text(encoding="utf-8-sig"), yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return  # whoever reads it says so
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        if not isinstance(node, yaml.MappingNode):
            continue
        lines: dict[str, int] = {}
        for key, value in node.value:
            waiting.append(value)
            line = key.start_mark.line + 1
            if key.value in lines and isinstance(key.value, str):
                raise PerfedavgError(
                    f"Config key `{key.value}` stands twice in {path}, in lines "
                    f"{lines[key.value]} and {line}; keep one."
                )
            lines[str(key.value)] = line


def _typed(value: Any) -> Any:
    """Numbers, booleans and nulls in place of their text: Snakemake's ``--config 'seeds=[0]'``
    gives ``["0"]``."""
    if isinstance(value, dict):
        return {key: _typed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_typed(inner) for inner in value]
    if isinstance(value, str):
        try:
            parsed = yaml.safe_load(value)
        except yaml.YAMLError:
            return value
        return parsed if parsed is None or isinstance(parsed, (bool, int, float)) else value
    return value


def json_schema() -> str:
    """The JSON schema of a config file, as text: one line per block."""
    schema = Config.model_json_schema()
    blocks = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in schema.pop("$defs").items())
    return json.dumps(schema)[:-1] + f', "$defs": {{\n{blocks}\n}}}}\n'
