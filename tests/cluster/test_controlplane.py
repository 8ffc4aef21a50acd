"""The control plane for tests itself: loopback only, gone when it should be, whatever happens to its user."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cluster.controlplane import Unavailable, binaries, running

if TYPE_CHECKING:
    from tests.cluster.controlplane import ControlPlane

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def programs() -> Path:
    try:
        return binaries()
    except Unavailable as reason:
        pytest.skip(f"no real control plane: {reason}")


def children_in(folder: Path) -> list[int]:
    """Return the processes that work in a folder: every component of a control plane does."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and Path(os.readlink(entry / "cwd")) == folder:
                found.append(int(entry.name))
    return found


def gone(folder: Path, seconds: float = 30.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not folder.exists() and not children_in(folder):
            return True
        time.sleep(0.05)
    return False


def listening(pids: list[int]) -> set[str]:
    """Return the addresses on which processes listen, in the notation of /proc/net/tcp."""
    inodes = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                target = str(descriptor.readlink())
                if target.startswith("socket:["):
                    inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                found.add(fields[1].rsplit(":", 1)[0])
    return found


def test_it_listens_on_loopback_only(plane: ControlPlane) -> None:
    pids = children_in(plane.folder)
    assert len(pids) == len(plane.components)
    assert listening(pids) == {"0100007F"}


def test_it_reports_the_version_that_it_is_built_from(plane: ControlPlane) -> None:
    version = plane.admin.get("/version").body
    assert version["gitVersion"] == "v1.36.3"


def test_nothing_is_left_when_the_block_ends() -> None:
    with running() as control_plane:
        folder = control_plane.folder
        assert control_plane.admin.get("/api/v1/namespaces/default").code == 200
    assert not folder.exists()
    assert not children_in(folder)


def test_nothing_is_left_when_the_block_raises() -> None:
    folder = Path()

    def fail(control_plane: ControlPlane) -> None:
        nonlocal folder
        folder = control_plane.folder
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), running() as control_plane:
        fail(control_plane)
    assert not folder.exists()
    assert not children_in(folder)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_when_its_user_is_killed(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.cluster.controlplane", "run"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("export KUBECONFIG="), line
        folder = Path(line.strip().partition("=")[2]).parent
        assert len(children_in(folder)) == 2
        process.send_signal(number)
        process.wait(60)
        assert gone(folder)
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def test_a_component_that_dies_at_the_start_is_shown_with_its_log() -> None:
    with (
        pytest.raises(AssertionError, match=r"(?s)kube-apiserver ended:.*no-such-flag"),
        running(server_flags=["--no-such-flag"]),
    ):
        pass


def test_a_restarted_server_knows_what_it_knew() -> None:
    with running() as control_plane:
        control_plane.namespace("kept")
        control_plane.restart_api_server()
        assert control_plane.admin.get("/api/v1/namespaces/kept").code == 200
