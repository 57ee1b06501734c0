"""Measure rounds and personalization against peers and the machine's floor: ``python -m
benchmarks``, or ``make bench``."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from benchmarks import report
from benchmarks.contestants import ROOT, Contestant, ContestantError, Entry
from benchmarks.report import FLOOR, OURS, OURS_BF16
from benchmarks.work import CNN, LSTM, QUICK, QUICK_LSTM, Work
from perfedavg.runtime.machine import git_commit, machine_facts
from perfedavg.storage.files import read_json

TIMEOUT_SECONDS = 600.0
# How far the first round's update norm, or the mean test loss, may be from ours: shuffling differs,
# and the CNN's dropout.
TOLERANCE = {("cnn", "round"): 0.25, ("cnn", "personalize"): 0.1, ("lstm", "round"): 0.05}
PARTS = ("cnn", "lstm", "scale")


def entries(peers_python: Path, cores: int) -> list[Entry]:
    """All contestants, ours first."""
    here, there, threads = sys.executable, str(peers_python), tuple(sorted({1, cores}))
    return [
        Entry(OURS, "benchmarks.ours", here, (cores,)),
        Entry(OURS_BF16, "benchmarks.ours_bf16", here, (cores,), dtype="bfloat16"),
        Entry(FLOOR, "benchmarks.floor", here, (cores,), tasks=("floor",)),
        Entry("plain torch loop", "benchmarks.peers.plain", here, threads),
        Entry("pfl-research", "benchmarks.peers.pfl_research", there, threads),
        Entry("flower", "benchmarks.peers.flower", there, threads),
        Entry("fedjax", "benchmarks.peers.fedjax", there, threads, tasks=("round",)),
    ]


def lstm_entries(cnn_entries: Sequence[Entry]) -> list[Entry]:
    """Those of them that know the LSTM, of which rounds are measured alone."""
    return [
        replace(entry, tasks=tuple(task for task in entry.tasks if task != "personalize"))
        for entry in cnn_entries
        if entry.name not in (OURS_BF16, "fedjax")
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    options = _parser().parse_args(arguments)
    alternations = options.alternations or (2 if options.quick else 5)
    parts, bench_json = options.parts, options.out / "bench.json"
    if set(parts) != set(PARTS) and not bench_json.exists():
        raise SystemExit(
            f"There is no {bench_json} that the other parts could be kept from; measure all parts "
            f"first, without --parts."
        )
    cores = len(os.sched_getaffinity(0))
    chosen = entries(options.peers_python, cores)
    if options.only is not None:
        wanted = {OURS, OURS_BF16, FLOOR, *options.only}
        if unknown := wanted - {entry.name for entry in chosen}:
            raise SystemExit(
                f"Unknown contestant {', '.join(unknown)}; there are: "
                f"{', '.join(e.name for e in chosen)}."
            )
        chosen = [entry for entry in chosen if entry.name in wanted]
    load = os.getloadavg()[0]
    if load > 0.3 and not options.quick:
        print(
            f"Note: the machine is busy (load {load:.1f}); what else runs now distorts "
            f"the results.",
            file=sys.stderr,
        )
    date = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    machine = machine_facts() | {
        "load_before": round(load, 2),
        "commit": git_commit(),
        "date": date,
    }

    def measure(entries: list[Entry], work: Work) -> dict:
        logs, repeats = options.out / "logs" / work.network, 2 if options.quick else 10
        measured = Bench(entries, work, alternations, logs, repeats).run()
        return report.summarize(measured, entries, work, machine)

    result = {"scale": []} | (read_json(bench_json) if bench_json.exists() else {})
    if "cnn" in parts:
        result |= measure(chosen, QUICK if options.quick else CNN)
    if "lstm" in parts:
        result["lstm"] = measure(lstm_entries(chosen), QUICK_LSTM if options.quick else LSTM)
    report.write(result, options.out)
    if "scale" in parts:
        result = scale(bench_json, options.quick)
        report.write(result, options.out)
    print(report.as_markdown(result))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure one FedAvg round (20 clients x 180 examples, the "
        "1.2-million-parameter CNN), the personalization "
        "of 100 clients over 10 epochs, and one round of the 0.8-million-parameter LSTM "
        "(10 clients x 52 windows of text), by this project, by peers and by the bare "
        "kernels, in turns; then populations of up to a million clients. Writes bench.json, "
        "bench.md and bench.png. Let nothing else run meanwhile.",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("results/bench"),
        help="folder of the results (default: %(default)s)",
    )
    parser.add_argument(
        "--alternations",
        type=int,
        help="how often everyone has a turn (default: 5, or 2 with --quick)",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="tiny sizes, to see that everything works: the rates mean nothing",
    )
    parser.add_argument(
        "--only",
        nargs="*",
        metavar="NAME",
        help="these peers alone, beside perfedavg and the floor",
    )
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=PARTS,
        default=PARTS,
        help="these parts alone; of the others, what bench.json holds is kept",
    )
    parser.add_argument(
        "--peers-python",
        type=Path,
        default=ROOT / ".venv-bench/bin/python",
        help="Python of the peers' environment (default: the one that `make bench` sets up)",
    )
    return parser


class Bench:
    """Everyone in turns: all contestants stay alive and warm, one works at a time."""

    def __init__(
        self, entries: Sequence[Entry], work: Work, alternations: int, logs: Path, repeats: int
    ) -> None:
        self.entries, self.work, self.alternations, self.logs, self.repeats = (
            entries,
            work,
            alternations,
            logs,
            repeats,
        )
        self.running: dict[str, Contestant] = {}
        self.measured = report.Measured()
        self.began = time.monotonic()

    def run(self) -> report.Measured:
        """Start everyone, alternate, end everyone."""
        try:
            for entry in self.entries:
                self._say(f"starting {entry.name}")
                try:
                    self.running[entry.name] = self._start(entry)
                except ContestantError as error:
                    self._drop(entry.name, str(error))
            turns = list(self._turns())
            for done, (alternation, name, task, arguments) in enumerate(turns, start=1):
                if name in self.running:
                    self._measure(alternation, name, task, arguments)
                    self._say(
                        f"{done} of {len(turns)}, alternation {alternation + 1}: {task}, "
                        f"{name}: {self._last(name)}"
                    )
        finally:
            for contestant in self.running.values():
                contestant.close()
        return self.measured

    def _turns(self) -> Iterator[tuple[int, str, str, dict]]:
        for alternation in range(self.alternations):
            for task, arguments in (
                ("round", {}),
                ("floor", {"repeats": self.repeats}),
                ("personalize", {"part": alternation}),
            ):
                yield from (
                    (alternation, entry.name, task, arguments)
                    for entry in self.entries
                    if task in entry.tasks
                )

    def _start(self, entry: Entry) -> Contestant:
        """The contestant, warm, with the number of threads that suits it better."""
        best, best_seconds = None, float("inf")
        for threads in entry.threads:
            log = self.logs / f"{entry.name.replace(' ', '-')}-{threads}.log"
            contestant = Contestant(entry, self.work, threads, log, TIMEOUT_SECONDS)
            try:
                seconds = self._warm_up(contestant)
            except BaseException:
                contestant.close()
                if best:
                    best.close()
                raise
            loser = contestant
            if seconds < best_seconds:
                loser, best, best_seconds = best, contestant, seconds
            if loser:
                loser.close()
        self.measured.threads[entry.name] = best.threads
        return best

    def _warm_up(self, contestant: Contestant) -> float:
        """Seconds of the better of two rounds after the first one."""
        if "round" not in contestant.entry.tasks:
            return contestant.ask("floor", repeats=1)["seconds"]
        self._check(contestant.entry.name, "round", contestant.ask("round")["check"])
        seconds = [contestant.ask("round")["seconds"] for _ in range(2)]
        self._say(
            f"{contestant.entry.name}, {contestant.threads} threads or processes: a round "
            f"takes {min(seconds):.2f} s"
        )
        return min(seconds)

    def _check(self, name: str, task: str, value: float) -> None:
        """Whoever arrives elsewhere than we do has done other work."""
        ours = self.measured.checks.setdefault(task, value)
        if not abs(value / ours - 1) <= TOLERANCE[self.work.network, task]:
            what = {
                "round": "update norm of the first round",
                "personalize": "test loss after the last epoch",
            }[task]
            raise ContestantError(f"not the same work: {what} {value:.3g}, ours {ours:.3g}")

    def _measure(self, alternation: int, name: str, task: str, arguments: dict) -> None:
        try:
            answer = self.running[name].ask(task, **arguments)
            if task == "personalize":
                self._check(name, task, answer["check"])
        except ContestantError as error:
            self.running.pop(name).close()
            self._drop(name, str(error))
            return
        self.measured.turns.append(
            {"alternation": alternation, "name": name, "task": task} | answer
        )

    def _drop(self, name: str, why: str) -> None:
        self.measured.errors[name] = why
        self._say(f"{name}: {why}")

    def _last(self, name: str) -> str:
        if name not in self.running:
            return "given up"
        turn = self.measured.turns[-1]
        return f"{turn['examples'] / turn['seconds']:,.0f} examples/s"

    def _say(self, text: str) -> None:
        print(f"[{time.monotonic() - self.began:5.0f} s] {text}", file=sys.stderr, flush=True)


def scale(bench: Path, quick: bool) -> dict:
    """Let ``benchmarks/scale.py``, where there is one, put its rows into ``bench``; the content of
    ``bench``."""
    script = Path(__file__).parent / "scale.py"
    if script.exists():
        command = [
            sys.executable,
            "-m",
            "benchmarks.scale",
            "--out",
            str(bench.absolute()),
            *(["--quick"] if quick else []),
        ]
        paths = os.pathsep.join([str(ROOT), str(ROOT / "src")])
        if subprocess.run(command, stdout=2, env=os.environ | {"PYTHONPATH": paths}).returncode:
            print("benchmarks.scale has failed: there are no rows of it.", file=sys.stderr)
    return read_json(bench)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
