"""Snakemake's records in, lines out: on a terminal with live lines below them."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_perfedavg.run import Run, made, pages
from snakemake_logger_plugin_perfedavg.texts import counted, duration

VARIABLE = "PERFEDAVG_TERMINAL"
"""As in ``perfedavg.runtime.channel``."""

# What Snakemake says of itself at every run, and of what stands in a line of ours.
CHATTER = (
    "Assuming unrestricted shared filesystem usage",
    "Building DAG of jobs",
    "Complete log(s)",
    "Conda environments: ignored",
    "Elapsed time",
    "Group jobs: inactive",
    "Provided ",
    "Removing output files of failed job",
    "Rules claiming more threads",
    "Select jobs to execute",
    "Shutting down",
    "Singularity containers: ignored",
    "SLURM run ID",
    "Terminating processes on user request",
    "Using shell",
    "Workflow finished",
)
ENDS = (
    "At least one job did not complete successfully.",
    "Exiting because a job execution failed. Look above for error messages",
)
SAID_BY_LINES = (*ENDS, "returned non-zero exit status")
SUBMITTED = "has been submitted with"
NOTHING = "Nothing to be done"


class Display:
    """Shows one call of Snakemake.

    Args:
        common: Snakemake's settings of output.
        lock: held whenever a method is called from outside.
    """

    def __init__(self, common: Any, lock: Any) -> None:
        self._common, self._lock = common, lock
        self._stream = sys.stdout if common.stdout else sys.stderr
        self._run, self._live, self._channel = Run(), None, None
        self._workflow, self._weight = None, None
        self._planned = self._begun = self._nothing = self._has_failed = False
        self._stop = threading.Event()

    def watch(self, workflow: Any, weight: Callable[[Any], tuple[str, float, int]] | None) -> None:
        """See :class:`LogHandler`."""
        self._workflow, self._weight = workflow, weight

    def starts(self) -> None:
        """Listen to jobs, and say how much there is to do."""
        self._begun = True
        jobs = [job for job in self._workflow.dag.needrun_jobs() if job.output or job.log]
        self._run.expect({job.jobid: self._weight(job)[1:] for job in jobs})
        try:
            self._channel = Path(tempfile.mkdtemp(prefix="perfedavg-"))
        except OSError:  # jobs then write to the terminal themselves
            pass
        else:
            self._run.channel = self._channel
            owner = f"{socket.gethostname()}@{os.getpid()}"
            os.environ.update({VARIABLE: f"{self._channel}@{owner}"})
        self._say(f"{counted(len(jobs), 'job')} to do")
        if self._stream.isatty() and os.environ.get("TERM") != "dumb":
            from snakemake_logger_plugin_perfedavg.live import Live

            self._live = Live(self._stream, self._common.nocolor)
            threading.Thread(target=self._refresh, daemon=True).start()

    def take(self, record: logging.LogRecord) -> None:
        """One record of Snakemake's."""
        event = getattr(record, "event", None)
        if event in (LogEvent.RUN_INFO, LogEvent.JOB_INFO):
            self._planned = True
        if self._common.dryrun and self._planned and record.levelno < logging.WARNING:
            return  # all that stands on the screen at the end
        if event == LogEvent.RUN_INFO:
            self._run.total = self._run.total or record.stats.get("total", 0)
        elif event == LogEvent.JOB_INFO:
            self._begun = True
            self._run.start(
                record.jobid, record.rule_name, record.wildcards, record.log, record.output
            )
            if self._live:
                self._live.show(self._lines())
        elif event == LogEvent.JOB_FINISHED:
            self._say(*self._run.finish(record.job_id))
        elif event == LogEvent.JOB_ERROR:
            self._failure(record.jobid, record.rule_name, list(record.log or ()))
        elif event == LogEvent.GROUP_ERROR:
            self._say(*(f"{log} is the log of the jobs of a group" for log in record.aux_logs))
        elif event in (None, LogEvent.ERROR):
            self._message(record)

    def close(self) -> None:
        """The end of the call."""
        self.abandon()
        if self._common.dryrun:
            if self._planned and self._workflow and not self._has_failed:
                from snakemake_logger_plugin_perfedavg.screen import screen

                width = shutil.get_terminal_size((110, 24)).columns
                self._say(*screen(self._workflow.dag, self._weight, width))
            return
        if self._begun or self._nothing:
            self._say(*self._end())

    def abandon(self) -> None:
        """Leave the terminal as it was, and no file."""
        self._stop.set()
        if self._live:
            self._live.stop()
            self._live = None
        if self._channel:
            shutil.rmtree(self._channel, ignore_errors=True)
            self._channel = None
            os.environ.pop(VARIABLE, None)

    def _end(self) -> list[str]:
        run, outputs = self._run, []
        if self._workflow and self._workflow.dag:
            outputs = [str(file) for job in self._workflow.dag.jobs for file in job.output]
        if run.failed or self._has_failed or run.interrupted or len(run.done) < len(run.weights):
            counts = [f"{len(run.done)} of {counted(run.total, 'job')} done"]
            counts += [f"{len(run.failed)} failed"] if run.failed and not run.interrupted else []
            why = "Stopped by Ctrl-C" if run.interrupted else "Stopped"
            took = duration(run.clock() - run.began)
            then = "the same command goes on from here"
            return [f"{why} after {took}: {', '.join(counts)}; {then}.", *self._logfile()]
        lines = [] if self._nothing else [self._success()]
        return lines + [f"Open {page}" for page in pages(outputs)]

    def _success(self) -> str:
        run = self._run
        what = made(run.done)
        jobs = counted(len(run.done), "job")
        took = duration(run.clock() - run.began)
        return f"Done in {took}: {jobs}{f' ({what})' if what else ''}."

    def _logfile(self) -> list[str]:
        files = self._workflow.logger_manager.get_logfile() if self._workflow else []
        return [f"Snakemake's own log: {os.path.relpath(file)}" for file in files]

    def _failure(self, number: int, rule: str, logs: list[str]) -> None:
        self._say(*self._run.fail(number, rule, logs), style="red")
        if self._common.show_failed_logs:
            from snakemake.logging import show_logs

            self._say(*show_logs(logs))

    def _message(self, record: logging.LogRecord) -> None:
        run, text = self._run, record.getMessage()
        text = "" if text == "None" else text.strip("\n")
        run.interrupted |= text.startswith("Terminating processes on user request")
        self._nothing |= text.startswith(NOTHING)
        is_error = record.levelno >= logging.ERROR
        # A job's own error is not the end where it is started again.
        self._has_failed |= is_error and (not self._begun or text.endswith(ENDS))
        if text.startswith("Trying to restart job "):
            number = text.removeprefix("Trying to restart job ").rstrip(".")
            self._say(*run.again(int(number)))
        elif record.levelno < logging.WARNING:
            if text and not text.startswith(CHATTER) and SUBMITTED not in text:
                self._say(*text.split("\n"))
        elif not any(said in text for said in SAID_BY_LINES):
            first, *rest = text.split("\n")
            if first.startswith("WorkflowError") and "/workflow/rules/" in first and rest:
                # A sentence of this pipeline's: where it was raised says nothing to its user.
                text = "\n".join(line for line in rest if not line.startswith('  File "'))
            self._say(*text.split("\n"), style="red" if is_error else "")

    def _say(self, *lines: str, style: str = "") -> None:
        if not lines:
            return
        if self._live:
            self._live.print(lines, style, self._lines())
        else:
            print(*lines, sep="\n", file=self._stream, flush=True)

    def _refresh(self) -> None:
        """From a thread: what jobs say, twice a second."""
        while not self._stop.wait(0.5):
            with self._lock:
                if self._stop.is_set() or not self._live:
                    return
                try:
                    self._run.listen()
                    self._live.show(self._lines())
                except Exception:  # without live lines the run goes on
                    self._live.stop()
                    self._live = None
                    return

    def _lines(self) -> list[str]:
        """The live lines; none while a job prints what it has found, which they would draw over."""
        prints = any(job.logs and not job.outputs for job in self._run.running.values())
        return [] if prints else self._run.status()
