"""Where the time of one training step goes, line by line: `python -m benchmarks.step`.

Times every statement of the hand-written gradient (`gradient` in the network's file) inside whole
training steps, on batches of 20 random examples with dropout, one torch thread. Run two at once to
see what the cores take from each other."""

from __future__ import annotations

import argparse
import inspect
from importlib import import_module
from statistics import median
from time import perf_counter

import numpy as np
import torch

from perfedavg.models import MODELS
from perfedavg.models.threads import use_one_thread
from perfedavg.randomness import StreamKey, torch_stream
from perfedavg.runtime.job import keep_freed_memory

BATCH, EXAMPLES, STEPS = 20, 200, 150


def timed(network: str, seconds: list[list[float]], lines: list[str]):
    """A network's ``gradient`` with a note of the time after every statement of its body."""
    module = import_module(f"perfedavg.models.{network}")
    out, open_brackets, in_body = ["from __future__ import annotations"], 0, False
    for line in inspect.getsource(module.gradient).splitlines():
        out.append(line)
        in_body = in_body or line.startswith("    n")
        open_brackets += sum(line.count(c) for c in "([") - sum(line.count(c) for c in ")]")
        statement = line.strip()
        if (
            in_body
            and not open_brackets
            and statement
            and not statement.startswith(("return", "#"))
            and statement[-1] != ":"
        ):
            out.append(f"{line[: -len(line.lstrip())]}_note({len(lines)})")
            lines.append(statement)
            seconds.append([])
    last = perf_counter()

    def caveat(position: int) -> None:
        nonlocal last
        now = perf_counter()
        seconds[position].append(now - last)
        last = perf_counter()

    namespace = vars(module) | {"_note": caveat}
    exec("\n".join(out), namespace)
    return namespace["gradient"], caveat


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.step", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument(
        "--model", choices=MODELS, default="cnn_emnist", help="the network (default: %(default)s)"
    )
    name = parser.parse_args().model
    use_one_thread()
    keep_freed_memory()
    model, precision = MODELS[name], {"compute": torch.bfloat16} if name.endswith("_bf16") else {}
    seconds, lines = [[]], ["(picking the batch, and what is between two steps)"]
    gradient, caveat = timed(name.removesuffix("_bf16"), seconds, lines)
    parameters, draws = (
        model.init(torch_stream(StreamKey(0, "step"))),
        torch_stream(StreamKey(1, "step")),
    )
    x = model.features(np.random.default_rng(0).random((EXAMPLES, 28, 28)))
    y = torch.randint(62, (EXAMPLES,))
    seconds.append([])
    lines.append("(update of all parameters)")
    whole = []
    with torch.no_grad():
        for _ in range(STEPS):
            began = perf_counter()
            chosen = torch.randperm(EXAMPLES)[:BATCH]
            features, labels = x.index_select(0, chosen), y.index_select(0, chosen)
            caveat(0)
            changes, _ = gradient(parameters, features, labels, draws, **precision)
            torch._foreach_add_(parameters, changes, alpha=-1e-6)
            caveat(len(lines) - 1)
            whole.append(perf_counter() - began)
    print("   best  median  of microseconds")
    for line, times in zip(lines, seconds, strict=True):
        if times:
            print(f"{min(times) * 1e6:7.0f} {median(times) * 1e6:7.0f}  {line[:110]}")
    print(
        f"{min(whole) * 1e6:7.0f} {median(whole) * 1e6:7.0f}  the whole step of {name}, "
        f"{BATCH} examples"
    )


if __name__ == "__main__":
    main()
