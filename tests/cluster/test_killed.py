"""A run killed at any moment, and run again, ends as one clean run: same objects, same inventory.

The kill is SIGKILL at a request's arrival (nothing of it happened) and after it was done (its answer never
came), for every single request that a run sends. What is compared is everything on the cluster but what
differs between two clean runs as well (UIDs, versions, times).
"""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from tests.cluster.endstate import cluster_state, comparable, inventory
from tests.cluster.fakeapi import FakeCluster, Fault, Forward, Server, writes
from tests.cluster.objects import Object, config_map, crd, deployment, job, namespace, placed, secret, service, widget
from tests.cluster.user import User, ok

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cluster.command import Done, Launcher, Running
    from tests.cluster.controlplane import ControlPlane
    from tests.cluster.fakeapi.api import Snapshot
    from tests.cluster.fakeapi.serving import Request

GROUP = "kill.test.dev"
MOST_REQUESTS = 400


def before() -> list[Object]:
    """What is on the cluster before an upgrade."""
    return [
        namespace("ml"),
        crd(GROUP),
        config_map("settings", {"level": "info"}),
        config_map("leaves", {"a": "1"}),
        secret("database", {"password": "secret-password"}),
        service("app"),
        service("old"),
        deployment("app"),
        deployment("old"),
        job("migrate"),
        widget(GROUP, "one"),
        widget(GROUP, "gone"),
    ]


def after() -> list[Object]:
    """The upgrade: changed, new, removed and replaced objects."""
    return [
        namespace("ml"),
        crd(GROUP),
        config_map("settings", {"level": "debug"}),
        config_map("comes", {"b": "2"}),
        secret("database", {"password": "secret-password"}),
        service("app"),
        deployment("app", image="registry.test/app:2"),
        job("migrate", "registry.test/job:2"),
        widget(GROUP, "one", mode="fast"),
        widget(GROUP, "two"),
    ]


# -- killing ----------------------------------------------------------------------------------


@dataclass
class Killer:
    """Kills the run that it is given at a request."""

    run: Running | None = None

    def kill(self, _: Request) -> bool:
        end = time.monotonic() + 30
        while self.run is None and time.monotonic() < end:
            time.sleep(0.001)
        assert self.run is not None
        self.run.signal(signal.SIGKILL)
        self.run.ended_within(10)
        return True


@dataclass(frozen=True)
class Change:
    """What is killed: a command with its target, after what was applied before."""

    earlier: tuple[list[Object], ...]
    target: list[Object]
    command: str = "apply"
    options: tuple[str, ...] = ()
    foreign: bool = False
    """The objects of the target are there already, made by `kubectl apply`."""

    def start(self, user: User) -> Running:
        """Start the command."""
        return user.start(self.command, user.write(self.target), *self.options)


REPLACE = ("--recreate", "Job/*")
CHANGES = {
    "install": Change((), before()),
    "upgrade": Change((before(),), after(), options=REPLACE),
    "rollback": Change((before(), after()), after(), "rollback", ("--to", "1", *REPLACE)),
    "delete": Change((before(),), before(), "delete"),
    "delete all": Change((before(),), before(), "delete", ("--prune-crds", "--prune-namespaces")),
    "adopt": Change((), [item for item in before() if item["kind"] != "Widget"], "adopt", foreign=True),
}


def prepared(change: Change, launcher: Launcher, folder: Path) -> Snapshot:
    """Return the cluster as it is before the change."""
    with FakeCluster() as fake:
        user = User(launcher, folder, fake.kubeconfig())
        for items in change.earlier:
            ok(user.apply(items, *REPLACE))
        if change.foreign:
            for item in change.target:
                fake.state.put(
                    item["apiVersion"], item["kind"], placed(item, "ml"), manager="kubectl-client-side-apply"
                )
            for kind in ("Deployment", "Job"):
                fake.controllers.settle(kind)
        return fake.state.snapshot()


def clean_run(
    change: Change, start: Snapshot, launcher: Launcher, folder: Path
) -> tuple[dict[str, Any], dict[str, Any], int]:
    with FakeCluster() as fake:
        fake.state.restore(start)
        ok(change.start(User(launcher, folder, fake.kubeconfig())).wait())
        return cluster_state(fake), inventory(fake), len(fake.server.log)


