"""What the user sees: the answer on stdout, progress and errors on stderr.

Colours are decided for each stream by itself: ``NO_COLOR`` (any value) switches them off, ``FORCE_COLOR`` on,
otherwise a terminal gets them. With ``--output json`` stdout carries JSON only.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Literal, TextIO

import click

if TYPE_CHECKING:
    from collections.abc import Callable

OutputFormat = Literal["text", "json"]
Colour = Literal["red", "green", "yellow", "blue", "magenta", "cyan", "bright_black"]

# Doing, waiting, done, warning, failed: the five marks of a progress line, with a form for streams without Unicode.
_MARKS = {
    "doing": ("►", ">", "cyan"),
    "waiting": ("◎", "o", "blue"),
    "done": ("✔", "+", "green"),
    "warning": ("⚠", "!", "yellow"),
    "failed": ("✗", "x", "red"),
}


def is_terminal(stream: TextIO) -> bool:
    """Tell whether a person reads the stream."""
    try:
        return stream.isatty()
    except ValueError:  # a closed stream
        return False


def wants_colour(stream: TextIO) -> bool:
    """Tell whether the stream gets colours. Source: no-color.org and force-color.org."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


class Console:
    """The two streams of one run.

    Args:
        output: ``text`` for people, ``json`` for machines.
        quiet: Leave out progress; warnings and errors stay.
        stdout: Where the answer goes.
        stderr: Where progress and errors go.
    """

    def __init__(
        self,
        output: OutputFormat = "text",
        *,
        quiet: bool = False,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self.output = output
        self.quiet = quiet
        self.stdout = stdout or sys.stdout
        self.stderr = stderr or sys.stderr
        self.colour = wants_colour(self.stdout)
        self.error_colour = wants_colour(self.stderr)

    @property
    def json(self) -> bool:
        """Whether the answer is JSON."""
        return self.output == "json"

    @property
    def live(self) -> bool:
        """Whether progress may redraw itself: a person reads stderr and wants to."""
        return not self.quiet and not self.json and is_terminal(self.stderr) and os.environ.get("TERM") != "dumb"

    def answer(self, text: str, *, end: str = "\n") -> None:
        """Write text to stdout."""
        self.stdout.write(text + end)

    def answer_json(self, value: Any, *, indent: bool = True) -> None:
        """Write one JSON document to stdout; without `indent` it is one line, as streams of events need it."""
        import orjson

        option = orjson.OPT_APPEND_NEWLINE | (orjson.OPT_INDENT_2 if indent else 0)
        self.stdout.write(orjson.dumps(value, option=option).decode())
        if not indent:
            self.stdout.flush()

    def style(self, text: str, colour: Colour | None = None, *, bold: bool = False, error: bool = False) -> str:
        """Colour text for stdout, or for stderr with `error`; plain where the stream has no colours."""
        if not (self.error_colour if error else self.colour):
            return text
        return click.style(text, fg=colour, bold=bold or None)

    def doing(self, text: str) -> None:
        """Tell on stderr that something begins."""
        self._progress("doing", text)

    def waiting(self, text: str) -> None:
        """Tell on stderr that something is waited for."""
        self._progress("waiting", text)

    def done(self, text: str) -> None:
        """Tell on stderr that something is done."""
        self._progress("done", text)

    def warning(self, text: str) -> None:
        """Warn on stderr; never left out."""
        self._progress("warning", text, always=True)

    def failed(self, text: str) -> None:
        """Tell on stderr that something failed; never left out."""
        self._progress("failed", text, always=True)

    def error(self, text: str) -> None:
        """Write an unadorned line to stderr."""
        self.stderr.write(text + "\n")
        self.stderr.flush()

    def _progress(self, mark: str, text: str, *, always: bool = False) -> None:
        if self.quiet and not always:
            return
        fancy, plain, colour = _MARKS[mark]
        try:
            fancy.encode(self.stderr.encoding or "ascii")
            sign = fancy
        except (UnicodeEncodeError, LookupError):
            sign = plain
        self.error(f"{self.style(sign, colour, error=True)} {text}")  # type: ignore[arg-type]


def output_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--output text|json`` to a command; it arrives as the argument ``output``."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="Text for people, or JSON for machines, on stdout.",
    )(command)
