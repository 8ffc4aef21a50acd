"""Workloads: availability, autoscaling, disruption, jobs, storage."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from mlops_nix.findings import ERROR, INFO, WARNING, Family, Problem
from mlops_nix.nearest import suggest
from mlops_nix.objects import as_list, as_map, as_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_nix.objectset import Entry, ObjectSet, Pod

CHECKS = Family("workloads")

_SCALABLE = ("Deployment", "StatefulSet", "ReplicaSet")
_ALWAYS = {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"}


def _count(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _scale_targets(objects: ObjectSet) -> dict[tuple[str, str, str], Entry]:
    """Give the autoscaler of each workload: (namespace, kind, name) -> autoscaler."""
    targets = {}
    for entry in [*objects.of("autoscaling", "HorizontalPodAutoscaler"), *objects.of("keda.sh", "ScaledObject")]:
        ref = as_map(entry.spec.get("scaleTargetRef"))
        targets[entry.namespace, as_text(ref.get("kind")) or "Deployment", as_text(ref.get("name"))] = entry
    return targets


@CHECKS.check(
    "autoscaled-replicas",
    WARNING,
    "A workload that an autoscaler scales names a number of replicas",
    fix="drop spec.replicas",
    also=["deployment-targeted-by-hpa-does-not-have-replicas-configured"],
)
def autoscaled_replicas(objects: ObjectSet) -> Iterator[Problem]:
    """Each apply resets what the autoscaler has chosen, under load too."""
    targets = _scale_targets(objects)
    for entry in objects.of("apps", *_SCALABLE):
        scaler = targets.get((entry.namespace, entry.kind, entry.name))
        if scaler is not None and "replicas" in entry.spec:
            yield Problem(entry, "spec.replicas", f"{scaler} owns it")


@CHECKS.check(
    "autoscaler-range",
    ERROR,
    "An autoscaler whose smallest number is above its largest",
    fix="set minReplicas <= maxReplicas",
)
def autoscaler_range(objects: ObjectSet) -> Iterator[Problem]:
    """The API server refuses it."""
    for entry in objects.of("autoscaling", "HorizontalPodAutoscaler"):
        low, high = _count(entry.spec.get("minReplicas"), 1), _count(entry.spec.get("maxReplicas"), 1)
        if low > high:
            yield Problem(entry, "spec.minReplicas", f"minReplicas ({low}) exceeds maxReplicas ({high})")


@CHECKS.check(
    "autoscaler-without-requests",
    ERROR,
    "An autoscaler measures a share of a request that is not set",
    fix="set the request in every container",
    also=["horizontalpodautoscaler-has-target"],
)
def autoscaler_without_requests(objects: ObjectSet) -> Iterator[Problem]:
    """It never scales: `missing request for cpu`."""
    pods: dict[tuple[str, str, str], Pod] = {(p.entry.namespace, p.entry.kind, p.entry.name): p for p in objects.pods}
    for entry in objects.of("autoscaling", "HorizontalPodAutoscaler"):
        ref = as_map(entry.spec.get("scaleTargetRef"))
        pod = pods.get((entry.namespace, as_text(ref.get("kind")), as_text(ref.get("name"))))
        if pod is None:
            continue
        needs = {"cpu"} if "targetCPUUtilizationPercentage" in entry.spec else set()
        for item in as_list(entry.spec.get("metrics")):
            metric = as_map(as_map(item).get("resource"))
            if as_map(metric.get("target")).get("type") == "Utilization":
                needs.add(as_text(metric.get("name")))
        for container in pod.containers:
            resources = as_map(container.value.get("resources"))
            values = {**as_map(resources.get("limits")), **as_map(resources.get("requests"))}
            for name in sorted(needs):
                if container.role in {"main", "sidecar"} and name not in values:
                    message = f"container {container.name} of {pod.entry} requests no {name}"
                    yield Problem(entry, "spec.metrics", message)


@CHECKS.check(
    "pdb-blocks-drain",
    WARNING,
    "A PodDisruptionBudget allows no disruption",
    fix="allow at least one pod to be away: maxUnavailable: 1",
    also=["pdb-min-available", "pdb-max-unavailable", "pdbDisruptionsIsZero"],
)
def pdb_blocks_drain(objects: ObjectSet) -> Iterator[Problem]:
    """A node that runs such a pod can never be drained, and cluster upgrades hang."""
    scalers = _scale_targets(objects)
    for entry in objects.of("policy", "PodDisruptionBudget"):
        most, least = entry.spec.get("maxUnavailable"), entry.spec.get("minAvailable")
        if most is not None and str(most) in {"0", "0%"}:
            yield Problem(entry, "spec.maxUnavailable", f"{most}: no pod may ever be away")
        if least is None:
            continue
        if str(least) == "100%":
            yield Problem(entry, "spec.minAvailable", "100%: no pod may ever be away")
        selector = as_map(entry.spec.get("selector"))
        for pod in objects.selected(entry.namespace, selector) if isinstance(least, int) else ():
            owner = pod.entry
            scaler = scalers.get((owner.namespace, owner.kind, owner.name))
            replicas = owner.spec.get("replicas", 1) if scaler is None else scaler.spec.get("minReplicas", 1)
            if owner.kind in _SCALABLE and 0 < _count(replicas, 1) <= least:
                yield Problem(
                    entry, "spec.minAvailable", f"{least} of the {replicas} pods of {owner}: none may be away"
                )


@CHECKS.check(
    "pdb-unhealthy-pods",
    INFO,
    "A PodDisruptionBudget protects pods that do not work",
    fix="set spec.unhealthyPodEvictionPolicy: AlwaysAllow",
    also=["pdb-unhealthy-pod-eviction-policy"],
)
def pdb_unhealthy_pods(objects: ObjectSet) -> Iterator[Problem]:
    """A node with a crashing pod cannot be drained, although nothing is lost by evicting it."""
    for entry in objects.of("policy", "PodDisruptionBudget"):
        if entry.spec.get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield Problem(entry, "spec.unhealthyPodEvictionPolicy", "expected AlwaysAllow")


@CHECKS.check(
    "missing-pdb",
    INFO,
    "A workload of several replicas has no PodDisruptionBudget",
    fix="add a PodDisruptionBudget with maxUnavailable: 1",
    also=["deployment-has-poddisruptionbudget", "statefulset-has-poddisruptionbudget", "missingPodDisruptionBudget"],
)
def missing_pdb(objects: ObjectSet) -> Iterator[Problem]:
    """A drain may take all of its pods at once."""
    covered = {
        id(pod)
        for entry in objects.of("policy", "PodDisruptionBudget")
        for pod in objects.selected(entry.namespace, as_map(entry.spec.get("selector")))
    }
    for pod in objects.pods:
        replicas = _count(pod.entry.spec.get("replicas"), 1)
        if pod.entry.kind in {"Deployment", "StatefulSet"} and replicas > 1 and id(pod) not in covered:
            yield Problem(pod.entry, "spec.replicas", f"{replicas} replicas and no PodDisruptionBudget")


@CHECKS.check(
    "no-anti-affinity",
    INFO,
    "Several replicas may all run on one node",
    fix="add podAntiAffinity or topologySpreadConstraints over kubernetes.io/hostname",
    also=["no-anti-affinity", "deployment-has-host-podantiaffinity", "statefulset-has-host-podantiaffinity"],
)
def no_anti_affinity(objects: ObjectSet) -> Iterator[Problem]:
    """The loss of that node is the loss of all."""
    for pod in objects.pods:
        replicas = _count(pod.entry.spec.get("replicas"), 1)
        affinity = as_map(pod.spec.get("affinity"))
        if replicas > 1 and not affinity.get("podAntiAffinity") and not pod.spec.get("topologySpreadConstraints"):
            yield Problem(pod.entry, f"{pod.path}.affinity", f"{replicas} replicas without podAntiAffinity")


@CHECKS.check(
    "restart-policy",
    ERROR,
    "A restart policy that the kind does not allow",
    fix="Always for workloads; OnFailure or Never for Jobs",
)
def restart_policy(objects: ObjectSet) -> Iterator[Problem]:
    """The API server refuses the object."""
    for pod in objects.pods:
        policy = as_text(pod.spec.get("restartPolicy", "Always"))
        if pod.entry.kind in _ALWAYS and policy != "Always":
            yield Problem(pod.entry, f"{pod.path}.restartPolicy", f"expected Always, found {policy}")
        elif pod.entry.kind in {"Job", "CronJob"} and policy not in {"OnFailure", "Never"}:
            yield Problem(pod.entry, f"{pod.path}.restartPolicy", f"expected OnFailure or Never, found {policy}")


@CHECKS.check(
    "job-without-ttl",
    INFO,
    "A finished Job stays for ever",
    fix="set spec.ttlSecondsAfterFinished",
    also=["job-ttl-seconds-after-finished"],
)
def job_without_ttl(objects: ObjectSet) -> Iterator[Problem]:
    """Its pods, logs and volumes stay too. Not asked of Jobs of a CronJob, which keeps the newest few."""
    for entry in objects.of("batch", "Job"):
        if "ttlSecondsAfterFinished" not in entry.spec:
            yield Problem(entry, "spec.ttlSecondsAfterFinished", "expected seconds, found none")


_CRON_NAMES = {
    3: {
        name: i
        for i, name in enumerate(
            ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
        )
    },
    4: {name: i for i, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])},
}
_CRON_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 7))
_CRON_MACROS = {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}


def _cron_number(text: str, field: int) -> int | None:
    named = _CRON_NAMES.get(field, {}).get(text.lower())
    if named is not None:
        return named
    return int(text) if text.isdigit() and text.isascii() else None


def cron_problem(schedule: str) -> str | None:
    """Say what is wrong with a cron schedule; nothing if it is right. Source: robfig/cron v3, the parser of the CronJob controller."""
    if schedule.startswith("@"):
        if schedule in _CRON_MACROS or re.fullmatch(r"@every ([0-9.]+(ns|us|µs|ms|s|m|h))+", schedule):
            return None
        return f"{schedule}: unknown macro{suggest(schedule, _CRON_MACROS)}"
    if schedule.startswith(("TZ=", "CRON_TZ=")):
        return "a time zone in the schedule is refused; use spec.timeZone"
    parts = schedule.split()
    if len(parts) != len(_CRON_FIELDS):
        return f"expected 5 fields (minute hour day month weekday), found {len(parts)}"
    for index, (part, (name, low, high)) in enumerate(zip(parts, _CRON_FIELDS, strict=True)):
        for piece in part.split(","):
            span, slash, step = piece.partition("/")
            if slash and (not step.isdigit() or int(step) == 0):
                return f"{name}: expected a number above 0 after '/', found {step!r}"
            if span in {"*", "?"}:
                continue
            first, dash, last = span.partition("-")
            start = _cron_number(first, index)
            end = _cron_number(last, index) if dash else start
            if start is None or end is None:
                return f"{name}: expected {low}-{high}, found {piece}"
            if not low <= start <= high or not low <= end <= high:
                return f"{name}: expected {low}-{high}, found {piece}"
            if start > end:
                return f"{name}: {span} runs backwards"
    return None


@CHECKS.check(
    "invalid-cron", ERROR, "A schedule cannot be read", fix="write five fields: minute hour day month weekday"
)
def invalid_cron(objects: ObjectSet) -> Iterator[Problem]:
    """The API server refuses the CronJob."""
    for entry in objects.of("batch", "CronJob"):
        schedule = entry.spec.get("schedule")
        if isinstance(schedule, str):
            problem = cron_problem(schedule.strip())
            if problem:
                yield Problem(entry, "spec.schedule", problem)


@CHECKS.check(
    "shared-volume",
    WARNING,
    "Several pods share a volume that one node at a time may mount",
    fix="use ReadWriteMany, a StatefulSet with claims of its own, or one replica with strategy Recreate",
)
def shared_volume(objects: ObjectSet) -> Iterator[Problem]:
    """With ReadWriteOnce the second pod waits for ever if it lands on another node; a rolling update hangs in the same way."""
    for pod in objects.pods:
        if pod.entry.kind not in {"Deployment", "ReplicaSet"}:
            continue
        for index, volume in enumerate(as_list(pod.spec.get("volumes"))):
            name = as_text(as_map(as_map(volume).get("persistentVolumeClaim")).get("claimName"))
            claim = objects.find("", "PersistentVolumeClaim", pod.entry.namespace, name) if name else None
            modes = as_list(claim.spec.get("accessModes")) if claim else []
            if not modes or "ReadWriteMany" in modes or "ReadOnlyMany" in modes:
                continue
            replicas = _count(pod.entry.spec.get("replicas"), 1)
            strategy = as_text(as_map(pod.entry.spec.get("strategy")).get("type")) or "RollingUpdate"
            path = f"{pod.path}.volumes[{index}].persistentVolumeClaim.claimName"
            if replicas > 1:
                yield Problem(
                    pod.entry, path, f"{replicas} replicas share {name}, which is {', '.join(map(str, modes))}"
                )
            elif strategy != "Recreate":
                message = f"{name} is {', '.join(map(str, modes))}, and a rolling update needs it twice"
                yield Problem(pod.entry, path, message, "set spec.strategy.type: Recreate")


@CHECKS.check("invalid-base64", ERROR, "A value of a Secret is not base64", fix="encode it, or use stringData")
def invalid_base64(objects: ObjectSet) -> Iterator[Problem]:
    """The API server refuses the Secret."""
    for entry in objects.of("", "Secret", "ConfigMap"):
        field = "data" if entry.kind == "Secret" else "binaryData"
        for key, value in as_map(entry.object.get(field)).items():
            if not isinstance(value, str):
                continue
            try:
                base64.b64decode(re.sub(r"[\r\n]", "", value), validate=True)
            except (binascii.Error, ValueError):
                yield Problem(entry, f"{field}[{key}]", f"expected base64, found a text of {len(value)} characters")


@CHECKS.check(
    "secret-value",
    INFO,
    "A Secret with its value",
    fix="make it on the cluster, or by an ExternalSecret or SealedSecret",
)
def secret_value(objects: ObjectSet) -> Iterator[Problem]:
    """A manifest is kept where many read it."""
    for entry in objects.of("", "Secret"):
        keys = [
            key for field in ("data", "stringData") for key, value in as_map(entry.object.get(field)).items() if value
        ]
        if keys:
            yield Problem(entry, "data", f"holds the values of {', '.join(sorted(keys))}")


@CHECKS.check(
    "immutable-name",
    INFO,
    "A Job that cannot be applied twice with another content",
    fix="put a hash or version into its name",
    on=False,
)
def immutable_name(objects: ObjectSet) -> Iterator[Problem]:
    """The template of a Job never changes: the next apply with another image is refused."""
    for entry in objects.of("batch", "Job"):
        if not re.search(r"[-.](?=[a-z]*[0-9])[a-z0-9]{5,}\Z|[0-9]\Z", entry.name):
            yield Problem(entry, "metadata.name", f"{entry.name} names no version")
