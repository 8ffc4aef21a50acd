"""Fork runs of `mlops-nix` from one process that has imported it; see `command.Launcher`.

One JSON request a line on stdin; `{"number", "started": PID}` and `{"ended": PID, "status"}` on stdout.
There are no threads here, so that a fork is safe.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import selectors
import signal
import sys
from typing import Any


def main() -> None:
    preload()
    say({"ready": os.getpid()})
    wake, written = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(written)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    selector = selectors.DefaultSelector()
    selector.register(0, selectors.EVENT_READ)
    selector.register(wake, selectors.EVENT_READ)
    children: set[int] = set()
    buffer = b""
    while True:
        for key, _ in selector.select():
            if key.fd == wake:
                os.read(wake, 4096)
                reap(children)
                continue
            data = os.read(0, 65536)
            if not data:
                for child in children:
                    os.kill(child, signal.SIGKILL)
                return
            buffer += data
            *lines, buffer = buffer.split(b"\n")
            for line in lines:
                request = json.loads(line)
                child = os.fork()
                if child == 0:
                    signal.set_wakeup_fd(-1)
                    selector.close()
                    run(request)
                children.add(child)
                say({"number": request["number"], "started": child})
                # It may have ended before it was known as a child.
                reap(children)


def reap(children: set[int]) -> None:
    for child in list(children):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            children.discard(pid)
            say({"ended": pid, "status": status})


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def preload() -> None:
    """Import all that a run would import, as far as it is there."""
    import mlops_nix.cli
    import mlops_nix.cluster

    for package in (mlops_nix.cli, mlops_nix.cluster):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.", onerror=lambda _: None):
            # Only to save time: what cannot be imported fails in the run that needs it.
            with contextlib.suppress(Exception):
                importlib.import_module(module.name)
    for name in ("kubernetes.client", "kubernetes.config", "orjson", "rich.live", "rich.table", "urllib3", "yaml"):
        importlib.import_module(name)


def run(request: dict[str, Any]) -> None:
    """Become the run; never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    for number, (path, flags) in enumerate(
        (
            (request["stdin"], os.O_RDONLY),
            (request["stdout"], os.O_WRONLY | os.O_APPEND),
            (request["folder"] + "/stderr", os.O_WRONLY | os.O_APPEND),
        )
    ):
        opened = os.open(path, flags)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
    os.environ.update(request["environment"])
    from mlops_nix.cli import run as command

    code = 70
    try:
        code = command(request["arguments"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                code = code or 74
        os._exit(code)


if __name__ == "__main__":
    main()
