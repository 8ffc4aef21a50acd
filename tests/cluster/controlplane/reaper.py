"""Kill the processes of a control plane whose test run died without stopping it.

A run killed with SIGKILL cannot clean up behind itself. This program reads `+PID` and `-PID`
lines from a pipe that only the run holds open; when the pipe ends, whatever is still listed
is killed, and the folder given as argument is removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys


def main() -> None:
    # A Ctrl-C in the terminal goes to the whole group: the run decides when this ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    alive: set[int] = set()
    for line in sys.stdin:
        pid = int(line[1:])
        alive.add(pid) if line[0] == "+" else alive.discard(pid)
    for pid in alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(sys.argv[1], ignore_errors=True)


main()