@pytest.mark.parametrize("moment", ["call", "call-after"], ids=["before each request", "after each request"])
@pytest.mark.parametrize("name", sorted(CHANGES))
def test_killed_at_each_request_and_run_again(name: str, moment: Any, launcher: Launcher, tmp_path: Path) -> None:
    change = CHANGES[name]
    start = prepared(change, launcher, tmp_path)
    state, owned, requests = clean_run(change, start, launcher, tmp_path)
    assert owned["pending"] is None
    failures: list[str] = []
    number = 0
    while True:
        number += 1
        assert number < MOST_REQUESTS
        with FakeCluster() as fake:
            fake.state.restore(start)
            user = User(launcher, tmp_path, fake.kubeconfig())
            killer = Killer()
            fake.faults.add(Fault(moment, at=number, function=killer.kill))
            killer.run = change.start(user)
            done = killer.run.wait()
            if done.code != -signal.SIGKILL:
                assert done.code == 0, str(done)
                break
            fake.faults.clear()
            killed_at = next(str(entry.request) for entry in fake.server.log if entry.request.number == number)
            again = change.start(user).wait()
            problem = compare(again, fake, state, owned)
            if problem:
                failures.append(f"killed at {number}, {killed_at}:\n  {problem}")
    assert number > requests * 0.8, f"only {number} of about {requests} requests were killed"
    assert not failures, f"{len(failures)} of {number}:\n" + "\n".join(failures[:10])


def compare(again: Done, fake: FakeCluster, state: dict[str, Any], owned: dict[str, Any]) -> str:
    """Return how the end differs from a clean run's; empty where it does not."""
    if again.code != 0:
        return str(again)
    found = cluster_state(fake)
    for key in sorted({*state, *found}):
        if state.get(key) != found.get(key):
            return f"{key}: clean {json.dumps(state.get(key))[:800]}\n  found {json.dumps(found.get(key))[:800]}"
    if inventory(fake) != owned:
        return f"inventory: clean {owned}\n  found {inventory(fake)}"
    leases = [item["metadata"]["name"] for item in fake.state.store.items(("coordination.k8s.io", "leases"))]
    return f"leases left: {leases}" if leases else ""


def test_killed_after_each_write_on_the_real_server(
    plane: ControlPlane, launcher: Launcher, tmp_path: Path, fresh_name: Callable[[str], str]
) -> None:
    """On the real server after each write, through a proxy; the end is compared by what a clean run leaves."""
    number, ended = 0, False
    objects = 5
    expected: dict[str, Any] | None = None
    while not ended:
        name = fresh_name("killed")
        backend = Forward(plane.url, plane.ca)
        server = Server(backend)
        server.start()
        try:
            user = User(launcher, tmp_path, plane.kubeconfig(url=server.url), where=name)
            items = [namespace(name), config_map("a", {"k": "1"}), config_map("b"), service("app"), deployment("app")]
            killer = Killer()
            seen = 0

            def strikes(request: Request, at: int = number) -> bool:
                nonlocal seen
                if not writes(request) or "/selfsubject" in request.path:
                    return False
                seen += 1
                return seen == at

            server.faults.add(Fault("call-after", matching=strikes, function=killer.kill))
            killer.run = user.start("apply", user.write(items, name))
            done = killer.run.wait()
            if number:
                ended = done.code == 0
            if done.code != 0:
                assert done.code == -signal.SIGKILL, str(done)
                server.faults.clear()
                done = user.apply(items, name=name)
                assert done.code == 0, f"killed after write {number}: {done}"
            found = real_state(plane, name)
            expected = expected or found
            assert found == expected, f"killed after write {number}"
        finally:
            server.stop()
            backend.stop()
        plane.admin.delete(f"/api/v1/namespaces/{name}")
        number += 1
        assert number < MOST_REQUESTS
    assert number > objects


def real_state(plane: ControlPlane, name: str) -> dict[str, Any]:
    """Return what is in a namespace of the real server, with its name replaced."""
    found = {}
    for path in (
        "/api/v1/{}/configmaps",
        "/api/v1/{}/services",
        "/apis/apps/v1/{}/deployments",
        "/apis/coordination.k8s.io/v1/{}/leases",
    ):
        listed = plane.admin.get(path.format(f"namespaces/{name}"))
        for item in listed.body["items"]:
            if item["metadata"]["name"] == "kube-root-ca.crt":
                continue
            item["kind"] = listed.body["kind"].removesuffix("List")
            item["metadata"].get("annotations", {}).pop("deployment.kubernetes.io/revision", None)
            found[f"{item['kind']}/{item['metadata']['name']}"] = json.loads(
                json.dumps(comparable(item)).replace(name, "NAME")
            )
    return found


def test_a_killed_run_is_seen_as_dead_at_once(fake: FakeCluster, user: User) -> None:
    """The lock of a run killed on the same machine does not hold up the next one."""
    killer = Killer()
    fake.faults.add(
        Fault("call", matching=lambda request: "/configmaps/settings" in request.path, function=killer.kill)
    )
    killer.run = user.start("apply", user.write(before()))
    assert killer.run.wait().code == -signal.SIGKILL
    fake.faults.clear()
    assert not os.path.exists(f"/proc/{killer.run.pid}")
    done = user.apply(before(), "--lock-timeout", "0")
    assert done.code == 0, str(done)
    assert done.seconds < 20
