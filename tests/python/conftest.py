"""Fixtures of all Python tests: a clean environment, the command line, the reference folder."""

from __future__ import annotations

import io
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mlops_nix.cli import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    """What one run of the command line did: exit code and both streams, always looked at together."""

    exit_code: int
    stdout: str
    stderr: str


class _Stream(io.TextIOWrapper):
    """A captured stream with a binary buffer beneath, as the real ones have."""

    def __init__(self, content: bytes = b"") -> None:
        super().__init__(io.BytesIO(content), encoding="utf-8", newline="", write_through=True)

    def text(self) -> str:
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode()


@contextmanager
def _streams(stdin: bytes) -> Iterator[tuple[_Stream, _Stream]]:
    saved = sys.stdin, sys.stdout, sys.stderr
    out, err = _Stream(), _Stream()
    sys.stdin, sys.stdout, sys.stderr = _Stream(stdin), out, err
    try:
        yield out, err
    finally:
        sys.stdin, sys.stdout, sys.stderr = saved


@pytest.fixture
def cli() -> Callable[..., Outcome]:
    """Run ``mlops-nix`` in this process: `cli("validate", "-", stdin=b"…")`."""

    def call(*arguments: str | Path, stdin: bytes = b"") -> Outcome:
        with _streams(stdin) as (out, err):
            code = run([str(argument) for argument in arguments])
        return Outcome(code, out.text(), err.text())

    return call


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own settings out of the tests."""
    for name in list(os.environ):
        if name.startswith(("MLOPS_NIX_", "KUBE")) and name != "MLOPS_NIX_REFERENCE":
            monkeypatch.delenv(name)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def reference() -> Path:
    """Give the folder of upstream references; the test is skipped where there is none."""
    folder = Path(os.environ.get("MLOPS_NIX_REFERENCE", CHECKOUT.parent / "shared"))
    if not (folder / "upstream").is_dir():
        pytest.skip(f"no upstream references at {folder} (set MLOPS_NIX_REFERENCE)")
    return folder
