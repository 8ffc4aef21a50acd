"""Containers: images, probes, environment, file systems."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from mlops_nix.findings import ERROR, INFO, WARNING, Family, Problem
from mlops_nix.objects import as_list, as_map, as_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_nix.objectset import Container, ObjectSet, Pod

CHECKS = Family("containers")

# Source: distribution/reference 0.6: [domain/]path[:tag][@digest].
_IMAGE = re.compile(
    r"(?P<name>(?:(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?/)?"
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?P<digest>@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?\Z"
)
_MOVING_TAGS = frozenset(
    {"latest", "main", "master", "nightly", "edge", "dev", "devel", "develop", "stable", "head", "canary", "snapshot"}
)
_SECRET_NAME = re.compile(
    r"(?i)(^|_)(password|passwd|secret|token|api_?key|private_?key|access_?key|secret_?key|credentials?)$"
)
_SECRET_SAFE = re.compile(r"(?i)^(|true|false|\$\([A-Za-z_][A-Za-z0-9_]*\)|/.*|file:.*|https?://[^@]*)$")
_URL_PASSWORD = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/:@]*:(?!\$\()[^\s/@]+@")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def _probed(pod: Pod) -> Iterator[Container]:
    """Yield the containers that should be probed: those that run as long as a serving pod does."""
    if pod.long_running:
        yield from (container for container in pod.containers if container.role == "main")


@CHECKS.check(
    "invalid-image",
    ERROR,
    "An image reference is not valid",
    fix="write registry/name:tag or registry/name@sha256:digest",
)
def invalid_image(objects: ObjectSet) -> Iterator[Problem]:
    """The pod stays in InvalidImageName."""
    for pod in objects.every_pod:
        for container in pod.containers:
            image = container.value.get("image")
            if image is None and pod.embedded:
                continue
            if not isinstance(image, str) or not image.strip():
                yield Problem(pod.entry, f"{container.path}.image", "expected an image, found none")
            elif not _IMAGE.match(image) and "{{" not in image and not (pod.embedded and "$" in image):
                near = image.lower()
                suggestion = f"; did you mean {near}?" if _IMAGE.match(near) else ""
                yield Problem(
                    pod.entry, f"{container.path}.image", f"not an image reference: {json.dumps(image)}{suggestion}"
                )


@CHECKS.check(
    "mutable-image-tag",
    WARNING,
    "An image tag that moves, or no tag",
    fix="name a version, or pin the digest",
    also=["latest-tag", "container-image-tag", "tagNotSpecified"],
)
def mutable_image_tag(objects: ObjectSet) -> Iterator[Problem]:
    """Two pods of one workload may run different programs, and a rollback does not bring the old one back."""
    for pod in objects.every_pod:
        for container in pod.containers:
            image = as_text(container.value.get("image"))
            match = _IMAGE.match(image)
            if match is None or match.group("digest"):
                continue
            tag = match.group("tag")
            if tag is None:
                yield Problem(pod.entry, f"{container.path}.image", f"{image} has no tag, which means latest")
            elif tag.lower() in _MOVING_TAGS:
                yield Problem(pod.entry, f"{container.path}.image", f"{image}: the tag {tag} moves")


@CHECKS.check("image-not-pinned", INFO, "An image is not pinned by digest", fix="add @sha256:…", on=False)
def image_not_pinned(objects: ObjectSet) -> Iterator[Problem]:
    """Whoever may push to the registry may change what runs."""
    for pod in objects.every_pod:
        for container in pod.containers:
            match = _IMAGE.match(as_text(container.value.get("image")))
            if match is not None and not match.group("digest"):
                yield Problem(pod.entry, f"{container.path}.image", f"{match.string} has no digest")


@CHECKS.check(
    "missing-readiness-probe",
    WARNING,
    "A serving container has no readiness probe",
    fix="add readinessProbe",
    also=["no-readiness-probe", "pod-probes", "readinessProbeMissing"],
)
def missing_readiness_probe(objects: ObjectSet) -> Iterator[Problem]:
    """Requests reach it before it can answer, at every rollout. Asked of pods that a Service selects."""
    served = {
        id(pod)
        for entry in objects.of("", "Service")
        if as_map(entry.spec.get("selector"))
        for pod in objects.selected(entry.namespace, {"matchLabels": as_map(entry.spec.get("selector"))})
    }
    for pod in objects.pods:
        if id(pod) not in served:
            continue
        for container in _probed(pod):
            if container.value.get("ports") and not container.value.get("readinessProbe"):
                yield Problem(pod.entry, container.path, f"container {container.name} has no readinessProbe")


@CHECKS.check(
    "missing-liveness-probe",
    INFO,
    "A long-running container has no liveness probe",
    fix="add livenessProbe, or startupProbe where the start is slow",
    also=["no-liveness-probe", "pod-probes", "livenessProbeMissing"],
)
def missing_liveness_probe(objects: ObjectSet) -> Iterator[Problem]:
    """A program that hangs is not restarted."""
    for pod in objects.pods:
        for container in _probed(pod):
            if not container.value.get("livenessProbe"):
                yield Problem(pod.entry, container.path, f"container {container.name} has no livenessProbe")


@CHECKS.check(
    "identical-probes",
    INFO,
    "Liveness and readiness ask the same thing in the same way",
    fix="let liveness ask something cheaper, or fail later",
    also=["pod-probes-identical"],
)
def identical_probes(objects: ObjectSet) -> Iterator[Problem]:
    """Under load the container is killed at the moment when it should only be left in peace."""
    for pod in objects.pods:
        for container in pod.containers:
            liveness = container.value.get("livenessProbe")
            if liveness and liveness == container.value.get("readinessProbe"):
                yield Problem(
                    pod.entry, f"{container.path}.livenessProbe", f"container {container.name}: equals readinessProbe"
                )


@CHECKS.check(
    "probe-handler",
    ERROR,
    "A probe without a handler, or with several",
    fix="use one of httpGet, tcpSocket, grpc, exec",
)
def probe_handler(objects: ObjectSet) -> Iterator[Problem]:
    """The API server refuses the pod."""
    for pod in objects.pods:
        for container in pod.containers:
            for field in _PROBES:
                probe = container.value.get(field)
                if isinstance(probe, dict):
                    handlers = [name for name in ("httpGet", "tcpSocket", "grpc", "exec") if name in probe]
                    if len(handlers) != 1:
                        found = " and ".join(handlers) or "none"
                        message = f"expected one of httpGet, tcpSocket, grpc, exec, found {found}"
                        yield Problem(pod.entry, f"{container.path}.{field}", message)


@CHECKS.check(
    "secret-in-env",
    WARNING,
    "A secret stands in the environment in plain text",
    fix="use valueFrom.secretKeyRef",
    also=["env-var-secret"],
)
def secret_in_env(objects: ObjectSet) -> Iterator[Problem]:
    """Everybody who may read the workload reads it, and so does every backup and every git history."""
    for pod in objects.every_pod:
        for container in pod.containers:
            for index, item in enumerate(as_list(container.value.get("env"))):
                variable = as_map(item)
                name, value = as_text(variable.get("name")), variable.get("value")
                if not isinstance(value, str) or _SECRET_SAFE.match(value):
                    continue
                path = f"{container.path}.env[{index}].value"
                # The value itself is never shown.
                if _SECRET_NAME.search(name):
                    yield Problem(pod.entry, path, f"{name} is set to a text of {len(value)} characters")
                elif _URL_PASSWORD.search(value):
                    yield Problem(pod.entry, path, f"{name} holds a URL with a password")
            for field in ("command", "args"):
                for index, value in enumerate(as_list(container.value.get(field))):
                    if isinstance(value, str) and _URL_PASSWORD.search(value):
                        yield Problem(pod.entry, f"{container.path}.{field}[{index}]", "holds a URL with a password")


@CHECKS.check(
    "writable-root-filesystem",
    INFO,
    "The root file system of a container is writable",
    fix="set securityContext.readOnlyRootFilesystem: true, and mount emptyDir where it must write",
    also=["no-read-only-root-fs", "container-security-context-readonlyrootfilesystem", "notReadOnlyRootFilesystem"],
)
def writable_root_filesystem(objects: ObjectSet) -> Iterator[Problem]:
    """An intruder can change the program and stay."""
    for pod in objects.pods:
        for container in pod.containers:
            if container.security.get("readOnlyRootFilesystem") is not True and container.role != "ephemeral":
                path = f"{container.path}.securityContext.readOnlyRootFilesystem"
                yield Problem(pod.entry, path, f"container {container.name} can write to its root file system")


def _granted(objects: ObjectSet) -> set[tuple[str, str]]:
    """Give the accounts, as (namespace, name), to which a binding of the set grants anything."""
    accounts = set()
    for binding in objects.of("rbac.authorization.k8s.io", "RoleBinding", "ClusterRoleBinding"):
        for item in as_list(binding.object.get("subjects")):
            subject = as_map(item)
            if subject.get("kind") == "ServiceAccount":
                accounts.add((as_text(subject.get("namespace")) or binding.namespace, as_text(subject.get("name"))))
    return accounts


@CHECKS.check(
    "unused-service-account-token",
    INFO,
    "A pod mounts an API token although nothing is granted to its account",
    fix="set automountServiceAccountToken: false",
    also=["default-service-account", "automountServiceAccountToken"],
)
def unused_service_account_token(objects: ObjectSet) -> Iterator[Problem]:
    """It is of use to an intruder only."""
    granted = _granted(objects)
    for pod in objects.pods:
        account = objects.find("", "ServiceAccount", pod.entry.namespace, pod.service_account)
        mounts = pod.spec.get("automountServiceAccountToken")
        if mounts is None and account is not None:
            mounts = account.object.get("automountServiceAccountToken")
        if mounts is False:
            continue
        if (pod.entry.namespace, pod.service_account) not in granted:
            message = f"no binding of the set grants anything to ServiceAccount {pod.service_account}"
            yield Problem(pod.entry, f"{pod.path}.automountServiceAccountToken", message)


@CHECKS.check(
    "docker-socket",
    WARNING,
    "A container gets the socket of the container runtime",
    fix="do not mount it",
    also=["docker-sock"],
)
def docker_socket(objects: ObjectSet) -> Iterator[Problem]:
    """Whoever talks to it is root on the node."""
    for pod in objects.every_pod:
        for index, item in enumerate(as_list(pod.spec.get("volumes"))):
            path = as_text(as_map(as_map(item).get("hostPath")).get("path"))
            if path.endswith(("docker.sock", "containerd.sock", "crio.sock")):
                yield Problem(
                    pod.entry, f"{pod.path}.volumes[{index}].hostPath.path", f"{path} is the runtime's socket"
                )


@CHECKS.check("container-names", ERROR, "Two containers of a pod have the same name", fix="rename one of them")
def container_names(objects: ObjectSet) -> Iterator[Problem]:
    """The API server refuses the pod; init containers count, too."""
    for pod in objects.every_pod:
        names: dict[str, str] = {}
        for container in pod.containers:
            first = names.setdefault(container.name, container.path)
            # Two in the same list are found as list-duplicates.
            if container.name and first.rpartition("[")[0] != container.path.rpartition("[")[0]:
                yield Problem(pod.entry, f"{container.path}.name", f"{container.name} is also the name of {first}")
