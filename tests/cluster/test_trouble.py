"""Longer trouble: dropped connections, restarts, frozen storage, throttling, two runs at once.

The run has to end well, with everything applied and nothing pruned that should stay.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from tests.cluster.controlplane import ControlPlane, Unavailable, running
from tests.cluster.endstate import cluster_state, inventory
from tests.cluster.fakeapi import FakeCluster, Fault, Forward, Server, dropping, on
from tests.cluster.objects import Object, config_map, deployment, namespace, secret, service
from tests.cluster.user import User, actions, ok

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cluster.command import Launcher


def platform(where: str, *, level: str = "info", maps: int = 30) -> list[Object]:
    """A set of some forty objects in one namespace."""
    return [
        namespace(where),
        *(config_map(f"settings-{number}", {"level": level}) for number in range(maps)),
        secret("database", {"password": "secret-password"}),
        *(service(f"app-{number}") for number in range(3)),
        *(deployment(f"app-{number}") for number in range(3)),
    ]


@pytest.fixture
def throttling_plane() -> Iterator[ControlPlane]:
    """A server that takes one request at a time and refuses the rest."""
    flags = (
        "--enable-priority-and-fairness=false",
        "--max-mutating-requests-inflight=1",
        "--max-requests-inflight=1",
    )
    try:
        with running(server_flags=flags) as control_plane:
            yield control_plane
    except Unavailable as reason:
        pytest.skip(f"no real control plane: {reason}")


@pytest.mark.parametrize("seed", range(5))
def test_five_percent_of_the_connections_dropped(seed: int, launcher: Launcher, tmp_path: Path) -> None:
    with FakeCluster() as calm:
        user = User(launcher, tmp_path, calm.kubeconfig())
        ok(user.apply([*platform("ml"), config_map("leaves")]))
        ok(user.apply(platform("ml", level="debug")))
        expected, owned = cluster_state(calm), inventory(calm)
    with FakeCluster() as fake:
        fake.faults.add(*dropping(0.05, seed=seed))
        user = User(launcher, tmp_path, fake.kubeconfig())
        ok(user.apply([*platform("ml"), config_map("leaves")]))
        ok(user.apply(platform("ml", level="debug")))
        assert any(entry.faults for entry in fake.server.log), "no connection was dropped"
        assert cluster_state(fake) == expected
        assert inventory(fake) == owned


def test_connections_dropped_before_the_real_server(
    plane: ControlPlane, launcher: Launcher, tmp_path: Path, fresh_name: Callable[[str], str]
) -> None:
    name = fresh_name("dropped")
    backend = Forward(plane.url, plane.ca)
    server = Server(backend)
    server.start()
    try:
        server.faults.add(*dropping(0.05, seed=7))
        user = User(launcher, tmp_path, plane.kubeconfig(url=server.url), where=name)
        ok(user.apply([*platform(name), config_map("leaves")], name=name))
        ok(user.apply(platform(name, level="debug"), name=name))
        assert any(entry.faults for entry in server.log), "no connection was dropped"
    finally:
        server.stop()
        backend.stop()
    listed = plane.admin.get(f"/api/v1/namespaces/{name}/configmaps").body["items"]
    values = {
        item["metadata"]["name"]: item["data"] for item in listed if item["metadata"]["name"] != "kube-root-ca.crt"
    }
    assert values == {f"settings-{number}": {"level": "debug"} for number in range(30)}


def test_the_real_server_restarted_in_the_middle(
    plane: ControlPlane, launcher: Launcher, tmp_path: Path, fresh_name: Callable[[str], str]
) -> None:
    name = fresh_name("restarted")
    user = User(launcher, tmp_path, plane.kubeconfig(), where=name)
    items = platform(name, maps=150)
    run = user.start("apply", user.write(items, name), "--timeout", "120")
    plane.admin.until(
        f"/api/v1/namespaces/{name}/configmaps/settings-20", lambda answer: answer.code == 200, seconds=60
    )
    plane.restart_api_server()
    done = ok(run.wait(180))
    assert done.of_type("retrying"), "the restart was not noticed"
    assert len([one for one in actions(done) if one.startswith("ConfigMap/")]) == 150
    assert set(actions(ok(user.apply(items, name=name))).values()) == {"unchanged"}


def test_storage_frozen_for_ten_seconds(
    plane: ControlPlane, launcher: Launcher, tmp_path: Path, fresh_name: Callable[[str], str]
) -> None:
    name = fresh_name("frozen")
    user = User(launcher, tmp_path, plane.kubeconfig(), where=name)
    items = platform(name, maps=150)
    run = user.start("apply", user.write(items, name), "--timeout", "120")
    plane.admin.until(
        f"/api/v1/namespaces/{name}/configmaps/settings-20", lambda answer: answer.code == 200, seconds=60
    )
    with plane.frozen("etcd"):
        time.sleep(10)
    ok(run.wait(180))
    assert set(actions(ok(user.apply(items, name=name))).values()) == {"unchanged"}


def test_a_server_that_takes_one_request_at_a_time(
    throttling_plane: ControlPlane, launcher: Launcher, tmp_path: Path
) -> None:
    user = User(launcher, tmp_path, throttling_plane.kubeconfig("engineer"), where="crowded")
    stop = threading.Event()

    def crowd() -> None:
        # Another user keeps the server's only place busy.
        with throttling_plane.api("second-engineer") as api:
            while not stop.is_set():
                api.get("/api/v1/namespaces")
                time.sleep(0.02)

    others = [threading.Thread(target=crowd, daemon=True) for _ in range(2)]
    for one in others:
        one.start()
    try:
        items = [item for item in platform("crowded") if item["kind"] != "Deployment"]
        done = ok(user.apply(items, "--timeout", "150", seconds=200))
    finally:
        stop.set()
        for one in others:
            one.join(30)
    assert done.of_type("throttled"), "nothing was throttled"
    listed = throttling_plane.admin.get("/api/v1/namespaces/crowded/configmaps").body["items"]
    assert len([item for item in listed if item["metadata"]["name"].startswith("settings-")]) == 30


def test_two_runs_at_once_end_as_one_after_the_other(
    plane: ControlPlane, launcher: Launcher, tmp_path: Path, fresh_name: Callable[[str], str]
) -> None:
    name = fresh_name("twice")
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one = User(launcher, tmp_path / "one", plane.kubeconfig(), where=name)
    two = User(launcher, tmp_path / "two", plane.kubeconfig("engineer"), where=name)
    first, second = platform(name, level="info"), platform(name, level="debug")
    runs = [
        user.start("apply", user.write(items, name), "--lock-timeout", "90")
        for user, items in ((one, first), (two, second))
    ]
    for run in runs:
        ok(run.wait())
    listed = plane.admin.get(f"/api/v1/namespaces/{name}/configmaps").body["items"]
    levels = {item["data"]["level"] for item in listed if item["metadata"]["name"].startswith("settings-")}
    assert len(levels) == 1, f"the runs were mixed: {levels}"


def test_requests_in_flight_are_bounded(fake: FakeCluster, user: User) -> None:
    fake.faults.add(Fault("delay", matching=on("PATCH"), seconds=0.02, times=float("inf")))
    ok(user.apply(platform("ml")))
    assert 1 < fake.server.most_in_flight <= 10


def test_a_no_change_apply_sends_one_list_per_kind_and_namespace(fake: FakeCluster, user: User) -> None:
    items = platform("ml")
    ok(user.apply(items))
    fake.server.reset_log()
    done = ok(user.apply(items))
    assert set(actions(done).values()) <= {"unchanged"}
    assert not fake.server.requests("PATCH")
    paths = [
        entry.request.path for entry in fake.server.log if entry.request.method == "GET" and not entry.request.watch
    ]
    for kind in ("configmaps", "services", "deployments"):
        assert len([path for path in paths if path.endswith(f"/ml/{kind}")]) <= 1
    assert len(fake.server.log) <= 20, [str(entry.request) for entry in fake.server.log]
