"""Compact schemas of the kinds that Kubernetes itself serves, from the schemas inside ``kubernetes-validate``."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from typing import Any

from mlops_nix.generate.kubernetes.structure import WORDS, Node, core_node, definition_name

# Versions whose schemas are generated, and the one that a user gets without asking.
VERSIONS = ("1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
DEFAULT_VERSION = "1.36"
# Older schemas that only say when a kind was served.
_HISTORY = ("1.25", "1.26", "1.27", "1.28", "1.29")

# Kinds that exist in the schemas and cannot be an object of their own in a manifest: lists, options of requests,
# discovery, and kinds that are posted to a subresource (`pods/eviction`, `serviceaccounts/token`, `…/scale`).
_NO_OBJECTS = frozenset(
    {
        ("", "APIGroup"),
        ("", "APIResourceList"),
        ("", "APIVersions"),
        ("", "ComponentStatus"),
        ("", "DeleteOptions"),
        ("", "Status"),
        ("", "WatchEvent"),
        ("authentication.k8s.io", "TokenRequest"),
        ("autoscaling", "Scale"),
        ("policy", "Eviction"),
    }
)
# Kinds without a namespace. The schemas do not say it; a test compares this with the paths of the official client.
CLUSTER_KINDS = frozenset(
    {
        ("", "Namespace"),
        ("", "Node"),
        ("", "PersistentVolume"),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("apiregistration.k8s.io", "APIService"),
        ("authentication.k8s.io", "SelfSubjectReview"),
        ("authentication.k8s.io", "TokenReview"),
        ("authorization.k8s.io", "SelfSubjectAccessReview"),
        ("authorization.k8s.io", "SelfSubjectRulesReview"),
        ("authorization.k8s.io", "SubjectAccessReview"),
        ("certificates.k8s.io", "CertificateSigningRequest"),
        ("certificates.k8s.io", "ClusterTrustBundle"),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
        ("internal.apiserver.k8s.io", "StorageVersion"),
        ("networking.k8s.io", "ClusterCIDR"),
        ("networking.k8s.io", "IPAddress"),
        ("networking.k8s.io", "IngressClass"),
        ("networking.k8s.io", "ServiceCIDR"),
        ("node.k8s.io", "RuntimeClass"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("resource.k8s.io", "DeviceClass"),
        ("resource.k8s.io", "DeviceTaintRule"),
        ("resource.k8s.io", "ResourceClass"),
        ("resource.k8s.io", "ResourcePoolStatusRequest"),
        ("resource.k8s.io", "ResourceSlice"),
        ("scheduling.k8s.io", "PriorityClass"),
        ("storage.k8s.io", "CSIDriver"),
        ("storage.k8s.io", "CSINode"),
        ("storage.k8s.io", "StorageClass"),
        ("storage.k8s.io", "VolumeAttachment"),
        ("storage.k8s.io", "VolumeAttributesClass"),
        ("storagemigration.k8s.io", "StorageVersionMigration"),
    }
)
# The last version that served an API that was gone before the oldest schema at hand: what people still copy from old
# pages. Source: https://kubernetes.io/docs/reference/using-api/deprecation-guide/
_REMOVED_BEFORE = {
    "1.15": {
        "apps/v1beta1": ("ControllerRevision", "Deployment", "StatefulSet"),
        "apps/v1beta2": ("ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"),
        "extensions/v1beta1": ("DaemonSet", "Deployment", "NetworkPolicy", "PodSecurityPolicy", "ReplicaSet"),
    },
    "1.21": {
        "admissionregistration.k8s.io/v1beta1": ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"),
        "apiextensions.k8s.io/v1beta1": ("CustomResourceDefinition",),
        "apiregistration.k8s.io/v1beta1": ("APIService",),
        "authentication.k8s.io/v1beta1": ("TokenReview",),
        "authorization.k8s.io/v1beta1": (
            "LocalSubjectAccessReview",
            "SelfSubjectAccessReview",
            "SelfSubjectRulesReview",
            "SubjectAccessReview",
        ),
        "certificates.k8s.io/v1beta1": ("CertificateSigningRequest",),
        "coordination.k8s.io/v1beta1": ("Lease",),
        "extensions/v1beta1": ("Ingress",),
        "networking.k8s.io/v1beta1": ("Ingress", "IngressClass"),
        "rbac.authorization.k8s.io/v1beta1": ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"),
        "scheduling.k8s.io/v1beta1": ("PriorityClass",),
        "storage.k8s.io/v1beta1": ("CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"),
    },
    "1.24": {
        "autoscaling/v2beta1": ("HorizontalPodAutoscaler",),
        "batch/v1beta1": ("CronJob",),
        "discovery.k8s.io/v1beta1": ("EndpointSlice",),
        "events.k8s.io/v1beta1": ("Event",),
        "node.k8s.io/v1beta1": ("RuntimeClass",),
        "policy/v1beta1": ("PodDisruptionBudget", "PodSecurityPolicy"),
    },
}


def plural_of(kind: str) -> str:
    """Return the resource name of a core kind, by the rule that all of them follow."""
    name = kind.lower()
    if name.endswith("y"):
        return name[:-1] + "ies"
    # `Endpoints` is a plural already; `Ingress`, `IPAddress` and the classes are not.
    if name.endswith("s") and not name.endswith("ss"):
        return name
    return name + ("es" if name.endswith("s") else "s")


def definitions(version: str) -> dict[str, Node]:
    """Return the compact definitions, by short name, that the kinds of a version reach."""
    raw = _raw(version)
    names = {definition_name(name): name for name in raw if name not in WORDS}
    if len(names) + len(WORDS.keys() & raw.keys()) != len(raw):
        raise ValueError(f"Kubernetes {version}: two definitions have one short name")
    found: dict[str, Node] = {}
    waiting = [entry["definition"] for kinds in kinds_of(version).values() for entry in kinds.values()]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = core_node(raw[names[name]])
            waiting += _references(found[name])
    embedded = {name for node in found.values() for name in _references(node)}
    return {name: node if name in embedded else _without_identity(node) for name, node in sorted(found.items())}


def _without_identity(node: Node) -> Node:
    """Leave out the enums of apiVersion and kind: whoever chose the definition by them has compared them already."""
    if not isinstance(node, dict) or not {"apiVersion", "kind"} <= node.get("fields", {}).keys():
        return node
    return {**node, "fields": {**node["fields"], "apiVersion": "string", "kind": "string"}}


def kinds_of(version: str) -> dict[str, dict[str, dict[str, str]]]:
    """Return apiVersion -> kind -> plural, scope and definition of everything that a version serves."""
    served: dict[str, dict[str, dict[str, str]]] = {}
    for name, schema in _raw(version).items():
        for gvk in schema.get("x-kubernetes-group-version-kind", []):
            group, kind = gvk["group"], gvk["kind"]
            if kind.endswith("List") or (group, kind) in _NO_OBJECTS or kind in {"DeleteOptions", "WatchEvent"}:
                continue
            api_version = f"{group}/{gvk['version']}" if group else gvk["version"]
            served.setdefault(api_version, {})[kind] = {
                "definition": definition_name(name),
                "plural": plural_of(kind),
                "scope": "Cluster" if (group, kind) in CLUSTER_KINDS else "Namespaced",
            }
    return {api_version: dict(sorted(kinds.items())) for api_version, kinds in sorted(served.items())}


def history() -> dict[str, dict[str, dict[str, str]]]:
    """Return apiVersion -> kind -> when it was served: ``since`` and ``until``, both inclusive, where known.

    ``since`` is left out when the oldest schema at hand already had the kind, ``until`` when the newest still has it.
    """
    known = (*_HISTORY, *VERSIONS)
    served: dict[str, dict[str, dict[str, str]]] = {}
    for last, apis in _REMOVED_BEFORE.items():
        for api_version, kinds in apis.items():
            served.setdefault(api_version, {}).update({kind: {"until": last} for kind in kinds})
    for version in known:
        for api_version, names in kinds_of(version).items():
            for kind in names:
                span = served.setdefault(api_version, {}).setdefault(
                    kind, {} if version == known[0] else {"since": version}
                )
                span["until"] = version
    for spans in served.values():
        for span in spans.values():
            if span["until"] == known[-1]:
                del span["until"]
    return {api_version: dict(sorted(kinds.items())) for api_version, kinds in sorted(served.items())}


@cache
def _raw(version: str) -> dict[str, Any]:
    folder = resources.files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}.0-local-strict"
    contents: dict[str, Any] = json.loads((folder / "_definitions.json").read_text(encoding="utf-8"))
    return contents["$defs"]  # type: ignore[no-any-return]


def _references(node: Node) -> list[str]:
    if isinstance(node, str):
        return [node[1:]] if node.startswith("#") else []
    if isinstance(node, list):
        return _references(node[0])
    inner = [*node.get("fields", {}).values(), *(node[key] for key in ("values", "items") if key in node)]
    return [name for child in inner for name in _references(child)]


def version_order(version: str) -> tuple[int, ...]:
    """Return what Kubernetes versions sort by: 1.9 comes before 1.10."""
    return tuple(int(part) for part in re.findall(r"\d+", version))
