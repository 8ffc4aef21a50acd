"""Virtual environments of the programs that the live tests start: one per program, made once, kept outside the tree.

They stand in for container images: what an image's tag promises is installed from PyPI into a folder of the user's cache, whose
name follows from the list of requirements, so that a changed list gives another folder and two runs at once share one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


class Unavailable(pytest.skip.Exception):
    """A program cannot be had on this machine: the test that needs it is skipped, and the argument says why."""


CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlops-nix"

INSTALL_SECONDS = 420


def _python() -> str:
    """The Python of the environments: the distribution's, which other users may read too, else the one that runs the tests."""
    return next(
        (path for path in ("/usr/bin/python3.11", "/usr/bin/python3") if os.access(path, os.X_OK)), sys.executable
    )


def _uv() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv")


def _run(command: list[str], what: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{what}: not done within {INSTALL_SECONDS} s") from None
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise Unavailable(f"{what}: {' / '.join(last)}")


def environment(name: str, requirements: list[str]) -> Path:
    """Folder of an environment that has these requirements.

    Raises:
        Unavailable: when it cannot be made, such as without network.
    """
    python = _python()
    key = hashlib.sha256("\n".join([python, *sorted(requirements)]).encode()).hexdigest()[:12]
    folder = CACHE / "venvs" / f"{name}-{key}"
    ready = folder / "installed"
    if ready.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{folder}.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if ready.exists():
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        uv = _uv()
        what = f"{name} could not be installed"
        if uv:
            _run([uv, "venv", "--quiet", "--python", python, str(folder)], what)
            # Images come with compiled modules, and in a pod nobody may write them.
            options = ["--quiet", "--compile-bytecode", "--python", str(folder / "bin" / "python")]
            _run([uv, "pip", "install", *options, *requirements], what)
        else:
            _run([python, "-m", "venv", str(folder)], what)
            _run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *requirements], what)
        ready.write_text("\n".join(requirements) + "\n", encoding="utf-8")
    return folder
