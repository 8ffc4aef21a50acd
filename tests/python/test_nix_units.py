"""Run the Nix unit tests of ``tests/nix`` as pytest cases, one per Nix test.

They run on the ``nix-instantiate`` of this machine and, where the environment variable MLOPS_NIX_EXTRA_NIX names another one (or
a wrapper of one in a chroot: see ``tests/nix/newer-nix``), on that too. A file is evaluated once, as a whole; only if that fails
is each of its tests evaluated alone, so that one broken test does not hide the others.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parents[1] / "nix"
ANSI = re.compile(r"\x1b\[[0-9;]*m")
PROGRAMS = [
    program
    for program in (shutil.which("nix-instantiate"), shutil.which(os.environ.get("MLOPS_NIX_EXTRA_NIX", "")))
    if program
]


class EvaluationFailed(Exception):
    """Nix ended with an error; its text is the argument."""


def evaluate(program: str, attribute: str, folder: Path, **arguments: str) -> Any:
    """An attribute of ``run.nix`` over the test files in ``folder``, as JSON."""
    options = [
        word for name, value in {"folder": str(folder), **arguments}.items() for word in ("--argstr", name, value)
    ]
    run = subprocess.run(
        [program, "--eval", "--strict", "--json", str(TESTS / "run.nix"), "-A", attribute, *options],
        capture_output=True,
        timeout=300,
        check=False,
        env={**os.environ, "NO_COLOR": "1", "NIX_PATH": ""},
    )
    if run.returncode != 0:
        raise EvaluationFailed(ANSI.sub("", run.stderr.decode(errors="replace")))
    return json.loads(run.stdout)


@functools.cache
def names(program: str, folder: Path = TESTS) -> dict[str, list[str]]:
    """The tests of each file. A file that cannot be listed counts as one test of its own name, which then fails."""
    try:
        found: dict[str, list[str]] = evaluate(program, "names", folder)
    except EvaluationFailed:
        found = {}
        for path in sorted(folder.rglob("*.nix")):
            file = path.relative_to(folder).as_posix()
            if file == "run.nix":
                continue
            try:
                found |= evaluate(program, "names", folder, file=file)
            except EvaluationFailed:
                found[file] = [file]
    return found


@functools.cache
def report(program: str, file: str, folder: Path = TESTS) -> dict[str, dict[str, Any]]:
    """What came of each test of a file; empty where the file cannot be evaluated as a whole."""
    try:
        return {outcome["name"]: outcome for outcome in evaluate(program, "report", folder, file=file)}
    except EvaluationFailed:
        return {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "test" in metafunc.fixturenames:
        cases = [
            pytest.param(program, test, id=test if program == PROGRAMS[0] else f"{test}@{program}")
            for program in PROGRAMS
            for tests in names(program).values()
            for test in tests
        ]
        metafunc.parametrize(("program", "test"), cases)


def matches(pattern: str, message: str) -> bool:
    """Is ``pattern`` in ``message``, as text or as a regular expression?"""
    # Nix indents the lines of a message when it shows them.
    squeezed = " ".join(message.split())
    if " ".join(pattern.split()) in squeezed:
        return True
    try:
        return any(re.search(pattern, text) for text in (message, squeezed))
    except re.error:
        return False


def message_of(program: str, test: str, folder: Path) -> str | None:
    """What Nix says when it evaluates the test's expression; None if nothing is wrong with it."""
    try:
        evaluate(program, "failing", folder, test=test)
    except EvaluationFailed as failure:
        return str(failure)
    return None


