"""A run as the terminal shows it: what is done, what is at work, what is left."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from snakemake_logger_plugin_perfedavg.texts import counted, duration, job_name

STOPPED = "stopped by Ctrl-C"


@dataclass
class Job:
    """A job that has started."""

    rule: str
    name: str
    logs: list[str]
    outputs: list[str]
    began: float
    told: dict[str, Any] = field(default_factory=dict)
    """What it says of itself, see ``perfedavg.runtime.channel``."""

    @property
    def is_target(self) -> bool:
        """A rule that only names files."""
        return not (self.logs or self.outputs)


@dataclass
class Run:
    """Takes what happens to jobs and answers with lines.

    Args:
        channel: the folder in which jobs say how far they are.
        clock: seconds, and for the time of day ``now``.
    """

    channel: Path | None = None
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], str] = lambda: time.strftime("%H:%M:%S")
    total: int = 0
    weights: dict[int, tuple[float, int]] = field(default_factory=dict)
    """By job, seconds of work and number of runs; empty where nobody knows."""
    running: dict[int, Job] = field(default_factory=dict)
    done: list[Job] = field(default_factory=list)
    failed: dict[int, Job] = field(default_factory=dict)
    interrupted: bool = False
    _of: dict[int, Job] = field(default_factory=dict)
    _work_done: float = 0.0

    def __post_init__(self) -> None:
        self.began = self.clock()

    def expect(self, weights: dict[int, tuple[float, int]]) -> None:
        """The jobs to come, those without files left out."""
        self.weights, self.total = weights, len(weights)

    def start(self, number: int, rule: str, wildcards: Any, logs: Any, outputs: Any) -> None:
        """A job starts."""
        texts = [[str(path) for path in paths or ()] for paths in (logs, outputs)]
        job = Job(rule, job_name(rule, wildcards), *texts, self.clock())
        self.running[number] = self._of[number] = job
        self.failed.pop(number, None)

    def finish(self, number: int) -> list[str]:
        """A job is done: what it warned of, and its line."""
        job = self.running.pop(number, None)
        if job is None or job.is_target:
            return []
        lines = self._warnings(job)
        self.done.append(job)
        self._work_done += self.weights.get(number, (0.0, 0))[0]
        width = len(str(self.total))
        count = f"{len(self.done):>{width}}/{self.total or '?'}"
        share = f"  {self.share():>4.0%}" if self.weights else ""
        took = duration(self.clock() - job.began)
        return [*lines, f"{self.now()}  {count}{share}  {job.name}  ({took})"]

    def fail(self, number: int, rule: str, logs: Iterable[str]) -> list[str]:
        """A job has failed: why, in its own words, and where its log is."""
        job = self.running.pop(number, None) or self._of.get(number)
        job = job or Job(rule, rule, [str(log) for log in logs], [], self.clock())
        self.failed[number] = job
        lines, logs = self._warnings(job), [str(log) for log in logs] or job.logs
        sentence = (job.told.get("error") or _last_words(logs)).removeprefix("Error: ")
        if STOPPED in sentence:
            self.interrupted = True
            return [*lines, f"{self.now()}  {job.name} has stopped"]
        where = f"  (log: {', '.join(logs)})" if logs else ""
        return [*lines, f"{self.now()}  FAILED  {job.name}{where}", f"Error: {sentence}"]

    def again(self, number: int) -> list[str]:
        """A job that has failed is started once more."""
        job = self.failed.pop(number, None)
        return [f"{self.now()}  {job.name} starts again"] if job else []

    def listen(self) -> None:
        """Read what running jobs say."""
        for job in self.running.values():
            self._read(job)

    def status(self) -> list[str]:
        """A line per run at work, and one of the whole."""
        lines = []
        for job in self.running.values():
            if job.is_target:
                continue
            runs = job.told.get("runs") or {}
            lines += [_of_run(label, facts) for label, facts in runs.items()]
            if not runs:
                lines.append(f"{job.name} · {duration(self.clock() - job.began)}")
        return [*lines, self._whole()]

    def share(self) -> float:
        """Of the work, what is done; running jobs count as far as they have come."""
        whole = sum(seconds for seconds, _ in self.weights.values())
        done = self._work_done
        for number, job in self.running.items():
            seconds, runs = self.weights.get(number, (0.0, 0))
            done += seconds * _part(job.told, runs)
        return min(1.0, done / whole) if whole else 0.0

    def _whole(self) -> str:
        elapsed = self.clock() - self.began
        parts = [f"{len(self.done)} of {counted(self.total, 'job')}"]
        share = self.share()
        if self.weights:
            parts.append(f"{share:.0%} of the work")
        parts.append(duration(elapsed))
        if 0.03 < share < 1 and elapsed > 20:
            parts.append(f"about {duration(elapsed * (1 - share) / share)} left")
        return " · ".join(parts)

    def _warnings(self, job: Job) -> list[str]:
        path = self._read(job)
        if path:
            path.unlink(missing_ok=True)
        return [f"          {job.name}: {text}" for text in job.told.get("warnings", ())]

    def _read(self, job: Job) -> Path | None:
        if not (self.channel and job.logs):
            return None
        path = self.channel / f"{quote(job.logs[0], safe='')}.json"
        with suppress(OSError, ValueError):
            job.told = json.loads(path.read_text(encoding="utf-8"))
        return path


def _part(told: dict[str, Any], runs: int) -> float:
    """How much of a job with so many runs is done."""
    at_work = [f["done"] / f["total"] for f in (told.get("runs") or {}).values() if f.get("total")]
    finished = told.get("finished", 0)
    return min(0.99, (finished + sum(at_work)) / max(1, runs, finished + len(at_work)))


def _of_run(label: str, facts: dict[str, Any]) -> str:
    of = f"/{facts['total']}" if facts.get("total") else ""
    parts = [label, f"{facts['unit']} {facts['done']}{of}"]
    shown = dict(facts.get("facts") or {})
    accuracy = shown.pop("validation accuracy", None)
    if accuracy is not None:
        parts.append(f"validation accuracy {accuracy}")
    if facts["done"] == facts.get("total"):  # it writes its results, or the next one begins
        parts.append("done")
    elif facts.get("left") is not None:
        parts.append(f"{duration(facts['left'])} left")
    return " · ".join([*parts, *(f"{name} {value}" for name, value in shown.items())])


def _last_words(logs: Iterable[str]) -> str:
    """The last error of a job's logs, or their last line."""
    last = ""
    for log in logs:
        with suppress(OSError):
            lines = Path(log).read_text(encoding="utf-8", errors="replace").splitlines()
            for line in reversed(lines):
                if line.startswith("Error: "):
                    return line
                last = last or line.strip()
    if last.startswith("start-up "):  # a log's last line where all went well
        return "another job of its group has failed"
    return (
        f"it ended without an error message, after: {last}"
        if last
        else ("it ended without a message: killed from outside, perhaps for lack of memory")
    )


def made(jobs: Iterable[Job]) -> str:
    """What these jobs have made."""
    jobs = list(jobs)
    numbers = {
        "trained run": sum(file.endswith("/run.json") for job in jobs for file in job.outputs),
        "table": sum("_table_" in f"_{job.rule}" for job in jobs),
        "figure": sum("_figure_" in f"_{job.rule}" for job in jobs),
    }
    return ", ".join(counted(n, thing) for thing, n in numbers.items() if n)


def pages(outputs: Iterable[str]) -> list[str]:
    """The pages to open."""
    found = (str(path) for path in outputs if str(path).endswith("/report.html"))
    return [page for page in dict.fromkeys(found) if Path(page).exists()]
