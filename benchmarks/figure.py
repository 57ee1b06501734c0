"""The figure of the bench: everyone's rate, every alternation, the floor."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from benchmarks.report import OURS
from perfedavg.analysis.figures.style import SERIES, add_footer, save_figure, use_style


def draw(result: dict, base: Path) -> None:
    """Write ``base`` as PNG, PDF and SVG."""
    use_style()
    floors = [result["floor"].get(f"{of}examples_per_second") for of in ("", "personalization_")]
    panels = [
        (result, "CNN: a FedAvg round", floors[0]),
        (result["personalization"], "CNN: personalization", floors[1]),
    ]
    if lstm := result.get("lstm"):
        panels.append((lstm, "LSTM: a FedAvg round", lstm["floor"].get("examples_per_second")))
    figure, axes = plt.subplots(1, len(panels), figsize=(4.2 * len(panels), 2.9))
    height = max(len(comparison["round"]) for comparison, _, _ in panels)
    for axis, (comparison, title, floor) in zip(axes, panels, strict=True):
        _panel(axis, comparison["round"], floor, height)
        axis.set_title(title, loc="left")
    machines = [part["machine"] for part in (result, result.get("lstm")) if part]
    lines = [
        "Bars: medians; points: alternations; dashed: the sum of a training step's "
        "kernels, each alone in its fastest layout.",
        *dict.fromkeys(f"{m['processor']}, {m['cores']} cores; {m['date']}." for m in machines),
    ]
    add_footer(figure, lines)
    save_figure(figure, base)


def _panel(axis: Axes, rows: list[dict], floor: float | None, height: int) -> None:
    names = [
        row["name"] + ("" if row["dtype"] == "float32" else f", {row['dtype']}") for row in rows
    ]
    for y, row in enumerate(rows):
        ours, (peer, marker) = SERIES[0]["color"], (SERIES[1]["color"], SERIES[1]["marker"])
        if row["examples_per_second"] is None:
            axis.text(0, y, " not measured", va="center", fontsize=7, color="0.35")
            continue
        color = ours if row["name"] == OURS else peer
        axis.barh(y, row["examples_per_second"], color=color, height=0.65, alpha=0.75)
        axis.scatter(
            row["alternations"],
            [y] * len(row["alternations"]),
            s=9,
            color="0.15",
            marker=marker,
            linewidth=0,
            zorder=3,
        )
        label = f"{row['examples_per_second']:,.0f}"
        axis.text(max(row["alternations"]), y, f"  {label}", va="center", fontsize=8)
    if floor:
        axis.axvline(floor, color="0.25", linestyle="--", linewidth=1)
        axis.text(
            floor, -0.75, f"floor {floor:,.0f} ", ha="right", va="center", fontsize=8, color="0.25"
        )
    axis.set_yticks(range(len(rows)), names)
    axis.set_ylim(height - 0.4, -1.05)
    axis.set_xlim(0)
    axis.set_xlabel("train examples per second")
    axis.grid(axis="y", visible=False)
