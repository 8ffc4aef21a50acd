"""Looking at a cluster before a set is applied: version, rights, kinds, storage, GPUs, Pod Security, quotas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_nix.cluster import rbac
from mlops_nix.cluster.desired import problems
from mlops_nix.cluster.discovery import NAMESPACES, NODES, QUOTAS, STORAGE_CLASSES, of_definitions
from mlops_nix.cluster.prepare import missing_secrets
from mlops_nix.cluster.quantity import parse
from mlops_nix.objects import as_list, as_map, as_text, containers, metadata, pod_template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_nix.cluster.connection import Cluster
    from mlops_nix.cluster.desired import DesiredSet, Item
    from mlops_nix.cluster.discovery import Discovery


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Args:
        check: What was looked at.
        level: ``ok``, ``warning`` or ``problem``.
        text: What was found.
        hint: What to do about it.
    """

    check: str
    level: str
    text: str
    hint: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give it as ``--output json`` prints it."""
        document = {"check": self.check, "level": self.level, "text": self.text}
        return {**document, "hint": self.hint} if self.hint else document


def examine(cluster: Cluster, desired: DesiredSet | None, *, inventory_namespace: str) -> Iterator[Finding]:
    """Look at a cluster, with or without a set in mind.

    Args:
        cluster: The cluster.
        desired: The set.
        inventory_namespace: Where its inventory would lie.
    """
    major, minor = cluster.version
    yield Finding("version", "ok", f"Kubernetes {major}.{minor} at {cluster.server}")
    for group, version in sorted(cluster.discovery.stale):
        yield Finding(
            "discovery",
            "warning",
            f"the aggregated API {group}/{version} does not answer",
            "`kubectl get apiservice` shows why",
        )
    yield from _storage(cluster, desired)
    if desired is None:
        yield from _accelerators(cluster, {})
        return
    if desired.kubernetes_version:
        wanted = tuple(int(part) for part in desired.kubernetes_version.split(".")[:2])
        if (major, minor) < wanted:
            yield Finding(
                "version",
                "problem",
                f"the set was rendered for Kubernetes {desired.kubernetes_version}",
                f'set `kubernetes.version = "{major}.{minor}"`',
            )
    for problem in problems(desired):
        yield Finding("set", "problem", str(problem), problem.hint or "")
    yield from _kinds(cluster, desired)
    yield from _rights(cluster, desired, inventory_namespace)
    for name, purpose in missing_secrets(cluster, desired):
        yield Finding(
            "secrets",
            "problem",
            f"Secret {name} is missing{f': {purpose}' if purpose else ''}",
            "`mlops-nix secrets create` makes it",
        )
    yield from _accelerators(cluster, requested(desired))
    yield from _namespaces(cluster, desired)
    yield from _quotas(cluster, desired)


def known_kinds(cluster: Cluster, desired: DesiredSet) -> tuple[Discovery, Discovery]:
    """Give what the server serves, and what it will serve once the CRDs of the set are there."""
    return cluster.discovery, of_definitions(desired.definitions)


def _kinds(cluster: Cluster, desired: DesiredSet) -> Iterator[Finding]:
    served, future = known_kinds(cluster, desired)
    missing: dict[str, str] = {}
    for item in desired.items:
        ref = item.ref
        if served.find(ref.group, ref.version, ref.kind) or future.find(ref.group, ref.version, ref.kind):
            continue
        other = served.any_version(ref.group, ref.kind)
        operator = next(
            (name for crd, name in desired.external_kinds.items() if crd.partition(".")[2] == ref.group), ""
        )
        text = (
            f"the cluster serves it only as {other.api_version}"
            if other
            else f"bring it with {operator}"
            if operator
            else "no CRD on the cluster or in the set"
        )
        missing[f"{ref.api_version} {ref.kind}"] = text
    for kind, text in missing.items():
        yield Finding("kinds", "problem", f"{kind}: {text}", "install the operator first, or add its CRDs to the set")
    if not missing:
        yield Finding("kinds", "ok", "every kind of the set is served, or comes with it")


def rights_of(cluster: Cluster, desired: DesiredSet, inventory_namespace: str) -> set[rbac.Right]:
    """Give the rights that applying and pruning a set needs."""
    served, future = known_kinds(cluster, desired)
    rights: set[rbac.Right] = set()
    for item in desired.items:
        resource = served.any_version(item.ref.group, item.ref.kind, item.ref.version) or future.any_version(
            item.ref.group, item.ref.kind
        )
        if resource is not None:
            namespace = item.ref.namespace if resource.namespaced else ""
            rights |= {
                (verb, resource.group, resource.plural, namespace)
                for verb in ("create", "delete", "get", "list", "patch")
            }
    for group, plural in (("", "secrets"), ("coordination.k8s.io", "leases")):
        rights |= {(verb, group, plural, inventory_namespace) for verb in ("create", "get", "update", "delete")}
    return rights


def _rights(cluster: Cluster, desired: DesiredSet, inventory_namespace: str) -> Iterator[Finding]:
    lacking = rbac.missing(cluster.api, rights_of(cluster, desired, inventory_namespace))
    for verb, group, plural, namespace in lacking:
        where = f"in {namespace}" if namespace else "in the cluster"
        yield Finding(
            "rights",
            "problem",
            f"cannot {verb} {plural}{f'.{group}' if group else ''} {where}",
            "`mlops-nix doctor --rbac` prints the Role that the set needs",
        )
    if not lacking:
        yield Finding("rights", "ok", "all rights that the set needs are there")


def _storage(cluster: Cluster, desired: DesiredSet | None) -> Iterator[Finding]:
    answer = cluster.api.list(STORAGE_CLASSES)
    if not answer.ok:
        yield Finding("storage", "warning", "the StorageClasses may not be read")
        return
    classes = as_list(answer.value.get("items"))
    names = {as_text(metadata(entry).get("name")) for entry in classes}
    defaults = [
        as_text(metadata(entry).get("name"))
        for entry in classes
        if as_map(metadata(entry).get("annotations")).get("storageclass.kubernetes.io/is-default-class") == "true"
    ]
    claims = list(_claims(desired)) if desired else []
    needs_default = [name for name, storage_class, _ in claims if storage_class is None]
    if len(defaults) == 1:
        yield Finding("storage", "ok", f"the default StorageClass is {defaults[0]}")
    elif defaults:
        yield Finding(
            "storage",
            "warning",
            f"several StorageClasses are default: {', '.join(defaults)}",
            "the newest of them is used",
        )
    else:
        level = "problem" if needs_default else "warning"
        who = f"; {', '.join(needs_default[:3])} would wait for ever" if needs_default else ""
        yield Finding(
            "storage",
            level,
            f"there is no default StorageClass{who}",
            "mark one with storageclass.kubernetes.io/is-default-class, or name one in the platform",
        )
    for name, storage_class, modes in claims:
        if storage_class and storage_class not in names:
            yield Finding(
                "storage",
                "problem",
                f"{name} wants the StorageClass {storage_class!r}, which does not exist",
                f"there are: {', '.join(sorted(names)) or 'none'}",
            )
        if "ReadWriteMany" in modes:
            yield Finding(
                "storage",
                "warning",
                f"{name} wants ReadWriteMany",
                "its StorageClass must support that; most block storage does not",
            )


def _claims(desired: DesiredSet | None) -> Iterator[tuple[str, str | None, list[Any]]]:
    for item in desired.items if desired else ():
        spec = as_map(item.object.get("spec"))
        if item.ref.kind == "PersistentVolumeClaim":
            yield str(item.ref), spec.get("storageClassName"), as_list(spec.get("accessModes"))
        for template in as_list(spec.get("volumeClaimTemplates")) if item.ref.kind == "StatefulSet" else ():
            inner = as_map(as_map(template).get("spec"))
            yield (
                f"{item.ref}, claim {as_text(metadata(template).get('name'))}",
                inner.get("storageClassName"),
                as_list(inner.get("accessModes")),
            )


def requested(desired: DesiredSet) -> dict[str, list[str]]:
    """Give the extended resources (GPUs) that pods of the set ask for, and who asks."""
    found: dict[str, list[str]] = {}
    for item in desired.items:
        template = pod_template(item.object)
        if template is None:
            continue
        for _, container in containers(as_map(template[1].get("spec"))):
            for name in as_map(as_map(container.get("resources")).get("limits")):
                if "/" in name:
                    found.setdefault(name, []).append(str(item.ref))
    return found


def _accelerators(cluster: Cluster, wanted: dict[str, list[str]]) -> Iterator[Finding]:
    answer = cluster.api.list(NODES)
    if not answer.ok:
        if wanted:
            yield Finding("nodes", "warning", f"the nodes may not be read; the set asks for {', '.join(wanted)}")
        return
    totals: dict[str, int] = {}
    nodes = as_list(answer.value.get("items"))
    for node in nodes:
        for name, amount in as_map(as_map(node.get("status")).get("allocatable")).items():
            if "/" in name:
                totals[name] = totals.get(name, 0) + int(parse(amount) or 0)
    told = (
        ", ".join(f"{count} {name}" for name, count in sorted(totals.items())) or "no GPUs or other extended resources"
    )
    yield Finding("nodes", "ok", f"{len(nodes)} nodes, {told}")
    for name, users in wanted.items():
        if not totals.get(name):
            yield Finding(
                "nodes",
                "warning",
                f"no node has {name}, which {', '.join(users[:3])} ask for",
                "pods stay Pending unless an autoscaler brings such nodes",
            )


def _namespaces(cluster: Cluster, desired: DesiredSet) -> Iterator[Finding]:
    brought = {item.ref.name for item in desired.items if item.ref.kind == "Namespace"}
    pods = {item.ref.namespace for item in desired.items if pod_template(item.object) is not None}
    for name in desired.namespaces:
        if name in brought:
            continue
        answer = cluster.api.get(NAMESPACES, "", name)
        if not answer.ok:
            if answer.http_status == 404:  # noqa: PLR2004
                yield Finding(
                    "namespaces", "problem", f"the namespace {name} does not exist, and the set does not bring it"
                )
            continue
        level = as_text(as_map(metadata(answer.value).get("labels")).get("pod-security.kubernetes.io/enforce"))
        if level and name in pods:
            yield from _pod_security(desired, name, level)


def _pod_security(desired: DesiredSet, namespace: str, level: str) -> Iterator[Finding]:
    refused = [str(item.ref) for item in desired.items if item.ref.namespace == namespace and not _meets(item, level)]
    if refused:
        yield Finding(
            "pod-security",
            "problem",
            f"{namespace} enforces {level!r}, which pods of {', '.join(refused[:3])} do not meet",
            "`mlops-nix validate` shows which field",
        )
    else:
        yield Finding("pod-security", "ok", f"{namespace} enforces {level!r}, which all pods of the set meet")


def _meets(item: Item, level: str) -> bool:
    """Tell roughly whether a pod meets a Pod Security level: the fields that decide in nearly all cases."""
    template = pod_template(item.object)
    if template is None or level == "privileged":
        return True
    spec = as_map(template[1].get("spec"))
    if spec.get("hostNetwork") or spec.get("hostPID") or spec.get("hostIPC"):
        return False
    if any("hostPath" in as_map(volume) for volume in as_list(spec.get("volumes"))):
        return False
    pod = as_map(spec.get("securityContext"))
    for _, container in containers(spec):
        context = as_map(container.get("securityContext"))
        if context.get("privileged"):
            return False
        if level != "restricted":
            continue
        dropped = as_list(as_map(context.get("capabilities")).get("drop"))
        seccomp = as_map(context.get("seccompProfile")) or as_map(pod.get("seccompProfile"))
        non_root = context.get("runAsNonRoot", pod.get("runAsNonRoot"))
        if context.get("allowPrivilegeEscalation") is not False or "ALL" not in dropped or non_root is not True:
            return False
        if seccomp.get("type") not in {"RuntimeDefault", "Localhost"}:
            return False
    return True


def _quotas(cluster: Cluster, desired: DesiredSet) -> Iterator[Finding]:
    for namespace in desired.namespaces:
        answer = cluster.api.list(QUOTAS, namespace)
        for quota in as_list(answer.value.get("items")) if answer.ok else ():
            status = as_map(quota.get("status"))
            used = as_map(status.get("used"))
            left = []
            level = "ok"
            for name, hard in as_map(status.get("hard")).items():
                most, taken = parse(hard), parse(used.get(name, "0"))
                if most is None or taken is None:
                    continue
                left.append(f"{name} {used.get(name, '0')} of {hard}")
                if taken >= most:
                    level = "warning"
            name = as_text(metadata(quota).get("name"))
            yield Finding("quota", level, f"{namespace}/{name}: used {', '.join(left) or 'nothing is limited yet'}")
