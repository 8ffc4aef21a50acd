"""The kinds that the fake serves, and the schemas by which it merges and checks them.

Schemas of built-in kinds come from the `kubernetes-validate` package (OpenAPI definitions of
release 1.36, with the list types that server-side apply merges by); those of custom kinds
from the CustomResourceDefinition itself.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

Schema = dict[str, Any]
VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

_BUILTIN = {
    "v1": "configmaps:ConfigMap secrets:Secret services:Service/status pods:Pod/status/log "
    "serviceaccounts:ServiceAccount/token persistentvolumeclaims:PersistentVolumeClaim/status events:Event "
    "endpoints:Endpoints resourcequotas:ResourceQuota/status limitranges:LimitRange "
    "*namespaces:Namespace/status/finalize *nodes:Node/status *persistentvolumes:PersistentVolume/status",
    "apps/v1": "deployments:Deployment/status/scale statefulsets:StatefulSet/status/scale "
    "daemonsets:DaemonSet/status replicasets:ReplicaSet/status/scale controllerrevisions:ControllerRevision",
    "batch/v1": "jobs:Job/status cronjobs:CronJob/status",
    "autoscaling/v2": "horizontalpodautoscalers:HorizontalPodAutoscaler/status",
    "policy/v1": "poddisruptionbudgets:PodDisruptionBudget/status",
    "networking.k8s.io/v1": "networkpolicies:NetworkPolicy ingresses:Ingress/status *ingressclasses:IngressClass",
    "rbac.authorization.k8s.io/v1": "roles:Role rolebindings:RoleBinding "
    "*clusterroles:ClusterRole *clusterrolebindings:ClusterRoleBinding",
    "storage.k8s.io/v1": "*storageclasses:StorageClass *csidrivers:CSIDriver",
    "scheduling.k8s.io/v1": "*priorityclasses:PriorityClass",
    "node.k8s.io/v1": "*runtimeclasses:RuntimeClass",
    "coordination.k8s.io/v1": "leases:Lease",
    "discovery.k8s.io/v1": "endpointslices:EndpointSlice",
    "events.k8s.io/v1": "events:Event",
    "admissionregistration.k8s.io/v1": "*mutatingwebhookconfigurations:MutatingWebhookConfiguration "
    "*validatingwebhookconfigurations:ValidatingWebhookConfiguration "
    "*validatingadmissionpolicies:ValidatingAdmissionPolicy/status "
    "*validatingadmissionpolicybindings:ValidatingAdmissionPolicyBinding",
    "apiextensions.k8s.io/v1": "*customresourcedefinitions:CustomResourceDefinition/status",
    "apiregistration.k8s.io/v1": "*apiservices:APIService/status",
    "authorization.k8s.io/v1": "*selfsubjectaccessreviews:SelfSubjectAccessReview "
    "*selfsubjectrulesreviews:SelfSubjectRulesReview",
    "authentication.k8s.io/v1": "*selfsubjectreviews:SelfSubjectReview",
}
REVIEWS = frozenset({"SelfSubjectAccessReview", "SelfSubjectRulesReview", "SelfSubjectReview"})


@dataclass(frozen=True)
class Kind:
    """One served kind in one version."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    subresources: tuple[str, ...] = ()
    schema: Schema = field(default_factory=dict, hash=False, compare=False)
    custom: bool = False

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """`deployments.apps`, as messages call it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def key(self) -> tuple[str, str]:
        """What the storage is divided by: versions share one storage."""
        return self.group, self.plural


@functools.cache
def definitions() -> dict[str, Schema]:
    """Return the OpenAPI definitions of the release that the fake plays."""
    import kubernetes_validate  # the data are 100 MB; only tests need them

    folder = resources.files(kubernetes_validate) / "kubernetes-json-schema" / "v1.36.0-local"
    document = json.loads((folder / "_definitions.json").read_text())
    return dict(document["$defs"])


@functools.cache
def builtin() -> tuple[Kind, ...]:
    """Return the built-in kinds."""
    by_kind = {
        (known["group"], known["version"], known["kind"]): schema
        for schema in definitions().values()
        for known in schema.get("x-kubernetes-group-version-kind", ())
    }
    kinds = []
    for api_version, line in _BUILTIN.items():
        group, _, version = api_version.rpartition("/")
        for word in line.split():
            plural, _, rest = word.lstrip("*").partition(":")
            name, *subresources = rest.split("/")
            schema = by_kind[group, version, name]
            kinds.append(Kind(group, version, name, plural, word[0] != "*", tuple(subresources), schema))
    return tuple(kinds)


def custom(crd: dict[str, Any]) -> list[Kind]:
    """Return the kinds that a CustomResourceDefinition serves, one for each version."""
    spec = crd["spec"]
    kinds = []
    for version in spec["versions"]:
        if not version.get("served", True):
            continue
        schema = dict((version.get("schema") or {}).get("openAPIV3Schema") or {})
        if not schema.get("x-kubernetes-preserve-unknown-fields") or "properties" in schema:
            standard = {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": {"$ref": f"#/$defs/{META}"},
            }
            schema["properties"] = {**(schema.get("properties") or {}), **standard}
        kinds.append(
            Kind(
                spec["group"],
                version["name"],
                spec["names"]["kind"],
                spec["names"]["plural"],
                spec["scope"] == "Namespaced",
                tuple(sorted(version.get("subresources") or {})),
                schema,
                custom=True,
            )
        )
    return kinds


def resolve(schema: Schema) -> Schema:
    """Follow `$ref`; what stands beside it wins, as a property's own map type does."""
    while True:
        reference = schema.get("$ref")
        if reference is None and len(schema.get("allOf", ())) == 1:
            schema = {**schema["allOf"][0], **{key: value for key, value in schema.items() if key != "allOf"}}
            continue
        if reference is None:
            return schema
        target = definitions()[reference.rsplit("/", 1)[1]]
        beside = {key: value for key, value in schema.items() if key not in ("$ref", "description")}
        schema = {**target, **beside} if beside else target
