"""Why an object is not ready: its condition, the last event, what its pods wait for, and the end of a container's log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_nix.cluster.answer import Outcome
from mlops_nix.cluster.discovery import EVENTS, PODS
from mlops_nix.cluster.readiness import Assessment, pod_reason
from mlops_nix.objects import as_list, as_map, as_text, metadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nix.cluster.api import Api
    from mlops_nix.cluster.wait import Target

_LOG_LINES = 10


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known about an object that is not ready.

    Args:
        reason: The judgement of its status.
        events: The last warnings about it and its pods.
        pods: Pods that are not ready, and what they wait for.
        log: The last lines of the container that fails.
        log_of: Pod and container of the log.
    """

    reason: str
    events: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    log_of: str = ""

    def lines(self) -> list[str]:
        """Write it for people."""
        text = [self.reason] if self.reason else []
        text += [f"pod {pod}" for pod in self.pods]
        text += [f"event {event}" for event in self.events]
        if self.log:
            text += [f"log of {self.log_of}:", *(f"  {line}" for line in self.log)]
        return text

    def to_json(self) -> dict[str, Any]:
        """Give it as ``--output json`` prints it."""
        document: dict[str, Any] = {"reason": self.reason}
        for name, value in (("events", self.events), ("pods", self.pods), ("log", self.log)):
            if value:
                document[name] = list(value)
        if self.log_of:
            document["logOf"] = self.log_of
        return document


def explain(api: Api, target: Target, judged: Assessment) -> Explanation:
    """Find out why an object is not ready; what may not be read is left out.

    Args:
        api: The server.
        target: The object.
        judged: What its status says.
    """
    ref = target.ref
    names = [(ref.kind, ref.name)]
    pods: list[Mapping[str, Any]] = []
    if ref.namespace:
        pods = _pods(api, target)
        names += [("Pod", as_text(metadata(pod).get("name"))) for pod in pods[:3]]
    told = _events(
        api,
        ref.namespace,
        names,
        prefix=ref.name if target.object and "template" in as_map(target.object.get("spec")) else "",
    )
    described: list[str] = []
    log: tuple[str, ...] = ()
    log_of = ""
    for pod in pods[:3]:
        status = as_map(pod.get("status"))
        name = as_text(metadata(pod).get("name"))
        reason = pod_reason(status) or f"phase {as_text(status.get('phase')) or 'unknown'}"
        described.append(f"{name}: {reason}")
        if not log:
            log, log_of = _log(api, ref.namespace, name, status)
    return Explanation(judged.reason, told, tuple(described), log, log_of)


def _pods(api: Api, target: Target) -> list[Mapping[str, Any]]:
    """Find the pods of an object that are not ready."""
    ref, obj = target.ref, target.object or {}
    if ref.kind == "Pod":
        answer = api.get(PODS, ref.namespace, ref.name, patience=5.0)
        return [answer.value] if answer.ok else []
    labels = as_map(as_map(as_map(obj.get("spec")).get("selector")).get("matchLabels"))
    if ref.kind == "Job":
        labels = {"batch.kubernetes.io/job-name": ref.name}
    if not labels:
        return []
    answer = api.list(
        PODS, ref.namespace, selector=",".join(f"{key}={value}" for key, value in labels.items()), patience=5.0
    )
    if not answer.ok:
        return []
    found = []
    for pod in as_list(answer.value.get("items")):
        conditions = {
            entry.get("type"): entry.get("status") for entry in as_list(as_map(pod.get("status")).get("conditions"))
        }
        if conditions.get("Ready") != "True" and as_map(pod.get("status")).get("phase") != "Succeeded":
            found.append(pod)
    return found


def _events(api: Api, namespace: str, names: list[tuple[str, str]], *, prefix: str) -> tuple[str, ...]:
    answer = api.list(EVENTS, namespace or "default", fields="type=Warning", patience=5.0)
    if not answer.ok:
        return ()
    found: dict[str, str] = {}
    for event in as_list(answer.value.get("items")):
        about = as_map(event.get("involvedObject"))
        kind, name = as_text(about.get("kind")), as_text(about.get("name"))
        # The reason why a Deployment gets no pods stands at its ReplicaSet, whose name begins like its own.
        of_replicas = bool(prefix) and kind == "ReplicaSet" and name.startswith(f"{prefix}-")
        if (kind, name) not in names and not of_replicas:
            continue
        time = (
            as_text(event.get("lastTimestamp"))
            or as_text(event.get("eventTime"))
            or as_text(metadata(event).get("creationTimestamp"))
        )
        found[f"{kind} {name}: {event.get('reason')}: {as_text(event.get('message'))}"] = time
    latest = sorted(found, key=lambda text: found[text], reverse=True)
    return tuple(latest[:3])


def _log(api: Api, namespace: str, pod: str, status: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
    for field in ("initContainerStatuses", "containerStatuses"):
        for container in as_list(status.get(field)):
            entry = as_map(container)
            state = as_map(entry.get("state"))
            crashed = bool(as_map(as_map(entry.get("lastState")).get("terminated")))
            running = bool(state.get("running")) and entry.get("ready") is False
            ended = as_map(state.get("terminated")).get("exitCode") not in {None, 0}
            if not (crashed or running or ended):
                continue
            name = as_text(entry.get("name"))
            query = [("container", name), ("tailLines", str(_LOG_LINES))]
            if crashed and not state.get("running"):
                query.append(("previous", "true"))
            answer = api.send("GET", f"{PODS.path(namespace, pod)}/log", query=query, accept="*/*", patience=5.0)
            # A log of a single line may itself be JSON, and then was read as such.
            text = (answer.text or str(answer.value or "")) if answer.outcome is Outcome.OK else ""
            lines = tuple(line[:400] for line in text.splitlines()[-_LOG_LINES:])
            if lines:
                return lines, f"{pod}/{name}"
    return (), ""
