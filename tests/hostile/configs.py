"""Configs that somebody has changed: by another value, another key, another letter."""

import copy
import datetime
import math
import re
from pathlib import Path

import yaml
from snakemake.common.configfile import load_configfile
from snakemake_interface_common.exceptions import WorkflowError

from perfedavg.config.load import check_keys, load_config
from perfedavg.planning.jobs import Jobs
from perfedavg.planning.workload import SizeAtHand
from tests.hostile.oracle import Group, judge

ROOT = Path(__file__).parents[2]
BASES = [
    ROOT / "config/config.yaml",
    ROOT / "config/emnist62.yaml",
    ROOT / "config/shakespeare-algorithms.yaml",
    ROOT / "tests/workflow/tiny.yaml",
]
VALUES = [
    -1, 0, 1, 2, 1.5, -0.0, 1e308, -1e308, math.nan, math.inf, 10**18, 10**400, 2**63, 2**32, True,
    False, None, "", " ", "x", "1e3", " 5", "007", "x" * 300, "a/b", "../x", "a b", "a\rb", "a\nb",
    "é", "\x1b[31m", "{x}", "*", "~", "$HOME", "/etc/passwd", "http://a:b@[c", [], {}, [[]], [None],
    [0, 0], [1, 2, 3], {"a": 1}, {"optimizer": "adam"}, {"optimizer": "none"}, {1: 2}, "no", "on",
    datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1, 1, 1), b"bytes", ["x"], [1e3], [-1],
    "12:30:45", "0x10", "1_000", "null", "true", "fedavg", "sgd",
]  # fmt: skip
NEW_NAMES = ["seed", "seeds", "lr", "x", "round", "rounds", "training", "", "a b", "é\n", "1",
             "federated", "personalization", "epochs", "model"]  # fmt: skip


def places(value, path=()):
    """Where something stands in a config."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, content in inner:
        yield (*path, key)
        if isinstance(content, (dict, list)):
            yield from places(content, (*path, key))


def at(config, path):
    for key in path:
        config = config[key]
    return config


def changed(rng, config):
    """The config with one change; its path and the value that is there now."""
    config = copy.deepcopy(config)
    *outer, key = path = rng.choice(list(places(config)))
    block, how = (
        at(config, outer),
        rng.choice(["value"] * 6 + ["gone", "new", "name", "nested", "list"]),
    )
    if how == "value":
        block[key] = rng.choice(VALUES)
    elif how == "gone":
        del block[key]
        return config, None, f"{path} gone"
    elif how == "nested":
        block[key] = {key: block[key]}
    elif how == "list":
        block[key] = [block[key]] * rng.choice([1, 2, 50])
    elif isinstance(block, dict):
        name = (
            rng.choice(NEW_NAMES)
            if how == "new"
            else f"{key}s"
            if rng.random() < 0.5
            else str(key)[1:]
        )
        block[name] = block[key] if how == "new" else block.pop(key)
        path = (*outer, name)
    return config, path, f"{path} = {str(at(config, path))[:60]!r}"


def text_changed(rng, text):
    """A letter more, fewer or another, a line twice or gone."""
    lines = text.splitlines(keepends=True)
    number = rng.randrange(len(lines))
    how = rng.choice(["letter", "letter", "letter", "twice", "gone", "cut"])
    if how == "twice":
        lines.insert(number, lines[number])
    elif how == "gone":
        del lines[number]
    elif how == "cut":
        return text[: rng.randrange(len(text))], "cut"
    else:
        place = rng.randrange(len(text))
        letter = rng.choice(":{}[]-,'\"#&*!|>%@`\t\r\n\x00\x07é\u2028 01eE.~?")
        return text[:place] + letter + text[place + rng.randrange(2) :], f"letter {letter!r}"
    return "".join(lines), f"line {number} {how}"


def planned(path):
    """What happens to a config before the first job."""
    check_keys(path)
    raw = load_configfile(path)
    config = load_config(raw)
    jobs = Jobs(config, SizeAtHand(config.data, path.parent / "no-store"))
    jobs.constraints  # noqa: B018
    return raw, config


def holds(raw, config):
    """Whether a validated value says what was written; defaults may come to a block."""
    if isinstance(raw, dict):
        return isinstance(config, dict) and all(holds(v, config.get(k)) for k, v in raw.items())
    if isinstance(raw, (list, tuple)):
        same = isinstance(config, list) and len(raw) == len(config)
        return same and all(holds(*pair) for pair in zip(raw, config, strict=True))
    typed = yaml.safe_load(raw) if isinstance(raw, str) else raw
    if isinstance(typed, str) and re.fullmatch(r"[+-]?\d+(\.\d*)?e[+-]?\d+", typed):
        typed = float(typed)  # a number to everyone but YAML 1.1, which asks for 1.0e+3
    return raw is None or raw == config or typed == config


def config(rng, folder, what):
    """One change of a config of the project: refused, or it is what holds."""
    base = rng.choice(BASES)
    file, text = folder / "config.yaml", base.read_text()
    if rng.random() < 0.35:
        text, what[0] = text_changed(rng, text)
        path = None
    else:
        raw, path, what[0] = changed(rng, yaml.safe_load(text))
        if rng.random() < 0.3:
            raw, path, more = changed(rng, raw)
            what[0] += f", {more}"
        try:
            text = yaml.safe_dump(raw, allow_unicode=rng.random() < 0.5)
        except ValueError:  # the number is too long for Python's own text
            return
    what[0] = f"{base.name}: {what[0]}"
    file.write_bytes(text.encode(errors="surrogateescape"))

    def right(result):
        raw, config = result
        dumped = config.model_dump(mode="json")
        for key in path or ():
            if not isinstance(raw, (dict, list)) or key not in (
                raw if isinstance(raw, dict) else range(len(raw))
            ):
                return True  # a second change took it away
            raw = raw[key]
            if (isinstance(dumped, dict) and key in dumped) or (
                isinstance(dumped, list) and isinstance(key, int) and key < len(dumped)
            ):
                dumped = dumped[key]
            else:
                return False
        return path is None or holds(raw, dumped) or "file" in path or "archive" in path

    def call():
        try:
            return planned(file)
        except WorkflowError:  # Snakemake's own sentence about YAML
            return None

    judge(call, right=lambda result: result is None or right(result), each_line=True)


GROUPS = {"configs": Group(config, 40, 300)}
