"""Rights: what roles grant, and to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_nix.findings import ERROR, INFO, WARNING, Family, Problem
from mlops_nix.objects import as_list, as_map, as_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlops_nix.objectset import Entry, ObjectSet

CHECKS = Family("rbac")

_GROUP = "rbac.authorization.k8s.io"


def _rules(objects: ObjectSet) -> Iterator[tuple[Entry, str, Mapping[str, Any]]]:
    for entry in objects.of(_GROUP, "Role", "ClusterRole"):
        for index, rule in enumerate(as_list(entry.object.get("rules"))):
            yield entry, f"rules[{index}]", as_map(rule)


@CHECKS.check(
    "cluster-admin-binding",
    WARNING,
    "A binding grants cluster-admin",
    fix="bind a role with the rights that are needed",
    also=["cluster-admin-role-binding", "clusterrolebindingClusterAdmin"],
)
def cluster_admin_binding(objects: ObjectSet) -> Iterator[Problem]:
    """Whoever takes over one of its pods owns the cluster."""
    for entry in objects.of(_GROUP, "RoleBinding", "ClusterRoleBinding"):
        ref = as_map(entry.object.get("roleRef"))
        if ref.get("kind") == "ClusterRole" and ref.get("name") == "cluster-admin":
            subjects = ", ".join(as_text(as_map(s).get("name")) for s in as_list(entry.object.get("subjects")))
            yield Problem(entry, "roleRef", f"grants everything to {subjects or 'nobody'}")


@CHECKS.check(
    "wildcard-rule",
    WARNING,
    "A role grants every verb or every resource",
    fix="name verbs and resources",
    also=["wildcard-in-rules"],
)
def wildcard_rule(objects: ObjectSet) -> Iterator[Problem]:
    """It also grants what is installed tomorrow."""
    for entry, path, rule in _rules(objects):
        wild = [field for field in ("verbs", "resources") if "*" in as_list(rule.get(field))]
        if "*" in as_list(rule.get("apiGroups")) and wild:
            wild.append("apiGroups")
        if wild:
            yield Problem(entry, path, f"grants * in {', '.join(wild)}")


@CHECKS.check(
    "secret-access", INFO, "A role reads Secrets", fix="name the Secrets in resourceNames", also=["access-to-secrets"]
)
def secret_access(objects: ObjectSet) -> Iterator[Problem]:
    """Reading all Secrets of a namespace is having all its rights; of the cluster, owning it."""
    for entry, path, rule in _rules(objects):
        if "" not in as_list(rule.get("apiGroups")) or "secrets" not in as_list(rule.get("resources")):
            continue
        verbs = {"get", "list", "watch"} & set(filter(_is_text, as_list(rule.get("verbs"))))
        if verbs and not rule.get("resourceNames"):
            yield Problem(entry, path, f"may {', '.join(sorted(verbs))} every Secret")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


@CHECKS.check(
    "pod-exec",
    INFO,
    "A role runs commands in pods",
    fix="drop pods/exec and pods/attach",
    also=["rolePodExecAttach", "clusterrolePodExecAttach"],
)
def pod_exec(objects: ObjectSet) -> Iterator[Problem]:
    """It has every right that any pod of the namespace has."""
    for entry, path, rule in _rules(objects):
        found = {"pods/exec", "pods/attach"} & set(filter(_is_text, as_list(rule.get("resources"))))
        if found and {"create", "get", "*"} & set(filter(_is_text, as_list(rule.get("verbs")))):
            yield Problem(entry, path, f"grants {', '.join(sorted(found))}")


@CHECKS.check(
    "privilege-escalation-rule",
    WARNING,
    "A role may give itself more rights",
    fix="drop bind, escalate and impersonate",
)
def privilege_escalation_rule(objects: ObjectSet) -> Iterator[Problem]:
    """`bind` and `escalate` on roles, and `impersonate`, are a way to cluster-admin."""
    for entry, path, rule in _rules(objects):
        found = {"bind", "escalate", "impersonate"} & set(filter(_is_text, as_list(rule.get("verbs"))))
        if found and not rule.get("resourceNames"):
            yield Problem(entry, f"{path}.verbs", f"grants {', '.join(sorted(found))}")


@CHECKS.check(
    "anonymous-binding", ERROR, "A binding grants rights to everybody", fix="name a user, group or ServiceAccount"
)
def anonymous_binding(objects: ObjectSet) -> Iterator[Problem]:
    """No password is needed for them."""
    for entry in objects.of(_GROUP, "RoleBinding", "ClusterRoleBinding"):
        for index, item in enumerate(as_list(entry.object.get("subjects"))):
            name = as_text(as_map(item).get("name"))
            if name in {"system:anonymous", "system:unauthenticated"}:
                yield Problem(entry, f"subjects[{index}].name", f"{name} is everybody who can reach the API server")


@CHECKS.check(
    "subject-namespace", ERROR, "A ServiceAccount of a ClusterRoleBinding has no namespace", fix="add the namespace"
)
def subject_namespace(objects: ObjectSet) -> Iterator[Problem]:
    """The API server refuses it. In a RoleBinding the namespace of the binding is meant."""
    for entry in objects.of(_GROUP, "ClusterRoleBinding"):
        for index, item in enumerate(as_list(entry.object.get("subjects"))):
            subject = as_map(item)
            if subject.get("kind") == "ServiceAccount" and not subject.get("namespace"):
                yield Problem(entry, f"subjects[{index}].namespace", f"expected the namespace of {subject.get('name')}")
