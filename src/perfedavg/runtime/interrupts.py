"""Ctrl-C where nothing of ours is at work yet: while modules are imported and rules are read.
Python would print where it happened to be."""

from __future__ import annotations

import sys
from types import TracebackType

SENTENCE = "Stopped by Ctrl-C; the same command goes on where it was."


def in_one_sentence() -> None:
    """From now on an interrupt that nothing else meets is one sentence."""
    before = sys.excepthook

    def said(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            print(SENTENCE, file=sys.stderr)
        else:
            before(kind, error, trace)

    sys.excepthook = said
