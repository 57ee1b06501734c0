"""Worker processes of one job: they call functions of this package, each one call at a time.

Not ``multiprocessing``'s: its fresh interpreters run the caller's script once more, and the
workflow's scripts do their work at module level; its forks are unsafe once torch has threads. A
worker here is a fresh interpreter that imports what its first call needs, in about two seconds, and
lives until the pool is closed or this process ends, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from mmap import mmap
from multiprocessing.connection import Connection, Pipe, wait
from types import TracebackType
from typing import Any, NoReturn

from perfedavg.runtime.errors import PerfedavgError
from perfedavg.runtime.job import in_one_sentence, keep_freed_memory


@dataclass(frozen=True)
class SharedMemory:
    """Memory that a pool's workers and the process that owns the pool see alike. To others its
    descriptor means nothing."""

    descriptor: int
    size: int

    def map(self) -> mmap:
        """The memory itself: zeros where nobody has written."""
        return mmap(self.descriptor, self.size)


class Pool:
    """Up to ``size`` workers, started when they are first needed."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._workers: list[_Worker] = []
        self._descriptor = _anonymous_file()
        self._memory_size = 0

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        os.close(self._descriptor)

    def memory(self, size: int) -> SharedMemory:
        """Memory of at least ``size`` bytes, the same at every call; it grows where a call asks for
        more."""
        if size > self._memory_size:
            os.truncate(self._descriptor, size)
            self._memory_size = size
        return SharedMemory(self._descriptor, self._memory_size)

    def run(
        self,
        call: Callable[..., Any],
        tasks: Sequence[tuple],
        names: Sequence[str],
        sizes: Sequence[Any],
        done: Callable[[int], None] = lambda task: None,
    ) -> list[Any]:
        """``[call(*task) for task in tasks]``, each computed by whoever is free.

        Args:
            call: a module's function or a ``partial`` of one; what it is bound to travels once, a
                task's values with the task.
            names: what an error calls each task.
            sizes: the tasks of the largest size start first, so that no worker waits for a long one
                at the end.
            done: called with a task's position when its result is there.

        Raises:
            PerfedavgError: a call raised, or a worker died. After this and any other exception, no
            worker is left."""
        results: list[Any] = [None] * len(tasks)
        waiting = iter(sorted(range(len(tasks)), key=lambda task: sizes[task], reverse=True))
        busy: dict[Connection, tuple[_Worker, int]] = {}
        try:
            while len(self._workers) < min(self.size, len(tasks)):
                self._workers.append(_Worker(self._descriptor))
            for worker, task in zip(self._workers, waiting, strict=False):
                worker.send(call, names[task])
                worker.send(tasks[task], names[task])
                busy[worker.connection] = worker, task
            while busy:
                for connection in wait(list(busy)):
                    worker, task = busy.pop(connection)
                    results[task] = worker.receive(names[task])
                    following = next(waiting, None)
                    if following is not None:
                        worker.send(tasks[following], names[following])
                        busy[connection] = worker, following
                    done(task)
        except BaseException:
            self.stop()
            raise
        return results

    def stop(self) -> None:
        """End all workers now: they own nothing that would need tidying up."""
        for worker in self._workers:
            worker.kill()
        self._workers = []


class _Worker:
    """One process, seen from the other side."""

    def __init__(self, descriptor: int) -> None:
        self.connection, theirs = Pipe()
        paths = os.pathsep.join(filter(None, sys.path))
        program = f"from perfedavg.runtime.pool import work; work({theirs.fileno()})"
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", program],
            stdin=subprocess.PIPE,  # closes when this process ends, and the worker with it
            pass_fds=(theirs.fileno(), descriptor),
            env=os.environ | {"PYTHONPATH": paths},
            start_new_session=True,  # what a Ctrl-C means is decided here
        )
        theirs.close()

    def send(self, message: Any, name: str) -> None:
        try:
            self.connection.send(message)
        except OSError:
            self._has_died(name)

    def receive(self, name: str) -> Any:
        try:
            succeeded, result, trace = self.connection.recv()
        except (EOFError, OSError):
            self._has_died(name)
        if succeeded:
            return result
        error = PerfedavgError(f"{name}, in a worker process: {result}" if trace else result)
        error.trace = trace
        raise error

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.connection.close()

    def _has_died(self, name: str) -> NoReturn:
        code = self.process.wait()
        how = f"ended with exit code {code}"
        if code < 0:
            how = f"was ended by {signal.Signals(-code).name}"
        why = (
            ", perhaps for lack of memory: try fewer `execution.workers`"
            if code == -signal.SIGKILL
            else ""
        )
        raise PerfedavgError(
            f"{name}: its worker process {how}{why}; the next start resumes what was saved."
        ) from None


def work(channel: int) -> None:
    """A worker's life: receive a function, or arguments for the last one; send back ``(succeeded,
    result or reason, trace)``."""
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    keep_freed_memory()
    connection = Connection(channel)
    call: Callable[..., Any] = print
    while True:
        try:
            message = connection.recv()
            if callable(message):
                call = message
                continue
            reply = True, call(*message), ""
        except (EOFError, ConnectionError):  # the owner has gone
            return
        except PerfedavgError as error:
            reply = False, str(error), ""
        except Exception as error:
            reply = False, in_one_sentence(error, "this log"), traceback.format_exc()
        with suppress(ConnectionError):
            connection.send(reply)


def _end_with_the_parent() -> None:
    os.read(0, 1)
    os._exit(1)


def _anonymous_file() -> int:
    """A file without a name: nothing is left of it when all who have it open are gone."""
    if hasattr(os, "memfd_create"):  # memory, also where /dev/shm is small, as in containers
        return os.memfd_create("perfedavg")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
