"""Evaluation: where Nix is, what it gives, and what is left of what it says."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mlops_nix import nixeval
from mlops_nix.errors import EvaluationError, ExitCode, InputError, ToolMissing
from mlops_nix.nixeval import evaluate_file, evaluate_flake, find_nix, read_message

if TYPE_CHECKING:
    from collections.abc import Callable

needs_nix = pytest.mark.skipif(shutil.which("nix-instantiate") is None, reason="Nix is not installed")

LIBRARY = """
{ ... }:
let
  mkX = args: if args ? bad then throw "mkX: bad: unknown option; did you mean god?\\n  at /user.nix:1:2\\nmkX: name: required option is missing" else { name = "x"; module = "x"; objects = [ ]; };
  self = {
    inherit mkX;
    mkPlatform = args: { set = { format = "mlops-nix/set/v1"; inherit (args) name; }; };
    setOf = component: self.mkPlatform { name = component.name; };
    broken = { a = 1; }.b;
  };
in
self // { setOf = component: (self.mkPlatform { inherit (component) name; }).set; }
"""


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "library of mine" / "lib"
    folder.mkdir(parents=True)
    (folder / "default.nix").write_text(LIBRARY)
    monkeypatch.setenv("MLOPS_NIX_LIB", str(folder))
    return folder


@pytest.fixture
def fake_nix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put a shell script in the place of nix-instantiate; `$*` does not contain --version when it evaluates."""

    def make(evaluation: str, version: str = "nix-instantiate (Nix) 2.8.0") -> Path:
        folder = tmp_path / "fake"
        folder.mkdir(exist_ok=True)
        program = folder / "nix-instantiate"
        program.write_text(f'#!/bin/sh\ncase "$*" in *--version*) echo "{version}"; exit 0;; esac\n{evaluation}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")
        return program

    return make


def evaluate(tmp_path: Path, text: str, **options: object) -> object:
    file = tmp_path / "my platform.nix"
    file.write_text(text)
    return json.loads(evaluate_file(file, **options).json)  # type: ignore[arg-type]


# --- finding Nix -----------------------------------------------------------------------------------------------------------------


def test_without_nix_there_is_one_message_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(nixeval, "_USUAL_PLACES", (str(tmp_path / "none"),))
    with pytest.raises(ToolMissing, match="Nix is not installed") as caught:
        find_nix()
    assert "https://nixos.org/download" in (caught.value.hint or "")
    assert caught.value.exit_code == ExitCode.INVALID


def test_nix_is_found_where_its_installer_puts_it_although_path_lacks_it(
    fake_nix: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = fake_nix("exit 1", version="nix-instantiate (Nix) 2.31.2")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(nixeval, "_USUAL_PLACES", (str(program.parent),))
    assert find_nix().version == (2, 31, 2)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("nix-instantiate (Nix) 2.8.0", (2, 8, 0)),
        ("nix-instantiate (Lix, like Nix) 2.91.1", (2, 91, 1)),
        ("nix-instantiate (Determinate Nix 3.8.5) 2.30.2", (2, 30, 2)),
        ("nix-instantiate (Nix) 2.32.0pre20250910_abcdef", (2, 32, 0)),
    ],
)
def test_versions_of_all_distributions_are_read(
    fake_nix: Callable[..., Path], text: str, version: tuple[int, ...]
) -> None:
    fake_nix("exit 1", version=text)
    assert find_nix().version == version


def test_a_nix_that_is_too_old_is_named_with_its_version(fake_nix: Callable[..., Path]) -> None:
    program = fake_nix("exit 1", version="nix-instantiate (Nix) 2.3.16")
    with pytest.raises(ToolMissing, match=r"Nix 2\.3\.16 is too old; expected 2\.8 or newer") as caught:
        find_nix()
    assert caught.value.path == str(program)


@pytest.mark.parametrize("body", ["exit 127", "echo 'cannot open shared object libnix.so' >&2; exit 127", "echo hello"])
def test_a_nix_that_does_not_run_is_no_traceback(fake_nix: Callable[..., Path], body: str) -> None:
    program = fake_nix("")
    program.write_text(f"#!/bin/sh\n{body}\n")
    with pytest.raises(ToolMissing, match="Nix does not run"):
        find_nix()


