"""From turns to ``bench.json``, its table and its figure.

A rate is the median over alternations. Ratios are taken within each alternation first, since the
machine drifts, and their median is reported; the best peer is the one with the highest rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.contestants import Entry
from benchmarks.work import Work, part_sizes
from perfedavg.storage.files import write_json, write_text

OURS = "perfedavg"
OURS_BF16 = "perfedavg bf16"
FLOOR = "floor"


@dataclass
class Measured:
    """What the bench has seen: a dict a turn (``alternation, name, task`` and the contestant's
    answer), and why who is out."""

    turns: list[dict] = field(default_factory=list)
    threads: dict[str, int] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    checks: dict[str, float] = field(default_factory=dict)

    def of(self, name: str, task: str) -> dict[int, dict]:
        """Turns by alternation."""
        return {t["alternation"]: t for t in self.turns if t["name"] == name and t["task"] == task}

    def rates(self, name: str, task: str) -> dict[int, float]:
        """Examples per second by alternation."""
        return {
            alternation: turn["examples"] / turn["seconds"]
            for alternation, turn in self.of(name, task).items()
        }


def summarize(measured: Measured, entries: Sequence[Entry], work: Work, machine: dict) -> dict:
    """What ``bench.json`` says of one network: personalization only where it is measured."""
    tasks = ("round", "personalize") if work.personalized else ("round",)
    floors = {task: floor_rates(measured, work, task) for task in tasks}
    rounds, *personalization = (_comparison(measured, entries, *item) for item in floors.items())
    return {
        **rounds,
        **({"personalization": personalization[0]} if personalization else {}),
        "floor": _floor(measured, floors),
        "machine": machine
        | {"others": round(max((turn["others"] for turn in measured.turns), default=0.0), 3)},
        "work": work.to_json(),
    }


def _comparison(
    measured: Measured, entries: Sequence[Entry], task: str, floor: dict[int, float]
) -> dict:
    rows = [_row(measured, entry, task) for entry in entries if task in entry.tasks]
    peers = [
        row for row in rows if row["name"] not in (OURS, OURS_BF16) and row["examples_per_second"]
    ]
    best = max(peers, key=lambda row: row["examples_per_second"], default=None)
    ours, bf16, theirs = (
        measured.rates(name, task) if name else {}
        for name in (OURS, OURS_BF16, best and best["name"])
    )
    return {
        "round": rows,
        "ratio_to_best_peer": _median_ratio(ours, theirs),
        "bf16_ratio_to_best_peer": _median_ratio(bf16, theirs),
        "best_peer": best["name"] if best else None,
        "floor_fraction": _median_ratio(ours, floor),
    }


def _row(measured: Measured, entry: Entry, task: str) -> dict:
    error = measured.errors.get(entry.name)
    turns = [] if error else list(measured.of(entry.name, task).values())
    rates = [turn["examples"] / turn["seconds"] for turn in turns]
    row = {
        "name": entry.name,
        "dtype": entry.dtype,
        "examples_per_second": round(median(rates), 1) if turns else None,
        "peak_mib": round(max(turn["peak_mib"] for turn in turns)) if turns else None,
        "threads": measured.threads.get(entry.name),
        "alternations": [round(rate, 1) for rate in rates],
    }
    return row | ({"error": error} if error else {})


def _median_ratio(ours: dict[int, float], others: dict[int, float]) -> float | None:
    """Median of the ratios within alternations that both took part in."""
    ratios = [
        ours[alternation] / others[alternation] for alternation in ours if alternation in others
    ]
    return round(median(ratios), 3) if ratios else None


def floor_rates(measured: Measured, work: Work, task: str) -> dict[int, float]:
    """Examples per second, by alternation, of a program that spends its time in the kernels alone,
    on all cores."""
    rates = {}
    for alternation, turn in measured.of(FLOOR, "floor").items():
        cores = turn["examples"] / work.batch
        if task == "round":
            rates[alternation] = cores * work.batch / turn["step_seconds"]
        else:
            train, test = part_sizes(work, alternation)
            seconds = (
                (train * turn["step_seconds"] + test * turn["forward_seconds"]) / work.batch / cores
            )
            rates[alternation] = train / seconds
    return rates


def _floor(measured: Measured, floors: dict[str, dict[int, float]]) -> dict:
    turns = list(measured.of(FLOOR, "floor").values())
    if not turns:
        return {"error": measured.errors.get(FLOOR, "not measured")}
    kernels = []
    for same in zip(*(turn["kernels"] for turn in turns), strict=True):
        typical = sorted(same, key=lambda row: row["microseconds"])[len(same) // 2]
        kernels.append(typical | {"microseconds": round(typical["microseconds"], 1)})
    names = {"round": "", "personalize": "personalization_"}
    return {
        **{
            f"{names[task]}examples_per_second": round(median(rates.values()), 1)
            for task, rates in floors.items()
        },
        "step_milliseconds": round(median(turn["step_seconds"] for turn in turns) * 1e3, 3),
        "kernels": kernels,
    }


def write(result: dict, folder: Path) -> None:
    """``bench.json``, ``bench.md``, ``bench.png`` (and as PDF and SVG), each whole or not at
    all."""
    from benchmarks.figure import draw

    write_json(folder / "bench.json", result)
    write_text(folder / "bench.md", as_markdown(result))
    draw(result, folder / "bench")


def as_markdown(result: dict) -> str:
    """The tables."""
    work, machine = result["work"], result["machine"]
    lines = [
        "# Speed and memory",
        "",
        f"{_circumstances(machine)} Rates: train "
        "examples per second, medians over alternations, the range in brackets. Peak "
        "memory: of all of a contestant's processes, "
        "what they share counted once.",
        "",
        f"## One FedAvg round: {work['clients']} clients × {work['examples']} examples, "
        f"batch {work['batch']}, one local epoch",
        "",
        *_table(result, result["floor"].get("examples_per_second")),
        "",
        f"## Personalization: {work['personalized']} clients over {work['epochs']} epochs, "
        f"test accuracy after each",
        "",
        *_table(
            result["personalization"], result["floor"].get("personalization_examples_per_second")
        ),
    ]
    lines += _kernel_table(result["floor"], work)
    if "lstm" in result:
        lines += _lstm(result["lstm"])
    if result["scale"]:
        lines += ["", "## Scale", "", *_plain_table(result["scale"])]
    return "\n".join(lines) + "\n"


def _circumstances(machine: dict) -> str:
    return (
        f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}, "
        f"{machine['date']}, commit {machine['commit'][:12]}. Other programs took up to "
        f"{machine['others']:.0%} of the machine."
    )


def _lstm(result: dict) -> list[str]:
    work, floor = result["work"], result["floor"]
    return [
        "",
        f"## One FedAvg round of the LSTM: {work['clients']} clients × {work['examples']} windows "
        f"of text, batch {work['batch']}, one local epoch",
        "",
        f"{_circumstances(result['machine'])} Rates: windows per second.",
        "",
        *_table(result, floor.get("examples_per_second")),
        *_kernel_table(floor, work),
    ]


def _kernel_table(floor: dict, work: dict) -> list[str]:
    """The kernels whose sum is the floor, then those that are parts of others."""
    if "kernels" not in floor:
        return []
    rows = {True: [], False: []}
    for row in floor["kernels"]:
        line = f"| {row['kernel']} | {row['layout']} | {row['microseconds']:,.0f} |"
        rows[row["kind"] == "within"].append(line)
    lines = [
        "",
        f"## The floor: kernels of a training step of {work['batch']} examples, each "
        f"alone, on all cores at once",
        "",
        "| kernel | fastest | µs |",
        "|---|---|---:|",
        *rows[False],
        f"| **all** | | {floor['step_milliseconds'] * 1e3:,.0f} |",
    ]
    if not rows[True]:
        return lines
    within = sum(row["microseconds"] for row in floor["kernels"] if row["kind"] == "within")
    share = within * 1e-3 / floor["step_milliseconds"]
    return [*lines, *rows[True], f"| **products, part of all** | | {within:,.0f} ({share:.0%}) |"]


def _plain_table(rows: list[dict]) -> list[str]:
    body = [
        " | ".join(
            f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" for value in row.values()
        )
        for row in rows
    ]
    return [
        "| " + " | ".join(rows[0]) + " |",
        "|" + "---:|" * len(rows[0]),
        *(f"| {cells} |" for cells in body),
    ]


def _table(comparison: dict, floor: float | None) -> list[str]:
    lines = [
        "| | dtype | processes or threads | examples/s | peak MiB |",
        "|---|---|---:|---:|---:|",
    ]
    for row in comparison["round"]:
        if row["examples_per_second"] is None:
            lines.append(
                f"| {row['name']} | {row['dtype']} | | {row.get('error', 'not measured')} | |"
            )
            continue
        low, high = min(row["alternations"]), max(row["alternations"])
        rate = f"{row['examples_per_second']:,.0f} ({low:,.0f} to {high:,.0f})"
        lines.append(
            f"| {row['name']} | {row['dtype']} | {row['threads']} | {rate} | {row['peak_mib']:,} |"
        )
    if floor:
        lines.append(f"| floor | float32 | | {floor:,.0f} | |")
    if comparison["best_peer"]:
        ratios = ((OURS, "ratio_to_best_peer"), (OURS_BF16, "bf16_ratio_to_best_peer"))
        said = [
            f"{name} to the best peer, {comparison['best_peer']}: {comparison[key]:.2f}."
            for name, key in ratios
            if comparison[key]
        ]
        lines += ["", *said]
    if comparison["floor_fraction"]:
        lines += ["", f"{OURS} reaches {comparison['floor_fraction']:.0%} of the floor."]
    return lines
