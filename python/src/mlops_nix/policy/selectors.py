"""Selectors that select nothing, the wrong thing, or the same thing twice."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

from mlops_nix.findings import ERROR, INFO, WARNING, Family, Problem, Severity
from mlops_nix.nearest import suggest
from mlops_nix.objects import as_list, as_map, as_text
from mlops_nix.objectset import matches

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlops_nix.objectset import Entry, ObjectSet, Pod

CHECKS = Family("selectors")

_SELECTING = {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"}
_MONITORING = "monitoring.coreos.com"


def _text(labels: Mapping[str, object]) -> str:
    return ", ".join(f"{key}={value}" for key, value in labels.items()) or "{}"


@CHECKS.check(
    "selector-mismatch",
    ERROR,
    "A workload does not select its own pods",
    fix="give the pod template the labels of the selector",
    also=["mismatching-selector", "deployment-has-selector"],
)
def selector_mismatch(objects: ObjectSet) -> Iterator[Problem]:
    """The API server refuses it: `selector` does not match template `labels`."""
    for pod in objects.pods:
        if pod.entry.group != "apps" or pod.entry.kind not in _SELECTING:
            continue
        selector = pod.entry.spec.get("selector")
        if not isinstance(selector, dict) or not (selector.get("matchLabels") or selector.get("matchExpressions")):
            yield Problem(pod.entry, "spec.selector", "expected labels of the pod template, found none")
            continue
        for key, value in as_map(selector.get("matchLabels")).items():
            found = pod.labels.get(key)
            if found != value:
                shown = "no such label" + suggest(key, pod.labels) if found is None else json.dumps(found)
                message = f"expected {json.dumps(value)} on the pod template, found {shown}"
                yield Problem(pod.entry, f"spec.selector.matchLabels[{key}]", message)
        if not matches({"matchExpressions": selector.get("matchExpressions")}, pod.labels):
            yield Problem(pod.entry, "spec.selector.matchExpressions", "does not match the labels of the pod template")


def _by_operator(objects: ObjectSet, selector: Mapping[str, object]) -> Severity | None:
    """Give INFO where an operator probably makes the pods: a label of its own domain that no template of the set has."""
    keys = [
        *as_map(selector.get("matchLabels")),
        *(as_text(as_map(e).get("key")) for e in as_list(selector.get("matchExpressions"))),
    ]
    for key in keys:
        domain, slash, _ = key.partition("/")
        if (
            slash
            and not domain.endswith(("kubernetes.io", "k8s.io"))
            and not any(key in pod.labels for pod in objects.pods)
        ):
            return INFO
    return None


def _near_miss(objects: ObjectSet, entry: Entry, labels: Mapping[str, object]) -> str:
    """Name the workload of the namespace that agrees in most labels, and where it differs."""
    best: tuple[int, Pod] | None = None
    for pod in objects.pods_in(entry.namespace):
        agree = sum(pod.labels.get(key) == value for key, value in labels.items())
        if agree and (best is None or agree > best[0]):
            best = (agree, pod)
    if best is None:
        return ""
    differ = {key: best[1].labels.get(key) for key, value in labels.items() if best[1].labels.get(key) != value}
    return f"; {best[1].entry} comes nearest, with " + ", ".join(
        f"{key}={value}" if value is not None else f"no {key}" for key, value in differ.items()
    )


@CHECKS.check(
    "service-without-pods",
    WARNING,
    "A Service selects no pod of the set",
    fix="correct the selector; if an operator makes the pods, ignore this with that reason",
    also=["dangling-service", "service-targets-pod"],
)
def service_without_pods(objects: ObjectSet) -> Iterator[Problem]:
    """It has no endpoints, and every connection to it fails."""
    for entry in objects.of("", "Service"):
        selector = as_map(entry.spec.get("selector"))
        if not selector or entry.spec.get("type") == "ExternalName":
            continue
        if not objects.selected(entry.namespace, {"matchLabels": selector}):
            near = _near_miss(objects, entry, selector)
            severity = _by_operator(objects, {"matchLabels": selector})
            yield Problem(entry, "spec.selector", f"no pod has {_text(selector)}{near}", None, severity)


@CHECKS.check(
    "network-policy-without-pods",
    WARNING,
    "A NetworkPolicy selects no pod of the set",
    fix="correct the podSelector",
    also=["dangling-networkpolicy", "networkpolicy-targets-pod"],
)
def network_policy_without_pods(objects: ObjectSet) -> Iterator[Problem]:
    """What it should protect is open."""
    for entry in objects.of("networking.k8s.io", "NetworkPolicy"):
        selector = as_map(entry.spec.get("podSelector"))
        if selector and not objects.selected(entry.namespace, selector):
            labels = as_map(selector.get("matchLabels"))
            near = _near_miss(objects, entry, labels)
            message = f"no pod has {_text(labels) if labels else selector}{near}"
            yield Problem(entry, "spec.podSelector", message, None, _by_operator(objects, selector))


@CHECKS.check(
    "pdb-without-pods",
    WARNING,
    "A PodDisruptionBudget selects no pod of the set",
    fix="correct the selector",
    also=["pdb-has-pods", "poddisruptionbudget-has-policy"],
)
def pdb_without_pods(objects: ObjectSet) -> Iterator[Problem]:
    """It protects nothing."""
    for entry in objects.of("policy", "PodDisruptionBudget"):
        selector = as_map(entry.spec.get("selector"))
        if selector and not objects.selected(entry.namespace, selector):
            message = f"no pod has {_text(as_map(selector.get('matchLabels')))}"
            yield Problem(entry, "spec.selector", message, None, _by_operator(objects, selector))


@CHECKS.check(
    "overlapping-selectors", ERROR, "Two workloads select the same pods", fix="give each workload a label of its own"
)
def overlapping_selectors(objects: ObjectSet) -> Iterator[Problem]:
    """Their controllers fight: each counts, adopts and deletes the pods of the other."""
    for pod in objects.pods:
        entry = pod.entry
        selector = entry.spec.get("selector")
        if entry.group != "apps" or entry.kind not in _SELECTING or not isinstance(selector, dict) or not selector:
            continue
        for other in objects.selected(entry.namespace, selector):
            if other.entry is not entry and other.entry.group == "apps":
                labels = _text(as_map(selector.get("matchLabels")))
                yield Problem(entry, "spec.selector", f"{labels} also selects the pods of {other.entry}")


@CHECKS.check("overlapping-pdbs", ERROR, "Two PodDisruptionBudgets select the same pod", fix="keep one of them")
def overlapping_pdbs(objects: ObjectSet) -> Iterator[Problem]:
    """The eviction API refuses to evict a pod with more than one budget, so nodes cannot be drained."""
    holders: dict[int, Entry] = {}
    for entry in objects.of("policy", "PodDisruptionBudget"):
        for pod in objects.selected(entry.namespace, as_map(entry.spec.get("selector"))):
            first = holders.setdefault(id(pod), entry)
            if first is not entry:
                yield Problem(entry, "spec.selector", f"selects the pods of {pod.entry}, as {first} does")


@CHECKS.check("overlapping-autoscalers", ERROR, "Two autoscalers scale the same workload", fix="keep one of them")
def overlapping_autoscalers(objects: ObjectSet) -> Iterator[Problem]:
    """Each undoes what the other does."""
    targets: dict[tuple[str, str, str], Entry] = {}
    for entry in [*objects.of("autoscaling", "HorizontalPodAutoscaler"), *objects.of("keda.sh", "ScaledObject")]:
        target = as_map(entry.spec.get("scaleTargetRef"))
        key = entry.namespace, as_text(target.get("kind")) or "Deployment", as_text(target.get("name"))
        first = targets.setdefault(key, entry)
        if first is not entry:
            yield Problem(entry, "spec.scaleTargetRef", f"{key[1]} {key[2]} is already scaled by {first}")


@CHECKS.check(
    "pod-without-network-policy",
    INFO,
    "No NetworkPolicy selects the pod",
    fix="add a default-deny NetworkPolicy to the namespace and allow the flows that are needed",
    also=["non-isolated-pod", "pod-networkpolicy", "missingNetworkPolicy"],
)
def pod_without_network_policy(objects: ObjectSet) -> Iterator[Problem]:
    """Every pod of the cluster may connect to it, and it may connect to everything."""
    covered = {
        id(pod)
        for entry in objects.of("networking.k8s.io", "NetworkPolicy")
        for pod in objects.selected(entry.namespace, as_map(entry.spec.get("podSelector")))
    }
    for pod in objects.pods:
        if id(pod) not in covered and not pod.spec.get("hostNetwork"):
            yield Problem(pod.entry, "", f"no NetworkPolicy of namespace {pod.entry.namespace} selects its pods")


def _monitored_namespaces(entry: Entry) -> set[str] | None:
    """Give the namespaces that a ServiceMonitor looks into; nothing for all of them."""
    selector = as_map(entry.spec.get("namespaceSelector"))
    if selector.get("any"):
        return None
    names = {name for name in as_list(selector.get("matchNames")) if isinstance(name, str)}
    return names or {entry.namespace}


@CHECKS.check(
    "monitor-without-target",
    WARNING,
    "A ServiceMonitor or PodMonitor selects nothing, or a port that is not there",
    fix="correct selector, namespaceSelector or port",
    also=["dangling-servicemonitor"],
)
def monitor_without_target(objects: ObjectSet) -> Iterator[Problem]:
    """Prometheus scrapes nothing and says nothing."""
    for entry in objects.of(_MONITORING, "ServiceMonitor"):
        namespaces = _monitored_namespaces(entry)
        selector = as_map(entry.spec.get("selector"))
        services = [
            service
            for service in objects.of("", "Service")
            if (namespaces is None or service.namespace in namespaces) and matches(selector, service.labels)
        ]
        if not services:
            where = "any namespace" if namespaces is None else ", ".join(sorted(namespaces))
            labels = _text(as_map(selector.get("matchLabels")))
            yield Problem(entry, "spec.selector", f"no Service of {where} has the labels {labels}")
            continue
        ports = {as_text(as_map(p).get("name")) for s in services for p in as_list(s.spec.get("ports"))}
        for index, endpoint in enumerate(as_list(entry.spec.get("endpoints"))):
            port = as_text(as_map(endpoint).get("port"))
            if port and port not in ports:
                message = f"no selected Service has a port {port}{suggest(port, ports)}"
                yield Problem(entry, f"spec.endpoints[{index}].port", message)
    for entry in objects.of(_MONITORING, "PodMonitor"):
        namespaces = _monitored_namespaces(entry)
        selector = as_map(entry.spec.get("selector"))
        pods = [
            pod
            for pod in objects.pods
            if (namespaces is None or pod.entry.namespace in namespaces) and matches(selector, pod.labels)
        ]
        if not pods:
            labels = _text(as_map(selector.get("matchLabels")))
            yield Problem(
                entry, "spec.selector", f"no pod has the labels {labels}", None, _by_operator(objects, selector)
            )
            continue
        ports = {
            as_text(as_map(p).get("name"))
            for pod in pods
            for c in pod.containers
            for p in as_list(c.value.get("ports"))
        }
        for index, endpoint in enumerate(as_list(entry.spec.get("podMetricsEndpoints"))):
            port = as_text(as_map(endpoint).get("port"))
            if port and port not in ports:
                message = f"no selected pod has a port {port}{suggest(port, ports)}"
                yield Problem(entry, f"spec.podMetricsEndpoints[{index}].port", message)


@CHECKS.check(
    "affinity-matches-nothing",
    WARNING,
    "A required pod affinity, or a spread, selects no pod of the set",
    fix="use the labels of the pods that are meant",
)
def affinity_matches_nothing(objects: ObjectSet) -> Iterator[Problem]:
    """A required affinity that nothing satisfies keeps the pod Pending; a spread that selects nothing spreads nothing."""
    by_labels: dict[str, bool] = defaultdict(bool)
    for pod in objects.pods:
        for index, constraint in enumerate(as_list(pod.spec.get("topologySpreadConstraints"))):
            selector = as_map(as_map(constraint).get("labelSelector"))
            if selector and not matches(selector, pod.labels):
                path = f"{pod.path}.topologySpreadConstraints[{index}].labelSelector"
                yield Problem(pod.entry, path, "does not select the pod itself, so the pod is not spread")
        affinity = as_map(as_map(pod.spec.get("affinity")).get("podAffinity"))
        for index, term in enumerate(as_list(affinity.get("requiredDuringSchedulingIgnoredDuringExecution"))):
            rule = as_map(term)
            selector = as_map(rule.get("labelSelector"))
            if rule.get("namespaces") or rule.get("namespaceSelector") or not selector:
                continue
            key = pod.entry.namespace + json.dumps(selector, sort_keys=True)
            if key not in by_labels:
                by_labels[key] = bool(objects.selected(pod.entry.namespace, selector))
            if not by_labels[key]:
                path = f"{pod.path}.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[{index}]"
                yield Problem(pod.entry, path, f"no pod has {_text(as_map(selector.get('matchLabels')))}")
