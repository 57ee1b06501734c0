"""``config/README.md`` and the JSON schema, generated from the config models: ``python -m
perfedavg.config.docs``."""

from __future__ import annotations

import json
from typing import Any

from perfedavg.config.experiment import Config
from perfedavg.config.load import json_schema
from perfedavg.storage.files import write_text

_HEAD = """# Configuration

| file | what it is |
|---|---|
| `config.yaml` | the default experiment, in small and on invented images; with it `dialogue.yaml` |
| `dialogue.yaml` | the same on invented text (`docs/dialogue.md`) |
| `emnist62.yaml` | the paper's protocol on its data |
| `emnist62-small.yaml` | the same with fewer clients, rounds and fine-tune epochs |
| `emnist62-algorithms.yaml` | all algorithms side by side (`docs/algorithms.md`) |
| `emnist62-claims.yaml` | what decides the paper's claims (`docs/claims.md`) |
| `emnist62-claims-pilot.yaml` | the pilot that chose its rates, on a seed that no claim uses |
| `emnist62-claims-sorted.yaml` | the same with clients sorted by id |
| `shakespeare.yaml` | Shakespeare with the field's standard set-up |
| `shakespeare-small.yaml` | the same with fewer rounds |
| `shakespeare-algorithms.yaml` | all algorithms through its network |
| `emnist62-precision.yaml` | what bfloat16 costs (`docs/speed.md`) |
| `claims.yaml` | the paper's claims and how each is decided |
| `paper_protocol.yaml` | the paper's protocol, value by value, for the article |
| `paper_targets.csv` | the paper's own Table 1 |

Choose one with `--configfile FILE`. Change single values on the command line, on top of the file:
`--config 'seeds=[0]'`, `--config 'training={rounds: 80}'`. Name a copy of the data, or a mirror:
`--config 'data={archive: PATH_OR_URL}'` (docs/your-own-data.md). Several experiments in
one call: `also` names further config files, in a file as in `config.yaml` or on the command line,
`--configfile config/emnist62-small.yaml --config 'also=[config/shakespeare-small.yaml]'`; other
values on the command line are the first experiment's alone. A wrong key, type or value stops
everything before the first job, with one sentence; for a key of an earlier version it names the new
one.

Generated from `src/perfedavg/config/` by `make schema`; do not edit.

| key | type | default | meaning |
|---|---|---|---|
"""


def config_readme() -> str:
    """The text of ``config/README.md``: one line per key."""
    schema = Config.model_json_schema()
    return _HEAD + "".join(
        f"| {p} | {t} | {d} | {m} |\n" for p, t, d, m in _rows(schema, schema["$defs"], "")
    )


def _rows(
    block: dict[str, Any], definitions: dict[str, Any], prefix: str
) -> list[tuple[str, str, str, str]]:
    rows = []
    for key, field in block["properties"].items():
        path, meaning = f"{prefix}{key}", field.get("description", "")
        default = f"`{json.dumps(field.get('default'))}`"
        options = [field, *field.get("oneOf", []), *field.get("anyOf", [])]
        blocks = [o["$ref"].split("/")[-1] for o in options if "$ref" in o]
        if not blocks:
            default = "required" if key in block.get("required", []) else default
            rows.append((f"`{path}`", _type(field), default, meaning))
        elif {"type": "null"} in options:
            rows.append((f"`{path}`", "block or null", default, meaning))
        for name in blocks:
            data_set = definitions[name]["properties"].get("dataset", {}).get("const")
            named = data_set or name.removeprefix("Server").lower()
            choice = f" ({named})" if len(blocks) > 1 else ""
            inner = _rows(definitions[name], definitions, f"{path}.")
            rows += [(p + choice, *rest) for p, *rest in inner]
    return rows


def _type(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_type(option) for option in field["anyOf"])
    if "enum" in field or "const" in field:
        return " or ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if field["type"] == "array":
        return f"list of {_type(field['items'])}" if "type" in field["items"] else "list of blocks"
    bounds = [f"{sign} {field[k]:g}" for k, sign in _BOUNDS.items() if k in field]
    return " ".join([field["type"], *([f"({', '.join(bounds)})"] if bounds else [])])


_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}

if __name__ == "__main__":
    write_text("config/README.md", config_readme())
    write_text("workflow/schemas/config.schema.json", json_schema())
