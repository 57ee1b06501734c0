"""Contestants as processes of their own, in their own environments: start, ask, measure memory,
end."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import psutil

from benchmarks.work import Work

ROOT = Path(__file__).parents[1]
MIB = 2**20


class ContestantError(Exception):
    """A contestant cannot be started, has ended, or takes too long."""


@dataclass(frozen=True)
class Entry:
    """One line of the bench: what is measured, by which Python."""

    name: str
    module: str
    python: str
    threads: tuple[int, ...]
    dtype: str = "float32"
    tasks: tuple[str, ...] = ("round", "personalize")


@dataclass
class Contestant:
    """A running process that does the work when asked."""

    entry: Entry
    work: Work
    threads: int
    log: Path
    timeout: float
    process: subprocess.Popen = field(init=False)

    def __post_init__(self) -> None:
        if not Path(self.entry.python).exists():
            raise ContestantError("not installed: `make bench` sets up .venv-bench")
        # Whatever the user has set for threads would decide the result.
        environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("OMP_", "MKL_", "RAY_", "XLA_"))
        }
        environment |= {
            "FLWR_TELEMETRY_ENABLED": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
            "JAX_PLATFORMS": "cpu",
        }
        environment |= {
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
            "CUDA_VISIBLE_DEVICES": "",
        }
        self.log.parent.mkdir(parents=True, exist_ok=True)
        arguments = [self.entry.module, json.dumps(self.work.to_json()), str(self.threads)]
        with open(self.log, "w", encoding="utf-8") as errors:
            self.process = subprocess.Popen(
                [self.entry.python, "-m", "benchmarks.serve", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=ROOT,
                env=environment,
                # Ctrl-C is for the bench, which ends its contestants itself
                start_new_session=True,
            )
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    def ask(self, task: str, **arguments: int) -> dict:
        """Do a task; the answer, with the peak memory of all of its processes meanwhile as
        ``peak_mib``, and as ``others`` the share of the machine that went to other programs."""
        for process in self._tree():
            _reset_peak(process.pid)
        idle, own, began = psutil.cpu_times().idle, self._cpu_seconds(), time.monotonic()
        try:
            self.process.stdin.write((json.dumps({"task": task, **arguments}) + "\n").encode())
            self.process.stdin.flush()
        except OSError:
            self._explain()
        answer = self._answer()
        capacity = (time.monotonic() - began) * (os.cpu_count() or 1)
        others = 1 - (psutil.cpu_times().idle - idle + self._cpu_seconds() - own) / capacity
        return answer | {"peak_mib": _peak_bytes(self._tree()) / MIB, "others": max(0.0, others)}

    def close(self) -> None:
        """Let it end by itself, and whatever is left of it after ten seconds by force."""
        processes = self._tree()
        with suppress(OSError):
            self.process.stdin.close()
        _, alive = psutil.wait_procs(processes, timeout=10)
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.stdout.close()
        self.process.wait()

    def _answer(self) -> dict:
        line, end = b"", time.monotonic() + self.timeout
        while not line.endswith(b"\n"):
            if not select.select([self.process.stdout], [], [], max(0.0, end - time.monotonic()))[
                0
            ]:
                raise ContestantError(f"no answer in {self.timeout:.0f} s")
            part = os.read(self.process.stdout.fileno(), 2**16)
            if not part:
                self._explain()
            line += part
        return json.loads(line)

    def _explain(self) -> NoReturn:
        """Say why there is no answer: the signal that ended the process, or the last line that it
        wrote."""
        code = self.process.wait(self.timeout)
        if code < 0:
            raise ContestantError(f"was ended by {signal.Signals(-code).name}")
        lines = [
            line.strip()
            for line in self.log.read_text(errors="replace").splitlines()
            if line.strip()
        ]
        raise ContestantError(f"ended: {lines[-1] if lines else 'without a word'}"[:300])

    def _cpu_seconds(self) -> float:
        total = 0.0
        for process in self._tree():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def _tree(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(self.process.pid)
            return [root, *root.children(recursive=True)]
        return []


def _reset_peak(pid: int) -> None:
    """Make the kernel forget the process's peak memory so far."""
    with suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def _peak_bytes(processes: list[psutil.Process]) -> int:
    """Peak resident memory. Files and shared memory count once, as much as the process with most of
    them has."""
    own, shared = 0, {"RssFile": 0, "RssShmem": 0}
    for process in processes:
        try:
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            sizes = {
                line.split(":")[0]: int(line.split()[1]) * 1024
                for line in lines
                if line.startswith(("VmHWM", "Rss"))
            }
            own += sizes["VmHWM"] - sum(sizes[kind] for kind in shared)
            shared = {kind: max(size, sizes[kind]) for kind, size in shared.items()}
        except (OSError, KeyError):  # it has ended, or this is no Linux
            with suppress(psutil.NoSuchProcess):
                own += process.memory_info().rss
    return own + sum(shared.values())
