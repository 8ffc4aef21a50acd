"""What clusters do to an apply, and what the apply does then: the thirty cases, each with a test.

Most run against the fake server, whose answers `test_fake_is_honest.py` holds to the real ones; where
the fault is the real server's own doing (Pod Security, restarts), the real one plays it.
"""

from __future__ import annotations

import base64
import copy
import json
import os
import select
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from tests.cluster.fakeapi import FakeCluster, Fault, Refusal, Request, Webhook, answered, on, throttled, writes
from tests.cluster.fakeapi import status as refusals
from tests.cluster.objects import (
    config_map,
    crd,
    deployment,
    job,
    namespace,
    secret,
    service,
    stateful_set,
    widget,
)
from tests.cluster.user import actions, ok

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cluster.command import Done
    from tests.cluster.controlplane import ControlPlane, Object
    from tests.cluster.user import User

CASES: dict[int, list[str]] = {4: ["test_killed.py: test_killed_at_each_request_and_run_again"]}
INVENTORY = "mlops-nix-acme"
SYSTEM = "mlops-nix-system"


def case(number: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Say which of the thirty faults a test is about."""

    def note(test: Callable[..., None]) -> Callable[..., None]:
        CASES.setdefault(number, []).append(test.__name__)
        return test

    return note


def small_set() -> list[Object]:
    return [
        namespace("ml"),
        config_map("settings", {"level": "info"}),
        secret("database", {"password": "correct-horse-battery"}),
        service("app"),
        deployment("app"),
    ]


def wave_writes(request: Request) -> bool:
    """Whether a request writes an object of the set, not a lock or an inventory."""
    own = ("/leases", "mlops-nix", "/selfsubject")
    return writes(request) and not any(word in request.path for word in own)


def each_once(matching: Callable[[Request], bool]) -> Callable[[Request], bool]:
    """Return a predicate that is true for the first request of each method and path."""
    seen: set[tuple[str, str]] = set()

    def first(request: Request) -> bool:
        new = matching(request) and (request.method, request.path) not in seen
        seen.add((request.method, request.path)) if new else None
        return new

    return first


# -- the network and the server -------------------------------------------------------------


@case(1)
def test_a_throttled_run_waits_as_long_as_it_is_told(fake: FakeCluster, user: User) -> None:
    fake.faults.add(throttled(1, times=3, matching=on("PATCH")))
    done = ok(user.apply(small_set()))
    assert done.seconds >= 1.0
    assert done.of_type("throttled")
    assert fake.state.find("Deployment", "app", "ml")


@case(2)
def test_a_server_that_comes_back_is_waited_for(fake: FakeCluster, user: User) -> None:
    gone = threading.Event()

    def go_away(_: Request) -> bool:
        gone.set()
        return True

    fake.faults.add(Fault("call", matching=on("PATCH", "/configmaps/", dry=False), function=go_away))
    run = user.start("apply", user.write(small_set()))
    assert gone.wait(30)
    with fake.server.down():
        time.sleep(1.0)
    ok(run.wait())
    assert fake.state.find("ConfigMap", "settings", "ml")


@case(2)
def test_a_server_that_stays_away_ends_the_run_with_what_is_left(fake: FakeCluster, user: User) -> None:
    ok(user.apply(small_set()))
    gone = threading.Event()

    def go_away(_: Request) -> bool:
        gone.set()
        return True

    changed = [*small_set()[:1], config_map("settings", {"level": "debug"}), *small_set()[2:]]
    fake.faults.add(Fault("call", matching=on("PATCH", "/configmaps/", dry=False), function=go_away))
    run = user.start("apply", user.write(changed), "--timeout", "4")
    assert gone.wait(30)
    with fake.server.down():
        done = run.wait(60)
    assert done.code == 5, str(done)
    assert "settings" in done.text
    ok(user.apply(changed))


@case(3)
def test_a_write_whose_answer_was_lost_is_counted_once(fake: FakeCluster, user: User) -> None:
    fake.faults.add(Fault("reset-after", matching=each_once(wave_writes), times=20))
    done = ok(user.apply(small_set()))
    counted = [(event["object"]["kind"], event["object"]["name"]) for event in done.of_type("object")]
    assert len(counted) == len(set(counted)) == len(small_set())
    again = ok(user.apply(small_set()))
    assert set(actions(again).values()) <= {"unchanged"}


@case(3)
def test_an_answer_that_breaks_off_is_asked_for_again(fake: FakeCluster, user: User) -> None:
    fake.faults.add(Fault("half-body", matching=each_once(lambda request: not request.watch), times=10))
    ok(user.apply(small_set()))
    assert fake.state.find("Deployment", "app", "ml")


# -- one run at a time ------------------------------------------------------------------------


def slow_run(fake: FakeCluster, seconds: float) -> threading.Event:
    """Make the first write of a ConfigMap slow; return what tells that it has arrived."""
    arrived = threading.Event()

    def note(_: Request) -> bool:
        arrived.set()
        time.sleep(seconds)
        return False

    fake.faults.add(Fault("call", matching=on("PATCH", "/configmaps/settings", dry=False), function=note))
    return arrived


@case(5)
def test_a_second_run_says_who_holds_the_lock(fake: FakeCluster, user: User) -> None:
    arrived = slow_run(fake, 3.0)
    first = user.start("apply", user.write(small_set()))
    assert arrived.wait(30)
    second = user.run("apply", user.write(small_set()), "--lock-timeout", "0")
    assert second.code == 7, str(second)
    assert "locked by" in second.text
    ok(first.wait())


@case(5)
def test_a_second_run_waits_for_the_first(fake: FakeCluster, user: User) -> None:
    arrived = slow_run(fake, 1.0)
    first = user.start("apply", user.write(small_set()))
    assert arrived.wait(30)
    ok(user.run("apply", user.write(small_set()), "--lock-timeout", "60"))
    ok(first.wait())


@case(5)
def test_a_stale_lock_is_taken_over(fake: FakeCluster, user: User) -> None:
    long_ago = "2020-01-01T00:00:00.000000Z"
    spec = {
        "holderIdentity": "ann@elsewhere/run/machine/1/1",
        "leaseDurationSeconds": 30,
        "acquireTime": long_ago,
        "renewTime": long_ago,
    }
    fake.state.put("v1", "Namespace", {"metadata": {"name": SYSTEM}})
    fake.state.put(
        "coordination.k8s.io/v1", "Lease", {"metadata": {"name": INVENTORY, "namespace": SYSTEM}, "spec": spec}
    )
    ok(user.apply(small_set(), "--lock-timeout", "0"))
    assert fake.state.find("Lease", INVENTORY, SYSTEM) is None


@case(6)
def test_a_run_whose_lock_was_taken_stops_before_its_next_write(fake: FakeCluster, user: User) -> None:
    stolen = threading.Event()

    def steal(_: Request) -> bool:
        held = next(iter(fake.state.store.items(("coordination.k8s.io", "leases"))))
        changed = copy.deepcopy(held)
        changed["spec"]["holderIdentity"] = "ann@elsewhere/other/machine/1/1"
        fake.state.put("coordination.k8s.io/v1", "Lease", changed)
        stolen.set()
        return True

    # The process is paused for as long as its Lease lasts; in the meantime someone else takes it.
    fake.faults.add(Fault("call", matching=on("PATCH", "/configmaps/settings", dry=False), function=steal))
    # One request at a time: another that had passed the fence already could not be told from one after it.
    run = user.start("apply", user.write(small_set()), "--parallel", "1")
    assert stolen.wait(30)
    run.signal(signal.SIGSTOP)
    before = len(fake.server.log)
    time.sleep(28)
    run.signal(signal.SIGCONT)
    done = run.wait(60)
    assert done.code == 7, str(done)
    later = [entry.request for entry in fake.server.log[before:]]
    assert not [str(request) for request in later if wave_writes(request)]


# -- the inventory ----------------------------------------------------------------------------


def lose_inventory(fake: FakeCluster) -> None:
    fake.state.store.remove(("", "secrets"), SYSTEM, INVENTORY)


def spoil_inventory(fake: FakeCluster) -> None:
    found = fake.state.find("Secret", INVENTORY, SYSTEM)
    assert found
    found["data"]["inventory"] = base64.b64encode(b"\x1f\x8bnot a gzip").decode()
    fake.state.put("v1", "Secret", found)


@case(7)
@pytest.mark.parametrize("damage", [lose_inventory, spoil_inventory])
def test_a_lost_inventory_is_rebuilt_and_prunes_nothing_unasked(
    fake: FakeCluster, user: User, damage: Callable[[FakeCluster], None]
) -> None:
    ok(user.apply([*small_set(), config_map("leaves", {"a": "1"})]))
    damage(fake)
    ok(user.apply(small_set()))
    assert fake.state.find("ConfigMap", "leaves", "ml"), "pruned although the inventory was only guessed"
    ok(user.apply(small_set(), "--prune-recovered"))
    assert fake.state.find("ConfigMap", "leaves", "ml") is None


# -- conflicts and immutable fields -----------------------------------------------------------


@case(8)
def test_a_field_conflict_names_manager_field_and_both_values(fake: FakeCluster, user: User) -> None:
    ok(user.apply(small_set()))
    live = fake.state.find("ConfigMap", "settings", "ml")
    assert live
    live["data"]["level"] = "warning"
    fake.state.put("v1", "ConfigMap", live, manager="ann-edit")
    changed = [
        namespace("ml"),
        config_map("settings", {"level": "debug"}),
        *small_set()[2:],
        config_map("more", {"a": "1"}),
    ]
    done = user.apply(changed)
    assert done.code == 4, str(done)
    for word in ("ann-edit", "data.level", "warning", "debug"):
        assert word in done.text, f"{word} not in {done}"
    assert fake.state.find("ConfigMap", "more", "ml"), "other objects are applied all the same"
    kept = fake.state.find("ConfigMap", "settings", "ml")
    assert kept
    assert kept["data"]["level"] == "warning"
    ok(user.apply(changed, "--force-conflicts"))
    taken = fake.state.find("ConfigMap", "settings", "ml")
    assert taken
    assert taken["data"]["level"] == "debug"


def autoscaler(target: str) -> Object:
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
        "minReplicas": 1,
        "maxReplicas": 9,
    }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": target},
        "spec": spec,
    }


@case(9)
def test_replicas_that_an_autoscaler_owns_are_no_conflict_and_no_difference(fake: FakeCluster, user: User) -> None:
    items = [namespace("ml"), deployment("app", replicas=None), autoscaler("app")]
    ok(user.apply(items))
    scaled = fake.admin.request(
        "PATCH",
        "/apis/apps/v1/namespaces/ml/deployments/app/scale",
        {"spec": {"replicas": 5}},
        content="application/merge-patch+json",
        query={"fieldManager": "kube-controller-manager"},
    )
    assert scaled.code == 200
    assert user.diff(items).code == 0
    again = ok(user.apply(items))
    assert actions(again)["Deployment/app"] == "unchanged"
    live = fake.state.find("Deployment", "app", "ml")
    assert live
    assert live["spec"]["replicas"] == 5


@case(10)
def test_a_changed_job_is_explained_and_left_alone(fake: FakeCluster, user: User) -> None:
    items = [namespace("ml"), job("migrate")]
    ok(user.apply(items))
    before = fake.state.find("Job", "migrate", "ml")
    changed = [namespace("ml"), job("migrate", "registry.test/job:2")]
    done = user.apply(changed)
    assert done.code == 4, str(done)
    assert "spec.template" in done.text
    assert "--recreate" in done.text
    after = fake.state.find("Job", "migrate", "ml")
    assert before
    assert after
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    ok(user.apply(changed, "--recreate", "Job/migrate"))
    made = fake.state.find("Job", "migrate", "ml")
    assert made
    assert made["metadata"]["uid"] != before["metadata"]["uid"]
    assert made["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.test/job:2"


@case(11)
def test_a_grown_stateful_set_is_explained_and_never_replaced(fake: FakeCluster, user: User) -> None:
    ok(user.apply([namespace("ml"), stateful_set("db", storage="1Gi")]))
    before = fake.state.find("StatefulSet", "db", "ml")
    for options in ((), ("--recreate", "*"), ("--recreate", "StatefulSet/db")):
        done = user.apply([namespace("ml"), stateful_set("db", storage="2Gi")], *options)
        assert done.code == 4, str(done)
        assert "--cascade=orphan" in done.text
        assert "PersistentVolumeClaim" in done.text
        after = fake.state.find("StatefulSet", "db", "ml")
        assert before
        assert after
        assert after["metadata"]["uid"] == before["metadata"]["uid"]


# -- admission --------------------------------------------------------------------------------


def webhook_configuration(name: str = "gate.test.dev") -> Object:
    hook = {
        "name": name,
        "clientConfig": {"service": {"namespace": "ml", "name": "gate", "path": "/admit"}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["*"]}],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Fail",
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "gate"},
        "webhooks": [hook],
    }


@case(12)
def test_a_webhook_that_comes_up_late_is_waited_for(fake: FakeCluster, user: User) -> None:
    gate = Webhook("gate.test.dev", ("ConfigMap",))
    fake.state.webhooks.append(gate)
    threading.Timer(1.5, lambda: setattr(gate, "mode", "up")).start()
    ok(
        user.apply(
            [namespace("ml"), service("gate"), deployment("gate"), config_map("settings"), webhook_configuration()]
        )
    )
    assert fake.state.find("ConfigMap", "settings", "ml")


@case(12)
def test_a_webhook_that_never_comes_up_is_named(fake: FakeCluster, user: User) -> None:
    items = [namespace("ml"), service("gate"), deployment("gate"), webhook_configuration()]
    fake.controllers.keep("Deployment", "gate", {"observedGeneration": 1, "replicas": 1})
    fake.controllers.keep("Service", "gate")
    fake.state.webhooks.append(Webhook("gate.test.dev", ("ConfigMap",)))
    done = user.apply([*items, config_map("settings")], "--timeout", "4")
    assert done.code in (4, 5, 6), str(done)
    assert "gate.test.dev" in done.text


@case(13)
def test_a_webhook_that_denies_is_final(fake: FakeCluster, user: User) -> None:
    fake.state.webhooks.append(Webhook("gate.test.dev", ("ConfigMap",), mode="denies"))
    done = user.apply(small_set())
    assert done.code == 4, str(done)
    assert "not today" in done.text
    assert len(fake.server.requests("PATCH", "/configmaps/settings")) <= 2, "a denial is not asked for again"


@case(14)
def test_a_webhook_without_dry_runs_only_costs_the_preview(fake: FakeCluster, user: User) -> None:
    ok(user.apply(small_set()))
    fake.state.webhooks.append(Webhook("gate.test.dev", ("ConfigMap",), mode="no-dry-run"))
    changed = [namespace("ml"), config_map("settings", {"level": "debug"}), *small_set()[2:]]
    done = ok(user.apply(changed))
    assert "dry run" in done.text or "dry-run" in done.text or "preview" in done.text
    live = fake.state.find("ConfigMap", "settings", "ml")
    assert live
    assert live["data"]["level"] == "debug"


@case(15)
def test_a_schema_error_is_final_and_shows_the_path(fake: FakeCluster, user: User) -> None:
    broken = deployment("app")
    broken["spec"]["zz"] = 1
    done = user.apply([namespace("ml"), broken])
    assert done.code in (3, 4), str(done)
    assert ".spec.zz" in done.text
    assert done.seconds < 20
    assert len(fake.server.requests("PATCH", "/deployments/app")) <= 2


# -- kinds and namespaces that come and go ----------------------------------------------------


@case(16)
def test_a_custom_resource_waits_until_its_kind_is_served(fake: FakeCluster, user: User) -> None:
    fake.state.establish_lag = 0.3
    fake.state.discovery_lag = 1.0
    group = "late.test.dev"
    ok(user.apply([namespace("ml"), crd(group), widget(group, "one")]))
    assert fake.state.find("Widget", "one", "ml")


@case(17)
def test_a_terminating_definition_is_waited_for_and_made_anew(fake: FakeCluster, user: User) -> None:
    group = "again.test.dev"
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}"
    fake.admin.apply(path, crd(group))
    fake.admin.until(f"/apis/{group}/v1/widgets", lambda answer: answer.code == 200)
    fake.state.put("v1", "Namespace", {"metadata": {"name": "ml"}})
    held = widget(group, "old")
    held["metadata"]["finalizers"] = ["test.dev/hold"]
    fake.admin.post(f"/apis/{group}/v1/namespaces/ml/widgets", held)
    first = fake.admin.get(path).body["metadata"]["uid"]
    fake.admin.delete(path)
    run = user.start("apply", user.write([namespace("ml"), crd(group), widget(group, "new")]))
    time.sleep(1.0)
    assert not run.ended, str(run.wait())
    fake.admin.merge(f"/apis/{group}/v1/namespaces/ml/widgets/old", {"metadata": {"finalizers": None}})
    ok(run.wait())
    assert fake.admin.get(path).body["metadata"]["uid"] != first
    assert fake.state.find("Widget", "new", "ml")


@case(18)
def test_a_terminating_namespace_is_waited_for_then_its_finalizers_are_named(fake: FakeCluster, user: User) -> None:
    fake.state.put("v1", "Namespace", {"metadata": {"name": "ml"}})
    held = config_map("stuck")
    held["metadata"].update({"namespace": "ml", "finalizers": ["test.dev/hold"]})
    fake.state.put("v1", "ConfigMap", held)
    fake.admin.delete("/api/v1/namespaces/ml")
    done = user.apply(small_set(), "--timeout", "3", seconds=20)
    assert done.code in (4, 5, 6), str(done)
    assert "test.dev/hold" in done.text
    run = user.start("apply", user.write(small_set()))
    time.sleep(0.5)
    fake.admin.merge("/api/v1/namespaces/ml/configmaps/stuck", {"metadata": {"finalizers": None}})
    ok(run.wait())
    assert fake.state.find("ConfigMap", "settings", "ml")


# -- refusals that stay -----------------------------------------------------------------------


@case(19)
def test_an_exceeded_quota_is_final_and_told_with_its_numbers(fake: FakeCluster, user: User) -> None:
    fake.state.put("v1", "Namespace", {"metadata": {"name": "ml"}})
    quota = {"metadata": {"name": "tight", "namespace": "ml"}, "spec": {"hard": {"count/configmaps": "1"}}}
    fake.state.put("v1", "ResourceQuota", quota)
    done = user.apply([namespace("ml"), config_map("one"), config_map("two")])
    assert done.code == 4, str(done)
    assert "exceeded quota: tight" in done.text
    assert "limited: count/configmaps=1" in done.text
    assert done.seconds < 20


@case(20)
def test_pods_that_pod_security_refuses_are_found(
    plane: ControlPlane, user: User, fresh_name: Callable[[str], str]
) -> None:
    where = fresh_name("secured")
    access = user.with_access(plane.kubeconfig())
    labels = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"}
    item = deployment("rootful")
    item["metadata"]["namespace"] = where
    done = access.apply([namespace(where, **labels), item], "--timeout", "15", name=where)
    assert done.code == 6, str(done)
    assert "violates PodSecurity" in done.text
    assert done.of_type("warning"), "the server's warning is shown"
    assert "FailedCreate" in done.text or "ReplicaFailure" in done.text


@case(21)
def test_expired_credentials_are_fetched_once_more(fake: FakeCluster, user: User, tmp_path: Path) -> None:
    script = tmp_path / "login.py"
    count = tmp_path / "count"
    script.write_text(
        "import json, pathlib\n"
        f"count = pathlib.Path({str(count)!r})\n"
        "number = int(count.read_text()) + 1 if count.exists() else 1\n"
        "count.write_text(str(number))\n"
        "status = {'token': f'exec-{number}'}\n"
        "print(json.dumps({'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential', 'status': status}))\n"
    )
    config = json.loads(fake.kubeconfig().read_text())
    execute = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": [str(script)],
        "interactiveMode": "Never",
    }
    config["users"][0]["user"] = {"exec": execute}
    path = tmp_path / "exec-kubeconfig"
    path.write_text(json.dumps(config))
    fake.state.users |= {f"exec-{number}": "admin" for number in range(1, 20)}

    def expire(request: Request) -> bool:
        fake.state.expired_tokens.add(request.token)
        return False

    fake.faults.add(Fault("call-after", matching=on("PATCH", "/configmaps/", dry=False), function=expire))
    ok(user.with_access(path).apply(small_set()))
    assert len([entry for entry in fake.server.log if entry.code == 401]) >= 1
    assert fake.state.find("Deployment", "app", "ml")


@case(21)
def test_credentials_that_stay_refused_end_the_run(fake: FakeCluster, user: User) -> None:
    done = user.with_access(fake.kubeconfig(token="wrong")).apply(small_set())
    assert done.code in (4, 5), str(done)
    assert "401" in done.text or "nauthorized" in done.text or "credentials" in done.text
    assert len(fake.server.log) <= 6


@case(22)
def test_a_missing_right_is_found_before_anything_is_written(fake: FakeCluster, user: User) -> None:
    fake.state.denied.append(("restricted", "patch", "deployments"))
    done = user.with_access(fake.kubeconfig("restricted")).apply(small_set())
    assert done.code == 4, str(done)
    assert "deployments" in done.text
    assert "patch" in done.text
    assert fake.state.find("ConfigMap", "settings", "ml") is None
    assert fake.state.find("Namespace", "ml") is None


# -- watches ----------------------------------------------------------------------------------


@case(23)
def test_a_watch_that_is_too_old_or_closed_is_begun_again(fake: FakeCluster, user: User) -> None:
    fake.controllers.keep("Deployment", "app", {"observedGeneration": 1})
    run = user.start("apply", user.write(small_set()))
    watching = time.monotonic() + 30
    while not [request for request in fake.server.requests("GET", "/deployments") if request.watch]:
        assert time.monotonic() < watching, "no watch was begun"
        time.sleep(0.02)
    fake.state.store.compact()
    fake.state.close_watches()
    fake.state.put("v1", "ConfigMap", {"metadata": {"name": "noise", "namespace": "default"}})
    fake.state.store.compact()
    time.sleep(0.3)
    fake.controllers.release("Deployment", "app", "ml")
    ok(run.wait())


@case(23)
def test_an_api_that_is_down_does_not_stop_other_kinds(fake: FakeCluster, user: User) -> None:
    fake.state.stale.add("metrics.test.dev")
    ok(user.apply(small_set()))


# -- pruning ----------------------------------------------------------------------------------


@case(24)
def test_an_object_recreated_by_someone_else_is_not_pruned(fake: FakeCluster, user: User) -> None:
    ok(user.apply([*small_set(), config_map("leaves", {"a": "1"})]))

    def recreate(_: Request) -> bool:
        old = fake.state.find("ConfigMap", "leaves", "ml")
        assert old
        fake.state.store.remove(("", "configmaps"), "ml", "leaves")
        metadata = {"name": "leaves", "namespace": "ml", "labels": old["metadata"]["labels"]}
        fake.state.put("v1", "ConfigMap", {"metadata": metadata, "data": {"theirs": "yes"}})
        return False

    fake.faults.add(Fault("call", matching=on("DELETE", "/configmaps/leaves"), function=recreate))
    done = user.apply(small_set())
    kept = fake.state.find("ConfigMap", "leaves", "ml")
    assert kept, str(done)
    assert kept["data"] == {"theirs": "yes"}
    assert "leaves" in done.text


@case(25)
def test_a_prune_that_a_finalizer_holds_is_named_and_stays_in_the_inventory(fake: FakeCluster, user: User) -> None:
    leaves = config_map("leaves", {"a": "1"})
    leaves["metadata"]["finalizers"] = ["test.dev/hold"]
    ok(user.apply([*small_set(), leaves]))
    done = user.apply(small_set(), "--timeout", "3")
    assert done.code in (4, 5, 6), str(done)
    assert "test.dev/hold" in done.text
    fake.admin.merge("/api/v1/namespaces/ml/configmaps/leaves", {"metadata": {"finalizers": None}})
    again = ok(user.apply(small_set()))
    assert fake.state.find("ConfigMap", "leaves", "ml") is None, str(again)


# -- what can be known without the server -----------------------------------------------------


@case(26)
@pytest.mark.parametrize(
    ("item", "limit"),
    [
        (config_map("big", {"k": "x" * 1_100_000}), "1,048,576"),
        (deployment("huge", image="x" * 3_200_000), "3,145,728"),
    ],
    ids=["config map over 1 MiB", "body over 3 MiB"],
)
def test_what_is_too_large_is_refused_with_its_size_and_without_a_write(
    fake: FakeCluster, user: User, item: Object, limit: str
) -> None:
    done = user.apply([namespace("ml"), item])
    assert done.code == 3, str(done)
    assert limit in done.text
    assert not [str(entry.request) for entry in fake.server.log if writes(entry.request)]


@case(27)
def test_an_older_server_is_named_before_the_first_write(fake: FakeCluster, user: User) -> None:
    fake.state.version = "v1.29.4"
    done = user.apply(small_set())
    assert done.code == 3, str(done)
    assert "1.29" in done.text
    assert "1.36" in done.text
    assert not [str(entry.request) for entry in fake.server.log if writes(entry.request)]


# -- the user's side --------------------------------------------------------------------------


@case(28)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_stops_cleanly_and_can_be_continued(
    fake: FakeCluster, user: User, number: int, code: int
) -> None:
    arrived = slow_run(fake, 0.5)
    run = user.start("apply", user.write(small_set()))
    assert arrived.wait(30)
    run.signal(number)
    done = run.wait(15)
    assert done.code == code, str(done)
    assert "Traceback" not in done.text
    assert not list(fake.state.store.items(("coordination.k8s.io", "leases"))), "the lock is given back"
    ok(user.apply(small_set(), "--lock-timeout", "0"))
    assert fake.state.find("Deployment", "app", "ml")


@case(29)
def test_a_reader_that_goes_away_does_not_stop_the_apply(fake: FakeCluster, user: User, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    run = user.start("apply", user.write(small_set()), stdout=str(pipe))
    assert select.select([reader], [], [], 30)[0], "nothing was printed"
    os.close(reader)
    done = run.wait()
    assert "Traceback" not in done.stderr
    assert done.code in (0, 141), str(done)
    assert fake.state.find("Deployment", "app", "ml")
    assert not list(fake.state.store.items(("coordination.k8s.io", "leases")))


@case(29)
def test_a_full_disk_does_not_stop_the_apply(fake: FakeCluster, user: User) -> None:
    done = user.run("apply", user.write(small_set()), stdout="/dev/full")
    assert "Traceback" not in done.stderr
    assert fake.state.find("Deployment", "app", "ml"), str(done)
    assert not list(fake.state.store.items(("coordination.k8s.io", "leases")))


@case(30)
def test_secret_values_are_in_no_output(fake: FakeCluster, user: User) -> None:
    values = ["correct-horse-battery", "tr0ub4dor-and-3", "hunter2-hunter2"]
    encoded = [base64.b64encode(value.encode()).decode() for value in values]
    outputs: list[Done] = []
    items = small_set()
    outputs.append(ok(user.apply(items)))
    changed = [*items[:2], secret("database", {"password": values[1]}), *items[3:]]
    outputs.extend(
        (user.diff(changed), user.launcher.run("diff", str(user.write(changed)), kubeconfig=user.kubeconfig))
    )
    assert outputs[-1].code == 2, str(outputs[-1])
    live = fake.state.find("Secret", "database", "ml")
    assert live
    live["data"]["password"] = encoded[2]
    fake.state.put("v1", "Secret", live, manager="ann-edit")
    outputs.append(user.apply(changed))
    assert outputs[-1].code == 4, str(outputs[-1])
    fake.state.webhooks.append(Webhook("gate.test.dev", ("Secret",), mode="denies"))
    outputs.append(user.apply(changed, "--force-conflicts"))
    for done in outputs:
        leaked = [word for word in (*values, *encoded) if word in done.text]
        assert not leaked, f"{leaked} in {done}"


# -- answers that come in two forms ------------------------------------------------------------


@pytest.mark.parametrize(
    "refusal",
    [
        refusals.etcd(),
        refusals.etcd("etcdserver: request timed out"),
        refusals.unavailable(),
        refusals.timeout(),
        Refusal(500, "Internal error occurred: raft proposal dropped", "InternalError"),
        Refusal(502, "bad gateway\n", plain=True),
    ],
    ids=["leader changed", "etcd timed out", "503", "504", "raft", "502"],
)
def test_what_passes_is_tried_again(fake: FakeCluster, user: User, refusal: Refusal) -> None:
    fake.faults.add(answered(refusal, matching=on("PATCH", dry=False), times=3))
    ok(user.apply(small_set()))
    assert fake.state.find("Deployment", "app", "ml")


def test_every_case_has_a_test() -> None:
    assert set(CASES) == set(range(1, 31))


def test_a_clean_run_leaves_no_lock_and_an_inventory(fake: FakeCluster, user: User) -> None:
    ok(user.apply(small_set()))
    assert not list(fake.state.store.items(("coordination.k8s.io", "leases")))
    assert fake.state.find("Secret", INVENTORY, SYSTEM) or fake.state.find("Secret", INVENTORY, "ml")
