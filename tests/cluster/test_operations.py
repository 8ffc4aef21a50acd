"""Commands beyond apply, as functions on the fake server: drift, adoption, secrets, rights, deletion, rollback."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import mlops_nix
import pytest
from mlops_nix.cluster import adopt, credentials, doctor, rbac, rotation
from mlops_nix.cluster.adopt import LAST_APPLIED
from mlops_nix.cluster.connection import Cluster, connect
from mlops_nix.cluster.desired import DesiredSet, from_objects
from mlops_nix.cluster.discovery import Discovery
from mlops_nix.cluster.plan import Policy
from mlops_nix.errors import ApiError, FieldConflict, InputError
from mlops_nix.setdocument import CopyOf, Generate, SecretKey, SecretRequirement
from tests.cluster.objects import crd, deployment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cluster.controlplane import ControlPlane
    from tests.cluster.fakeapi import FakeCluster

Object = dict[str, Any]
SPACE: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ml"}}


def settings(**data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "ml"}, "data": data}


def web(image: str = "i:1", **more: Any) -> Object:
    found = deployment("web", image=image)
    found["metadata"]["namespace"] = "ml"
    found["spec"].update(more)
    return found


@pytest.fixture
def cluster(fake: FakeCluster) -> Cluster:
    return connect(kubeconfig=str(fake.kubeconfig()))


def the_set(*objects: Object) -> DesiredSet:
    return from_objects("acme", [SPACE, *objects])


SETTINGS = "/api/v1/namespaces/ml/configmaps/settings"
WEB = "/apis/apps/v1/namespaces/ml/deployments/web"

# Drift ---------------------------------------------------------------------------------------------------------------------


def test_nothing_drifts_after_an_apply(cluster: Cluster) -> None:
    desired = the_set(settings(a="1"), web())
    assert mlops_nix.apply(cluster, desired, timeout=20).ok
    assert mlops_nix.drift(cluster, desired) == []


def test_a_change_by_hand_names_field_values_and_manager(cluster: Cluster, fake: FakeCluster) -> None:
    desired = the_set(settings(a="1"))
    mlops_nix.apply(cluster, desired, timeout=20)
    fake.admin.apply(SETTINGS, settings(a="2"), fieldManager="ann", force="true")
    (found,) = mlops_nix.drift(cluster, desired)
    (field,) = found.fields
    assert (field.path, field.ours, field.theirs, field.manager) == (".data.a", "1", "2", "ann")


def test_what_was_deleted_or_lost_its_label_has_drifted(cluster: Cluster, fake: FakeCluster) -> None:
    desired = the_set(settings(a="1"), web())
    mlops_nix.apply(cluster, desired, timeout=20)
    fake.admin.delete(SETTINGS)
    assert [entry.kind for entry in mlops_nix.drift(cluster, desired)] == ["missing"]


def test_apply_sets_drift_back_with_force_only(cluster: Cluster, fake: FakeCluster) -> None:
    desired = the_set(settings(a="1"))
    mlops_nix.apply(cluster, desired, timeout=20)
    fake.admin.apply(SETTINGS, settings(a="2"), fieldManager="ann", force="true")
    report = mlops_nix.apply(cluster, desired, timeout=20)
    with pytest.raises(FieldConflict, match="ann"):
        report.raise_for_outcome()
    forced = Policy("acme", conflicts=replace(Policy("acme").conflicts, force_all=True))
    assert mlops_nix.apply(cluster, desired, policy=forced, timeout=20).ok
    assert mlops_nix.drift(cluster, desired) == []


# Adoption ------------------------------------------------------------------------------------------------------------------


def made_by(fake: FakeCluster, manager: str, obj: Object) -> Object:
    """Put an object on the cluster as a tool of that name does with a plain update."""
    named = json.loads(json.dumps(obj))
    named["metadata"].setdefault("annotations", {})[LAST_APPLIED] = "{}"
    fake.state.put("v1", "Namespace", json.loads(json.dumps(SPACE)))
    fields: Object = {
        "f:metadata": {"f:annotations": {".": {}, f"f:{LAST_APPLIED}": {}}},
        "f:data": {f"f:{key}": {} for key in obj["data"]},
    }
    named["metadata"]["managedFields"] = [
        {"manager": manager, "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields}
    ]
    fake.state.put("v1", "ConfigMap", named)
    found: Object = fake.admin.get(SETTINGS).body
    return found


@pytest.mark.parametrize("manager", ["kubectl-client-side-apply", "helm"])
def test_adopted_objects_keep_their_identity_and_what_left_the_set_goes(
    cluster: Cluster, fake: FakeCluster, manager: str
) -> None:
    before = made_by(fake, manager, settings(a="1", old="x"))
    desired = the_set(settings(a="1"))
    taken = adopt.adopt(cluster, desired, Policy("acme"))
    assert [(entry.action, entry.leaves) for entry in taken if entry.ref.kind == "ConfigMap"] == [
        ("adopt", (".data.old",))
    ]
    after = fake.admin.get(SETTINGS).body
    assert after["data"] == before["data"], "adoption changes no value"
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert LAST_APPLIED not in after["metadata"].get("annotations", {})
    assert mlops_nix.apply(cluster, desired, timeout=20).ok
    assert fake.admin.get(SETTINGS).body["data"] == {"a": "1"}


def test_adopting_twice_is_adopting_once(cluster: Cluster, fake: FakeCluster) -> None:
    made_by(fake, "kubectl-client-side-apply", settings(a="1"))
    desired = the_set(settings(a="1"))
    adopt.adopt(cluster, desired, Policy("acme"))
    version = fake.admin.get(SETTINGS).body["metadata"]["resourceVersion"]
    assert {entry.action for entry in adopt.adopt(cluster, desired, Policy("acme"))} == {"ours"}
    assert fake.admin.get(SETTINGS).body["metadata"]["resourceVersion"] == version


def item_of(obj: Object) -> Any:
    return from_objects("acme", [obj]).items[0]


def test_an_object_of_another_set_or_of_a_controller_is_not_adopted() -> None:
    live = settings(a="1")
    live["metadata"]["labels"] = {"mlops-nix.dev/set": "other"}
    assert "'other'" in adopt.decide(item_of(settings(a="1")), live, "acme", ()).reason
    owned = settings(a="1")
    owned["metadata"]["ownerReferences"] = [{"kind": "Prometheus", "controller": True}]
    assert adopt.decide(item_of(settings(a="1")), owned, "acme", ()).action == "refused"


def test_a_claim_of_another_class_is_refused_with_both_values() -> None:
    def claim(name: str) -> Object:
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "a"},
            "spec": {"storageClassName": name},
        }

    found = adopt.decide(item_of(claim("fast")), claim("slow"), "acme", ())
    assert (found.action, "'fast'" in found.reason, "'slow'" in found.reason) == ("refused", True, True)


def test_helms_marks_are_taken_off_only_on_request() -> None:
    live = settings(a="1")
    live["metadata"].update(
        resourceVersion="7", annotations={"meta.helm.sh/release-name": "r", "meta.helm.sh/release-namespace": "ml"}
    )
    assert adopt.decide(item_of(settings(a="1")), live, "acme", ()).action == "ours"
    found = adopt.decide(item_of(settings(a="1")), live, "acme", (), release=True)
    assert found.release == "ml/r"
    assert [step["path"] for step in found.patch if step["op"] == "remove"] == [
        "/metadata/annotations/meta.helm.sh~1release-name",
        "/metadata/annotations/meta.helm.sh~1release-namespace",
    ]


# Secrets -------------------------------------------------------------------------------------------------------------------


def needed(*secrets: SecretRequirement) -> DesiredSet:
    reading = web()
    reading["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"secretRef": {"name": "copy"}}]
    return replace(the_set(reading), secrets=secrets)


SOURCE = SecretRequirement(
    namespace="ml",
    name="source",
    keys=(SecretKey(key="user", value="mlflow"), SecretKey(key="password", generate=Generate(length=32))),
)
COPY = SecretRequirement(
    namespace="ml",
    name="copy",
    keys=(SecretKey(key="p", copy_of=CopyOf(namespace="ml", name="source", key="password")),),
)
ASKED = SecretRequirement(namespace="ml", name="asked", keys=(SecretKey(key="token"),))


def values(fake: FakeCluster, name: str) -> dict[str, bytes]:
    data = fake.admin.get(f"/api/v1/namespaces/ml/secrets/{name}").body["data"]
    return {key: base64.b64decode(value) for key, value in data.items()}


def test_missing_secrets_are_generated_fixed_and_copied(cluster: Cluster, fake: FakeCluster) -> None:
    # The copy comes first in the list, and its source does not exist yet.
    made = credentials.create_missing(cluster, needed(COPY, SOURCE))
    assert {entry.action for entry in made} == {"created"}
    source = values(fake, "source")
    assert source["user"] == b"mlflow"
    assert len(source["password"]) == 32
    assert values(fake, "copy") == {"p": source["password"]}


def test_nothing_is_overwritten_and_missing_keys_are_added(cluster: Cluster, fake: FakeCluster) -> None:
    fake.state.put("v1", "Namespace", dict(SPACE))
    held = {"metadata": {"name": "source", "namespace": "ml"}, "data": {"password": base64.b64encode(b"mine").decode()}}
    fake.state.put("v1", "Secret", held)
    assert [entry.action for entry in credentials.create_missing(cluster, needed(SOURCE))] == ["completed"]
    assert values(fake, "source") == {"password": b"mine", "user": b"mlflow"}
    assert [entry.action for entry in credentials.create_missing(cluster, needed(SOURCE))] == ["unchanged"]


def test_a_value_that_only_the_user_has_is_asked_for(cluster: Cluster, fake: FakeCluster, tmp_path: Path) -> None:
    assert [(entry.action, entry.keys) for entry in credentials.create_missing(cluster, needed(ASKED))] == [
        ("missing-values", ("token",))
    ]
    file = tmp_path / "token"
    file.write_bytes(b"s3cret\n")
    given = credentials.Values()
    given.add_files([f"ml/asked/token={file}"])
    credentials.create_missing(cluster, needed(ASKED), given)
    assert values(fake, "asked") == {"token": b"s3cret"}


def test_a_value_on_the_command_line_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError) as caught:
        credentials.Values().add_files(["hunter2"])
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


def test_an_unset_variable_and_an_unknown_key_are_errors(cluster: Cluster) -> None:
    with pytest.raises(InputError, match="NOT_SET"):
        credentials.Values().add_environment(["ml/asked/token=NOT_SET"], {})
    given = credentials.Values()
    given.add_environment(["ml/asked/other=A"], {"A": "x"})
    with pytest.raises(InputError, match="ml/asked/other"):
        credentials.create_missing(cluster, needed(ASKED), given)


def test_rotation_changes_copies_too_and_restarts_who_reads_them_once(cluster: Cluster, fake: FakeCluster) -> None:
    desired = needed(SOURCE, COPY)
    credentials.create_missing(cluster, desired)
    mlops_nix.apply(cluster, desired, timeout=20)
    before = values(fake, "source")["password"]
    rotated = rotation.rotate(cluster, desired, "source")
    after = values(fake, "source")["password"]
    assert after != before
    assert values(fake, "copy") == {"p": after}
    assert values(fake, "source")["user"] == b"mlflow"
    assert [str(ref) for ref in rotated.restarted] == ["Deployment ml/web"]
    mark = fake.admin.get(WEB).body["spec"]["template"]["metadata"]["annotations"]["mlops-nix.dev/secrets"]
    assert mlops_nix.apply(cluster, desired, timeout=20).outcome == "unchanged", "the next apply leaves the mark alone"
    assert fake.admin.get(WEB).body["spec"]["template"]["metadata"]["annotations"]["mlops-nix.dev/secrets"] == mark


def test_a_missing_secret_stops_an_apply_before_its_first_write(cluster: Cluster, fake: FakeCluster) -> None:
    with pytest.raises(InputError, match="ml/asked is missing"):
        mlops_nix.apply(cluster, needed(ASKED), timeout=20)
    assert fake.admin.get(WEB).code == 404


def test_secrets_as_references_into_a_store() -> None:
    (document,) = credentials.external(needed(SOURCE), "vault", prefix="team/")
    assert document["spec"]["data"][0] == {
        "secretKey": "user",
        "remoteRef": {"key": "team/ml/source", "property": "user"},
    }


# Rights --------------------------------------------------------------------------------------------------------------------


def test_the_roles_that_are_printed_are_enough(plane: ControlPlane, fresh_name: Callable[[str], str]) -> None:
    name = fresh_name("least")
    plane.admin.apply(
        f"/api/v1/namespaces/{name}", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    )
    objects = [settings(a="1"), web()]
    for obj in objects:
        obj["metadata"]["namespace"] = name
    desired = from_objects(name, objects)
    robot = connect(
        kubeconfig=str(plane.kubeconfig()), as_user=f"robot-{name}", as_groups=["system:authenticated", "robots"]
    )
    with pytest.raises(ApiError, match="forbidden"):
        mlops_nix.apply(robot, desired, timeout=60)
    both = Discovery(robot.discovery.preferred())
    for document in rbac.roles(desired, both, inventory_namespace=name, subject=f"robot-{name}"):
        plural = {"Role": "roles", "RoleBinding": "rolebindings"}[document["kind"]]
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}/{plural}/{document['metadata']['name']}"
        plane.admin.apply(path, document)
    assert mlops_nix.apply(robot, desired, timeout=60).ok
    assert mlops_nix.apply(robot, from_objects(name, objects[1:]), timeout=60).ok
    assert plane.admin.get(f"/api/v1/namespaces/{name}/configmaps/settings").code == 404
    elsewhere = settings(a="1")
    elsewhere["metadata"]["namespace"] = "default"
    with pytest.raises(ApiError, match="default"):
        mlops_nix.apply(robot, from_objects(name, [*objects, elsewhere]), timeout=60)


def test_doctor_names_what_is_missing(cluster: Cluster, fake: FakeCluster) -> None:
    wanting = web()
    wanting["spec"]["template"]["spec"]["containers"][0]["resources"] = {"limits": {"nvidia.com/gpu": "1"}}
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "c", "namespace": "ml"},
        "spec": {"accessModes": ["ReadWriteMany"]},
    }
    custom = {"apiVersion": "a.test/v1", "kind": "Absent", "metadata": {"name": "x", "namespace": "ml"}}
    desired = replace(from_objects("acme", [wanting, claim, custom]), secrets=(ASKED,), kubernetes_version="9.9")
    del fake
    found = {(finding.check, finding.level) for finding in doctor.examine(cluster, desired, inventory_namespace="ml")}
    assert {
        ("version", "problem"),
        ("kinds", "problem"),
        ("secrets", "problem"),
        ("storage", "problem"),
        ("namespaces", "problem"),
        ("nodes", "warning"),
    } <= found


# Deletion, rollback --------------------------------------------------------------------------------------------------------


def test_deletion_keeps_data_definitions_and_namespaces_unless_asked(cluster: Cluster, fake: FakeCluster) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "c", "namespace": "ml"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    desired = the_set(settings(a="1"), web(), claim, crd("acme.test"))
    mlops_nix.apply(cluster, desired, timeout=20, wait=False)
    report = mlops_nix.delete(cluster, "acme", timeout=20)
    assert {result.ref.kind for result in report.results if result.action == "kept"} == {
        "Namespace",
        "PersistentVolumeClaim",
        "CustomResourceDefinition",
    }
    assert fake.admin.get(WEB).code == 404
    everything = Policy("acme", prune_claims=True, prune_definitions=True, prune_namespaces=True)
    assert mlops_nix.delete(cluster, "acme", policy=everything, timeout=20).ok
    assert fake.admin.get("/api/v1/namespaces/ml").code == 404
    with pytest.raises(InputError, match="no set"):
        mlops_nix.delete(cluster, "acme", timeout=20)


def test_an_earlier_revision_comes_back_with_what_it_had(cluster: Cluster, fake: FakeCluster) -> None:
    from mlops_nix.cluster.history import History

    first = the_set(settings(a="1"), web("i:1"))
    mlops_nix.apply(cluster, first, timeout=20)
    mlops_nix.apply(cluster, the_set(web("i:2")), timeout=20)
    assert fake.admin.get(SETTINGS).code == 404
    kept = History(cluster.api, "acme", "mlops-nix-system").read(1)
    report = mlops_nix.apply(cluster, kept, timeout=20)
    assert report.revision is not None
    assert report.revision.number == 3
    assert fake.admin.get(SETTINGS).body["data"] == {"a": "1"}
    assert mlops_nix.plan(cluster, first).differs is False


def test_a_job_that_removed_itself_is_not_run_again(cluster: Cluster, fake: FakeCluster) -> None:
    spec = {
        "ttlSecondsAfterFinished": 60,
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}},
    }
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate", "namespace": "ml"}, "spec": spec}
    desired = the_set(job)
    assert mlops_nix.apply(cluster, desired, timeout=20).ok
    fake.admin.delete("/apis/batch/v1/namespaces/ml/jobs/migrate")
    assert mlops_nix.plan(cluster, desired).differs is False
    again = mlops_nix.plan(cluster, desired, policy=Policy("acme", recreate=("Job/migrate",)))
    assert again.counts()["create"] == 1


def test_a_second_apply_sends_no_more_than_a_list_per_kind_and_namespace(cluster: Cluster, fake: FakeCluster) -> None:
    desired = the_set(settings(a="1"), web(), crd("acme.test"))
    mlops_nix.apply(cluster, desired, timeout=20)
    before = len(fake.server.requests())
    assert mlops_nix.apply(connect(kubeconfig=str(fake.kubeconfig())), desired, timeout=20).outcome == "unchanged"
    sent = [(request.method, request.path) for request in fake.server.requests()[before:]]
    assert {method for method, _ in sent} == {"GET"}
    lists = [
        path
        for _, path in sent
        if path.endswith(("/configmaps", "/deployments", "/namespaces", "/customresourcedefinitions"))
    ]
    assert len(lists) == len(set(lists)) == 4
    # Discovery (2), version-free; inventory (2), lock (1).
    assert len(sent) == len(lists) + 5


# Plain manifests -----------------------------------------------------------------------------------------------------------


def test_objects_without_a_namespace_go_where_the_context_says_and_cluster_scoped_ones_stay_outside(
    cluster: Cluster,
) -> None:
    from mlops_nix.cluster.placement import in_namespace

    plain = [
        crd("acme.test"),
        deployment("web"),
        {"apiVersion": "acme.test/v1", "kind": "Widget", "metadata": {"name": "w"}},
        SPACE,
    ]
    placed = in_namespace(from_objects("acme", plain), "here", cluster.discovery)
    assert {item.ref.kind: item.ref.namespace for item in placed.items} == {
        "Namespace": "",
        "CustomResourceDefinition": "",
        "Deployment": "here",
        "Widget": "here",
    }
    assert all(item.object["metadata"].get("namespace", "") == item.ref.namespace for item in placed.items)


def test_deleting_what_is_not_there_is_an_error_by_name_and_none_where_the_caller_is_sure(cluster: Cluster) -> None:
    from mlops_nix.cluster.remove import delete

    with pytest.raises(InputError, match="no set 'acme'"):
        delete(cluster, Policy("acme"))
    assert delete(cluster, Policy("acme"), missing_ok=True).outcome == "unchanged"


def test_a_program_that_keeps_its_connection_learns_of_new_kinds(cluster: Cluster) -> None:
    assert mlops_nix.apply(cluster, the_set(crd("acme.test")), timeout=20).ok
    widget = {
        "apiVersion": "acme.test/v1",
        "kind": "Widget",
        "metadata": {"name": "w", "namespace": "ml"},
        "spec": {"size": 1},
    }
    assert mlops_nix.apply(cluster, the_set(crd("acme.test"), widget), timeout=20).ok
