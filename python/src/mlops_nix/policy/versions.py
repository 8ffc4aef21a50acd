"""API versions and fields that are gone, going, or not there yet in the chosen version of Kubernetes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nix.findings import ERROR, WARNING, Family, Problem
from mlops_nix.objects import as_list, as_map, metadata
from mlops_nix.objectset import version_minor
from mlops_nix.schema import history

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_nix.objectset import ObjectSet

CHECKS = Family("versions")

# What replaces an API version that is gone, where it isn't the newest one of the same group.
# Source: kubernetes.io/docs/reference/using-api/deprecation-guide.
_MOVED = {
    ("extensions/v1beta1", "Ingress"): "networking.k8s.io/v1",
    ("extensions/v1beta1", "NetworkPolicy"): "networking.k8s.io/v1",
    ("extensions/v1beta1", "Deployment"): "apps/v1",
    ("extensions/v1beta1", "DaemonSet"): "apps/v1",
    ("extensions/v1beta1", "ReplicaSet"): "apps/v1",
    ("extensions/v1beta1", "PodSecurityPolicy"): "the Pod Security labels of the namespace",
    ("policy/v1beta1", "PodSecurityPolicy"): "the Pod Security labels of the namespace",
}

# Still served, but deprecated: since which minor version, and what to use. Source: CHANGELOG of that version.
_DEPRECATED = {
    ("v1", "ComponentStatus"): (19, "the health endpoints of the components"),
    ("v1", "Endpoints"): (33, "discovery.k8s.io/v1 EndpointSlice"),
}

_LABELS = {
    "beta.kubernetes.io/arch": "kubernetes.io/arch",
    "beta.kubernetes.io/os": "kubernetes.io/os",
    "beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "node-role.kubernetes.io/master": "node-role.kubernetes.io/control-plane",
}
_ANNOTATIONS = {
    "kubernetes.io/ingress.class": "spec.ingressClassName",
    "volume.beta.kubernetes.io/storage-class": "spec.storageClassName",
    "scheduler.alpha.kubernetes.io/critical-pod": "spec.priorityClassName",
    "seccomp.security.alpha.kubernetes.io/pod": "securityContext.seccompProfile",
}
_ANNOTATION_PREFIXES = {
    "container.apparmor.security.beta.kubernetes.io/": "securityContext.appArmorProfile",
    "container.seccomp.security.alpha.kubernetes.io/": "securityContext.seccompProfile",
}


def _replacement(api_version: str, kind: str, minor: int) -> str:
    moved = _MOVED.get((api_version, kind))
    if moved:
        return moved
    group = api_version.rpartition("/")[0]
    served = [
        candidate
        for candidate, kinds in history().items()
        if candidate.rpartition("/")[0] == group and kind in kinds and _serves(kinds[kind], minor)
    ]
    # v1 sorts before v1beta1: the shortest name is the stable one.
    return min(served, key=len) if served else ""


def _serves(life: dict[str, str], minor: int) -> bool:
    return version_minor(life.get("since", "1.0")) <= minor <= version_minor(life.get("until", "1.9999"))


@CHECKS.check(
    "removed-api",
    ERROR,
    "The API version is not served any more by the chosen version of Kubernetes",
    fix="use the newer API version",
)
def removed_api(objects: ObjectSet) -> Iterator[Problem]:
    """The API server answers 404 `the server could not find the requested resource`."""
    for entry in objects.entries:
        life = history().get(entry.ref.api_version, {}).get(entry.kind)
        if life and "until" in life and version_minor(life["until"]) < objects.minor:
            new = _replacement(entry.ref.api_version, entry.kind, objects.minor)
            message = f"{entry.ref.api_version} {entry.kind} was served until {life['until']}; expected {new or 'another API'}"
            yield Problem(entry, "apiVersion", f"{message} for {objects.kubernetes_version}")


@CHECKS.check(
    "future-api",
    ERROR,
    "The API version is not yet served by the chosen version of Kubernetes",
    fix="use the older API version, or a newer cluster",
)
def future_api(objects: ObjectSet) -> Iterator[Problem]:
    """The API server answers 404 `the server could not find the requested resource`."""
    for entry in objects.entries:
        life = history().get(entry.ref.api_version, {}).get(entry.kind)
        if life and "since" in life and version_minor(life["since"]) > objects.minor:
            old = _replacement(entry.ref.api_version, entry.kind, objects.minor)
            expected = f"; expected {old}" if old else ""
            message = f"{entry.ref.api_version} {entry.kind} is served since {life['since']}{expected}"
            yield Problem(entry, "apiVersion", f"{message} for {objects.kubernetes_version}")


@CHECKS.check("deprecated-api", WARNING, "The API version will go", fix="use the newer API version")
def deprecated_api(objects: ObjectSet) -> Iterator[Problem]:
    """A coming version of Kubernetes does not serve it, and the set cannot be applied there."""
    for entry in objects.entries:
        deprecated = _DEPRECATED.get((entry.ref.api_version, entry.kind))
        if deprecated and objects.minor >= deprecated[0]:
            yield Problem(entry, "apiVersion", f"deprecated since 1.{deprecated[0]}; use {deprecated[1]}")
            continue
        life = history().get(entry.ref.api_version, {}).get(entry.kind)
        if not life or not _serves(life, objects.minor):
            continue
        new = _replacement(entry.ref.api_version, entry.kind, objects.minor)
        if "until" in life:
            message = f"served until {life['until']}" + (f"; use {new}" if new else "")
            yield Problem(entry, "apiVersion", message)
        elif new and new != entry.ref.api_version and "alpha" not in new and "beta" not in new:
            yield Problem(entry, "apiVersion", f"{new} is served, too, and stays")


@CHECKS.check(
    "deprecated-field", WARNING, "A field, label or annotation that has been replaced", fix="use what replaces it"
)
def deprecated_field(objects: ObjectSet) -> Iterator[Problem]:
    """It is ignored by newer versions, often in silence."""
    for entry in objects.entries:
        for key in as_map(metadata(entry.object).get("annotations")):
            if key in _ANNOTATIONS:
                yield Problem(entry, f"metadata.annotations[{key}]", f"use {_ANNOTATIONS[key]}")
    for entry in objects.of("", "Service"):
        if entry.spec.get("loadBalancerIP"):
            yield Problem(
                entry, "spec.loadBalancerIP", "deprecated since 1.24; use an annotation of the cloud provider"
            )
    for pod in objects.pods:
        if pod.spec.get("serviceAccount") and not pod.spec.get("serviceAccountName"):
            yield Problem(pod.entry, f"{pod.path}.serviceAccount", "use serviceAccountName")
        for key in as_map(pod.spec.get("nodeSelector")):
            if key in _LABELS:
                yield Problem(pod.entry, f"{pod.path}.nodeSelector[{key}]", f"use {_LABELS[key]}")
        for key in as_map(pod.meta.get("annotations")):
            new = next((value for prefix, value in _ANNOTATION_PREFIXES.items() if key.startswith(prefix)), None)
            new = new or (_ANNOTATIONS.get(key) if pod.meta is not metadata(pod.entry.object) else None)
            if new:
                yield Problem(pod.entry, f"{pod.path.removesuffix('spec')}metadata.annotations[{key}]", f"use {new}")
        for index, volume in enumerate(as_list(pod.spec.get("volumes"))):
            if "gitRepo" in as_map(volume):
                path = f"{pod.path}.volumes[{index}].gitRepo"
                yield Problem(
                    pod.entry, path, "clones as root on the node, and is off since 1.33; use an init container"
                )
