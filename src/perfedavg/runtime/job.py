"""What every step of the workflow does around its work: log, progress, memory, errors that a user
can read."""

from __future__ import annotations

import atexit
import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import Any, NoReturn

import psutil

from perfedavg.runtime import owners, records
from perfedavg.runtime.channel import Channel, channel
from perfedavg.runtime.errors import OF_THE_MACHINE, PerfedavgError, number_of, reason
from perfedavg.runtime.secrets import masked

logger = logging.getLogger("perfedavg")

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h

_told: list[Channel] = []
"""Where this step tells how far it is, if a run listens: one or none."""

TIMING_LINE = "start-up {startup:.2f} s, work {work:.2f} s"


@contextmanager
def job(log: str | Path, step: Any = None) -> Iterator[None]:
    """Run the body as one step: messages go to the terminal and to ``log``, to the log alone where
    a run that draws the terminal listens; the last line of the log is its timing. What it reads,
    the ``input`` of ``step``, is compared with what earlier steps wrote; of its ``output`` the
    checksums are written down.

    A :class:`PerfedavgError` ends the process with exit code 1 and its message, any other error
    with one sentence, its traceback in the log alone. SIGTERM ends it as Ctrl-C does, so that
    training saves its state first, and so does the end of the run that started it: the next start
    must not meet it at work."""
    began = time.time()
    logging.raiseExceptions = False  # a log on a full disk stops nothing
    # This package's messages alone: libraries have their own chatter.
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    logger.handlers = handlers
    try:
        startup = began - psutil.Process().create_time()
        keep_freed_memory()
        signal.signal(signal.SIGTERM, _stop)
        _belong_to_the_run()
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(log, mode="w", encoding="utf-8"))
    except OSError as error:
        logger.error("Error: %s", in_one_sentence(error, f"the path {log}"))
        raise SystemExit(1) from None
    logger.setLevel(logging.INFO)
    if told := channel(log):
        _told[:], handlers[0] = [told], told
        atexit.register(told.end)
    try:
        if step:
            records.check(step.input)
        yield
        if step:
            records.record(step.output)
    except PerfedavgError as error:
        if error.trace:
            handlers[1].handle(_for_the_log(f"Traceback of a worker process:\n{error.trace}"))
        logger.error("Error: %s", masked(str(error)))
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        logger.error("Error: stopped by Ctrl-C; the same command goes on where it was.")
        raise SystemExit(128 + signal.SIGINT) from None
    except Exception as error:
        trace = (type(error), error, error.__traceback__)
        handlers[1].handle(_for_the_log("Traceback of", trace))
        logger.error("Error: %s", PerfedavgError(in_one_sentence(error, f"the log {log}")))
        raise SystemExit(1) from None
    logger.removeHandler(handlers[0])  # the timing is for the log alone
    logger.info(TIMING_LINE.format(startup=startup, work=time.time() - began))


def _for_the_log(text: str, trace: Any = None) -> logging.LogRecord:
    return logging.LogRecord(logger.name, logging.ERROR, "", 0, text, (), trace)


def in_one_sentence(error: BaseException, log: str) -> str:
    """What nobody foresaw: what the machine lacks, or a mistake of ours, to be reported with
    ``log``."""
    error = _first_of_the_machine(error)
    if isinstance(error, MemoryError):
        return (
            "the machine has no memory left for this step; lower `execution.workers` or --cores, "
            "or take a machine with more."
        )
    if (number := number_of(error)) in OF_THE_MACHINE:
        name = getattr(error, "filename", None)
        where = f"{name}: " if name else ""
        return (
            f"{where}{os.strerror(number)}; {OF_THE_MACHINE[number]} and give the same command "
            "again."
        )
    why = reason(f"{type(error).__name__}: {masked(str(error))}").removesuffix(".")
    return (
        f"unexpected {why}; please report it with {log}, unless `snakemake --cores 1 verify` names "
        "a damaged file."
    )


def _first_of_the_machine(error: BaseException) -> BaseException:
    """What the machine lacked, if that came first: cleaning up after a full disk, a library may
    stumble over what it had not begun."""
    before: BaseException | None = error
    while before and not (isinstance(before, MemoryError) or number_of(before) in OF_THE_MACHINE):
        before = before.__cause__ or before.__context__
    return before or error


def _belong_to_the_run() -> None:
    if not (name := os.environ.get(owners.OWNER)):
        return
    run = Path(name)
    if own := owners.register(run.parent, "job"):
        atexit.register(own.unlink, missing_ok=True)
    owners.when_it_ends(run, lambda: os.kill(os.getpid(), signal.SIGTERM))


def _stop(signum: int, frame: object) -> NoReturn:
    """A cluster that ends a job asks first: leave as after Ctrl-C, so that what can be saved is
    saved. It may ask twice, directly and through Snakemake; the second one must not interrupt the
    saving."""
    signal.signal(signum, signal.SIG_IGN)
    raise SystemExit(128 + signum)


def keep_freed_memory() -> None:
    """Memory that is freed stays with the process, blocks of 32 MiB and more excepted (the most
    that glibc allows).

    Otherwise a training step gives its large tensors back to the system and takes them anew, page
    by page."""
    with suppress(OSError, AttributeError):  # another C library than glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


class Progress:
    """A progress line for a long run, for terminal and log: done, rate, time left and named facts.

    Whole lines rather than a redrawn bar, since several jobs share the terminal; at most one in
    ``interval`` seconds."""

    def __init__(self, label: str, total: int | None, unit: str, done: int = 0) -> None:
        from tqdm import tqdm

        tqdm.monitor_interval = 0  # no thread that watches a bar which nobody redraws
        self._bar = tqdm(
            desc=label,
            total=total,
            unit=unit,
            initial=done,
            file=StringIO(),
            mininterval=1e9,
            ascii=" .:",
            ncols=110,
        )
        self._label = label
        self._interval = 2.0 if sys.stderr.isatty() else 10.0
        self._last = time.monotonic()

    def advance(self, to: int | None = None, **facts: str | float) -> None:
        """One unit more is done, or ``to`` units in all; show a line if it is time for one or if
        this was the last."""
        self._bar.update(1 if to is None else to - self._bar.n)
        now = time.monotonic()
        for told in _told:
            if told.is_due:
                told.show(self._label, **self._state(), facts=facts)
        if now - self._last >= self._interval or self._bar.n == self._bar.total:
            self._last = now
            self._bar.set_postfix(facts, refresh=False)
            logger.info(str(self._bar))

    def _state(self) -> dict[str, Any]:
        bar = self._bar
        rate = (bar.n - bar.initial) / max(1e-9, bar.format_dict["elapsed"])
        left = (bar.total - bar.n) / rate if bar.total and rate else None
        return {"done": bar.n, "total": bar.total, "unit": bar.unit, "left": left}

    def close(self) -> None:
        """Release the bar."""
        self._bar.close()
        for told in _told:
            told.finish(self._label)