# --- what a target may be ----------------------------------------------------------------------------------------------------


@needs_nix
@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{ mlops }: mlops.mkPlatform { name = "a"; }', "a"),
        ('{ mlops, pkgs ? null }: mlops.mkPlatform { name = "a"; }', "a"),
        ('{ mlops, ... }: mlops.mkPlatform { name = "a"; }', "a"),
        ('mlops: mlops.mkPlatform { name = "a"; }', "a"),
        ('{ mkPlatform }: mkPlatform { name = "a"; }', "a"),
        ('{ mkPlatform, ... }@mlops: mlops.mkPlatform { name = "a"; }', "a"),
        ('{ mlops }: { platform = mlops.mkPlatform { name = "a"; }; other = 1; }', "a"),
        ("{ mlops }: mlops.mkX { }", "x"),
        ('{ set = { format = "mlops-nix/set/v1"; name = "own"; }; }', "own"),
    ],
)
def test_every_form_of_a_file_gives_its_set(tmp_path: Path, text: str, name: str) -> None:
    assert evaluate(tmp_path, text) == {"format": "mlops-nix/set/v1", "name": name}


@needs_nix
@pytest.mark.usefixtures("library")
def test_an_attribute_of_a_file_is_selected_also_behind_a_function(tmp_path: Path) -> None:
    text = '{ mlops }: { clusters.forge = { mlops }: mlops.mkPlatform { name = "forge"; }; }'
    assert evaluate(tmp_path, text, attribute="clusters.forge") == {"format": "mlops-nix/set/v1", "name": "forge"}
    with pytest.raises(
        EvaluationError, match=r"no attribute frge; expected one of those in an attribute set with forge"
    ):
        evaluate(tmp_path, text, attribute="clusters.frge")


@needs_nix
@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[ 1 2 ]", "found a list"),
        ("null", "found null"),
        ('"text"', "found a string"),
        ("{ }", "found an empty attribute set"),
        ("{ a = 1; b = 2; }", "found an attribute set with a, b"),
    ],
)
def test_what_is_no_platform_is_named(tmp_path: Path, text: str, found: str) -> None:
    with pytest.raises(EvaluationError, match=found):
        evaluate(tmp_path, text)


@needs_nix
def test_a_file_that_brings_its_own_library_needs_none_beside_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nixeval, "library_path", lambda: None)
    assert evaluate(tmp_path, '{ set = { format = "x"; }; }') == {"format": "x"}
    with pytest.raises(EvaluationError, match="set MLOPS_NIX_LIB"):
        evaluate(tmp_path, "{ mlops }: mlops.mkX { }")


def test_a_library_that_is_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_NIX_LIB", str(tmp_path))
    with pytest.raises(InputError, match=r"MLOPS_NIX_LIB: expected a folder with default\.nix"):
        nixeval.library_path()


# --- errors ------------------------------------------------------------------------------------------------------------------


@needs_nix
@pytest.mark.usefixtures("library")
def test_a_message_of_the_library_is_shown_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError) as caught:
        evaluate(tmp_path, "{ mlops }: mlops.mkX { bad = 1; }")
    assert caught.value.message == (
        "mkX: bad: unknown option; did you mean god?\n  at /user.nix:1:2\nmkX: name: required option is missing"
    )
    assert caught.value.exit_code == ExitCode.INVALID


@needs_nix
@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("{ a = ; }", "syntax error, unexpected ';'", "1:7"),
        ("{ mlops }:\n  mlops.mkX { a = nope; }", "undefined variable 'nope'", "2:19"),
        ("{ platform = 1 + { }; }", "cannot add a set to an integer", "1:18"),
        ("{ mlops }: mlops.mkY { }", "attribute 'mkY' missing", "1:12"),
    ],
)
def test_an_error_of_nix_names_the_place_in_the_users_file(tmp_path: Path, text: str, message: str, place: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        evaluate(tmp_path, text)
    lines = caught.value.message.splitlines()
    assert lines[0] == message
    assert f"at {tmp_path / 'my platform.nix'}:{place}" in lines
    assert not any("|" in line or line.startswith("error") for line in lines)


@needs_nix
@pytest.mark.usefixtures("library")
def test_a_place_below_the_working_folder_is_named_relative_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EvaluationError) as caught:
        evaluate(tmp_path, "{ mlops }:\n  mlops.mkX { a = nope; }")
    assert "at my platform.nix:2:19" in caught.value.message.splitlines()


