"""What is wrong with a config, in one sentence with the path of the key and the nearest valid
name."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from typing import Any, Literal, get_args

from pydantic import BaseModel

MOVED = {
    "federated": "training",
    "training.pack": "execution.pack",
    "reference": "studies.reference",
    "stage2": "studies.stage2",
    "algorithms": "studies.comparison",
    "studies.comparison.in_between": "studies.comparison.interpolation",
    "studies.comparison.relative_rates": "studies.comparison.server_lr_factors",
    "theory": "studies.theory",
    "strategies": "studies.strategies",
    "centralized": "studies.centralized",
    "local_only": "studies.local_only",
    "personalization": "evaluation.fine_tuning",
    "target_accuracy": "evaluation.target_accuracy",
    "backend": "execution.backend",
    "workers": "execution.workers",
}
"""Keys of earlier versions, and their names now."""


def sentence(problem: dict[str, Any], config: type[BaseModel]) -> str:
    """One of pydantic's problems with the model ``config``, in plain words."""
    tags = _tags(config.model_json_schema())
    names = {name for values in tags.values() for name in values}
    path = ".".join(
        f"[{p}]" if isinstance(p, int) else str(p) for p in problem["loc"] if p not in names
    ).replace(".[", "[")
    kind = problem["type"]
    if path in MOVED:
        return f"Config key `{path}` is now `{MOVED[path]}`; see config/README.md."
    if kind == "extra_forbidden":
        near, blocks, valid = _guess(problem, config)
        homes = " or ".join(f"`{block}`" for block in blocks[:3])
        if near:
            hint = f"did you mean `{near}`" + (f", or does it belong in {homes}?" if homes else "?")
        else:
            hint = f"it belongs in {homes}." if homes else f"valid keys here: {', '.join(valid)}."
        return f"Config key `{path}` is unknown; {hint}"
    if kind == "missing":
        return f"Config key `{path}` is missing; add it."
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        discriminator = problem["ctx"]["discriminator"].strip("'")
        state = f'is "{problem["ctx"]["tag"]}"' if "tag" in problem["ctx"] else "is missing"
        names = ", ".join(map(repr, tags[discriminator]))
        return f"Config key `{path}.{discriminator}` {state}; use one of {names}."
    if kind == "literal_error":
        return f"Config key `{path}` is {_shown(problem['input'])}; {_one_of(problem)}"
    message = _IN_PLAIN_WORDS.get(kind, problem["msg"].removeprefix("Value error, "))
    message = message[0].lower() + message[1:]
    what = message if ";" in message else f"{message}; change one of them"
    if not path:
        return f"Config is impossible: {what}."
    if kind == "value_error" and isinstance(problem["input"], dict):
        return f"Config block `{path}` is impossible: {what}."
    return f"Config key `{path}` is {_shown(problem['input'])}, but {message}."


def _one_of(problem: dict[str, Any]) -> str:
    """What a value may be, and which it was probably meant to be."""
    expected = problem["ctx"]["expected"].replace(" or ", ", ")
    near = get_close_matches(str(problem["input"]), re.findall(r"'([^']*)'", expected), n=1)
    if "," not in expected:
        return f"use {expected}."
    return (
        f"did you mean '{near[0]}'? Use one of {expected}." if near else f"use one of {expected}."
    )


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 120 else f"{text[:120]}..."


def meant(problem: dict[str, Any], config: type[BaseModel]) -> tuple[str | int, ...] | None:
    """The path of the key that an unknown key was probably meant to be."""
    if problem["type"] != "extra_forbidden":
        return None
    near, *_ = _guess(problem, config)
    return (*problem["loc"][:-1], near) if near else None


def _guess(
    problem: dict[str, Any], config: type[BaseModel]
) -> tuple[str | None, list[str], list[str]]:
    """Of an unknown key: the nearest name that may stand there, the other blocks that have a key of
    its name, and all names that may stand there."""
    *location, key = problem["loc"]
    tags = _tags(config.model_json_schema())
    valid = _valid_keys(location, config, set(tags))
    names = {name for values in tags.values() for name in values}
    here = ".".join(str(step) for step in location if step not in names and isinstance(step, str))
    homes = _homes(key, config)
    # In its own block the key is one of another data set, server, ...: no hint.
    homes = [] if here in homes else homes
    near = get_close_matches(str(key), valid, n=1, cutoff=0.8 if homes else 0.5)
    return (near[0] if near else None), homes, valid


def _homes(key: str | int, model: type[BaseModel], path: str = "") -> list[str]:
    """The blocks that have a key of this name, the outer ones first."""
    homes: dict[str, None] = {}
    inner: dict[str, None] = {}
    for name, field in model.model_fields.items():
        block = f"{path}.{name}".lstrip(".")
        for of_field in _models_in(field.annotation):
            if key in of_field.model_fields:
                homes[block] = None
            inner |= dict.fromkeys(_homes(key, of_field, block))
    return list(homes | inner)


_IN_PLAIN_WORDS = {
    "string_type": 'it should be text; write it in quotes, as in `key: "007"`',
    "tuple_type": "it should be a list",
    "model_type": "it should be a block of keys",
    "model_attributes_type": "it should be a block of keys",
}


def _tags(schema: Any) -> dict[str, list[str]]:
    """The discriminators of a schema's unions, and their values: pydantic puts the value into an
    error's path."""
    tags: dict[str, list[str]] = {}
    for value in schema.values() if isinstance(schema, dict) else schema:
        if isinstance(value, dict) and "discriminator" in value:
            union = value["discriminator"]
            tags[union["propertyName"]] = list(union["mapping"])
        if isinstance(value, (dict, list)):
            tags |= _tags(value)
    return tags


def _valid_keys(
    location: list[str | int], config: type[BaseModel], discriminators: set[str]
) -> list[str]:
    """Names of the keys that may stand at ``location``; in a union, of the block that the tag in
    the path names."""
    models: list[type[BaseModel]] = [config]
    for step in location:
        if isinstance(step, int):
            continue
        tagged = [
            model
            for model in models
            for name in discriminators & set(model.model_fields)
            if model.model_fields[name].annotation == Literal[step]
        ]
        if tagged:
            models = tagged
            continue
        fields = [m.model_fields[step].annotation for m in models if step in m.model_fields]
        # A name that the user chose holds no keys.
        models = [model for field in fields for model in _models_in(field)] or models
    return sorted({name for model in models for name in model.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]


def no_repeats(values: tuple, key: str) -> None:
    """Raise ValueError if a value of the config key ``key`` stands in its list twice."""
    repeated = sorted({v for v in values if values.count(v) > 1})
    if repeated:
        raise ValueError(f"{key}: {repeated[0]} is given twice; keep one")
