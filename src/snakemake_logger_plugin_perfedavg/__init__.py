"""What Snakemake says in the terminal, for this pipeline: a logger plugin of Snakemake's, switched
on by ``logger: perfedavg`` in a profile. Its name lets Snakemake find it.

Snakemake loads it at every start, so it imports only what it needs, and nothing of ``perfedavg``:
whose sources run is decided later. Its log in ``.snakemake/log`` keeps everything."""

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from logging import LogRecord
from typing import Any

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase

from snakemake_logger_plugin_perfedavg.arguments import refused


@dataclass  # Snakemake reads the types of its fields, so annotations are no texts here
class LogHandlerSettings(LogHandlerSettingsBase):
    """The flag ``--logger-perfedavg-off``."""

    off: bool = field(
        default=False,
        metadata={
            "help": "Show Snakemake's own output; --quiet, --verbose and --debug-dag do so too.",
            "env_var": False,
            "required": False,
        },
    )


class LogHandler(LogHandlerBase):
    """Shows a run on one screen, or stands aside for Snakemake's own output."""

    def __post_init__(self) -> None:
        if sentence := refused(sys.argv[1:]):
            raise SystemExit(sentence)
        common = self.common_settings
        asked = common.quiet or common.verbose or common.debug_dag
        self._stands_aside = bool(asked or (self.settings and self.settings.off))
        self._display: Any = None
        self._instead: Any = None  # Snakemake's own handler, after an error of this one

    @property
    def writes_to_stream(self) -> bool:
        """Otherwise Snakemake adds its own handler."""
        return not self._stands_aside

    @property
    def writes_to_file(self) -> bool:
        """To the terminal alone."""
        return False

    @property
    def has_filter(self) -> bool:
        """It sees everything."""
        return True

    @property
    def has_formatter(self) -> bool:
        """Its lines are its own."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """The jobs are enough."""
        return False

    def watch(
        self, workflow: Any, weight: Callable[[Any], tuple[str, float, int]] | None = None
    ) -> None:
        """Look at the workflow's own graph of jobs.

        Args:
            weight: of a job of the graph, the experiment, seconds of work and the number of runs.
        """
        self._guarded(lambda display: display.watch(workflow, weight))

    def starts(self) -> None:
        """The graph is known and the first job is about to start."""
        self._guarded(lambda display: display.starts())

    def emit(self, record: LogRecord) -> None:
        """Show what Snakemake says, or take note of it."""
        self._guarded(lambda display: display.take(record), record)

    def close(self) -> None:
        """Say the last things and leave the terminal as it was."""
        if self._display:
            self._guarded(lambda display: display.close())
        self._stands_aside = True  # Python closes every handler once more
        super().close()

    def _guarded(self, do: Callable[[Any], None], record: LogRecord | None = None) -> None:
        """A mistake of the display's stops nothing: Snakemake's own output takes over."""
        if self._stands_aside:
            return
        self.acquire()
        try:
            if self._instead is None:
                if self._display is None:
                    from snakemake_logger_plugin_perfedavg.display import Display

                    self._display = Display(self.common_settings, self.lock)
                do(self._display)
                return
        except BrokenPipeError:
            return
        except Exception as error:
            self._take_over(error)
        finally:
            self.release()
        if record is not None:
            self._instead.handle(record)

    def _take_over(self, error: Exception) -> None:
        from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter

        common = self.common_settings
        stream = sys.stdout if common.stdout else sys.stderr
        with suppress(Exception):  # it may not even have been made
            self._display.abandon()
        self._instead = ColorizingTextHandler(
            common.nocolor,
            stream,
            DefaultFormatter(common.quiet, common.show_failed_logs),
            DefaultFilter(
                common.quiet, common.debug_dag, common.verbose, common.dryrun, common.printshellcmds
            ),
        )
        print(f"The display stopped ({error!r}); the run goes on.", file=stream)
