"""Run `mlops-nix` as its users do: arguments in; exit code, stdout and stderr out; killed at will.

Every run is a process of its own, but forked from one that has the package imported already:
importing takes longer than most runs, and the tests that kill a run at each of its requests need
hundreds of them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

RUN_SECONDS = 120.0
"""A run that takes longer is killed, and its test fails."""


@dataclass(frozen=True)
class Done:
    """A run that has ended; `code` is minus the signal's number where one ended it."""

    arguments: tuple[str, ...]
    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON Lines of `--output json`."""
        found = []
        for line in self.stdout.splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                found.append(event)
        return found

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of a type."""
        return [event for event in self.events if event.get("type") == kind]

    @property
    def text(self) -> str:
        """All that was printed."""
        return self.stdout + self.stderr

    def __str__(self) -> str:
        """For the message of a failed assertion."""
        return f"mlops-nix {' '.join(self.arguments)}: exit {self.code}\n{self.stdout[-3000:]}\n{self.stderr[-3000:]}"


class Running:
    """A run that may still be going."""

    def __init__(self, launcher: Launcher, arguments: tuple[str, ...], folder: Path) -> None:
        self.arguments = arguments
        self.pid = 0
        self._launcher = launcher
        self._folder = folder
        self.announced = threading.Event()
        self._ended = threading.Event()
        self._status = 0
        self._began = time.monotonic()
        self._seconds = 0.0

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._ended.is_set()

    def ends(self, status: int) -> None:
        """Note the wait status."""
        self._status = status
        self._seconds = time.monotonic() - self._began
        self._ended.set()

    def signal(self, number: int = signal.SIGKILL) -> None:
        """Send a signal, unless it has ended."""
        if not self.ended:
            os.kill(self.pid, number)

    def ended_within(self, seconds: float) -> bool:
        """Wait for its end; return whether it came."""
        return self._ended.wait(seconds)

    def printed(self) -> str:
        """Return its stdout so far."""
        return (self._folder / "stdout").read_text(errors="replace")

    def wait(self, seconds: float = RUN_SECONDS) -> Done:
        """Wait for its end; a run that takes longer is killed and fails the test."""
        if not self._ended.wait(seconds):
            self.signal()
            self._ended.wait(10)
            texts = [(self._folder / name).read_text(errors="replace")[-3000:] for name in ("stdout", "stderr")]
            raise AssertionError(
                f"mlops-nix {' '.join(self.arguments)}: no end within {seconds} s\n{texts[0]}\n{texts[1]}"
            )
        code = os.waitstatus_to_exitcode(self._status)
        stdout, stderr = ((self._folder / name).read_text(errors="replace") for name in ("stdout", "stderr"))
        return Done(self.arguments, code, stdout, stderr, self._seconds)


class Launcher:
    """The process that runs are forked from; a context manager."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="mlops-nix-runs-")
        self._count = 0
        self._lock = threading.Lock()
        self._runs: dict[int, Running] = {}
        self._started: dict[int, Running] = {}
        self._process = subprocess.Popen(
            [sys.executable, "-u", str(Path(__file__).with_name("forkserver.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout
        if not self._process.stdout.readline():
            raise AssertionError(f"the fork server ended at once: exit {self._process.wait(10)}; its stderr is above")
        self._reader = threading.Thread(target=self._read, name="launcher", daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for run in list(self._runs.values()):
            run.signal()
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)
        self._reader.join(10)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._folder.cleanup()

    def start(
        self,
        *arguments: str,
        kubeconfig: Path | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: Path | None = None,
        stdout: str | None = None,
    ) -> Running:
        """Start a run; `stdout` names another file or device for its output."""
        with self._lock:
            self._count += 1
            number = self._count
        folder = Path(self._folder.name) / str(number)
        folder.mkdir()
        for name in ("stdout", "stderr"):
            (folder / name).touch()
        run = Running(self, arguments, folder)
        given = [f"--kubeconfig={kubeconfig}"] if kubeconfig else []
        request = {
            "number": number,
            "arguments": [*arguments, *given],
            "environment": {"NO_COLOR": "1", "COLUMNS": "200", **(environment or {})},
            "folder": str(folder),
            "stdin": str(stdin) if stdin else os.devnull,
            "stdout": stdout or str(folder / "stdout"),
        }
        with self._lock:
            self._started[number] = run
            assert self._process.stdin
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        assert run.announced.wait(60), "the fork server does not answer"
        return run

    def run(
        self,
        *arguments: str,
        kubeconfig: Path | None = None,
        seconds: float = RUN_SECONDS,
        environment: Mapping[str, str] | None = None,
        stdin: Path | None = None,
        stdout: str | None = None,
    ) -> Done:
        """Run to the end."""
        run = self.start(*arguments, kubeconfig=kubeconfig, environment=environment, stdin=stdin, stdout=stdout)
        return run.wait(seconds)

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            message = json.loads(line)
            with self._lock:
                if "started" in message:
                    run = self._started.pop(message["number"])
                    run.pid = message["started"]
                    self._runs[run.pid] = run
                    run.announced.set()
                else:
                    self._runs.pop(message["ended"]).ends(message["status"])
