"""A set of objects, indexed once for all checks: by kind, by name, by label, and the pods that they make."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_nix.objects import as_list, as_map, as_text, metadata, pod_template, reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from mlops_nix.documents import Position
    from mlops_nix.objects import KubernetesObject
    from mlops_nix.yamlio import Manifest

DEFAULT_NAMESPACE = "default"

# Kinds without a namespace in the API of Kubernetes 1.36 (`kubectl api-resources --namespaced=false`).
CLUSTER_SCOPED = frozenset(
    {
        ("", "ComponentStatus"),
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
        ("networking.k8s.io", "IPAddress"),
        ("networking.k8s.io", "IngressClass"),
        ("networking.k8s.io", "ServiceCIDR"),
        ("node.k8s.io", "RuntimeClass"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("resource.k8s.io", "DeviceClass"),
        ("resource.k8s.io", "DeviceTaintRule"),
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

# Labels that the controller of a workload adds to each pod, so that no template has them.
_ADDED_LABELS = frozenset({"apps.kubernetes.io/pod-index", "statefulset.kubernetes.io/pod-name"})

CORE_GROUPS = frozenset(
    {
        "",
        "apps",
        "autoscaling",
        "batch",
        "extensions",
        "policy",
        *(group for group, _ in CLUSTER_SCOPED if group),
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
    }
)


class Entry:
    """One object of a set, with what checks ask for most."""

    __slots__ = ("group", "kind", "labels", "name", "namespace", "object", "position", "ref", "spec")

    def __init__(self, obj: KubernetesObject, position: Position, *, namespaced: bool) -> None:
        self.object = obj
        self.position = position
        self.ref = reference(obj)
        self.group = self.ref.group
        self.kind = self.ref.kind
        self.name = self.ref.name
        self.namespace = (self.ref.namespace or DEFAULT_NAMESPACE) if namespaced else ""
        self.spec = as_map(obj.get("spec"))
        self.labels = as_map(metadata(obj).get("labels"))

    def __str__(self) -> str:
        return str(self.ref)


class Container(NamedTuple):
    """A container of a pod: ``role`` is main, init, sidecar or ephemeral."""

    path: str
    value: Mapping[str, Any]
    role: str

    @property
    def name(self) -> str:
        """Its name, for messages."""
        return as_text(self.value.get("name"))

    @property
    def security(self) -> Mapping[str, Any]:
        """Its ``securityContext``."""
        return as_map(self.value.get("securityContext"))


class Pod:
    """A pod that an object makes.

    ``embedded`` pods lie inside custom resources: an operator completes them, so that nothing can be said to be missing.
    """

    __slots__ = ("containers", "embedded", "entry", "labels", "meta", "path", "spec")

    def __init__(self, entry: Entry, path: str, template: Mapping[str, Any], *, embedded: bool = False) -> None:
        self.entry = entry
        self.path = f"{path}.spec" if path else "spec"
        self.meta = as_map(template.get("metadata"))
        self.labels = as_map(self.meta.get("labels"))
        self.spec = as_map(template.get("spec"))
        self.embedded = embedded
        self.containers = list(self._containers())

    def _containers(self) -> Iterator[Container]:
        for field, role in (("initContainers", "init"), ("containers", "main"), ("ephemeralContainers", "ephemeral")):
            for index, value in enumerate(as_list(self.spec.get(field))):
                if isinstance(value, dict):
                    sidecar = role == "init" and value.get("restartPolicy") == "Always"
                    yield Container(f"{self.path}.{field}[{index}]", value, "sidecar" if sidecar else role)

    @property
    def long_running(self) -> bool:
        """Whether the pod serves until it is stopped: not a Job's."""
        return self.entry.kind not in {"Job", "CronJob", "Pod", "PodTemplate"}

    @property
    def service_account(self) -> str:
        """The name of its ServiceAccount."""
        return as_text(self.spec.get("serviceAccountName")) or as_text(self.spec.get("serviceAccount")) or "default"


