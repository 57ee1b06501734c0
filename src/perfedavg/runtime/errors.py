"""The one error that a user is meant to read."""

from pathlib import Path


class PerfedavgError(Exception):
    """A problem that the user can solve. Its message is one sentence: what is wrong, where, and
    what to do; of several problems, one for each argument.

    Attributes:
        trace: of a worker process, for the log alone.
    """

    trace = ""

    def __str__(self) -> str:
        """One line per sentence, whatever stands in the names and texts of strangers."""
        return "\n".join("".join(map(_shown, str(sentence))) for sentence in self.args)


def _shown(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]


def reason(error: BaseException | str) -> str:
    """What a library says of a failure, on one line and not too long, to stand in a message."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]}..."


def nothing_at(path: str | Path) -> str:
    """For a message, where a path of the config was looked for."""
    if Path(path).is_absolute():
        return "nothing is there"
    return (
        f"{Path(path).absolute()} does not exist; paths count from the folder in which snakemake "
        "is started, not from the config file"
    )
