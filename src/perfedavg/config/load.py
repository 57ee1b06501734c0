"""From a parsed config file to an experiment, or to sentences that say what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from perfedavg.config.experiment import Config
from perfedavg.config.messages import MOVED, meant, sentence
from perfedavg.data.archives import identified
from perfedavg.runtime.errors import PerfedavgError, reason


def load_config(raw: dict[str, Any]) -> Config:
    """The experiment that a parsed config file describes; of an archive of the user's own, with the
    checksum of what is there now.

    Raises:
        PerfedavgError: one sentence per problem, each with the path of its key and, for a typo,
            the nearest valid name; for keys of earlier versions, their names now. Or an archive of
            the user's own cannot be read, or has another checksum than the config says.
    """
    values = {key: value if key == "experiment" else _typed(value) for key, value in raw.items()}
    try:
        config = Config.model_validate(values)
        return config.model_copy(update={"data": identified(config.data)})
    except ValidationError as error:
        problems = error.errors()
    unknown = [p for p in problems if p["type"] == "extra_forbidden"]
    moved = [p for p in unknown if ".".join(map(str, p["loc"])) in MOVED]
    # A list whose entries are wrong is also called too short; the entries' own errors say it.
    outer = {problem["loc"][:n] for problem in problems for n in range(len(problem["loc"]))}
    # A misspelled key is also called missing; the question whether it was meant says both.
    said = {"too_short": outer, "missing": {meant(problem, Config) for problem in problems}}
    shown = [p for p in problems if p["loc"] not in said.get(p["type"], ())]
    raise PerfedavgError(*(sentence(problem, Config) for problem in moved or shown))


class Further(NamedTuple):
    """A further experiment of the same call: what its config file holds, as it stands there and
    validated."""

    raw: dict[str, Any]
    config: Config


def load_further(config: Config, project: str | Path = ".") -> list[Further]:
    """The experiments that ``config.also`` names: files seen from the working folder, or else from
    the ``project``'s.

    Raises:
        PerfedavgError: one sentence, or more for a wrong config, each with the name of the file.
    """
    further: list[Further] = []
    files = {config.experiment: "the first config"}  # by name of the experiment
    for file in config.also:
        raw = _read(file if Path(file).exists() else str(Path(project) / file))
        if raw.get("also"):
            raise PerfedavgError(
                f"{file} is named by `also` and names others itself; list all in the first config."
            )
        try:
            other = load_config(raw)
        except PerfedavgError as error:
            raise PerfedavgError(*(f"{file}: {one}" for one in error.args)) from error
        if other.experiment in files:
            raise PerfedavgError(
                f"{file} (named by `also`) and {files[other.experiment]} are both experiment "
                f"`{other.experiment}`; give one of them another name."
            )
        files[other.experiment] = file
        further.append(Further(raw, other))
    return further


def _read(file: str) -> dict[str, Any]:
    check_keys(file)
    try:
        raw = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise PerfedavgError(
            f"The config file {file} (named by `also`) cannot be read: {error.strerror}; correct "
            "the path, which counts from the folder in which snakemake is started."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PerfedavgError(
            f"{file} (named by `also`) is not YAML ({reason(error)}); correct it there."
        ) from error
    if not isinstance(raw, dict):
        raise PerfedavgError(
            f"{file} (named by `also`) holds no config: no keys are in it; add them, or leave "
            "it out."
        )
    return raw


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
    if isinstance(value, str) and "#" not in value:  # else YAML would read a comment
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
