"""Command lines that Snakemake takes for something else than was meant."""

from __future__ import annotations

from collections.abc import Sequence

CONFIGS = (".yaml", ".yml", ".json")


def refused(arguments: Sequence[str]) -> str:
    """A sentence about a target that stands behind ``--configfile`` or ``--config``, which take all
    words up to the next option; empty where there is none."""
    option, words = "", 0
    for argument in arguments:
        if argument.startswith("-"):
            option, words = argument, 0
            if argument == "--":
                return ""
            continue
        words += 1
        if option in ("--configfile", "--configfiles"):
            taken = "a second config file" if words > 1 and not argument.endswith(CONFIGS) else ""
        elif option in ("--config", "-C"):
            taken = "" if "=" in argument else "an entry of the config"
        else:
            continue
        if taken:
            return (
                f"`{argument}` stands behind {option}, which takes it for {taken}; put targets "
                f"first, as in: snakemake {argument} --cores all {option} ..."
            )
    return ""