@needs_nix
@pytest.mark.usefixtures("library")
def test_the_trace_is_shown_when_it_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError) as caught:
        evaluate(tmp_path, "{ mlops }: mlops.broken", show_trace=True)
    assert "at " + str(tmp_path) in caught.value.message
    assert "while evaluating" in caught.value.message or "… " in caught.value.message


@needs_nix
@pytest.mark.usefixtures("library")
def test_an_endless_recursion_is_explained(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError) as caught:
        evaluate(tmp_path, "let a = b; b = a; in { platform = a; }")
    assert "infinite recursion" in caught.value.message
    assert "wired into one another" in (caught.value.hint or "")


# What the versions really print; 2.8 as in Debian 12, 2.26 as in Debian 13.
NIX_2_8_THROW = """\
error: mkX: a: unknown option
       mkX: b: missing
         at /foo.nix:3:4
(use '--show-trace' to show detailed location information)
"""
NIX_2_26_THROW = """\
error:
       … while evaluating attribute 'a'
         at /tmp/a.nix:1:85:
            1| let f = x: throw "error: no"; in { a.b = f 1; }
             |                                    ^
            2|

       … while calling the 'throw' builtin
         at /lib/x.nix:1:12:
            1| let
             | ^

       (stack trace truncated; use '--show-trace' to show the full, detailed trace)

       error: mkX: a: unknown option
       mkX: b: missing
         at /foo.nix:3:4
"""
NIX_2_26_TYPE = """\
trace: hello
warning: something
error:
       … while evaluating attribute 'a'
         at /tmp/e.nix:1:3:
            1| { a = 1 + "x"; b = {}.foo; }
             |   ^
            2|

       error: cannot add a string to an integer
       at /tmp/e.nix:1:11:
            1| { a = 1 + "x"; b = {}.foo; }
             |           ^
            2|
"""
COLOURED = "\x1b[31;1merror:\x1b[0m undefined variable '\x1b[35;1mc\x1b[0m'\n\n       at \x1b[34;1m/tmp/b.nix:1:14\x1b[0m:\n\n            1| { a = 1; b = c; }\n             |              ^\n"
SUGGESTION = """\
error: attribute 'z' missing

       at /tmp/l.nix:1:7:

            1| { a = { x.y = 1; }.x.z.w; }
             |       ^
       Did you mean y?
(use '--show-trace' to show detailed location information)
"""


@pytest.mark.parametrize(
    ("stderr", "text", "place"),
    [
        (NIX_2_8_THROW, "mkX: a: unknown option\nmkX: b: missing\n  at /foo.nix:3:4", None),
        (NIX_2_26_THROW, "mkX: a: unknown option\nmkX: b: missing\n  at /foo.nix:3:4", None),
        (NIX_2_26_TYPE, "cannot add a string to an integer", "/tmp/e.nix:1:11"),
        (COLOURED, "undefined variable 'c'", "/tmp/b.nix:1:14"),
        (SUGGESTION, "attribute 'z' missing\nDid you mean y?", "/tmp/l.nix:1:7"),
        ("error: evaluation aborted with the following error message: 'dead\n       end'\n", "dead\nend", None),
        (
            "error: attribute 'a' missing\n\n       at /tmp/l.nix:1:7:Did you mean b?\n",
            "attribute 'a' missing\nDid you mean b?",
            "/tmp/l.nix:1:7",
        ),
        ("Segmentation fault (core dumped)\n", "Segmentation fault (core dumped)", None),
        ("", "", None),
    ],
)
def test_the_message_is_found_in_what_each_version_prints(stderr: str, text: str, place: str | None) -> None:
    message = read_message(stderr)
    assert message.text == text
    assert message.place == place


# --- a Nix that misbehaves -------------------------------------------------------------------------------------------------------


