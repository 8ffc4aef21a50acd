"""The fake API server answers as the real one: same code, same reason, same causes.

Every scenario is a list of requests, run against both; a step may read what an earlier one
answered. What only the fake can do (faults by schedule) is not compared.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from tests.cluster.controlplane import Answer, Api, ControlPlane, Object
from tests.cluster.objects import config_map, crd, deployment

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.fakeapi import FakeCluster

Scenario = "Callable[[Api, str], list[Answer]]"
SCENARIOS: dict[str, Callable[[Api, str], list[Answer]]] = {}
CONFIG_LIMIT = 1048576


def scenario(function: Callable[[Api, str], list[Answer]]) -> Callable[[Api, str], list[Answer]]:
    SCENARIOS[function.__name__] = function
    return function


def maps(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps" + (f"/{name}" if name else "")


def apps(namespace: str, name: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"


def install_crd(api: Api, group: str) -> Answer:
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}"
    answer = api.apply(path, crd(group))
    api.until(
        path,
        lambda a: (
            "Established"
            in {c["type"] for c in (a.body.get("status", {}).get("conditions") or []) if c["status"] == "True"}
        ),
    )
    return answer


@scenario
def a_new_a_changed_and_an_equal_object(api: Api, ns: str) -> list[Answer]:
    first = api.apply(maps(ns, "a"), config_map("a", {"k": "1"}))
    changed = api.apply(maps(ns, "a"), config_map("a", {"k": "2"}))
    equal = api.apply(maps(ns, "a"), config_map("a", {"k": "2"}))
    assert changed.body["metadata"]["resourceVersion"] == equal.body["metadata"]["resourceVersion"]
    return [first, changed, equal]


@scenario
def a_field_that_left_is_removed_with_its_only_owner(api: Api, ns: str) -> list[Answer]:
    first = api.apply(apps(ns, "d"), deployment("d", replicas=3))
    second = api.apply(apps(ns, "d"), deployment("d", replicas=None))
    assert second.body["spec"]["replicas"] == 1
    third = api.apply(maps(ns, "c"), config_map("c", {"a": "1", "b": "2"}))
    fourth = api.apply(maps(ns, "c"), config_map("c", {"b": "2"}))
    assert fourth.body["data"] == {"b": "2"}
    return [first, second, third, fourth]


@scenario
def a_field_of_a_shared_owner_stays(api: Api, ns: str) -> list[Answer]:
    answers = [
        api.apply(maps(ns, "c"), config_map("c", {"a": "1"}), "one"),
        api.apply(maps(ns, "c"), config_map("c", {"a": "1", "b": "2"}), "two"),
        api.apply(maps(ns, "c"), config_map("c", {"b": "2"}), "two"),
    ]
    assert answers[-1].body["data"] == {"a": "1", "b": "2"}
    return answers


@scenario
def a_conflict_names_manager_and_field(api: Api, ns: str) -> list[Answer]:
    answers = [
        api.apply(maps(ns, "a"), config_map("a", {"k": "1", "l": "1", "m": "1"}), "one"),
        api.apply(maps(ns, "a"), config_map("a", {"k": "2"}), "two"),
        api.apply(maps(ns, "a"), config_map("a", {"k": "2", "l": "2"}), "two"),
        api.apply(maps(ns, "a"), config_map("a", {"m": "1"}), "two"),
    ]
    assert 'conflict with "one"' in answers[1].message
    assert ".data.k" in answers[1].message
    forced = api.apply(maps(ns, "a"), config_map("a", {"k": "2"}), "two", force="true")
    again = api.apply(maps(ns, "a"), config_map("a", {"k": "1"}), "one")
    return [*answers, forced, again]


@scenario
def a_conflict_inside_a_list_names_the_item(api: Api, ns: str) -> list[Answer]:
    changed = deployment("d", image="registry.test/app:2")
    return [
        api.apply(apps(ns, "d"), deployment("d"), "one"),
        api.apply(apps(ns, "d"), changed, "two"),
        api.merge(apps(ns, "d"), {"spec": {"replicas": 5}}, fieldManager="kubectl-scale"),
        api.apply(apps(ns, "d"), deployment("d", replicas=2), "one"),
        api.apply(apps(ns, "d"), deployment("d", replicas=5), "one"),
    ]


@scenario
def a_scaled_deployment_keeps_its_replicas(api: Api, ns: str) -> list[Answer]:
    first = api.apply(apps(ns, "d"), deployment("d", replicas=None))
    scale = api.get(apps(ns, "d") + "/scale")
    scaled = api.request(
        "PATCH",
        apps(ns, "d") + "/scale",
        {"spec": {"replicas": 4}},
        content="application/merge-patch+json",
        query={"fieldManager": "autoscaler"},
    )
    again = api.apply(apps(ns, "d"), deployment("d", replicas=None))
    assert again.body["spec"]["replicas"] == 4
    return [first, scale, scaled, again, api.apply(apps(ns, "d"), deployment("d", replicas=2))]


@scenario
def a_scale_of_owned_replicas_is_a_conflict(api: Api, ns: str) -> list[Answer]:
    return [
        api.apply(apps(ns, "d"), deployment("d", replicas=3)),
        api.request(
            "PATCH",
            apps(ns, "d") + "/scale",
            {"spec": {"replicas": 5}},
            content="application/merge-patch+json",
            query={"fieldManager": "autoscaler"},
        ),
        api.apply(apps(ns, "d"), deployment("d", replicas=3)),
        api.apply(apps(ns, "d"), deployment("d", replicas=None)),
    ]


@scenario
def schema_errors_are_500_without_a_reason(api: Api, ns: str) -> list[Answer]:
    unknown, wrong, twice = deployment("u"), deployment("w"), deployment("t")
    unknown["spec"]["zz"] = 1
    wrong["spec"]["replicas"] = "three"
    twice["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A"}, {"name": "A"}]
    answers = [
        api.apply(apps(ns, "u"), unknown),
        api.apply(apps(ns, "w"), wrong),
        api.apply(apps(ns, "t"), twice),
    ]
    assert ".spec.zz: field not declared in schema" in answers[0].message
    assert "expected numeric (int or float), got string" in answers[1].message
    assert 'duplicate entries for key [name="A"]' in answers[2].message
    assert all(answer.message.startswith("failed to create typed patch object (") for answer in answers)
    return answers


@scenario
def malformed_applies(api: Api, ns: str) -> list[Answer]:
    managed = config_map("m")
    managed["metadata"]["managedFields"] = [
        {"manager": "x", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {}}
    ]
    return [
        api.apply(maps(ns, "m"), managed),
        api.request("PATCH", maps(ns, "m"), config_map("m"), content="application/apply-patch+yaml"),
        api.apply(maps(ns, "other"), config_map("m")),
        api.apply(maps(ns, "m"), deployment("m")),
        api.apply(maps(ns, "m"), {**config_map("m"), "metadata": {"name": "m", "namespace": "elsewhere"}}),
        api.request("PATCH", maps(ns, "m"), b"{", content="application/apply-patch+yaml", query={"fieldManager": "x"}),
        api.apply(maps(ns, "No_Name"), config_map("No_Name")),
    ]


@scenario
def preconditions_of_an_apply(api: Api, ns: str) -> list[Answer]:
    def with_metadata(name: str, **more: str) -> Object:
        item = config_map(name)
        item["metadata"].update(more)
        return item

    uid = "11111111-2222-3333-4444-555555555555"
    first = api.apply(maps(ns, "p"), config_map("p", {"k": "1"}))
    return [
        first,
        api.apply(maps(ns, "p"), with_metadata("p", resourceVersion="1")),
        api.apply(maps(ns, "q"), with_metadata("q", resourceVersion="1")),
        api.apply(maps(ns, "r"), with_metadata("r", uid=uid)),
        api.apply(maps(ns, "p"), with_metadata("p", uid=uid)),
    ]


@scenario
def what_is_missing(api: Api, ns: str) -> list[Answer]:
    return [
        api.get(maps(ns, "absent")),
        api.apply(maps("no-such-namespace", "a"), config_map("a")),
        api.get("/apis/no.such.group/v1/namespaces/default/things/x"),
        api.get("/apis/no.such.group/v1"),
        api.delete(maps(ns, "absent")),
        api.merge(maps(ns, "absent"), {"data": {}}),
        api.get("/api/v1/nothing"),
    ]


@scenario
def limits(api: Api, ns: str) -> list[Answer]:
    annotated = config_map("n")
    annotated["metadata"]["annotations"] = {"big": "x" * 262145}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "stringData": {"k": "x" * (CONFIG_LIMIT + 1)},
    }
    return [
        api.apply(maps(ns, "big"), config_map("big", {"k": "x" * (CONFIG_LIMIT + 1)})),
        api.apply(maps(ns, "huge"), config_map("huge", {"k": "x" * 3145729})),
        api.apply(maps(ns, "n"), annotated),
        api.apply(f"/api/v1/namespaces/{ns}/secrets/s", secret),
    ]


@scenario
def dry_runs_store_nothing(api: Api, ns: str) -> list[Answer]:
    answers = [
        api.apply(maps(ns, "d"), config_map("d", {"k": "1"}), dryRun="All"),
        api.get(maps(ns, "d")),
        api.apply(maps(ns, "d"), config_map("d", {"k": "1"})),
        api.apply(maps(ns, "d"), config_map("d", {"k": "2"}), dryRun="All"),
        api.get(maps(ns, "d")),
    ]
    assert answers[-1].body["data"] == {"k": "1"}
    assert answers[3].body["data"] == {"k": "2"}
    name = f"{ns}-dry"
    inner = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    return [
        *answers,
        api.apply(f"/api/v1/namespaces/{name}", inner, dryRun="All"),
        api.apply(maps(name, "a"), config_map("a"), dryRun="All"),
    ]


@scenario
def creating_and_replacing(api: Api, ns: str) -> list[Answer]:
    created = api.post(maps(ns), config_map("c", {"k": "1"}))
    taken = api.post(maps(ns), config_map("c"))
    old = copy.deepcopy(created.body)
    replaced = api.put(maps(ns, "c"), {**created.body, "data": {"k": "2"}})
    stale = api.put(maps(ns, "c"), {**old, "data": {"k": "3"}})
    nameless = api.post(maps(ns), {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}})
    return [created, taken, replaced, stale, nameless]


@scenario
def a_lease_is_a_lock(api: Api, ns: str) -> list[Answer]:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{ns}/leases"
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "l"},
        "spec": {"holderIdentity": "a", "leaseDurationSeconds": 30, "renewTime": "2026-01-01T00:00:00.000000Z"},
    }
    first = api.post(path, lease)
    second = api.post(path, lease)
    renewed = api.put(f"{path}/l", {**first.body, "spec": {**first.body["spec"], "holderIdentity": "a"}})
    taken = api.put(f"{path}/l", {**renewed.body, "spec": {**renewed.body["spec"], "holderIdentity": "b"}})
    late = api.put(f"{path}/l", {**renewed.body, "spec": {**renewed.body["spec"], "holderIdentity": "c"}})
    removed = api.delete(f"{path}/l", {"preconditions": {"uid": "0", "resourceVersion": "1"}})
    return [first, second, renewed, taken, late, removed, api.delete(f"{path}/l")]


@scenario
def deleting_with_preconditions(api: Api, ns: str) -> list[Answer]:
    created = api.post(maps(ns), config_map("c"))
    wrong = api.delete(maps(ns, "c"), {"preconditions": {"uid": "11111111-2222-3333-4444-555555555555"}})
    stale = api.delete(maps(ns, "c"), {"preconditions": {"resourceVersion": "1"}})
    dry = api.delete(maps(ns, "c"), {"dryRun": ["All"]})
    right = api.delete(
        maps(ns, "c"), {"preconditions": {"uid": created.body["metadata"]["uid"]}, "propagationPolicy": "Background"}
    )
    return [created, wrong, stale, dry, right, api.get(maps(ns, "c"))]


@scenario
def a_finalizer_holds_an_object(api: Api, ns: str) -> list[Answer]:
    held = config_map("h")
    held["metadata"]["finalizers"] = ["test.mlops-nix.dev/hold"]
    created = api.post(maps(ns), held)
    deleted = api.delete(maps(ns, "h"))
    still = api.get(maps(ns, "h"))
    assert still.body["metadata"]["deletionTimestamp"]
    again = api.delete(maps(ns, "h"))
    freed = api.merge(maps(ns, "h"), {"metadata": {"finalizers": None}})
    return [created, deleted, still, again, freed, api.get(maps(ns, "h"))]


@scenario
def a_job_cannot_change(api: Api, ns: str) -> list[Answer]:
    def job(image: str, completions: int = 1, *, suspend: bool = True) -> Object:
        pod = {"restartPolicy": "Never", "containers": [{"name": "a", "image": image}]}
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "j"},
            "spec": {"suspend": suspend, "completions": completions, "parallelism": 1, "template": {"spec": pod}},
        }

    path = f"/apis/batch/v1/namespaces/{ns}/jobs/j"
    return [
        api.apply(path, job("registry.test/a:1")),
        api.apply(path, job("registry.test/a:1")),
        api.apply(path, job("registry.test/a:2")),
        api.apply(path, job("registry.test/a:2"), force="true"),
        api.apply(path, job("registry.test/a:1", completions=2)),
        api.apply(path, job("registry.test/a:1", suspend=False)),
        api.apply(path, job("registry.test/a:2", suspend=False)),
    ]


@scenario
def a_stateful_set_cannot_change_its_claims(api: Api, ns: str) -> list[Answer]:
    def stateful(size: str, *, replicas: int = 0) -> Object:
        claim = {
            "metadata": {"name": "data"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
        }
        labels = {"app": "s"}
        return {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "s"},
            "spec": {
                "replicas": replicas,
                "serviceName": "s",
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "a", "image": "registry.test/a:1"}]},
                },
                "volumeClaimTemplates": [claim],
            },
        }

    path = f"/apis/apps/v1/namespaces/{ns}/statefulsets/s"
    return [
        api.apply(path, stateful("1Gi")),
        api.apply(path, stateful("2Gi")),
        api.apply(path, stateful("1Gi", replicas=0)),
    ]


@scenario
def a_selector_cannot_change(api: Api, ns: str) -> list[Answer]:
    mismatch = deployment("m")
    mismatch["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    return [
        api.apply(apps(ns, "d"), deployment("d")),
        api.apply(apps(ns, "d"), deployment("d", app="other")),
        api.apply(apps(ns, "m"), mismatch),
    ]


@scenario
def other_immutable_fields(api: Api, ns: str) -> list[Answer]:
    def service(**spec: Any) -> Object:
        ports = [{"port": 80, "protocol": "TCP"}]
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "s"},
            "spec": {"ports": ports, "selector": {"a": "b"}, **spec},
        }

    def binding(role: str) -> Object:
        return {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "b"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
            "subjects": [],
        }

    def secret(kind: str) -> Object:
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "type": kind, "data": {}}

    def claim(mode: str) -> Object:
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "c"},
            "spec": {"accessModes": [mode], "storageClassName": "none", "resources": {"requests": {"storage": "1Gi"}}},
        }

    core = f"/api/v1/namespaces/{ns}"
    bindings = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings/b"
    sealed = {**config_map("sealed", {"a": "1"}), "immutable": True}
    opened = {**config_map("sealed", {"a": "2"}), "immutable": True}
    return [
        api.apply(f"{core}/services/s", service()),
        api.apply(f"{core}/services/s", service(clusterIP="None"), force="true"),
        api.apply(bindings, binding("one")),
        api.apply(bindings, binding("two")),
        api.apply(f"{core}/secrets/s", secret("Opaque")),
        api.apply(f"{core}/secrets/s", secret("test/other")),
        api.apply(f"{core}/persistentvolumeclaims/c", claim("ReadWriteOnce")),
        api.apply(f"{core}/persistentvolumeclaims/c", claim("ReadWriteMany")),
        api.apply(maps(ns, "sealed"), sealed),
        api.apply(maps(ns, "sealed"), opened),
    ]


@scenario
def invalid_values(api: Api, ns: str) -> list[Answer]:
    empty = deployment("e")
    empty["spec"]["template"]["spec"]["containers"] = []
    imageless = deployment("i")
    del imageless["spec"]["template"]["spec"]["containers"][0]["image"]
    unselected = deployment("u")
    del unselected["spec"]["selector"]
    return [api.apply(apps(ns, "e"), empty), api.apply(apps(ns, "i"), imageless), api.apply(apps(ns, "u"), unselected)]


@scenario
def custom_resources(api: Api, ns: str) -> list[Answer]:
    group = f"{ns}.mlops-nix.dev"
    path = f"/apis/{group}/v1/namespaces/{ns}/widgets"

    def widget(name: str, **spec: Any) -> Object:
        return {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec}

    before = api.apply(f"{path}/w", widget("w", size=1))
    installed = install_crd(api, group)
    api.until(path, lambda answer: answer.code == 200, what="the kind is served")
    part = {"name": "p", "count": 1}
    answers = [
        api.apply(f"{path}/w", widget("w", size=1, parts=[part])),
        api.apply(f"{path}/w", widget("w", size=1, parts=[part])),
        api.apply(f"{path}/big", widget("big", size=99)),
        api.apply(f"{path}/none", widget("none")),
        api.apply(f"{path}/mode", widget("mode", size=1, mode="odd")),
        api.apply(f"{path}/zz", widget("zz", size=1, zz=1)),
        api.apply(f"{path}/twice", widget("twice", size=1, parts=[part, part])),
        api.apply(f"{path}/w", widget("w", size=1, parts=[{"name": "p", "count": 2}]), "two"),
        api.apply(f"{path}/w", widget("w", size=1, parts=[{"name": "q", "count": 2}]), "two"),
        api.get(f"/apis/{group}/v1/widgets"),
    ]
    assert {one["name"] for one in answers[-2].body["spec"]["parts"]} == {"p", "q"}
    status = api.request(
        "PATCH", f"{path}/w/status", {"status": {"ready": True}}, content="application/merge-patch+json"
    )
    removed = api.delete(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}")
    api.until(path, lambda answer: answer.code == 404, what="the kind is gone")
    return [before, installed, *answers, status, removed, api.get(path)]


@scenario
def a_terminating_crd_takes_nothing_new(api: Api, ns: str) -> list[Answer]:
    group = f"{ns}.mlops-nix.dev"
    path = f"/apis/{group}/v1/namespaces/{ns}/widgets"
    install_crd(api, group)
    api.until(path, lambda answer: answer.code == 200)
    held = {
        "apiVersion": f"{group}/v1",
        "kind": "Widget",
        "metadata": {"name": "h", "finalizers": ["test.mlops-nix.dev/hold"]},
        "spec": {"size": 1},
    }
    created = api.post(path, held)
    definition = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}"
    deleted = api.delete(definition)
    api.until(f"{path}/h", lambda answer: "deletionTimestamp" in answer.body["metadata"])
    refused = api.until_write("PATCH", f"{path}/new", {**held, "metadata": {"name": "new"}}, 403)
    freed = api.merge(f"{path}/h", {"metadata": {"finalizers": None}})
    api.until(definition, lambda answer: answer.code == 404)
    return [created, deleted, refused, freed]


@scenario
def a_terminating_namespace_takes_nothing_new(api: Api, ns: str) -> list[Answer]:
    name = f"{ns}-end"
    created = api.post("/api/v1/namespaces", {"metadata": {"name": name}})
    held = config_map("h")
    held["metadata"]["finalizers"] = ["test.mlops-nix.dev/hold"]
    kept = api.post(maps(name), held)
    deleted = api.delete(f"/api/v1/namespaces/{name}")
    refused = api.apply(maps(name, "new"), config_map("new"))
    again = api.apply(
        f"/api/v1/namespaces/{name}", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    )
    assert again.body["metadata"]["deletionTimestamp"]
    answer = api.until(
        f"/api/v1/namespaces/{name}",
        lambda a: any(
            c["type"] == "NamespaceFinalizersRemaining" and c["status"] == "True"
            for c in a.body["status"].get("conditions", [])
        ),
    )
    message = next(
        c["message"] for c in answer.body["status"]["conditions"] if c["type"] == "NamespaceFinalizersRemaining"
    )
    assert "test.mlops-nix.dev/hold" in message
    freed = api.merge(maps(name, "h"), {"metadata": {"finalizers": None}})
    gone = api.until(f"/api/v1/namespaces/{name}", lambda a: a.code == 404)
    return [created, kept, deleted, refused, again, freed, gone]


@scenario
def quotas(api: Api, ns: str) -> list[Answer]:
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"count/deployments.apps": "1", "limits.memory": "1Gi"}}}
    created = api.post(f"/api/v1/namespaces/{ns}/resourcequotas", quota)
    if created.body["metadata"].get("uid"):
        # The real quota acts once its use was counted; the fake's acts at once.
        api.until(f"/api/v1/namespaces/{ns}/resourcequotas/q", lambda a: bool(a.body.get("status")), seconds=30)
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "registry.test/a:1"}]}}
    answers = [
        api.apply(apps(ns, "one"), deployment("one")),
        api.apply(apps(ns, "two"), deployment("two")),
        api.post(f"/api/v1/namespaces/{ns}/pods", pod),
    ]
    assert "exceeded quota: q, requested: count/deployments.apps=1" in answers[1].message
    assert "failed quota: q: must specify limits.memory for: c" in answers[2].message
    return [created, *answers]


@scenario
def lists_pages_and_selectors(api: Api, ns: str) -> list[Answer]:
    for number in range(5):
        item = config_map(f"c{number}")
        item["metadata"]["labels"] = {"even": str(number % 2 == 0).lower()}
        api.post(maps(ns), item)
    first = api.get(maps(ns), limit="2", labelSelector="even")
    second = api.get(maps(ns), limit="2", labelSelector="even", **{"continue": first.body["metadata"]["continue"]})
    even = api.get(maps(ns), labelSelector="even in (true)")
    assert [len(answer.body["items"]) for answer in (first, second, even)] == [2, 2, 3]
    named = api.get(maps(ns), fieldSelector="metadata.name=c1")
    assert [item["metadata"]["name"] for item in named.body["items"]] == ["c1"]
    partial = api.request(
        "GET",
        maps(ns),
        accept="application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
        query={"labelSelector": "even"},
    )
    assert partial.body["kind"] == "PartialObjectMetadataList"
    assert "data" not in partial.body["items"][0]
    return [first, second, even, named, partial]


@scenario
def watches(api: Api, ns: str) -> list[Answer]:
    api.post(maps(ns), config_map("w", {"k": "1"}))
    listed = api.get(maps(ns), fieldSelector="metadata.name=w")
    revision = listed.body["metadata"]["resourceVersion"]
    api.merge(maps(ns, "w"), {"data": {"k": "2"}})
    api.delete(maps(ns, "w"))
    watched = api.get(
        maps(ns), watch="true", resourceVersion=revision, timeoutSeconds="1", fieldSelector="metadata.name=w"
    )
    types = [line.split('"type":')[1].split(",")[0].strip(' "') for line in watched.text.splitlines()]
    assert types == ["MODIFIED", "DELETED"]
    return [listed]


@scenario
def reviews_of_access(api: Api, ns: str) -> list[Answer]:
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": "patch", "resource": "configmaps", "namespace": ns}},
    }
    answer = api.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
    assert answer.body["status"]["allowed"] is True
    who = api.post(
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
    )
    assert who.body["status"]["userInfo"]["username"] == "admin"
    return [answer, who]


@scenario
def a_wrong_token(api: Api, ns: str) -> list[Answer]:
    stranger = Api(api.url, "wrong", ca=api.ca)
    try:
        return [stranger.get(maps(ns))]
    finally:
        stranger.close()


def outcome(answer: Answer) -> tuple[int, str | None, list[tuple[str, str]]]:
    """Return what clients class an answer by."""
    return answer.code, answer.reason, answer.causes


@pytest.fixture(scope="module")
def answers_of_both(plane: ControlPlane) -> Callable[[str, FakeCluster], tuple[list[Answer], list[Answer]]]:
    def run(name: str, fake: FakeCluster) -> tuple[list[Answer], list[Answer]]:
        namespace = name.replace("_", "-")[:50].strip("-")
        results = []
        for api in (fake.admin, plane.admin):
            created = api.post("/api/v1/namespaces", {"metadata": {"name": namespace}})
            assert created.code == 201, created.text
            api.until(f"/api/v1/namespaces/{namespace}/serviceaccounts/default", lambda answer: answer.code == 200)
            results.append(SCENARIOS[name](api, namespace))
        return results[0], results[1]

    return run


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_the_fake_answers_as_the_real_server(
    name: str, fake: FakeCluster, answers_of_both: Callable[[str, FakeCluster], tuple[list[Answer], list[Answer]]]
) -> None:
    ours, real = answers_of_both(name, fake)
    differing = [
        f"step {number}: fake {outcome(one)}, real {outcome(two)}\n  fake: {one.message[:300]}\n  real: {two.message[:300]}"
        for number, (one, two) in enumerate(zip(ours, real, strict=True))
        if outcome(one) != outcome(two)
    ]
    assert not differing, "\n".join(differing)


def test_discovery_agrees_on_every_kind_of_the_fake(plane: ControlPlane, fake: FakeCluster) -> None:
    from tests.cluster.controlplane.client import AGGREGATED

    def kinds(api: Api) -> dict[tuple[str, str, str], tuple[str, str]]:
        found = {}
        for path in ("/api", "/apis"):
            body = api.request("GET", path, accept=AGGREGATED).body
            assert body["kind"] == "APIGroupDiscoveryList"
            for group in body["items"]:
                for version in group["versions"]:
                    for resource in version["resources"]:
                        key = (group["metadata"].get("name", ""), version["version"], resource["resource"])
                        found[key] = (resource["responseKind"]["kind"], resource["scope"])
        return found

    ours, real = kinds(fake.admin), kinds(plane.admin)
    assert {key: real.get(key) for key in ours} == ours


def test_throttled_answers_look_like_the_real_servers() -> None:
    from tests.cluster.fakeapi import status

    refusal = status.throttled(1)
    assert (refusal.code, refusal.plain, refusal.headers["Retry-After"]) == (429, True, "1")
    assert refusal.message.strip() == "Too many requests, please try again later."
