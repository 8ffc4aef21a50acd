"""Fields that the API server never changes, and how it says so.

There is no common word in its answers, so they are matched by kind, field and text.
Source: answers of kube-apiserver 1.36.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable


class NamedField(Protocol):
    """A cause of an error: a field and a text."""

    @property
    def field(self) -> str:
        """The field."""

    @property
    def message(self) -> str:
        """The text."""


# Plural of the kind (as in `details.kind`; CRDs: any) and the beginning of the field.
_FIELDS: dict[str, tuple[str, ...]] = {
    "Job": (
        "spec.template",
        "spec.completions",
        "spec.selector",
        "spec.completionMode",
        "spec.podFailurePolicy",
        "spec.backoffLimitPerIndex",
        "spec.managedBy",
    ),
    "StatefulSet": ("spec",),
    "Deployment": ("spec.selector",),
    "DaemonSet": ("spec.selector",),
    "ReplicaSet": ("spec.selector",),
    "Secret": ("type", "data", "immutable"),
    "ConfigMap": ("data", "binaryData", "immutable"),
    "Service": ("spec.clusterIP", "spec.clusterIPs", "spec.ipFamilies", "spec.ipFamilyPolicy"),
    "PersistentVolumeClaim": ("spec",),
    "PersistentVolume": ("spec",),
    "StorageClass": ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"),
    "RuntimeClass": ("handler",),
    "ResourceQuota": ("spec.scopes", "spec.scopeSelector"),
    "CustomResourceDefinition": ("spec.scope", "spec.names", "spec.group"),
    "RoleBinding": ("roleRef",),
    "ClusterRoleBinding": ("roleRef",),
    "PriorityClass": ("value", "preemptionPolicy"),
}
_TEXTS = (
    "field is immutable",
    "is immutable after creation",
    "may not be changed in an update",
    "may not change once set",
    "cannot change roleRef",
    "updates to statefulset spec for fields other than",
    "updates to parameters are forbidden",
    "updates to provisioner are forbidden",
    "updates to reclaimPolicy are forbidden",
    "may not be changed",
)

# What holds data, or what everything else hangs from: a deletion loses more than the object.
NEVER_REPLACED = frozenset({"PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition"})


def says_so(kind: str, causes: Iterable[NamedField], message: str = "") -> bool:
    """Tell whether an Invalid answer is about an immutable field.

    Args:
        kind: ``details.kind`` of the answer.
        causes: ``details.causes``.
        message: The whole text, for answers without causes.
    """
    found = False
    for cause in causes:
        found = True
        if not any(text in cause.message for text in _TEXTS):
            continue
        prefixes = _FIELDS.get(kind)
        # A CEL rule of a CRD (`self == oldSelf`) has its author's text; those that speak of immutability are believed.
        if prefixes is None or any(_below(cause.field, prefix) for prefix in prefixes):
            return True
    return not found and any(text in message for text in _TEXTS)


def _below(field: str, prefix: str) -> bool:
    return field == prefix or field.startswith((f"{prefix}.", f"{prefix}["))


def refuses_replacement(kind: str, *, has_claims: bool) -> str | None:
    """Say why an object is never deleted to be made anew, or nothing where it may be.

    Args:
        kind: Its kind.
        has_claims: A StatefulSet with ``volumeClaimTemplates``.
    """
    if kind in NEVER_REPLACED:
        return f"a {kind} is never replaced: what it holds would be lost"
    if kind == "StatefulSet" and has_claims:
        return "a StatefulSet with claims is never replaced: its pods' data hang on it"
    return None


def advice(kind: str, namespace: str, name: str, field: str) -> str:
    """Say what a user can do about a change of an immutable field.

    Args:
        kind: Kind of the object.
        namespace: Its namespace.
        name: Its name.
        field: The field that would change.
    """
    where = f"-n {namespace} {name}" if namespace else name
    if kind == "StatefulSet":
        return (
            f"`kubectl delete statefulset {where} --cascade=orphan` keeps pods and data, then apply again; "
            "to grow volumes, first raise resources.requests.storage of each PersistentVolumeClaim"
        )
    if kind == "PersistentVolumeClaim":
        return "only resources.requests.storage may grow; keep the old values, or make a claim of another name and copy the data"
    if kind in {"Namespace", "CustomResourceDefinition", "PersistentVolume"}:
        return f"keep {field} as it is on the cluster"
    return f"keep {field} as it is, or allow deleting and making it anew with `--recreate {kind}/{name}`"
