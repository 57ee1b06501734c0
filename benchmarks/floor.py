"""The least time that a training step can take here: each of its kernels alone, in its fastest
layout, best of several runs.

Inputs lie warm in the cache, nothing is between the kernels, and one process a core runs the same
kernel at the same time. A training loop built from these kernels cannot be faster than their sum;
one with fused kernels could."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from time import perf_counter

import torch

from benchmarks.kernels import Kernel, cnn, lstm
from benchmarks.work import Work


def kernels(work: Work) -> list[Kernel]:
    """All kernels of one training step."""
    return list({"cnn": cnn, "lstm": lstm}[work.network].kernels(work))


def best_seconds(way: Callable[[], object], repeats: int) -> float:
    """The least seconds a call, over ``repeats`` stretches of about 2 ms."""
    way()
    began = perf_counter()
    way()
    calls = 1 + int(2e-3 / (perf_counter() - began + 1e-7))
    best = float("inf")
    for _ in range(repeats):
        began = perf_counter()
        for _ in range(calls):
            way()
        best = min(best, (perf_counter() - began) / calls)
    return best


def measure(work: Work, repeats: int, together: Callable[[], object] = lambda: None) -> list[dict]:
    """Best time of every kernel in its fastest way; ``together`` waits for the other processes
    before each one."""
    rows = []
    for name, kind, ways in kernels(work):
        times = {}
        for layout, way in ways.items():
            together()
            times[layout] = best_seconds(way, repeats)
        layout = min(times, key=times.get)
        rows.append(
            {"kernel": name, "kind": kind, "layout": layout, "microseconds": times[layout] * 1e6}
        )
    return rows


def _process(work: Work, barrier, pipe) -> None:
    torch.set_num_threads(1)
    with torch.inference_mode():
        while repeats := pipe.recv():
            pipe.send(measure(work, repeats, barrier.wait))


def combine(work: Work, parts: list[list[dict]]) -> dict:
    """Kernel times averaged over the processes, the seconds that a training step and a forward pass
    need in each one."""
    rows = [
        same[0] | {"microseconds": sum(row["microseconds"] for row in same) / len(same)}
        for same in zip(*parts, strict=True)
    ]
    forward, training = (
        sum(row["microseconds"] for row in rows if row["kind"] == kind) * 1e-6
        for kind in ("forward", "training")
    )
    step = forward + training
    return {
        "step_seconds": step,
        "forward_seconds": forward,
        "seconds": step,
        "examples": work.batch * len(parts),
        "kernels": rows,
    }


def start(work: Work, threads: int, serve: Callable) -> None:
    """Serve the floor, measured in ``threads`` processes at once."""
    context = multiprocessing.get_context("spawn")
    barrier, pipes = context.Barrier(threads), []
    for _ in range(threads):
        here, there = context.Pipe()
        context.Process(target=_process, args=(work, barrier, there), daemon=True).start()
        pipes.append(here)

    def floor(repeats: int) -> dict:
        for pipe in pipes:
            pipe.send(repeats)
        return combine(work, [pipe.recv() for pipe in pipes])

    serve({"floor": floor})
    for pipe in pipes:
        pipe.send(0)
