"""The command line itself: exit codes, messages, streams, speed of its start."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click
import mlops_nix
import pytest
from mlops_nix import cli as command_line
from mlops_nix import errors
from mlops_nix.errors import EXIT_CODE_MEANINGS, ExitCode, InputError, MlopsNixError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException | Any], None]:
    """Put a command named `fails` beside the others, which raises or returns what is asked."""

    def install(outcome: Any) -> None:
        @click.command("fails")
        def command() -> Any:
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        real = command_line.CommandsByPlace.get_command
        monkeypatch.setattr(command_line.CommandsByPlace, "list_commands", lambda *_: ["fails", "validate"])
        monkeypatch.setattr(
            command_line.CommandsByPlace,
            "get_command",
            lambda self, ctx, name: command if name == "fails" else real(self, ctx, name),
        )

    return install


def error_classes() -> Iterator[type[MlopsNixError]]:
    pending = [MlopsNixError]
    while pending:
        one = pending.pop()
        yield one
        pending += one.__subclasses__()


@pytest.mark.parametrize(
    "one", [c for c in error_classes() if c.__module__ == errors.__name__], ids=lambda c: c.__name__
)
def test_each_error_is_one_line_and_its_exit_code(fails: Any, cli: Any, one: type[MlopsNixError]) -> None:
    fails(one("it is broken\nline two", hint="mend it", path="a.yaml:3"))
    outcome = cli("fails")
    assert outcome.exit_code == one.exit_code
    assert outcome.stdout == ""
    assert outcome.stderr == "error: a.yaml:3: it is broken\n  line two\n  hint: mend it\n"
    assert one.__name__ in str(errors.__doc__)
    assert one.code in str(errors.__doc__)


@pytest.mark.parametrize(
    ("outcome", "code", "stderr"),
    [
        (None, ExitCode.OK, ""),
        (ExitCode.DIFFERENCES, ExitCode.DIFFERENCES, ""),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED, "\ninterrupted\n"),
        (click.Abort(), ExitCode.INTERRUPTED, "\ninterrupted\n"),
        (
            ZeroDivisionError("oh"),
            ExitCode.INTERNAL,
            "error: a bug of mlops-nix: ZeroDivisionError: oh\n  hint: `mlops-nix --debug fails` shows the trace\n",
        ),
        (click.UsageError("no"), ExitCode.USAGE, "error: no\n  hint: `mlops-nix fails --help` shows the options\n"),
    ],
    ids=["none", "code", "ctrl-c", "abort", "bug", "usage"],
)
def test_each_way_to_end_has_its_exit_code(fails: Any, cli: Any, outcome: Any, code: ExitCode, stderr: str) -> None:
    fails(outcome)
    result = cli("fails")
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", stderr)


@pytest.mark.parametrize("error", [ZeroDivisionError("oh"), InputError("no")])
def test_debug_shows_the_trace(fails: Any, cli: Any, error: Exception) -> None:
    fails(error)
    with pytest.raises(type(error)):
        cli("--debug", "fails")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["validte"], "validte: unknown command; did you mean validate?"),
        (["xyz"], "xyz: unknown command; expected one of fails, validate"),
        (["--nope"], "No such option"),
        (["validate", "--strct", "x"], "No such option"),
        (["validate", "--output", "yaml", "x"], "Invalid value for '-o'"),
    ],
)
def test_wrong_usage_is_64_and_says_what_was_meant(fails: Any, cli: Any, arguments: list[str], message: str) -> None:
    fails(None)
    outcome = cli(*arguments)
    assert outcome.exit_code == ExitCode.USAGE
    assert message in outcome.stderr
    assert "--help" in outcome.stderr
    assert outcome.stdout == ""


def test_help_names_each_command_and_each_exit_code(cli: Any) -> None:
    outcome = cli("--help")
    assert outcome.exit_code == ExitCode.OK
    assert "validate" in outcome.stdout
    for code, text in EXIT_CODE_MEANINGS.items():
        assert f"{int(code)} " in outcome.stdout
        assert text in outcome.stdout
    assert set(EXIT_CODE_MEANINGS) == set(ExitCode)


def test_each_command_shows_examples_and_loads_alone(cli: Any) -> None:
    for name in command_line.group.list_commands(click.Context(command_line.group)):
        outcome = cli(name, "--help")
        assert outcome.exit_code == ExitCode.OK, name
        assert f"mlops-nix {name}" in outcome.stdout, name


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m mlops_nix validate --list-checks | head -1; echo ${{PIPESTATUS[0]}}"
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines()[-1] in {"0", "141"}  # 0 where the reader was slower
    assert done.stderr == ""


def test_completion_of_a_shell_is_offered() -> None:
    environment = {**os.environ, "_MLOPS_NIX_COMPLETE": "bash_source"}
    done = subprocess.run(
        [sys.executable, "-m", "mlops_nix"], capture_output=True, text=True, check=False, env=environment
    )
    assert "complete" in done.stdout, done.stderr


def test_the_start_is_quick_and_loads_nothing_heavy() -> None:
    code = (
        "import sys, time; import click; start = time.process_time(); import mlops_nix.cli; "
        "print(time.process_time() - start); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, modules = done.stdout.splitlines()
    assert float(seconds) < 0.1
    heavy = {"rich", "kubernetes", "yaml", "jsonschema_rs", "jinja2", "orjson"}
    assert heavy.isdisjoint(modules.split())


def test_every_public_name_is_there() -> None:
    for name in mlops_nix.__all__:
        assert getattr(mlops_nix, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = mlops_nix.nothing
