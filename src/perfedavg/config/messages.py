"""What is wrong with a config, in one sentence with the path of the key and the nearest valid
name."""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import Any, Literal, get_args

from pydantic import BaseModel

from perfedavg.data.sets import DATA_SETS

# The discriminators of the unions in a config, and their values: pydantic puts the value into an
# error's path.
_TAGS = {"dataset": tuple(DATA_SETS), "optimizer": ("sgd", "adam", "yogi", "adagrad")}


def sentence(problem: dict[str, Any], config: type[BaseModel]) -> str:
    """One of pydantic's problems with the model ``config``, in plain words."""
    tags = {tag for values in _TAGS.values() for tag in values}
    path = ".".join(
        f"[{p}]" if isinstance(p, int) else str(p) for p in problem["loc"] if p not in tags
    ).replace(".[", "[")
    kind = problem["type"]
    if kind == "extra_forbidden":
        valid = _valid_keys(problem["loc"][:-1], config)
        near = get_close_matches(str(problem["loc"][-1]), valid, n=1, cutoff=0.5)
        return f"Config key `{path}` is unknown; " + (
            f"did you mean `{near[0]}`?" if near else f"valid keys here: {', '.join(valid)}."
        )
    if kind == "missing":
        return f"Config key `{path}` is missing; add it."
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        discriminator = problem["ctx"]["discriminator"].strip("'")
        state = f'is "{problem["ctx"]["tag"]}"' if "tag" in problem["ctx"] else "is missing"
        return f"Config key `{path}.{discriminator}` {state}; use one of {', '.join(map(repr, _TAGS[discriminator]))}."
    message = _IN_PLAIN_WORDS.get(kind, problem["msg"].removeprefix("Value error, "))
    message = message[0].lower() + message[1:]
    if not path:
        return f"Config is impossible: {message}."
    if kind == "value_error" and isinstance(problem["input"], dict):
        return f"Config block `{path}` is impossible: {message}."
    return f"Config key `{path}` is {json.dumps(problem['input'], default=str)}, but {message}."


_IN_PLAIN_WORDS = {
    "tuple_type": "it should be a list",
    "model_type": "it should be a block of keys",
    "model_attributes_type": "it should be a block of keys",
}


def _valid_keys(location: list[str | int], config: type[BaseModel]) -> list[str]:
    """Names of the keys that may stand at ``location``; in a union, of the block that the tag in
    the path names."""
    models: list[type[BaseModel]] = [config]
    for part in location:
        if isinstance(part, int):
            continue
        tagged = [
            m
            for m in models
            if any(
                m.model_fields[d].annotation == Literal[part] for d in _TAGS if d in m.model_fields
            )
        ]
        if tagged:
            models = tagged
            continue
        fields = [
            model.model_fields[part].annotation for model in models if part in model.model_fields
        ]
        models = [
            m for field in fields for m in _models_in(field)
        ] or models  # a name that the user chose holds no keys
    return sorted({name for model in models for name in model.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]


def no_repeats(values: tuple, key: str) -> None:
    """Raise ValueError if a value of the config key ``key`` stands in its list twice."""
    repeated = sorted({v for v in values if values.count(v) > 1})
    if repeated:
        raise ValueError(f"{key}: {repeated[0]} is given twice")