def _embedded_pods(entry: Entry) -> Iterator[Pod]:
    """Find pod templates anywhere in a custom resource: maps with ``spec.containers``, or ``containers`` themselves."""
    pending: list[tuple[str, Any]] = [("spec", entry.spec)]
    while pending:
        path, value = pending.pop()
        if isinstance(value, dict):
            inner = value.get("spec")
            if isinstance(inner, dict) and _has_containers(inner):
                yield Pod(entry, path, value, embedded=True)
                continue
            if _has_containers(value):
                pod = Pod(entry, "", {"spec": value}, embedded=True)
                pod.path = path
                pod.containers = list(pod._containers())  # noqa: SLF001 (its own class)
                yield pod
                continue
            pending += [(f"{path}.{key}", child) for key, child in value.items() if type(child) in {dict, list}]
        elif isinstance(value, list):
            pending += [(f"{path}[{i}]", child) for i, child in enumerate(value) if type(child) in {dict, list}]


def _has_containers(value: Mapping[str, Any]) -> bool:
    containers = value.get("containers")
    return isinstance(containers, list) and any(
        isinstance(c, dict) and ("image" in c or "name" in c) for c in containers
    )


class ObjectSet:
    """All objects that are checked together.

    Args:
        manifests: The objects and where they were read.
        kubernetes_version: The version that they shall run on, such as ``1.36``.
        scope: Tells for group, version and kind ``Namespaced``, ``Cluster`` or nothing where the kind is unknown.
        set_document: Metadata of a set that mlops-nix rendered: names the Secrets that the command line creates.
    """

    def __init__(
        self,
        manifests: Iterable[Manifest],
        *,
        kubernetes_version: str = "1.36",
        scope: Callable[[str, str, str], str | None] | None = None,
        set_document: Mapping[str, Any] | None = None,
    ) -> None:
        manifests = list(manifests)
        self.kubernetes_version = kubernetes_version
        self.minor = version_minor(kubernetes_version)
        self.set_document = set_document or {}
        self._crd_scope = _crd_scopes(manifests)
        self._scope = scope
        self.entries: list[Entry] = []
        self._by_kind: dict[tuple[str, str], list[Entry]] = defaultdict(list)
        self._by_name: dict[tuple[str, str, str, str], Entry] = {}
        for manifest in manifests:
            entry = Entry(manifest.object, manifest.position, namespaced=self._namespaced(manifest.object))
            self.entries.append(entry)
            self._by_kind[entry.group, entry.kind].append(entry)
            self._by_name.setdefault((entry.group, entry.kind, entry.namespace, entry.name), entry)

    def _namespaced(self, obj: KubernetesObject) -> bool:
        ref = reference(obj)
        if (ref.group, ref.kind) in CLUSTER_SCOPED:
            return False
        if ref.group in CORE_GROUPS:
            return True
        scope = self._crd_scope.get((ref.group, ref.kind))
        if scope is None and self._scope is not None:
            scope = self._scope(ref.group, ref.version, ref.kind)
        return scope == "Namespaced" if scope else bool(ref.namespace)

    def of(self, group: str, *kinds: str) -> list[Entry]:
        """Give the objects of some kinds of one group."""
        if len(kinds) == 1:
            return self._by_kind.get((group, kinds[0]), [])
        return [entry for kind in kinds for entry in self._by_kind.get((group, kind), ())]

    def of_kind(self, kind: str) -> list[Entry]:
        """Give the objects of a kind in whatever group."""
        return [entry for (_, name), entries in self._by_kind.items() if name == kind for entry in entries]

    def find(self, group: str, kind: str, namespace: str, name: str) -> Entry | None:
        """Give the object of that name."""
        return self._by_name.get((group, kind, namespace, name))

    def names(self, group: str, kind: str, namespace: str) -> list[str]:
        """Name the objects of a kind in a namespace, for suggestions."""
        return [entry.name for entry in self.of(group, kind) if entry.namespace == namespace]

    @cached_property
    def pods(self) -> list[Pod]:
        """The pods of the workloads of Kubernetes itself."""
        result = []
        for entry in self.entries:
            if entry.group in {"", "apps", "batch"}:
                template = pod_template(entry.object)
                if template is not None:
                    result.append(Pod(entry, *template))
        return result

    @cached_property
    def embedded_pods(self) -> list[Pod]:
        """The pods inside custom resources."""
        return [
            pod
            for entry in self.entries
            if entry.group not in CORE_GROUPS and entry.spec
            for pod in _embedded_pods(entry)
        ]

    @cached_property
    def every_pod(self) -> list[Pod]:
        """All pods, those of custom resources too."""
        return self.pods + self.embedded_pods

    @cached_property
    def _pods_by_label(self) -> dict[tuple[str, str, str], list[Pod]]:
        index: dict[tuple[str, str, str], list[Pod]] = defaultdict(list)
        for pod in self.pods:
            for key, value in pod.labels.items():
                if isinstance(value, str):
                    index[pod.entry.namespace, key, value].append(pod)
        return index

    @cached_property
    def _pods_by_namespace(self) -> dict[str, list[Pod]]:
        index: dict[str, list[Pod]] = defaultdict(list)
        for pod in self.pods:
            index[pod.entry.namespace].append(pod)
        return index

    def pods_in(self, namespace: str) -> list[Pod]:
        """Give the pods of a namespace."""
        return self._pods_by_namespace.get(namespace, [])

    def selected(self, namespace: str, selector: Mapping[str, Any]) -> list[Pod]:
        """Give the pods of a namespace that a LabelSelector (``matchLabels``, ``matchExpressions``) selects.

        Labels that a controller adds to single pods count as there.
        """
        labels = as_map(selector.get("matchLabels"))
        if not labels.keys().isdisjoint(_ADDED_LABELS):
            labels = {key: value for key, value in labels.items() if key not in _ADDED_LABELS}
            selector = {**selector, "matchLabels": labels}
        candidates = self._pods_by_namespace.get(namespace, [])
        for key, value in labels.items():
            found = self._pods_by_label.get((namespace, key, value), []) if isinstance(value, str) else []
            if len(found) < len(candidates):
                candidates = found
        return [pod for pod in candidates if matches(selector, pod.labels)]

    @cached_property
    def external_names(self) -> frozenset[str]:
        """Names of the external requirements that a set document declares."""
        external = as_list(self.set_document.get("external"))
        return frozenset(as_text(as_map(item).get("name")) for item in external)

    @cached_property
    def endpoint_services(self) -> frozenset[tuple[str, str]]:
        """Namespace and name of the Services behind a set's endpoints; controllers make some of them."""
        endpoints = map(as_map, as_list(self.set_document.get("endpoints")))
        return frozenset((as_text(item.get("namespace")), as_text(item.get("service"))) for item in endpoints)


