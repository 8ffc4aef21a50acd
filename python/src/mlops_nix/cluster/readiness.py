"""Whether an object is ready, and why not: core kinds as kstatus defines them, custom kinds from a table.

Source: sigs.k8s.io/cli-utils ``pkg/kstatus``, with the differences that are noted where they stand.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from mlops_nix.cluster.readiness_table import ROWS, Row
from mlops_nix.objects import as_list, as_map, as_text, metadata, split_api_version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class State(StrEnum):
    """What is known about an object."""

    READY = "ready"
    PROGRESSING = "progressing"
    FAILED = "failed"
    TERMINATING = "terminating"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Assessment:
    """A judgement and its grounds.

    Args:
        state: What is known.
        reason: Why, in the words of the object's status.
        rule: The rule that was used: the kind, ``table``, or the general one.
    """

    state: State
    reason: str = ""
    rule: str = "table"

    @property
    def ready(self) -> bool:
        """Whether nothing needs to be waited for."""
        return self.state is State.READY


def assess(obj: Mapping[str, Any]) -> Assessment:
    """Judge an object by its status.

    Args:
        obj: The object as the API server gives it.
    """
    group, _ = split_api_version(as_text(obj.get("apiVersion")))
    kind = as_text(obj.get("kind"))
    meta, status = metadata(obj), as_map(obj.get("status"))
    if meta.get("deletionTimestamp"):
        finalizers = ", ".join(str(entry) for entry in as_list(meta.get("finalizers")))
        return Assessment(State.TERMINATING, f"is being deleted; finalizers: {finalizers or 'none'}")
    generation, observed = meta.get("generation"), status.get("observedGeneration")
    if isinstance(generation, int) and isinstance(observed, int) and generation != observed:
        return Assessment(State.PROGRESSING, f"its controller has seen generation {observed} of {generation}")
    core = _CORE.get((group, kind))
    if core is not None:
        judged = core(obj, status)
        return Assessment(judged.state, judged.reason, kind)
    conditions = _conditions(status)
    for name, state in (("Stalled", State.FAILED), ("Reconciling", State.PROGRESSING)):
        if conditions.get(name, {}).get("status") == "True":
            return Assessment(state, _told(name, conditions[name]), "kstatus")
    row = ROWS.get((group, kind))
    if row is not None:
        return _by_row(row, obj, status, conditions)
    return _general(conditions)


def _ready(reason: str = "") -> Assessment:
    return Assessment(State.READY, reason)


def _progressing(reason: str) -> Assessment:
    return Assessment(State.PROGRESSING, reason)


def _failed(reason: str) -> Assessment:
    return Assessment(State.FAILED, reason)


def _conditions(status: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {as_text(entry.get("type")): entry for entry in as_list(status.get("conditions")) if isinstance(entry, dict)}


def _told(name: str, condition: Mapping[str, Any]) -> str:
    """Write a condition: ``Available=False (MinimumReplicasUnavailable): Deployment does not have …``."""
    text = f"{name}={condition.get('status')}"
    if reason := condition.get("reason"):
        text += f" ({reason})"
    if message := condition.get("message"):
        text += f": {message}"
    return text


def _number(value: Any, default: int = 0) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _value(obj: Mapping[str, Any], path: str) -> str:
    value: Any = obj
    for step in path.split("."):
        value = as_map(value).get(step)
    return as_text(value)


# Custom kinds --------------------------------------------------------------------------------------------------------------


def _by_row(
    row: Row, obj: Mapping[str, Any], status: Mapping[str, Any], conditions: Mapping[str, Mapping[str, Any]]
) -> Assessment:
    if row.exists:
        return _ready()
    if row.good_unless:
        condition = conditions.get(row.good_unless, {})
        return _failed(_told(row.good_unless, condition)) if condition.get("status") == "True" else _ready()
    if not status:
        # kstatus would call it Current; but then it would be "ready" before its controller has even seen it.
        return _progressing("has no status yet: no controller has seen it")
    if row.last_wins:
        entries = [entry for entry in as_list(status.get("conditions")) if isinstance(entry, dict)]
        true = [entry for entry in entries if entry.get("status") == "True"]
        conditions = {as_text(entry.get("type")): entry for entry in true[-1:]}
    for name in row.failed:
        if conditions.get(name, {}).get("status") == "True":
            return _failed(_told(name, conditions[name]))
    if row.failed_value and (found := _value(obj, row.failed_value[0])) in row.failed_value[1]:
        return _failed(_with_message(row.failed_value[0], found, status))
    for name in row.suspended:
        if conditions.get(name, {}).get("status") == "True":
            return _ready(f"held back on purpose: {_told(name, conditions[name])}")
    for name in row.not_while:
        if conditions.get(name, {}).get("status") == "True":
            return _progressing(_told(name, conditions[name]))
    if row.ready_value and (found := _value(obj, row.ready_value[0])) in row.ready_value[1]:
        return _ready(f"{row.ready_value[0].rpartition('.')[2]} {found}")
    for name in row.ready_any:
        if conditions.get(name, {}).get("status") == "True":
            return _ready(_told(name, conditions[name]))
    for name in row.ready:
        if name not in conditions:
            return _progressing(f"has no condition {name} yet")
        condition = conditions[name]
        if condition.get("status") != "True":
            told = _told(name, condition)
            return _failed(told) if condition.get("reason") in row.failed_reasons else _progressing(told)
    if row.ready:
        return _ready()
    if row.ready_value:
        found = _value(obj, row.ready_value[0]) or "nothing"
        return _progressing(_with_message(row.ready_value[0], found, status))
    return _progressing("none of the conditions " + ", ".join(row.ready_any) + " is True")


def _with_message(path: str, found: str, status: Mapping[str, Any]) -> str:
    message = as_text(status.get("message")) or as_text(status.get("reason"))
    return f"{path.removeprefix('status.')} is {found}" + (f": {message}" if message else "")


def _general(conditions: Mapping[str, Mapping[str, Any]]) -> Assessment:
    for name in ("Ready", "Available", "Succeeded", "Complete"):
        condition = conditions.get(name)
        if condition is None:
            continue
        rule = f"general rule: condition {name}"
        if condition.get("status") == "True":
            return Assessment(State.READY, "", rule)
        return Assessment(State.PROGRESSING, _told(name, condition), rule)
    if conditions.get("Failed", {}).get("status") == "True":
        return Assessment(State.FAILED, _told("Failed", conditions["Failed"]), "general rule: condition Failed")
    return Assessment(State.READY, "", "general rule: it exists")


# Core kinds ----------------------------------------------------------------------------------------------------------------


def _deployment(obj: Mapping[str, Any], status: Mapping[str, Any]) -> Assessment:
    wanted = _number(as_map(obj.get("spec")).get("replicas"), 1)
    conditions = _conditions(status)
    progressing = conditions.get("Progressing", {})
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return _failed(_told("Progressing", progressing))
    if (failure := conditions.get("ReplicaFailure")) and failure.get("status") == "True":
        return _progressing(_told("ReplicaFailure", failure))
    if "observedGeneration" not in status:
        return _progressing("the deployment controller has not seen it yet")
    for field, word in (("replicas", "made"), ("updatedReplicas", "updated"), ("availableReplicas", "available")):
        found = _number(status.get(field))
        if found < wanted:
            return _progressing(f"{found} of {wanted} pods {word}")
    if (surplus := _number(status.get("replicas")) - wanted) > 0:
        return _progressing(f"{surplus} pods of the old revision are still there")
    if _number(status.get("readyReplicas")) < wanted:
        return _progressing(f"{_number(status.get('readyReplicas'))} of {wanted} pods ready")
    available = conditions.get("Available", {})
    if available.get("status") != "True":
        return _progressing(_told("Available", available) if available else "has no condition Available yet")
    return _ready()


def _stateful_set(obj: Mapping[str, Any], status: Mapping[str, Any]) -> Assessment:
    spec = as_map(obj.get("spec"))
    strategy = as_map(spec.get("updateStrategy"))
    if strategy.get("type") == "OnDelete":
        return _ready("update strategy OnDelete")
    wanted = _number(spec.get("replicas"), 1)
    if "observedGeneration" not in status:
        return _progressing("the statefulset controller has not seen it yet")
    for field, word in (("replicas", "made"), ("readyReplicas", "ready")):
        found = _number(status.get(field))
        if found < wanted:
            return _progressing(f"{found} of {wanted} pods {word}")
    if _number(status.get("replicas")) > wanted:
        return _progressing(f"{_number(status.get('replicas')) - wanted} pods too many are still there")
    partition = _number(as_map(strategy.get("rollingUpdate")).get("partition"))
    if partition:
        updated = _number(status.get("updatedReplicas"))
        least = wanted - partition
        return (
            _progressing(f"{updated} of {least} pods updated") if updated < least else _ready(f"partition {partition}")
        )
    if _number(status.get("currentReplicas")) < wanted and status.get("currentRevision") == status.get(
        "updateRevision"
    ):
        return _progressing(f"{_number(status.get('currentReplicas'))} of {wanted} pods current")
    if status.get("currentRevision") != status.get("updateRevision"):
        return _progressing(f"{_number(status.get('updatedReplicas'))} of {wanted} pods updated")
    return _ready()


def _daemon_set(obj: Mapping[str, Any], status: Mapping[str, Any]) -> Assessment:
    if "observedGeneration" not in status:
        return _progressing("the daemonset controller has not seen it yet")
    strategy = as_map(as_map(obj.get("spec")).get("updateStrategy")).get("type")
    wanted = _number(status.get("desiredNumberScheduled"))
    fields = [
        ("currentNumberScheduled", "made"),
        ("updatedNumberScheduled", "updated"),
        ("numberAvailable", "available"),
        ("numberReady", "ready"),
    ]
    for field, word in fields:
        if field == "updatedNumberScheduled" and strategy == "OnDelete":
            continue
        found = _number(status.get(field))
        if found < wanted:
            return _progressing(f"{found} of {wanted} pods {word}")
    return _ready()


def _replica_set(obj: Mapping[str, Any], status: Mapping[str, Any]) -> Assessment:
    wanted = _number(as_map(obj.get("spec")).get("replicas"), 1)
    found = _number(status.get("availableReplicas"))
    return _ready() if found >= wanted else _progressing(f"{found} of {wanted} pods available")


def _pod(obj: Mapping[str, Any], status: Mapping[str, Any]) -> Assessment:
    del obj
    phase = as_text(status.get("phase"))
    if phase == "Succeeded":
        return _ready("Succeeded")
    if phase == "Failed":
        # kstatus calls this Current; for somebody who waits for the pod it is a failure.
        return _failed(_with_message("status.phase", phase, status))
    conditions = _conditions(status)
    if conditions.get("Ready", {}).get("status") == "True":
        return _ready()
    reason = pod_reason(status)
    return _progressing(reason or f"phase {phase or 'unknown'}")


def pod_reason(status: Mapping[str, Any]) -> str:
    """Say what a pod waits for: its scheduling, or the waiting reason of a container; empty where it says nothing."""
    scheduled = _conditions(status).get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return f"{scheduled.get('reason')}: {scheduled.get('message')}"
    for field in ("initContainerStatuses", "containerStatuses"):
        for container in as_list(status.get(field)):
            state = as_map(as_map(container).get("state"))
            waiting, terminated = as_map(state.get("waiting")), as_map(state.get("terminated"))
            last = as_map(as_map(as_map(container).get("lastState")).get("terminated"))
            name = as_text(as_map(container).get("name"))
            if waiting and waiting.get("reason") not in {None, "PodInitializing", "ContainerCreating"}:
                text = f"container {name}: {waiting.get('reason')}"
                if message := waiting.get("message"):
                    text += f": {message}"
                if last:
                    text += f" (last exit code {last.get('exitCode')}{', ' + str(last.get('reason')) if last.get('reason') else ''})"
                return text
            if terminated and terminated.get("exitCode") not in {0, None}:
                return f"container {name}: exit code {terminated.get('exitCode')} ({terminated.get('reason')})"
    ready = _conditions(status).get("Ready", {})
    if ready.get("status") == "False" and ready.get("reason") not in {"PodCompleted", None}:
        return f"{ready.get('reason')}: {ready.get('message')}" if ready.get("message") else str(ready.get("reason"))
    return ""


def _job(obj: Mapping[str, Any], status: Mapping[str, Any]) -> Assessment:
    conditions = _conditions(status)
    if conditions.get("Failed", {}).get("status") == "True":
        return _failed(_told("Failed", conditions["Failed"]))
    # kstatus is content with a started Job; whoever follows in the order needs its result.
    if conditions.get("Complete", {}).get("status") == "True":
        return _ready("Complete")
    if as_map(obj.get("spec")).get("suspend") is True:
        return _ready("suspended on purpose")
    failures = _number(status.get("failed"))
    active = _number(status.get("active"))
    return _progressing(f"{active} pods active" + (f", {failures} failed" if failures else ""))


def _claim(obj: Mapping[str, Any], status: Mapping[str, Any]) -> Assessment:
    del obj
    phase = as_text(status.get("phase"))
    if phase == "Lost":
        return _failed("its volume is lost")
    return _ready() if phase == "Bound" else _progressing(f"phase {phase or 'Pending'}")


def _autoscaler(obj: Mapping[str, Any], status: Mapping[str, Any]) -> Assessment:
    del obj
    able = _conditions(status).get("AbleToScale")
    if able is None:
        return _progressing("has no condition AbleToScale yet")
    return _ready() if able.get("status") == "True" else _progressing(_told("AbleToScale", able))


def _definition(obj: Mapping[str, Any], status: Mapping[str, Any]) -> Assessment:
    del obj
    conditions = _conditions(status)
    if conditions.get("NamesAccepted", {}).get("status") == "False":
        return _failed(_told("NamesAccepted", conditions["NamesAccepted"]))
    established = conditions.get("Established")
    if established is None or established.get("status") != "True":
        return _progressing("is not Established yet")
    return _ready()


def _api_service(obj: Mapping[str, Any], status: Mapping[str, Any]) -> Assessment:
    del obj
    available = _conditions(status).get("Available")
    if available is None:
        return _progressing("has no condition Available yet")
    return _ready() if available.get("status") == "True" else _progressing(_told("Available", available))


def _namespace(obj: Mapping[str, Any], status: Mapping[str, Any]) -> Assessment:
    del obj
    return _ready() if status.get("phase", "Active") == "Active" else _progressing(f"phase {status.get('phase')}")


def _exists(obj: Mapping[str, Any], status: Mapping[str, Any]) -> Assessment:
    del obj, status
    return _ready()


_CORE: dict[tuple[str, str], Callable[[Mapping[str, Any], Mapping[str, Any]], Assessment]] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "ReplicaSet"): _replica_set,
    ("", "Pod"): _pod,
    ("batch", "Job"): _job,
    ("batch", "CronJob"): _exists,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Namespace"): _namespace,
    ("", "Service"): _exists,
    ("", "ConfigMap"): _exists,
    ("", "Secret"): _exists,
    ("", "ServiceAccount"): _exists,
    ("networking.k8s.io", "Ingress"): _exists,
    ("policy", "PodDisruptionBudget"): _exists,
    ("autoscaling", "HorizontalPodAutoscaler"): _autoscaler,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
    ("apiregistration.k8s.io", "APIService"): _api_service,
}


def removes_itself(obj: Mapping[str, Any]) -> bool:
    """Tell whether an object goes away by itself when it has finished: a Job with a time to live."""
    return obj.get("kind") == "Job" and as_map(obj.get("spec")).get("ttlSecondsAfterFinished") is not None