def test_an_evaluation_that_takes_too_long_is_ended_with_all_its_children(
    fake_nix: Callable[..., Path], tmp_path: Path
) -> None:
    fake_nix(f"sleep 60 & echo $! > {tmp_path}/child; wait")
    start = time.monotonic()
    with pytest.raises(EvaluationError, match=r"did not finish in 0\.5 seconds") as caught:
        evaluate(tmp_path, "1", timeout=0.5)
    assert time.monotonic() - start < 5
    assert "--timeout" in (caught.value.hint or "")
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().split()[2] == "Z":
            break
        time.sleep(0.02)
    else:
        pytest.fail("the child of Nix still runs")


def test_a_result_without_end_is_cut_off(
    fake_nix: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nixeval, "MAX_JSON_BYTES", 1 << 20)
    fake_nix("exec cat /dev/zero")
    with pytest.raises(EvaluationError, match="the result is larger than 1 MiB"):
        evaluate(tmp_path, "1")


def test_of_endless_complaints_the_end_is_kept(
    fake_nix: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nixeval, "MAX_ERROR_BYTES", 1 << 16)
    fake_nix("head -c 3000000 /dev/zero | tr '\\0' 'x' >&2; echo >&2; echo 'error: at last' >&2; exit 1")
    with pytest.raises(EvaluationError, match=r"^at last$"):
        evaluate(tmp_path, "1")


def test_a_nix_that_crashes_is_named_by_its_signal(fake_nix: Callable[..., Path], tmp_path: Path) -> None:
    fake_nix("kill -SEGV $$")
    with pytest.raises(EvaluationError, match=f"Nix ended with signal {int(signal.SIGSEGV)}"):
        evaluate(tmp_path, "1")


def test_what_the_expression_says_is_kept_and_git_noise_is_not(fake_nix: Callable[..., Path], tmp_path: Path) -> None:
    fake_nix("echo 'trace: look' >&2; echo \"warning: Git tree '/x' is dirty\" >&2; echo 'warning: old' >&2; echo '{}'")
    file = tmp_path / "a.nix"
    file.write_text("1")
    assert evaluate_file(file).messages == ("trace: look", "warning: old")


def test_a_user_without_store_and_daemon_evaluates_all_the_same(fake_nix: Callable[..., Path], tmp_path: Path) -> None:
    fake_nix(
        'case "$*" in *dummy://*) echo \'{"a": 1}\';; '
        "*) echo 'error: getting status of /nix/var/nix/daemon-socket/socket: Permission denied' >&2; exit 1;; esac"
    )
    assert evaluate(tmp_path, "1") == {"a": 1}


def test_an_interrupt_ends_nix_and_the_command_with_130(fake_nix: Callable[..., Path], tmp_path: Path) -> None:
    fake_nix(f"echo $$ > {tmp_path}/pid; exec sleep 60")
    (tmp_path / "a.nix").write_text("1")
    process = subprocess.Popen(
        [sys.executable, "-m", "mlops_nix", "render", str(tmp_path / "a.nix"), "--stdout"],
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    for _ in range(500):
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip():
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert stderr.decode().strip().splitlines() == ["interrupted"]
    pid = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


# --- flakes ------------------------------------------------------------------------------------------------------------------


@needs_nix
def test_an_output_of_a_flake_is_evaluated_without_flakes_being_switched_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIX_CONFIG", "experimental-features =")
    (tmp_path / "flake.nix").write_text(
        textwrap.dedent("""
        {
          outputs = _: {
            acme = { platform = { set = { format = "x"; name = "acme"; }; }; };
            function = mlops: 1;
            wrong = throw "mkPlatform acme: no";
          };
        }
        """)
    )
    reference = f"path:{tmp_path}"
    assert json.loads(evaluate_flake(f"{reference}#acme").json) == {"format": "x", "name": "acme"}
    with pytest.raises(EvaluationError, match=r"^mkPlatform acme: no$"):
        evaluate_flake(f"{reference}#wrong")
    with pytest.raises(EvaluationError, match="found a function"):
        evaluate_flake(f"{reference}#function")
    with pytest.raises(EvaluationError, match="does not provide attribute"):
        evaluate_flake(f"{reference}#nope")
