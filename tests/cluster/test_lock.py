"""The lock of a set while time passes: renewed before a write, given up where somebody else took it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from mlops_nix.cluster.clock import SystemClock
from mlops_nix.cluster.connection import connect
from mlops_nix.cluster.lock import DURATION, Lock, _start_time, is_dead, machine
from mlops_nix.errors import Locked
from tests.cluster.objects import config_map

if TYPE_CHECKING:
    from mlops_nix.cluster.connection import Cluster
    from tests.cluster.fakeapi import FakeCluster


class Hands(SystemClock):
    """A clock whose hands the test turns."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


def locked(fake: FakeCluster, clock: Hands, *, limit: int) -> tuple[Cluster, Lock]:
    cluster = connect(kubeconfig=str(fake.kubeconfig()), clock=clock, limit=limit)
    lock = Lock(cluster.api, "default", "acme", "run")
    lock.acquire()
    cluster.api.fence = lock
    return cluster, lock


def write_many(cluster: Cluster, count: int, seconds: float = 20.0) -> list[Any]:
    """Apply ConfigMaps from as many threads; return answers and errors."""
    resource = cluster.discovery.find("", "v1", "ConfigMap")
    assert resource is not None
    outcomes: list[Any] = []

    def write(number: int) -> None:
        name = f"c{number}"
        try:
            outcomes.append(cluster.api.apply(resource, config_map(name), "default", name).outcome)
        except Locked as error:
            outcomes.append(error)

    threads = [threading.Thread(target=write, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds)
    assert not [thread for thread in threads if thread.is_alive()], "writes wait for a renewal that waits for them"
    return outcomes


@pytest.mark.parametrize("limit", [1, 4])
def test_a_lock_that_ran_out_is_renewed_before_the_next_write(fake: FakeCluster, limit: int) -> None:
    clock = Hands()
    cluster, lock = locked(fake, clock, limit=limit)
    try:
        clock.ahead += DURATION - 2
        assert write_many(cluster, limit) == ["ok"] * limit
    finally:
        lock.release()
    assert not list(fake.state.store.items(("coordination.k8s.io", "leases")))


@pytest.mark.parametrize("limit", [1, 4])
def test_a_lock_that_somebody_took_stops_every_write(fake: FakeCluster, limit: int) -> None:
    clock = Hands()
    cluster, lock = locked(fake, clock, limit=limit)
    held = next(iter(fake.state.store.items(("coordination.k8s.io", "leases"))))
    taken = {**held, "spec": {**held["spec"], "holderIdentity": "ann@elsewhere/other/machine/1/1"}}
    fake.state.put("coordination.k8s.io/v1", "Lease", taken)
    clock.ahead += DURATION + 10
    outcomes = write_many(cluster, limit)
    assert [type(outcome) for outcome in outcomes] == [Locked] * limit
    assert not fake.server.requests("PATCH")
    lock.release()
    assert fake.state.find("Lease", "mlops-nix-acme", "default"), "another's lock was given back"


def test_a_killed_holder_that_nobody_waited_for_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        alive = f"ann@here/run/{machine()}/{child.pid}/{_start_time(child.pid)}"
        assert not is_dead(alive)
        child.kill()
        # Waits for the end, and leaves the dead process in the table.
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert is_dead(alive)
    finally:
        child.kill()
        child.wait(10)
