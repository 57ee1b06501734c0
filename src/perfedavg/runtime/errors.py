"""The one error that a user is meant to read."""

from pathlib import Path


class PerfedavgError(Exception):
    """A problem that the user can solve. Its message is one sentence: what is wrong, where, and
    what to do."""


def nothing_at(path: str | Path) -> str:
    """For a message, where a path of the config was looked for."""
    if Path(path).is_absolute():
        return "nothing is there"
    return (
        f"{Path(path).absolute()} does not exist; paths count from the folder in which snakemake "
        "is started, not from the config file"
    )