def complaint(program: str, test: str, folder: Path = TESTS) -> str | None:
    """What is wrong with a test; None if it passes."""
    outcome = report(program, test.partition("::")[0], folder).get(test)
    if outcome is None:
        try:
            (outcome,) = evaluate(program, "report", folder, test=test)
        except EvaluationFailed as failure:
            return f"cannot be evaluated:\n{failure}"
    if "message" in outcome:
        pattern, message = outcome["message"], message_of(program, test, folder)
        if message is None:
            return f"expected an error with\n  {pattern}\nbut there was none"
        if not matches(pattern, message):
            return f"expected an error with\n  {pattern}\nfound\n{message}"
        return None
    if outcome.get("threw"):
        return f"threw:\n{message_of(program, test, folder) or 'while evaluating what is expected'}"
    if not outcome["passed"]:
        found, expected = (json.dumps(outcome[key], indent=2, sort_keys=True) for key in ("found", "expected"))
        return f"expected: {expected}\nfound: {found}"
    return None


def test_nix(program: str, test: str) -> None:
    problem = complaint(program, test)
    if problem:
        pytest.fail(f"{test} {problem}", pytrace=False)


@pytest.mark.skipif(not PROGRAMS, reason="nix-instantiate is not installed")
def test_the_runner_sees_each_way_to_fail(tmp_path: Path) -> None:
    (tmp_path / "group").mkdir()
    (tmp_path / "group" / "all.nix").write_text("""
      { root }: {
        testGood = { expr = import (root + "/lib/text/nearest.nix") ? nearest; expected = true; };
        testDifferent = { expr = { a = [ 1 2 ]; }; expected.a = [ 1 3 ]; };
        testThrows = { expr = throw "on purpose"; expected = 1; };
        messages = {
          testSubstring = { expr = { deep = throw "first line\nsecond (line)"; }; expectedError.msg = "line second (line)"; };
          testPattern = { expr = throw "took 12 steps"; expectedError.msg = "took [0-9]+ steps"; };
          testOther = { expr = throw "something else"; expectedError.msg = "took"; };
          testNone = { expr = 1; expectedError.msg = "took"; };
        };
      }
    """)
    (tmp_path / "uncatchable.nix").write_text(
        "{ testA = { expr = { }.a; expected = 1; }; testB = { expr = 1; expected = 1; }; }"
    )
    (tmp_path / "wrong.nix").write_text("{ testA = { expr = 1; }; }")
    (tmp_path / "broken.nix").write_text("{ testA = ")

    assert {
        test: complaint(PROGRAMS[0], test, tmp_path)
        for tests in names(PROGRAMS[0], tmp_path).values()
        for test in tests
    } == {
        "group/all.nix::testGood": None,
        "group/all.nix::testDifferent": 'expected: {\n  "a": [\n    1,\n    3\n  ]\n}\nfound: {\n  "a": [\n    1,\n    2\n  ]\n}',
        "group/all.nix::testThrows": Containing("threw:", "on purpose"),
        "group/all.nix::messages.testSubstring": None,
        "group/all.nix::messages.testPattern": None,
        "group/all.nix::messages.testOther": Containing("expected an error with", "something else"),
        "group/all.nix::messages.testNone": Containing("but there was none"),
        "uncatchable.nix::testA": Containing("cannot be evaluated", "attribute 'a' missing"),
        "uncatchable.nix::testB": None,
        "wrong.nix": Containing("a test has either `expected` or `expectedError`"),
        "broken.nix": Containing("syntax error"),
    }


class Containing:
    """Equal to every text that has all the given parts."""

    def __init__(self, *parts: str) -> None:
        self.parts = parts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and all(part in other for part in self.parts)

    def __hash__(self) -> int:
        return hash(self.parts)

    def __repr__(self) -> str:
        return f"text with {self.parts}"


def test_there_is_a_nix_to_run_them_on() -> None:
    if not PROGRAMS:
        pytest.skip("nix-instantiate is not installed")
    assert sum(map(len, names(PROGRAMS[0]).values())) > 0
    extra = os.environ.get("MLOPS_NIX_EXTRA_NIX")
    assert extra is None or len(PROGRAMS) == 2, f"MLOPS_NIX_EXTRA_NIX={extra} is not a program"
