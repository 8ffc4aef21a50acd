"""Every class of answer, from answers that kube-apiserver 1.36.3 gave."""

from __future__ import annotations

from typing import Any

import pytest
from mlops_nix.cluster.answer import RETRYABLE, Outcome, classify
from tests.cluster.scripted import answer, refusal

CONFLICT = [
    {
        "reason": "FieldManagerConflict",
        "message": 'conflict with "kube-controller-manager" with subresource "scale" using apps/v1 at 2026-11-21T08:00:00Z',
        "field": ".spec.replicas",
    }
]
STATEFULSET = (
    "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)


def invalid(kind: str, field: str, message: str, reason: str = "FieldValueInvalid") -> Any:
    causes = [{"reason": reason, "message": message, "field": field}]
    return refusal(422, "Invalid", f'{kind} "x" is invalid: {field}: {message}', name="x", kind=kind, causes=causes)


CASES: dict[str, tuple[Any, Outcome]] = {
    "ok": (answer(200, {"kind": "ConfigMap"}), Outcome.OK),
    "created": (answer(201, {"kind": "ConfigMap"}), Outcome.OK),
    "429 in plain text": (
        answer(429, "Too many requests, please try again later.", retry_after="1"),
        Outcome.THROTTLED,
    ),
    "429 with a Status": (refusal(429, "TooManyRequests", "slow down", retryAfterSeconds=3), Outcome.THROTTLED),
    "already exists": (
        refusal(409, "AlreadyExists", 'configmaps "a" already exists', name="a", kind="configmaps"),
        Outcome.EXISTS,
    ),
    "stale version": (
        refusal(409, "Conflict", "the object has been modified; please apply your changes"),
        Outcome.STALE,
    ),
    "field conflict": (
        refusal(409, "Conflict", "Apply failed with 1 conflict", causes=CONFLICT),
        Outcome.FIELD_CONFLICT,
    ),
    "uid precondition": (
        refusal(
            409, "Conflict", "Precondition failed: the UID in the precondition (a) does not match the UID in record (b)"
        ),
        Outcome.UID_MISMATCH,
    ),
    "uid of a missing object": (
        refusal(409, "Conflict", "uid mismatch: the provided object specified uid a, and no existing object was found"),
        Outcome.UID_MISMATCH,
    ),
    "being deleted": (
        refusal(409, "AlreadyExists", 'object is being deleted: pods "a" already exists'),
        Outcome.TERMINATING,
    ),
    "path not served": (answer(404, "404 page not found\n"), Outcome.NOT_SERVED),
    "resource not served": (
        refusal(404, "NotFound", "the server could not find the requested resource"),
        Outcome.NOT_SERVED,
    ),
    "object missing": (
        refusal(404, "NotFound", 'configmaps "a" not found', name="a", kind="configmaps"),
        Outcome.NOT_FOUND,
    ),
    "namespace missing": (
        refusal(404, "NotFound", 'namespaces "ml" not found', name="ml", kind="namespaces"),
        Outcome.NAMESPACE_MISSING,
    ),
    "too old": (refusal(410, "Expired", "The provided continue parameter is too old"), Outcome.EXPIRED),
    "too large": (answer(413, "Request entity too large: limit is 3145728"), Outcome.TOO_LARGE),
    "rbac": (
        refusal(403, "Forbidden", 'deployments.apps "a" is forbidden: User "dev" cannot patch resource "deployments"'),
        Outcome.FORBIDDEN,
    ),
    "quota": (
        refusal(403, "Forbidden", "exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3"),
        Outcome.QUOTA,
    ),
    "quota wants limits": (
        refusal(403, "Forbidden", "failed quota: q: must specify limits.memory for: c"),
        Outcome.QUOTA,
    ),
    "pod security": (
        refusal(
            403, "Forbidden", 'pods "a" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'
        ),
        Outcome.POD_SECURITY,
    ),
    "namespace terminating": (
        refusal(
            403,
            "Forbidden",
            "unable to create new content in namespace ml because it is being terminated",
            causes=[{"reason": "NamespaceTerminating", "message": "x", "field": "metadata.namespace"}],
        ),
        Outcome.TERMINATING,
    ),
    "crd terminating": (
        refusal(403, "Forbidden", "create not allowed while custom resource definition is terminating"),
        Outcome.TERMINATING,
    ),
    "service account comes": (
        refusal(403, "Forbidden", "error looking up service account ml/default: serviceaccount not found"),
        Outcome.NOT_YET,
    ),
    "job template": (invalid("Job", "spec.template", "Invalid value: {…}: field is immutable"), Outcome.IMMUTABLE),
    "statefulset claims": (invalid("StatefulSet", "spec", STATEFULSET, "FieldValueForbidden"), Outcome.IMMUTABLE),
    "cluster ip": (
        invalid("Service", "spec.clusterIPs[0]", 'Invalid value: "None": may not change once set'),
        Outcome.IMMUTABLE,
    ),
    "claim": (
        invalid(
            "PersistentVolumeClaim",
            "spec",
            "spec is immutable after creation except resources.requests",
            "FieldValueForbidden",
        ),
        Outcome.IMMUTABLE,
    ),
    "role ref": (invalid("RoleBinding", "roleRef", "Invalid value: {}: cannot change roleRef"), Outcome.IMMUTABLE),
    "priority": (
        invalid("PriorityClass", "value", "may not be changed in an update.", "FieldValueForbidden"),
        Outcome.IMMUTABLE,
    ),
    "immutable map": (
        invalid("ConfigMap", "data", "field is immutable when `immutable` is set", "FieldValueForbidden"),
        Outcome.IMMUTABLE,
    ),
    "merely invalid": (invalid("Deployment", "spec.replicas", "must be greater than or equal to 0"), Outcome.INVALID),
    "immutable words about another field": (
        invalid("Deployment", "spec.template", "field is immutable"),
        Outcome.INVALID,
    ),
    "schema, unknown field": (
        answer(
            500,
            {
                "kind": "Status",
                "code": 500,
                "message": "failed to create typed patch object (ns/a; v1, Kind=ConfigMap): .spec.zz: field not declared in schema",
            },
        ),
        Outcome.SCHEMA,
    ),
    "webhook refused the connection": (
        refusal(
            500,
            "InternalError",
            'Internal error occurred: failed calling webhook "w.test": failed to call webhook: Post "https://127.0.0.1:1/": '
            "dial tcp 127.0.0.1:1: connect: connection refused",
        ),
        Outcome.WEBHOOK_UNAVAILABLE,
    ),
    "webhook denied": (
        refusal(400, "BadRequest", 'admission webhook "w.test" denied the request: no'),
        Outcome.WEBHOOK_DENIED,
    ),
    "webhook denied with 403": (
        refusal(403, "Forbidden", 'admission webhook "w.test" denied the request: exceeded quota: of my own'),
        Outcome.WEBHOOK_DENIED,
    ),
    "admission policy": (
        refusal(422, "Invalid", "ValidatingAdmissionPolicy 'vp' with binding 'vb' denied request: no"),
        Outcome.POLICY_DENIED,
    ),
    "no dry run": (
        refusal(400, "BadRequest", 'admission webhook "w.test" does not support dry run'),
        Outcome.DRY_RUN_UNSUPPORTED,
    ),
    "etcd": (refusal(500, "InternalError", "etcdserver: leader changed"), Outcome.TRANSIENT),
    "etcd without a reason": (
        answer(500, {"kind": "Status", "message": "etcdserver: request timed out"}),
        Outcome.TRANSIENT,
    ),
    "another internal error": (
        refusal(500, "InternalError", "Internal error occurred: nil pointer"),
        Outcome.SERVER_ERROR,
    ),
    "unavailable": (refusal(503, "ServiceUnavailable", "the server is currently unable"), Outcome.TRANSIENT),
    "gateway": (answer(502, "bad gateway"), Outcome.TRANSIENT),
    "timeout": (
        refusal(504, "Timeout", "Too large resource version: 9, current: 5", retryAfterSeconds=1),
        Outcome.TRANSIENT,
    ),
    "unauthorized": (refusal(401, "Unauthorized", "Unauthorized"), Outcome.UNAUTHORIZED),
}


@pytest.mark.parametrize("name", CASES)
def test_the_class_of_an_answer(name: str) -> None:
    response, outcome = CASES[name]
    assert classify(response, path="/api/v1/namespaces/ml/configmaps/a").outcome is outcome


def test_a_namespace_that_is_asked_for_itself_is_an_object_that_is_missing() -> None:
    response = refusal(404, "NotFound", 'namespaces "ml" not found', name="ml", kind="namespaces")
    assert classify(response, path="/api/v1/namespaces/ml").outcome is Outcome.NOT_FOUND


def test_a_conflict_names_manager_subresource_and_field() -> None:
    found = classify(CASES["field conflict"][0])
    assert [(cause.manager, cause.subresource, cause.field) for cause in found.causes] == [
        ("kube-controller-manager", "scale", ".spec.replicas")
    ]


def test_a_webhook_is_named() -> None:
    assert classify(CASES["webhook refused the connection"][0]).webhook == "w.test"
    assert classify(CASES["webhook denied"][0]).webhook == "w.test"


@pytest.mark.parametrize(
    ("name", "seconds"), [("429 in plain text", 1.0), ("429 with a Status", 3.0), ("timeout", 1.0)]
)
def test_the_time_that_the_server_asks_to_wait(name: str, seconds: float) -> None:
    assert classify(CASES[name][0]).retry_after == seconds


def test_every_warning_header_is_read() -> None:
    response = answer(200, {}, warning='299 - "first \\"quoted\\"", 299 - "second"')
    assert classify(response).warnings == ('first "quoted"', "second")


def test_what_can_never_get_better_is_not_among_what_is_tried_again() -> None:
    final = {
        Outcome.SCHEMA,
        Outcome.INVALID,
        Outcome.IMMUTABLE,
        Outcome.FORBIDDEN,
        Outcome.QUOTA,
        Outcome.WEBHOOK_DENIED,
        Outcome.OK,
    }
    assert not final & RETRYABLE
