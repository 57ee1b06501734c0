"""The one error that a user is meant to read."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OF_THE_MACHINE = {
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room in your quota",
    errno.EROFS: "take a folder that can be written to",
    errno.EACCES: "allow the access",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.EFBIG: "raise the limit of a file's size (ulimit -f)",
    errno.ENOMEM: "lower `execution.workers` or --cores, or take a machine with more memory",
    errno.EIO: "look after the disk",
}
"""What to do about an error of the operating system that no file is to blame for."""

ANEW = "delete it and give the same command again"


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


@contextmanager
def reading(path: str | Path, cure: str = ANEW) -> Iterator[None]:
    """Say of the file at ``path`` what fails in the body, which reads it and takes it apart: what
    is damaged, or another file, raises whatever its library thinks of.

    Args:
        cure: what to do, where it is no file that a step of the workflow has written.

    Raises:
        PerfedavgError: names the file; what the machine lacks is raised as it is.
    """
    try:
        yield
    except (PerfedavgError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise PerfedavgError(f"{path} is missing; give the command again that makes it.") from error
    except Exception as error:
        if number_of(error) in OF_THE_MACHINE:
            raise
        raise PerfedavgError(f"{path} cannot be read ({_of_contents(error)}); {cure}.") from error


def number_of(error: BaseException) -> int | None:
    """The operating system's number of what went wrong, if it was that; libraries in Rust, as
    safetensors, tell it in their text alone."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    told = re.search(r"\(os error (\d+)\)", str(error))
    return int(told[1]) if told else None


def _of_contents(error: Exception) -> str:
    if isinstance(error, KeyError) and len(error.args) == 1:
        return f"{error.args[0]!r} is missing in it"
    if isinstance(error, TypeError | AttributeError | IndexError | RecursionError):
        return "something else stands in it"
    return reason(error).removesuffix(".")


def nothing_at(path: str | Path) -> str:
    """For a message, where a path of the config was looked for."""
    if Path(path).is_absolute():
        return "nothing is there"
    return (
        f"{Path(path).absolute()} does not exist; paths count from the folder in which snakemake "
        "is started, not from the config file"
    )
