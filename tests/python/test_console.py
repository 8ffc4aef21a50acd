"""Colours and progress: decided for each stream, and never in what a machine reads."""

from __future__ import annotations

import io
from typing import Any

import pytest
from mlops_nix.console import Console, wants_colour


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Ascii(io.StringIO):
    encoding = "ascii"


@pytest.mark.parametrize(
    ("environment", "terminal", "coloured"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_colours_follow_the_stream_and_the_environment(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], terminal: bool, coloured: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert wants_colour(Terminal() if terminal else io.StringIO()) is coloured


def test_the_answer_goes_to_stdout_and_progress_to_stderr() -> None:
    out, err = io.StringIO(), io.StringIO()
    console = Console(stdout=out, stderr=err)
    console.doing("reading")
    console.answer("42")
    console.warning("careful")
    assert out.getvalue() == "42\n"
    assert [line.split(" ", 1)[1] for line in err.getvalue().splitlines()] == ["reading", "careful"]


def test_quiet_leaves_out_progress_but_no_warning() -> None:
    err = io.StringIO()
    console = Console(quiet=True, stderr=err)
    for report in (console.doing, console.waiting, console.done, console.warning, console.failed):
        report("x")
    assert len(err.getvalue().splitlines()) == 2


def test_a_stream_without_unicode_gets_plain_marks() -> None:
    err = Ascii()
    console = Console(stderr=err)
    console.done("x")
    console.failed("y")
    assert err.getvalue() == "+ x\nx y\n"


@pytest.mark.parametrize(("indent", "text"), [(True, '{\n  "a": 1\n}\n'), (False, '{"a":1}\n')])
def test_json_is_one_document_or_one_line(indent: bool, text: str) -> None:
    out = io.StringIO()
    Console("json", stdout=out).answer_json({"a": 1}, indent=indent)
    assert out.getvalue() == text


def test_live_progress_needs_a_reader_and_text() -> None:
    kinds: list[tuple[Any, bool]] = [(Terminal(), True), (io.StringIO(), False)]
    for stream, live in kinds:
        assert Console(stderr=stream).live is live
        assert Console("json", stderr=stream).live is False
        assert Console(quiet=True, stderr=stream).live is False
