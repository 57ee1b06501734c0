"""What counts as survived: the right result, or one sentence that says what, where and what to do.

A trial is a function of a random generator and an empty folder. It makes something hostile, lets
the project meet it, and returns what it was; where the project does wrong it raises."""

import re
import shutil
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from random import Random
from typing import NamedTuple

from tqdm import tqdm

from perfedavg.runtime.errors import PerfedavgError

ADVICE = re.compile(
    r"\b(add|allow|ask|belongs?|change|check|choose|close|correct|delete|did you mean|free|get|"
    r"give|join|keep|leave|list|lower|make|move|must|name|need|needs|put|quote|raise|remove|rename|"
    r"report|run|say|see|set|shows?|should|start|store|take|try|unpack|use|valid|wait|wanted|write)\b"
)
SECONDS = 60  # for one trial in this process


class WrongError(AssertionError):
    """The project did wrong."""


class Group(NamedTuple):
    """Trials of one kind; how many in the suite and in the long run."""

    trial: Callable
    few: int
    many: int


def check_sentence(text, where=()):
    """One sentence on one line, with one of the places in ``where`` and what to do."""
    if text != text.strip() or len(text.splitlines()) != 1 or not text.isprintable():
        raise WrongError(f"not one line: {text!r}")
    if "Traceback" in text or "please report" in text:
        raise WrongError(f"nobody foresaw it: {text}")
    if len(text) > 1500 or text[-1] not in ".?":
        raise WrongError(f"no sentence: {text!r}")
    if where and not any(str(place) in text for place in where):
        raise WrongError(f"does not say where ({where}): {text}")
    if not ADVICE.search(text):
        raise WrongError(f"does not say what to do: {text}")


def judge(call, where=(), right=lambda result: False, each_line=False):
    """``call()`` gives a ``right`` result, or a refusal that is a sentence. True: a result."""
    try:
        with at_most(SECONDS):
            result = call()
    except PerfedavgError as error:
        for text in str(error).split("\n") if each_line else [str(error)]:
            check_sentence(text, where)
        return False
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise WrongError(
            f"{type(error).__name__} at {last.filename}:{last.lineno}: {str(error)[:300]}"
        ) from error
    if not right(result):
        raise WrongError(f"accepted: {str(result)[:200]}")
    return True


@contextmanager
def at_most(seconds):
    """TimeoutError where the body takes longer; in the main thread alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def late(*_):
        raise TimeoutError(f"it hangs: {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run(name, group, times, seed, folder, only=None, shown=False):
    """Make the trials; gives the counts and a line for each failure, which is also ``shown`` at
    once, below a progress bar."""
    counts, failed, began = Counter(), [], time.monotonic()
    numbers = range(times) if only is None else [only]
    for number in tqdm(numbers, desc=name, unit="trial", disable=not shown):
        place = folder / f"{name.replace(' ', '-')}-{number}"
        place.mkdir(parents=True)
        what = ["?"]
        try:
            group.trial(Random(f"{seed} {name} {number}"), place, what)
            counts["survived"] += 1
        except Exception as error:
            kind = "" if isinstance(error, WrongError) else f"{type(error).__name__} in the trial: "
            failed.append(f"{name} {number} ({what[0]}): {kind}{error}")
            counts["failed"] += 1
            if shown:
                tqdm.write(failed[-1], file=sys.stderr)
        finally:
            shutil.rmtree(place, ignore_errors=True)
        counts["tried"] += 1
    counts["seconds"] = round(time.monotonic() - began)
    return counts, failed
