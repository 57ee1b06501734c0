"""Lines that are drawn anew below those that stay, on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich import live
from rich.console import Console, Group
from rich.text import Text


class _Terminal(Console):
    def show_cursor(self, show: bool = True) -> bool:
        """It is never hidden, so that a run that is killed leaves it there."""
        return False


class Live:
    """Live lines at the bottom; each is cut to the terminal's width."""

    def __init__(self, stream: TextIO, nocolor: bool) -> None:
        # `None` leaves it to NO_COLOR.
        self._console = _Terminal(file=stream, no_color=nocolor or None, highlight=False)
        self._live = live.Live(
            console=self._console, auto_refresh=False, transient=True, redirect_stdout=False
        )
        self._live.start()

    def print(self, lines: Sequence[str], style: str, below: Sequence[str]) -> None:
        """Lines that stay, and in place of the last live lines those that stand below now."""
        self._live.update(_drawn(below))
        for line in lines:
            self._console.print(Text(line, style), soft_wrap=True)

    def show(self, lines: Sequence[str]) -> None:
        """Live lines in place of the last ones."""
        self._live.update(_drawn(lines), refresh=True)

    def stop(self) -> None:
        """Take the live lines away."""
        self._live.stop()


def _drawn(lines: Sequence[str]) -> Group:
    texts = [Text(f"  {line}", no_wrap=True, overflow="ellipsis") for line in lines]
    if texts:
        texts[-1].stylize("bold")
    return Group(*texts)
