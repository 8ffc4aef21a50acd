"""The rights that a set needs: asked for before the first write, and written down as a Role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_nix.cluster.inventory import SYSTEM_NAMESPACE
from mlops_nix.cluster.plan import Action
from mlops_nix.cluster.workers import each
from mlops_nix.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlops_nix.cluster.api import Api
    from mlops_nix.cluster.desired import DesiredSet
    from mlops_nix.cluster.discovery import Discovery
    from mlops_nix.cluster.prepare import Prepared
    from mlops_nix.objects import KubernetesObject

# Verb, group, plural, namespace (empty: cluster-scoped).
Right = tuple[str, str, str, str]

# What the cluster layer itself does in the namespace of the inventory.
_OWN: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("", "secrets", ("create", "delete", "get", "list", "patch", "update")),
    ("coordination.k8s.io", "leases", ("create", "delete", "get", "update")),
)
# What waiting and explaining reads.
_READING: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("", "events", ("list",)),
    ("", "pods", ("get", "list")),
    ("", "pods/log", ("get",)),
)
_VERBS = ("create", "delete", "get", "list", "patch", "watch")


def allowed(api: Api, right: Right) -> bool | None:
    """Ask whether the user has a right.

    Returns:
        Nothing where the server does not say.
    """
    verb, group, plural, namespace = right
    resource, _, subresource = plural.partition("/")
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {
            "resourceAttributes": {
                "verb": verb,
                "group": group,
                "resource": resource,
                **({"subresource": subresource} if subresource else {}),
                **({"namespace": namespace} if namespace else {}),
            }
        },
    }
    answer = api.send("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=review)
    if not answer.ok or not isinstance(answer.value, dict):
        return None
    return bool((answer.value.get("status") or {}).get("allowed"))


def missing(api: Api, rights: Iterable[Right]) -> list[Right]:
    """Find rights that the user does not have; one question is enough for an administrator."""
    wanted = sorted(set(rights))
    if not wanted or allowed(api, ("*", "*", "*", "")):
        return []
    answers = each(lambda right: allowed(api, right), wanted, limit=api.limit)
    return [right for right, answer in zip(wanted, answers, strict=True) if answer is False]


def of_plan(discovery: Discovery, prepared: Prepared) -> set[Right]:
    """Give the rights that the writes of a plan need."""
    verbs = {
        Action.CREATE: ("create", "patch"),
        Action.CHANGE: ("patch",),
        Action.REPLACE: ("create", "delete", "patch"),
        Action.PRUNE: ("delete",),
    }
    rights: set[Right] = set()
    for step in (*prepared.plan.steps, *prepared.plan.prunes):
        resource = discovery.find(step.ref.group, step.ref.version, step.ref.kind)
        if resource is None or step.action not in verbs:
            continue
        namespace = step.ref.namespace if resource.namespaced else ""
        rights |= {(verb, resource.group, resource.plural, namespace) for verb in verbs[step.action]}
    for group, plural, own_verbs in _OWN:
        rights |= {
            (verb, group, plural, prepared.store.namespace)
            for verb in own_verbs
            if verb in {"create", "update", "delete"}
        }
    return rights


def require(api: Api, discovery: Discovery, prepared: Prepared) -> None:
    """Refuse a plan for which the user lacks rights; nothing was written.

    Raises:
        ApiError: Which rights are missing, by kind and namespace.
    """
    lacking = missing(api, of_plan(discovery, prepared))
    if not lacking:
        return
    lines = []
    for _verb, group, plural, namespace in dict.fromkeys(("", *right[1:]) for right in lacking):
        verbs = ", ".join(right[0] for right in lacking if right[1:] == (group, plural, namespace))
        where = f"in namespace {namespace}" if namespace else "in the cluster"
        lines.append(f"cannot {verbs} {plural}{f'.{group}' if group else ''} {where}")
    raise ApiError(
        "\n".join(["rights are missing; nothing was written", *lines]),
        http_status=403,
        hint="`mlops-nix doctor --rbac` prints the Role that this set needs",
    )


def roles(
    desired: DesiredSet, discovery: Discovery, *, inventory_namespace: str, subject: str = "USER"
) -> list[KubernetesObject]:
    """Write the rights that a set needs as Roles, one per namespace, and a ClusterRole where it has cluster-scoped objects.

    Args:
        desired: The set.
        discovery: What the server serves, and what the CRDs of the set will be.
        inventory_namespace: Where the inventory lies.
        subject: Name of the user in the bindings.
    """
    needed: dict[str, dict[tuple[str, str], set[str]]] = {}

    def need(namespace: str, group: str, plural: str, verbs: Iterable[str]) -> None:
        needed.setdefault(namespace, {}).setdefault((group, plural), set()).update(verbs)

    for item in desired.items:
        resource = discovery.any_version(item.ref.group, item.ref.kind, item.ref.version)
        if resource is not None:
            need(item.ref.namespace if resource.namespaced else "", resource.group, resource.plural, _VERBS)
    for namespace in desired.namespaces:
        for group, plural, verbs in _READING:
            need(namespace, group, plural, verbs)
    for group, plural, verbs in _OWN:
        need(inventory_namespace, group, plural, verbs)
    if inventory_namespace == SYSTEM_NAMESPACE:
        need("", "", "namespaces", ("create", "get"))
    documents: list[KubernetesObject] = []
    for namespace in sorted(needed):
        documents += _documents(desired.name, namespace, needed[namespace], subject)
    return documents


def _documents(
    set_name: str, namespace: str, needed: dict[tuple[str, str], set[str]], subject: str
) -> list[KubernetesObject]:
    # Plurals of one group with the same verbs share a rule.
    grouped: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (group, plural), verbs in sorted(needed.items()):
        grouped.setdefault((group, tuple(sorted(verbs))), []).append(plural)
    rules: list[dict[str, Any]] = [
        {"apiGroups": [group], "resources": plurals, "verbs": list(verbs)}
        for (group, verbs), plurals in grouped.items()
    ]
    kind = "Role" if namespace else "ClusterRole"
    meta: dict[str, Any] = {"name": f"mlops-nix-{set_name}", **({"namespace": namespace} if namespace else {})}
    binding = f"{kind}Binding"
    return [
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": meta, "rules": rules},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": binding,
            "metadata": dict(meta),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": meta["name"]},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": subject}],
        },
    ]
