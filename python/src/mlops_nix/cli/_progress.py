"""Printers of events: JSON Lines, a line per finished object, or a live view on a terminal."""

from __future__ import annotations

import os
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO, cast

from mlops_nix.cluster import events

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_nix.cluster.events import Event
    from mlops_nix.console import Console


class Guarded:
    """A stream whose reader may go away, or whose disk may be full: what is printed then is lost, the work goes on.

    Args:
        stream: stdout or stderr.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text, or nothing where that is no longer possible."""
        try:
            return self._stream.write(text)
        except (OSError, ValueError):
            self._give_up()
            return len(text)

    def flush(self) -> None:
        """Flush, or do nothing where that is no longer possible."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._give_up()

    def isatty(self) -> bool:
        """Tell whether a person reads the stream."""
        return self._stream.isatty()

    @property
    def encoding(self) -> str:
        """Encoding of the stream."""
        return self._stream.encoding

    def fileno(self) -> int:
        """File descriptor of the stream."""
        return self._stream.fileno()

    def _give_up(self) -> None:
        """Point the descriptor at nothing, so that Python does not complain once more while it closes the stream."""
        import contextlib

        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


def guarded(stream: TextIO) -> TextIO:
    """Guard a stream; see `Guarded`."""
    return cast("TextIO", Guarded(stream))


def printer(console: Console, run: str) -> Printer:
    """Choose the printer that suits the streams.

    Args:
        console: The streams.
        run: Id of the run, in each line of JSON.
    """
    if console.json:
        return JsonLines(console, run)
    if console.live:
        return LiveView(console)
    return Lines(console)


class Printer:
    """Base of the printers; used by several threads."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Print an event."""
        with self._lock:
            self.show(event)

    def show(self, event: Event) -> None:
        """Print an event; one at a time."""
        raise NotImplementedError

    def pause(self) -> None:
        """Make room for a question."""

    def close(self) -> None:
        """End printing."""


class JsonLines(Printer):
    """One line of JSON per event: time, type, run, and what the event knows."""

    def __init__(self, console: Console, run: str) -> None:
        super().__init__(console)
        self._run = run

    def show(self, event: Event) -> None:
        """Print an event."""
        self.line(event.to_json())

    def line(self, document: dict[str, Any]) -> None:
        """Print a document as one line, with time and run."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        kind = document.pop("type", "event")
        self.console.answer_json({"time": now, "type": kind, "run": self._run, **document}, indent=False)


class Lines(Printer):
    """A line per finished object, on stderr."""

    def show(self, event: Event) -> None:
        """Print an event."""
        console = self.console
        match event:
            case events.WaveStarted():
                console.doing(f"{event.wave}: {event.objects} object{'s' if event.objects != 1 else ''}")
            case events.Applied() if event.action != "unchanged":
                console.done(f"{event.object} {event.action}")
            case events.Failed():
                first, *rest = event.reason.splitlines() or [""]
                console.failed("\n".join([f"{event.object}: {first}", *(f"    {line}" for line in rest)]))
                if event.hint:
                    console.error(f"    hint: {event.hint}")
            case events.Skipped():
                console.warning(f"{event.object} left alone: {event.reason}")
            case events.Readiness():
                if event.status == "ready":
                    console.done(f"{event.object} ready{f' ({event.reason})' if event.reason else ''}")
                elif event.status == "failed":
                    console.failed(f"{event.object} failed: {event.reason}")
            case events.Waiting():
                where = f"{event.wave}: " if event.wave else ""
                console.waiting(f"{where}{event.ready} of {event.total} ready; waiting for {event.slowest}")
            case events.Throttled():
                console.warning(
                    f"the server is busy: waiting {event.seconds:g} s, {event.in_flight} requests at a time"
                )
            case events.Retrying():
                if event.attempt in {1, 5} or event.attempt % 10 == 0:
                    console.warning(
                        f"{event.request}: {event.reason}; try {event.attempt + 1} in {event.seconds:.1f} s"
                    )
            case events.Warned():
                console.warning(event.text)
            case events.Noticed():
                console.doing(event.text)
            case _:
                pass


class LiveView(Lines):
    """Lines for what is finished, and below them a table that redraws itself: the wave and what is waited for."""

    _ROWS = 8

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        from rich.console import Console as RichConsole
        from rich.live import Live

        self._wave = ""
        self._progress = ""
        self._waiting: dict[str, str] = {}
        self._rich = RichConsole(stderr=True, highlight=False, no_color=not console.error_colour)
        self._live = Live(
            console=self._rich, refresh_per_second=8, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._started = False

    def show(self, event: Event) -> None:
        """Print an event, and redraw the table."""
        match event:
            case events.WaveStarted():
                self._wave, self._progress = event.wave, f"{event.objects} object{'s' if event.objects != 1 else ''}"
            case events.Waiting():
                self._wave, self._progress = event.wave, f"{event.ready} of {event.total} ready"
            case events.Readiness():
                if event.status in {"ready", "failed"}:
                    self._waiting.pop(str(event.object), None)
                else:
                    self._waiting[str(event.object)] = event.reason
            case events.Finished():
                self.close()
                return
            case _:
                pass
        if not isinstance(event, events.WaveStarted | events.Waiting):
            self._above(lambda: super(LiveView, self).show(event))
        if self._wave:
            self._draw()

    def _above(self, show: Callable[[], None]) -> None:
        """Print lines above the table."""
        if not self._started:
            show()
            return
        import io

        from rich.text import Text

        written = io.TextIOWrapper(
            io.BytesIO(), encoding=self.console.stderr.encoding, errors="replace", write_through=True
        )
        stream, self.console.stderr = self.console.stderr, written
        try:
            show()
        finally:
            self.console.stderr = stream
        written.seek(0)
        if text := written.read().rstrip("\n"):
            self._rich.print(Text.from_ansi(text))

    def _draw(self) -> None:
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        table.add_row(Spinner("dots", text=Text(f"{self._wave}: {self._progress}", style="bold")), "")
        for name, reason in list(self._waiting.items())[: self._ROWS]:
            table.add_row(Text(f"  {name}"), Text(reason, style="dim", overflow="ellipsis", no_wrap=True))
        if len(self._waiting) > self._ROWS:
            table.add_row(Text(f"  and {len(self._waiting) - self._ROWS} more"), "")
        self._live.update(table)
        if not self._started:
            self._live.start()
            self._started = True

    def pause(self) -> None:
        """Take the table away, so that a question can be asked."""
        if self._started:
            self._live.stop()
            self._started = False
            self._wave = ""

    def close(self) -> None:
        """Take the table away."""
        self.pause()


def streams(output: Any, *, quiet: bool = False) -> Console:
    """Make the console of a command that must finish its work even when nobody can read what it says."""
    from mlops_nix.console import Console

    return Console(output, quiet=quiet, stdout=guarded(sys.stdout), stderr=guarded(sys.stderr))
