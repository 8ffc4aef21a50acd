"""Ports: those of Services, containers, probes, Ingresses and nodes must agree."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlops_nix.findings import ERROR, INFO, WARNING, Family, Problem
from mlops_nix.nearest import suggest
from mlops_nix.objects import as_list, as_map, as_text
from mlops_nix.policy.references import backends

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlops_nix.objectset import Container, Entry, ObjectSet, Pod

CHECKS = Family("ports")

# Source: IANA service names, RFC 6335; apimachinery IsValidPortName.
_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z")
_PORT_NAME_LENGTH = 15
_NODE_PORTS = range(30000, 32768)
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def _ports(container: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [as_map(port) for port in as_list(container.get("ports"))]


def _pod_ports(pod: Pod) -> list[Mapping[str, Any]]:
    return [port for c in pod.containers if c.role in {"main", "sidecar"} for port in _ports(c.value)]


def _protocol(port: Mapping[str, Any]) -> str:
    return as_text(port.get("protocol")) or "TCP"


@CHECKS.check(
    "service-target-port",
    ERROR,
    "A Service targets a port that its pods do not have",
    fix="use a name or number of a container port",
    also=["invalid-target-ports"],
)
def service_target_port(objects: ObjectSet) -> Iterator[Problem]:
    """A name that no container has gives a Service without endpoints; a number that nobody listens on refuses connections."""
    for entry in objects.of("", "Service"):
        selector = as_map(entry.spec.get("selector"))
        if not selector:
            continue
        pods = objects.selected(entry.namespace, {"matchLabels": selector})
        for index, item in enumerate(as_list(entry.spec.get("ports")) if pods else []):
            port = as_map(item)
            target = port.get("targetPort", port.get("port"))
            path = f"spec.ports[{index}].targetPort"
            for pod in pods:
                declared = _pod_ports(pod)
                if isinstance(target, str):
                    names = [as_text(p.get("name")) for p in declared if _protocol(p) == _protocol(port)]
                    if target not in names:
                        found = f"has {', '.join(filter(None, names)) or 'no named ports'}{suggest(target, names)}"
                        yield Problem(entry, path, f"no port {target}: {pod.entry} {found}")
                elif declared and target not in [p.get("containerPort") for p in declared]:
                    numbers = ", ".join(str(p.get("containerPort")) for p in declared)
                    message = f"no container port {target}: {pod.entry} has {numbers}"
                    # The list of container ports informs only: the program may listen on others.
                    yield Problem(entry, path, message, None, WARNING)


def _handlers(container: Container) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for probe in _PROBES:
        yield f"{container.path}.{probe}", as_map(container.value.get(probe))
    for hook in ("postStart", "preStop"):
        lifecycle = as_map(container.value.get("lifecycle"))
        yield f"{container.path}.lifecycle.{hook}", as_map(lifecycle.get(hook))


@CHECKS.check(
    "probe-port",
    ERROR,
    "A probe asks a port that the container does not have",
    fix="use a name or number of a port of the same container",
    also=["liveness-port", "readiness-port", "startup-port"],
)
def probe_port(objects: ObjectSet) -> Iterator[Problem]:
    """The probe never succeeds: the pod is never ready, or is killed again and again."""
    for pod in objects.pods:
        for container in pod.containers:
            declared = _ports(container.value)
            names = [as_text(port.get("name")) for port in declared]
            numbers = [port.get("containerPort") for port in declared]
            for path, handler in _handlers(container):
                for field in ("httpGet", "tcpSocket", "grpc"):
                    port = as_map(handler.get(field)).get("port")
                    if isinstance(port, str) and port not in names:
                        message = f"container {container.name} has no port {port}{suggest(port, names)}"
                        yield Problem(pod.entry, f"{path}.{field}.port", message)
                    elif isinstance(port, int) and declared and port not in numbers:
                        message = f"container {container.name} declares {', '.join(map(str, numbers))}, not {port}"
                        yield Problem(pod.entry, f"{path}.{field}.port", message, None, WARNING)


@CHECKS.check(
    "backend-port",
    ERROR,
    "An Ingress, route or webhook names a port that the Service does not have",
    fix="use a port of the Service",
)
def backend_port(objects: ObjectSet) -> Iterator[Problem]:
    """Requests answer 503, or the webhook cannot be called."""
    for backend in backends(objects):
        service = objects.find("", "Service", backend.namespace, backend.name)
        if service is None or backend.port is None or service.spec.get("type") == "ExternalName":
            continue
        ports = [as_map(port) for port in as_list(service.spec.get("ports"))]
        names = [as_text(port.get("name")) for port in ports]
        known = names if isinstance(backend.port, str) else [port.get("port") for port in ports]
        if backend.port not in known:
            near = suggest(backend.port, names) if isinstance(backend.port, str) else ""
            has = ", ".join(f"{p.get('name')}={p.get('port')}" if p.get("name") else str(p.get("port")) for p in ports)
            message = (
                f"Service {backend.namespace}/{backend.name} has no port {backend.port}, but {has or 'none'}{near}"
            )
            yield Problem(backend.entry, f"{backend.path}.port", message)


@CHECKS.check(
    "port-name", ERROR, "A port name is not valid, or is missing", fix="use up to 15 lower-case letters, digits or '-'"
)
def port_name(objects: ObjectSet) -> Iterator[Problem]:
    """The API server refuses it."""
    for pod in objects.pods:
        for container in pod.containers:
            for index, port in enumerate(_ports(container.value)):
                name = as_text(port.get("name"))
                if name and (len(name) > _PORT_NAME_LENGTH or not _PORT_NAME.match(name) or "--" in name):
                    message = f"expected up to 15 lower-case letters, digits or '-', found {name}"
                    yield Problem(pod.entry, f"{container.path}.ports[{index}].name", message)
    for entry in objects.of("", "Service"):
        ports = [as_map(port) for port in as_list(entry.spec.get("ports"))]
        if len(ports) > 1:
            for index, port in enumerate(ports):
                if not port.get("name"):
                    yield Problem(
                        entry, f"spec.ports[{index}].name", "expected a name, because the Service has several ports"
                    )


@CHECKS.check("duplicate-port", ERROR, "Two ports are the same", fix="give each its own name and number")
def duplicate_port(objects: ObjectSet) -> Iterator[Problem]:
    """The API server refuses a Service with two equal names; two containers of a pod cannot listen on one port."""
    for entry in objects.of("", "Service"):
        names: dict[str, int] = {}
        for index, item in enumerate(as_list(entry.spec.get("ports"))):
            name = as_text(as_map(item).get("name"))
            if name and names.setdefault(name, index) != index:
                yield Problem(entry, f"spec.ports[{index}].name", f"{name} is also at index {names[name]}")
    for pod in objects.pods:
        taken: dict[object, str] = {}
        for container in pod.containers:
            if container.role not in {"main", "sidecar"}:
                continue
            for index, port in enumerate(_ports(container.value)):
                path = f"{container.path}.ports[{index}]"
                for key, field in (
                    (as_text(port.get("name")), "name"),
                    ((str(port.get("containerPort")), _protocol(port)), "containerPort"),
                ):
                    if key and taken.setdefault(key, container.name) != container.name:
                        shown = "/".join(map(str, key)) if isinstance(key, tuple) else key
                        message = f"{shown} is also a port of container {taken[key]}"
                        yield Problem(pod.entry, f"{path}.{field}", message)


@CHECKS.check(
    "duplicate-node-port",
    ERROR,
    "Two Services use the same node port",
    fix="choose another, or leave it to the cluster",
)
def duplicate_node_port(objects: ObjectSet) -> Iterator[Problem]:
    """The API server refuses the second: `provided port is already allocated`."""
    taken: dict[tuple[object, str], Entry] = {}
    for entry in objects.of("", "Service"):
        ports = [(f"spec.ports[{i}].nodePort", as_map(p)) for i, p in enumerate(as_list(entry.spec.get("ports")))]
        named = [(path, port.get("nodePort"), _protocol(port)) for path, port in ports]
        named.append(("spec.healthCheckNodePort", entry.spec.get("healthCheckNodePort"), "TCP"))
        for path, number, protocol in named:
            if isinstance(number, int) and number:
                first = taken.setdefault((number, protocol), entry)
                if first is not entry:
                    yield Problem(entry, path, f"nodePort {number} is used by {first}, too")


@CHECKS.check("node-port-range", WARNING, "A node port outside of 30000-32767", fix="choose one of the range")
def node_port_range(objects: ObjectSet) -> Iterator[Problem]:
    """The API server refuses it unless its --service-node-port-range was changed."""
    for entry in objects.of("", "Service"):
        for index, item in enumerate(as_list(entry.spec.get("ports"))):
            number = as_map(item).get("nodePort")
            if isinstance(number, int) and number and number not in _NODE_PORTS:
                yield Problem(entry, f"spec.ports[{index}].nodePort", f"expected 30000-32767, found {number}")


@CHECKS.check("ingress-conflict", WARNING, "Two Ingresses claim the same host and path", fix="change one of them")
def ingress_conflict(objects: ObjectSet) -> Iterator[Problem]:
    """Which one answers depends on the controller, often on the age of the objects."""
    claimed: dict[tuple[str, str, str], Entry] = {}
    for entry in objects.of("networking.k8s.io", "Ingress"):
        for i, item in enumerate(as_list(entry.spec.get("rules"))):
            rule = as_map(item)
            for j, path in enumerate(as_list(as_map(rule.get("http")).get("paths"))):
                host, place = as_text(rule.get("host")), as_text(as_map(path).get("path"))
                first = claimed.setdefault((as_text(entry.spec.get("ingressClassName")), host, place), entry)
                if first is not entry:
                    yield Problem(
                        entry, f"spec.rules[{i}].http.paths[{j}]", f"{host or '*'}{place} is also claimed by {first}"
                    )


@CHECKS.check(
    "ingress-without-tls",
    INFO,
    "An Ingress serves a host without TLS",
    fix="add spec.tls for the host",
    also=["tlsSettingsMissing"],
)
def ingress_without_tls(objects: ObjectSet) -> Iterator[Problem]:
    """Passwords and tokens of its users cross the network in plain text, unless something in front ends TLS."""
    for entry in objects.of("networking.k8s.io", "Ingress"):
        covered = [host for tls in as_list(entry.spec.get("tls")) for host in as_list(as_map(tls).get("hosts"))]
        anonymous = any(not as_map(tls).get("hosts") for tls in as_list(entry.spec.get("tls")))
        for index, rule in enumerate(as_list(entry.spec.get("rules"))):
            host = as_text(as_map(rule).get("host"))
            wildcard = "*." + host.partition(".")[2]
            if not anonymous and host not in covered and wildcard not in covered:
                yield Problem(entry, f"spec.rules[{index}].host", f"no TLS for {host or 'any host'}")