def matches(selector: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    """Tell whether a LabelSelector selects an object with these labels. Source: apimachinery labels.Requirement."""
    for key, value in as_map(selector.get("matchLabels")).items():
        if labels.get(key) != value:
            return False
    for expression in as_list(selector.get("matchExpressions")):
        rule = as_map(expression)
        key, values = as_text(rule.get("key")), as_list(rule.get("values"))
        match rule.get("operator"):
            case "In":
                fits = key in labels and labels[key] in values
            case "NotIn":
                fits = key not in labels or labels[key] not in values
            case "Exists":
                fits = key in labels
            case "DoesNotExist":
                fits = key not in labels
            case _:
                fits = False
        if not fits:
            return False
    return True


def _crd_scopes(manifests: Sequence[Manifest]) -> dict[tuple[str, str], str]:
    scopes = {}
    for manifest in manifests:
        if manifest.object.get("kind") == "CustomResourceDefinition":
            spec = as_map(manifest.object.get("spec"))
            kind = as_text(as_map(spec.get("names")).get("kind"))
            scopes[as_text(spec.get("group")), kind] = as_text(spec.get("scope"))
    return scopes


def version_minor(version: str) -> int:
    """Give the minor number of a Kubernetes version: 36 for ``1.36``, ``v1.36.3`` or ``36``."""
    numbers = re.findall(r"\d+", version)
    if not numbers:
        return 0
    return int(numbers[1]) if len(numbers) > 1 else int(numbers[0])
