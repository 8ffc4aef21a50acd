# ruff: noqa: T201 - a program for people: printing is its answer
"""Use the tests' control plane by hand.

python -m tests.cluster.controlplane build            build the programs, print their folder
python -m tests.cluster.controlplane run --nodes 2    run until Ctrl-C, printing the kubeconfig's path
python -m tests.cluster.controlplane run -- COMMAND   run COMMAND with KUBECONFIG set, exit with its code
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

from . import Unavailable, binaries, running


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster.controlplane",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="build the programs and print their folder")
    run = commands.add_parser("run", help="run a control plane")
    run.add_argument("--controllers", action="store_true", help="with the controller manager")
    run.add_argument(
        "--nodes", type=int, default=0, help="number of simulated nodes (implies controllers and scheduler)"
    )
    run.add_argument("--crds", type=Path, action="append", default=[], help="file or folder of CRDs to install")
    run.add_argument("--audit", action="store_true", help="record every request in audit.log")
    run.add_argument("argv", nargs="*", help="command to run against it; none: until Ctrl-C")
    options = parser.parse_args()
    try:
        if options.command == "build":
            print(binaries())
            return 0
        crds = [file for path in options.crds for file in (sorted(path.rglob("*.yaml")) if path.is_dir() else [path])]
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        with running(controllers=options.controllers, nodes=options.nodes, audit=options.audit, crds=crds) as plane:
            kubeconfig = plane.kubeconfig()
            if options.argv:
                return subprocess.run(
                    options.argv, env={**os.environ, "KUBECONFIG": str(kubeconfig)}, check=False
                ).returncode
            print(f"export KUBECONFIG={kubeconfig}", flush=True)
            signal.pause()
    except Unavailable as error:
        print(f"error: {error}", file=sys.stderr)
        return 5
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
