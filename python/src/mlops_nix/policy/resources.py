"""Resources: quantities, requests and limits, quotas."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from mlops_nix.findings import ERROR, INFO, WARNING, Family, Problem
from mlops_nix.objects import as_list, as_map, as_text
from mlops_nix.quantity import parse_quantity, suggest_quantity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlops_nix.objectset import Container, Entry, ObjectSet, Pod

CHECKS = Family("resources")

_NATIVE = ("cpu", "memory", "ephemeral-storage", "storage")
_SMALLEST_MEMORY = Decimal(1024 * 1024)
_LARGEST_CPU = Decimal(512)


def _resources(container: Container) -> Iterator[tuple[str, str, object]]:
    """Yield ``requests`` or ``limits``, resource and value."""
    resources = as_map(container.value.get("resources"))
    for field in ("requests", "limits"):
        for name, value in as_map(resources.get(field)).items():
            yield field, name, value


def _extended(name: str) -> bool:
    return "/" in name and not name.startswith("kubernetes.io/")


@CHECKS.check(
    "invalid-quantity",
    ERROR,
    "A quantity cannot be read",
    fix="write a number with a suffix such as m, k, M, G, Ki, Mi, Gi",
)
def invalid_quantity(objects: ObjectSet) -> Iterator[Problem]:
    """The API server refuses the object."""
    places: list[tuple[Entry, str, object]] = []
    for pod in objects.every_pod:
        for container in pod.containers:
            places += [(pod.entry, f"{container.path}.resources.{f}[{n}]", v) for f, n, v in _resources(container)]
        for index, volume in enumerate(as_list(pod.spec.get("volumes"))):
            limit = as_map(as_map(volume).get("emptyDir")).get("sizeLimit")
            if limit is not None:
                places.append((pod.entry, f"{pod.path}.volumes[{index}].emptyDir.sizeLimit", limit))
    claims = [(entry, "spec", entry.spec) for entry in objects.of("", "PersistentVolumeClaim")]
    for entry in objects.of("apps", "StatefulSet"):
        for index, claim in enumerate(as_list(entry.spec.get("volumeClaimTemplates"))):
            claims.append((entry, f"spec.volumeClaimTemplates[{index}].spec", as_map(as_map(claim).get("spec"))))
    for entry, path, spec in claims:
        for name, value in as_map(as_map(spec.get("resources")).get("requests")).items():
            places.append((entry, f"{path}.resources.requests[{name}]", value))
    for entry in objects.of("", "ResourceQuota"):
        places += [(entry, f"spec.hard[{name}]", value) for name, value in as_map(entry.spec.get("hard")).items()]
    for entry, path, value in places:
        number = parse_quantity(value)
        if number is None:
            near = suggest_quantity(value) if isinstance(value, str) else ""
            yield Problem(entry, path, f"expected a quantity, found {json.dumps(value)[:60]}{near}")
        elif number < 0:
            yield Problem(entry, path, f"expected a quantity of at least 0, found {value}")


@CHECKS.check("limit-below-request", ERROR, "A limit is below the request", fix="raise the limit, or lower the request")
def limit_below_request(objects: ObjectSet) -> Iterator[Problem]:
    """The API server refuses the pod: `must be less than or equal to limit`."""
    for pod in objects.every_pod:
        for container in pod.containers:
            resources = as_map(container.value.get("resources"))
            limits = as_map(resources.get("limits"))
            for name, value in as_map(resources.get("requests")).items():
                request, limit = parse_quantity(value), parse_quantity(limits.get(name))
                if request is not None and limit is not None and limit < request:
                    message = f"{limits[name]} is below the request {value}"
                    yield Problem(pod.entry, f"{container.path}.resources.limits[{name}]", message)


@CHECKS.check(
    "extended-resource",
    ERROR,
    "An extended resource, such as a GPU, is not a whole number, or request and limit differ",
    fix="set limits only, to a whole number",
)
def extended_resource(objects: ObjectSet) -> Iterator[Problem]:
    """The API server refuses the pod: devices can be neither shared nor overcommitted."""
    for pod in objects.every_pod:
        for container in pod.containers:
            resources = as_map(container.value.get("resources"))
            requests, limits = as_map(resources.get("requests")), as_map(resources.get("limits"))
            for name in sorted({*requests, *limits}):
                if not _extended(name):
                    continue
                path = f"{container.path}.resources"
                for field, values in (("requests", requests), ("limits", limits)):
                    number = parse_quantity(values.get(name))
                    if number is not None and number != number.to_integral_value():
                        yield Problem(
                            pod.entry, f"{path}.{field}[{name}]", f"expected a whole number, found {values[name]}"
                        )
                request, limit = parse_quantity(requests.get(name)), parse_quantity(limits.get(name))
                if request is not None and limit is None:
                    yield Problem(
                        pod.entry, f"{path}.limits[{name}]", f"expected {requests[name]}, as requested; found none"
                    )
                elif request is not None and request != limit:
                    message = f"expected {requests[name]}, as requested; found {limits[name]}"
                    yield Problem(pod.entry, f"{path}.limits[{name}]", message)


@CHECKS.check(
    "suspicious-quantity",
    WARNING,
    "A quantity with the wrong unit",
    fix="memory is counted in bytes (Mi, Gi), CPU in cores (m)",
)
def suspicious_quantity(objects: ObjectSet) -> Iterator[Problem]:
    """`memory: 512` is 512 bytes, `memory: 512m` half a byte, `cpu: 1000` a thousand cores."""
    for pod in objects.every_pod:
        for container in pod.containers:
            for field, name, value in _resources(container):
                number = parse_quantity(value)
                if number is None or number == 0:
                    continue
                path = f"{container.path}.resources.{field}[{name}]"
                if name in {"memory", "ephemeral-storage"} and number < _SMALLEST_MEMORY:
                    digits = str(value).rstrip("mkMG")
                    yield Problem(pod.entry, path, f"{value} is {number.normalize():f} bytes; did you mean {digits}Mi?")
                elif name == "cpu" and number > _LARGEST_CPU:
                    yield Problem(pod.entry, path, f"{value} is {number.normalize():f} cores; did you mean {value}m?")


def _lacks(container: Container, field: str, names: tuple[str, ...]) -> list[str]:
    resources = as_map(container.value.get("resources"))
    values = as_map(resources.get(field))
    # A limit without a request is the request.
    other = as_map(resources.get("limits")) if field == "requests" else {}
    return [name for name in names if name not in values and name not in other]


@CHECKS.check(
    "missing-requests",
    WARNING,
    "A container requests no CPU or memory",
    fix="set resources.requests.cpu and resources.requests.memory",
    also=["unset-cpu-requirements", "unset-memory-requirements", "container-resources", "cpuRequestsMissing"],
)
def missing_requests(objects: ObjectSet) -> Iterator[Problem]:
    """The scheduler packs it onto a full node, and it is evicted first."""
    for pod in objects.pods:
        pod_level = as_map(as_map(pod.spec.get("resources")).get("requests"))
        for container in pod.containers:
            if container.role != "ephemeral":
                lacks = [n for n in _lacks(container, "requests", ("cpu", "memory")) if n not in pod_level]
                if lacks:
                    path = f"{container.path}.resources.requests"
                    yield Problem(pod.entry, path, f"container {container.name} requests no {' and no '.join(lacks)}")


@CHECKS.check(
    "missing-limits",
    WARNING,
    "A container has no memory limit",
    fix="set resources.limits.memory",
    also=["unset-memory-requirements", "memoryLimitsMissing", "container-resources"],
)
def missing_limits(objects: ObjectSet) -> Iterator[Problem]:
    """A leak takes the memory of the node and of everybody on it. A CPU limit is not asked for: it throttles without need."""
    for pod in objects.pods:
        pod_level = as_map(as_map(pod.spec.get("resources")).get("limits"))
        for container in pod.containers:
            if container.role != "ephemeral" and _lacks(container, "limits", ("memory",)) and "memory" not in pod_level:
                path = f"{container.path}.resources.limits"
                yield Problem(pod.entry, path, f"container {container.name} has no memory limit")


@CHECKS.check(
    "missing-ephemeral-storage",
    INFO,
    "A container has no limit of ephemeral storage",
    fix="set resources.requests and limits of ephemeral-storage",
    also=["container-ephemeral-storage-request-and-limit"],
    on=False,
)
def missing_ephemeral_storage(objects: ObjectSet) -> Iterator[Problem]:
    """Its logs and temporary files may fill the disk of the node."""
    for pod in objects.pods:
        for container in pod.containers:
            if container.role != "ephemeral" and _lacks(container, "limits", ("ephemeral-storage",)):
                path = f"{container.path}.resources.limits"
                yield Problem(pod.entry, path, f"container {container.name} has no limit of ephemeral-storage")


def _replicas(entry: Entry) -> int:
    replicas = entry.spec.get("replicas", 1)
    if entry.kind == "Job":
        replicas = entry.spec.get("parallelism", 1)
    return replicas if isinstance(replicas, int) else 1


def _pod_total(pod: Pod, field: str, name: str) -> Decimal:
    """Add what the containers of a pod need; an init container counts where it needs more than all others together."""
    running, start = Decimal(0), Decimal(0)
    for container in pod.containers:
        resources = as_map(container.value.get("resources"))
        value = as_map(resources.get(field)).get(name)
        if value is None and field == "requests":
            value = as_map(resources.get("limits")).get(name)
        number = parse_quantity(value) or Decimal(0)
        if container.role in {"main", "sidecar"}:
            running += number
        elif container.role == "init":
            start = max(start, number)
    return max(running, start)


@CHECKS.check(
    "quota-exceeded",
    WARNING,
    "The pods of a namespace need more than its ResourceQuota gives",
    fix="raise the quota, or lower replicas or requests",
)
def quota_exceeded(objects: ObjectSet) -> Iterator[Problem]:
    """Some of the pods are never created: `exceeded quota`."""
    by_namespace: dict[str, list[Pod]] = defaultdict(list)
    for pod in objects.pods:
        if pod.entry.kind not in {"DaemonSet", "CronJob", "PodTemplate"}:
            by_namespace[pod.entry.namespace].append(pod)
    for quota in objects.of("", "ResourceQuota"):
        if quota.spec.get("scopes") or quota.spec.get("scopeSelector"):
            continue
        for name, value in as_map(quota.spec.get("hard")).items():
            hard = parse_quantity(value)
            field, _, resource = name.partition(".")
            if name in {"cpu", "memory"}:
                field, resource = "requests", name
            if hard is None or (name not in {"pods", "count/pods"} and field not in {"requests", "limits"}):
                continue
            if resource == "storage" or resource.endswith(".storage") or ".storageclass." in name:
                continue
            need = Decimal(0)
            for pod in by_namespace.get(quota.namespace, []):
                each = Decimal(1) if name in {"pods", "count/pods"} else _pod_total(pod, field, resource)
                need += each * _replicas(pod.entry)
            if need > hard:
                yield Problem(
                    quota, f"spec.hard[{name}]", f"the set needs {need.normalize():f}, the quota gives {value}"
                )


def _quota_fields(quota: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in as_map(quota.get("hard")):
        field, _, resource = name.partition(".")
        if name in {"cpu", "memory", "ephemeral-storage"}:
            yield "requests", name
        elif field in {"requests", "limits"} and resource in {"cpu", "memory", "ephemeral-storage"}:
            yield field, resource


@CHECKS.check(
    "quota-needs-resources",
    ERROR,
    "A ResourceQuota asks every container for a value that one does not set",
    fix="set the value, or add a LimitRange with a default",
)
def quota_needs_resources(objects: ObjectSet) -> Iterator[Problem]:
    """The namespace refuses the pod: `failed quota: … must specify`."""
    defaults: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for entry in objects.of("", "LimitRange"):
        for item in as_list(entry.spec.get("limits")):
            rule = as_map(item)
            if rule.get("type") == "Container":
                for name in as_map(rule.get("default")):
                    defaults[entry.namespace] |= {("limits", name), ("requests", name)}
                for name in as_map(rule.get("defaultRequest")):
                    defaults[entry.namespace].add(("requests", name))
    for quota in objects.of("", "ResourceQuota"):
        if quota.spec.get("scopes") or quota.spec.get("scopeSelector"):
            continue
        wanted = [need for need in _quota_fields(quota.spec) if need not in defaults[quota.namespace]]
        for pod in objects.pods if wanted else ():
            if pod.entry.namespace != quota.namespace:
                continue
            for container in pod.containers:
                for field, name in wanted:
                    if container.role != "ephemeral" and _lacks(container, field, (name,)):
                        message = f"{quota} asks for it, and container {container.name} does not set it"
                        yield Problem(pod.entry, f"{container.path}.resources.{field}[{as_text(name)}]", message)
