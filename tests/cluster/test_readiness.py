"""When an object is ready: core kinds as kstatus has them, custom kinds by their row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from mlops_nix.cluster.readiness import State, assess
from mlops_nix.cluster.readiness_table import ROWS
from mlops_nix.cluster.transport import Disconnected
from mlops_nix.cluster.watch import Refused, follow
from tests.cluster.scripted import answer, refusal, scripted

if TYPE_CHECKING:
    from mlops_nix.cluster.watch import Seen

Object = dict[str, Any]
R, P, F = State.READY, State.PROGRESSING, State.FAILED


def obj(version: str, kind: str, status: Object | None = None, spec: Object | None = None, **meta: Any) -> Object:
    found: Object = {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": "a", "generation": 2, **meta},
        "spec": spec or {},
    }
    if status is not None:
        found["status"] = status
    return found


def conditions(**states: Any) -> Object:
    return {
        "conditions": [
            {"type": name, "status": state if isinstance(state, str) else str(state)} for name, state in states.items()
        ]
    }


ROLLED = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}
LATE = {"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}
SET = {
    "observedGeneration": 2,
    "replicas": 2,
    "readyReplicas": 2,
    "currentReplicas": 2,
    "updatedReplicas": 2,
    "currentRevision": "x",
    "updateRevision": "x",
}
DAEMON = {
    "observedGeneration": 2,
    "desiredNumberScheduled": 2,
    "currentNumberScheduled": 2,
    "updatedNumberScheduled": 2,
    "numberAvailable": 2,
    "numberReady": 2,
}

CASES: list[tuple[str, Object, State]] = [
    (
        "deployment, rolled out",
        obj("apps/v1", "Deployment", {**ROLLED, **conditions(Available=True)}, {"replicas": 2}),
        R,
    ),
    ("deployment, not seen", obj("apps/v1", "Deployment", {}, {"replicas": 2}), P),
    (
        "deployment, old generation",
        obj("apps/v1", "Deployment", {**ROLLED, "observedGeneration": 1}, {"replicas": 2}),
        P,
    ),
    (
        "deployment, old pods",
        obj("apps/v1", "Deployment", {**ROLLED, "replicas": 3, **conditions(Available=True)}, {"replicas": 2}),
        P,
    ),
    ("deployment, too late", obj("apps/v1", "Deployment", {**ROLLED, **LATE}, {"replicas": 2}), F),
    (
        "deployment, none wanted",
        obj("apps/v1", "Deployment", {"observedGeneration": 2, **conditions(Available=True)}, {"replicas": 0}),
        R,
    ),
    ("statefulset", obj("apps/v1", "StatefulSet", SET, {"replicas": 2}), R),
    (
        "statefulset, updating",
        obj("apps/v1", "StatefulSet", {**SET, "updateRevision": "y", "updatedReplicas": 1}, {"replicas": 2}),
        P,
    ),
    (
        "statefulset, partition",
        obj(
            "apps/v1",
            "StatefulSet",
            {**SET, "updateRevision": "y", "updatedReplicas": 1},
            {"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 1}}},
        ),
        R,
    ),
    ("statefulset, on delete", obj("apps/v1", "StatefulSet", {}, {"updateStrategy": {"type": "OnDelete"}}), R),
    ("daemonset", obj("apps/v1", "DaemonSet", DAEMON), R),
    ("daemonset, one missing", obj("apps/v1", "DaemonSet", {**DAEMON, "numberReady": 1}), P),
    ("pod", obj("v1", "Pod", {"phase": "Running", **conditions(Ready=True)}), R),
    ("pod, failed", obj("v1", "Pod", {"phase": "Failed"}), F),
    ("pod, succeeded", obj("v1", "Pod", {"phase": "Succeeded"}), R),
    ("job, started is not enough", obj("batch/v1", "Job", {"active": 1}), P),
    ("job, complete", obj("batch/v1", "Job", conditions(Complete=True)), R),
    ("job, failed", obj("batch/v1", "Job", conditions(Failed=True)), F),
    ("job, suspended", obj("batch/v1", "Job", {}, {"suspend": True}), R),
    ("claim, pending", obj("v1", "PersistentVolumeClaim", {"phase": "Pending"}), P),
    ("claim, bound", obj("v1", "PersistentVolumeClaim", {"phase": "Bound"}), R),
    ("claim, lost", obj("v1", "PersistentVolumeClaim", {"phase": "Lost"}), F),
    ("crd", obj("apiextensions.k8s.io/v1", "CustomResourceDefinition", conditions(Established=True)), R),
    ("crd, new", obj("apiextensions.k8s.io/v1", "CustomResourceDefinition", {}), P),
    ("crd, name taken", obj("apiextensions.k8s.io/v1", "CustomResourceDefinition", conditions(NamesAccepted=False)), F),
    ("configmap", obj("v1", "ConfigMap"), R),
    ("service", obj("v1", "Service", {"loadBalancer": {}}, {"type": "LoadBalancer"}), R),
    (
        "autoscaler",
        obj("autoscaling/v2", "HorizontalPodAutoscaler", conditions(AbleToScale=True, ScalingActive=False)),
        R,
    ),
    ("inference service without a status", obj("serving.kserve.io/v1beta1", "InferenceService"), P),
    ("inference service", obj("serving.kserve.io/v1beta1", "InferenceService", conditions(Ready=True)), R),
    (
        "inference service, broken model",
        obj(
            "serving.kserve.io/v1beta1",
            "InferenceService",
            {**conditions(Ready=False), "modelStatus": {"transitionStatus": "BlockedByFailedLoad"}},
        ),
        F,
    ),
    ("serving runtime", obj("serving.kserve.io/v1alpha1", "ServingRuntime"), R),
    (
        "knative service, routes missing",
        obj("serving.knative.dev/v1", "Service", conditions(Ready=True, ConfigurationsReady=True)),
        P,
    ),
    ("ray cluster", obj("ray.io/v1", "RayCluster", conditions(RayClusterProvisioned=True, HeadPodReady=True)), R),
    ("ray cluster, old operator", obj("ray.io/v1", "RayCluster", {"state": "ready"}), R),
    ("ray cluster, failing", obj("ray.io/v1", "RayCluster", conditions(ReplicaFailure=True)), F),
    ("ray service, upgrading", obj("ray.io/v1", "RayService", conditions(Ready=True, UpgradeInProgress=True)), P),
    ("ray job", obj("ray.io/v1", "RayJob", {"jobDeploymentStatus": "Running"}), R),
    ("ray job, refused", obj("ray.io/v1", "RayJob", {"jobDeploymentStatus": "ValidationFailed"}), F),
    (
        "training job, last entry wins",
        obj("kubeflow.org/v1", "PyTorchJob", conditions(Created=True, Running=True, Failed=True)),
        F,
    ),
    ("training job, running", obj("kubeflow.org/v1", "PyTorchJob", conditions(Created=True, Running=True)), R),
    ("train job, held by a queue", obj("trainer.kubeflow.org/v1alpha1", "TrainJob", conditions(Suspended=True)), R),
    ("workflow, failed", obj("argoproj.io/v1alpha1", "Workflow", {"phase": "Error"}), F),
    ("cron workflow", obj("argoproj.io/v1alpha1", "CronWorkflow"), R),
    ("cron workflow, not submitted", obj("argoproj.io/v1alpha1", "CronWorkflow", conditions(SubmissionError=True)), F),
    ("queue without a flavour", obj("kueue.x-k8s.io/v1beta1", "ClusterQueue", conditions(Active=False)), P),
    ("feature store", obj("feast.dev/v1", "FeatureStore", {"phase": "Ready"}), R),
    ("database", obj("postgresql.cnpg.io/v1", "Cluster", {"phase": "Cluster in healthy state"}), R),
    ("database, set up", obj("postgresql.cnpg.io/v1", "Cluster", {"phase": "Setting up primary"}), P),
    ("certificate, renewing", obj("cert-manager.io/v1", "Certificate", conditions(Ready=True, Issuing=True)), P),
    ("prometheus, half", obj("monitoring.coreos.com/v1", "Prometheus", conditions(Available=True)), P),
    ("stalled", obj("source.toolkit.fluxcd.io/v1", "GitRepository", conditions(Stalled=True, Ready=False)), F),
    ("unknown kind, Ready", obj("a.test/v1", "A", conditions(Ready=False)), P),
    ("unknown kind, nothing", obj("a.test/v1", "A"), R),
]


@pytest.mark.parametrize(("name", "given", "state"), CASES, ids=[case[0] for case in CASES])
def test_how_an_object_is(name: str, given: Object, state: State) -> None:
    del name
    found = assess(given)
    assert found.state is state
    assert found.ready or found.reason, "what is not ready says why"


def test_an_object_that_is_being_deleted_names_its_finalizers() -> None:
    found = assess(obj("v1", "ConfigMap", deletionTimestamp="x", finalizers=["a.test/hold"]))
    assert found.state is State.TERMINATING
    assert "a.test/hold" in found.reason


def test_the_rule_that_was_used_is_told() -> None:
    assert assess(obj("a.test/v1", "A", conditions(Available=True))).rule == "general rule: condition Available"
    assert assess(obj("ray.io/v1", "RayCluster", {"state": "ready"})).rule == "table"


@pytest.mark.parametrize(("group", "kind"), sorted(ROWS), ids=lambda value: value)
def test_every_row_but_mere_existence_waits_for_a_controller(group: str, kind: str) -> None:
    row = ROWS[group, kind]
    found = assess(obj(f"{group}/v1", kind))
    assert found.state is (R if row.exists or row.good_unless else P)
    if row.ready:
        assert assess(obj(f"{group}/v1", kind, conditions(**dict.fromkeys(row.ready, "True")))).state is R
        assert assess(obj(f"{group}/v1", kind, conditions(**dict.fromkeys(row.ready, "Unknown")))).state is P
    for name in row.failed:
        assert assess(obj(f"{group}/v1", kind, conditions(**{name: "True"}))).state is F
    for values in (row.ready_value, row.failed_value):
        path = values[0].split(".")[1:] if values else []
        for value in values[1] if values else ():
            status: Any = value
            for step in reversed(path):
                status = {step: status}
            assert assess(obj(f"{group}/v1", kind, status)).state is (R if values is row.ready_value else F)


# Watches -------------------------------------------------------------------------------------------------------------------


def line(kind: str, name: str, version: str) -> bytes:
    import json

    return (
        json.dumps({"type": kind, "object": {"metadata": {"name": name, "resourceVersion": version}}}).encode() + b"\n"
    )


EXPIRED = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old resource version: 5 (558)"}}\n'


def listing(version: str, *names: str) -> Any:
    return answer(
        200, {"metadata": {"resourceVersion": version}, "items": [{"metadata": {"name": name}} for name in names]}
    )


def followed(count: int, *script: Any, streams: list[Any]) -> tuple[list[Seen], list[Any]]:
    from mlops_nix.cluster.discovery import PODS

    api, transport, _, _ = scripted(*script, streams=streams)
    found: list[Seen] = []
    for seen in follow(api, PODS, "ml", "a=b", ended=lambda: len(found) >= count):
        found.append(seen)
        if len(found) >= count:
            break
    return found, transport.sent


def versions(sent: list[Any]) -> list[str]:
    return [dict(request.query)["resourceVersion"] for request in sent if request.method == "WATCH"]


def test_a_watch_that_ends_is_opened_again_where_it_ended() -> None:
    found, sent = followed(
        3, listing("5", "a"), streams=[(200, [line("MODIFIED", "a", "6")]), (200, [line("MODIFIED", "a", "7")])]
    )
    assert len(found) == 3
    assert versions(sent) == ["5", "6"]


def test_a_bookmark_moves_the_place_without_telling_anything() -> None:
    _, sent = followed(
        2, listing("5"), streams=[(200, [line("BOOKMARK", "", "90")]), (200, [line("ADDED", "a", "91")])]
    )
    assert versions(sent) == ["5", "90"]


def test_410_as_an_event_lists_again() -> None:
    found, sent = followed(
        3, listing("5", "a"), listing("600", "b"), streams=[(200, [EXPIRED]), (200, [line("ADDED", "c", "601")])]
    )
    assert [len(seen.listed) if seen.listed is not None else None for seen in found] == [1, 1, None]
    assert versions(sent) == ["5", "600"]


def test_410_as_an_answer_lists_again() -> None:
    gone = (410, [b'{"kind":"Status","code":410,"reason":"Expired"}'])
    _, sent = followed(3, listing("5"), listing("600"), streams=[gone, (200, [line("ADDED", "a", "601")])])
    assert versions(sent) == ["5", "600"]


def test_a_connection_that_breaks_within_a_line_loses_nothing() -> None:
    half = line("MODIFIED", "a", "7")
    streams = [
        (200, [line("MODIFIED", "a", "6") + half[:20], Disconnected("reset")]),
        Disconnected("refused"),
        (200, [half]),
    ]
    found, sent = followed(3, listing("5", "a"), streams=streams)
    assert [seen.object["metadata"]["resourceVersion"] for seen in found if seen.object] == ["6", "7"]
    assert versions(sent) == ["5", "6", "6"]


def test_events_arrive_in_pieces_of_any_size() -> None:
    text = line("ADDED", "a", "6") + line("DELETED", "a", "7")
    found, _ = followed(3, listing("5"), streams=[(200, [text[index : index + 1] for index in range(len(text))])])
    assert [seen.gone for seen in found[1:]] == [False, True]


def test_a_kind_that_may_not_be_watched_is_refused() -> None:
    with pytest.raises(Refused):
        followed(1, refusal(403, "Forbidden", "no"), streams=[])
