"""What somebody else changed since the set was applied: which field, by whom, since when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_nix.cluster import fields
from mlops_nix.cluster.answer import Outcome
from mlops_nix.cluster.api import MANAGER
from mlops_nix.cluster.compare import ABSENT, FieldChange, changes, shown
from mlops_nix.cluster.desired import with_owner
from mlops_nix.cluster.live import read_each
from mlops_nix.cluster.plan import owner_of
from mlops_nix.cluster.readiness import removes_itself
from mlops_nix.cluster.redact import Mask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nix.cluster.connection import Cluster
    from mlops_nix.cluster.desired import DesiredSet, Item
    from mlops_nix.cluster.discovery import Resource
    from mlops_nix.objects import KubernetesObject, ObjectRef

# Managers that write what is theirs by design: what they add is no drift.
_SYSTEM = re.compile(
    r"^(kube-.*|kubelet|cloud-controller-manager|cluster-autoscaler|.*-controller(-manager)?|.*-operator|manager|operator|mlops-nix.*)$"
)
# Managers that stand for a person at a keyboard, or another tool.
_HANDS = re.compile(
    r"^(kubectl.*|helm|Helm|k9s|lens.*|argocd.*|kustomize-controller|Mozilla.*|curl.*|python-requests.*|OpenAPI-Generator)$",
    re.IGNORECASE,
)


# Kinds that controllers, provisioners and injectors complete by design.
_COMPLETED = frozenset(
    {
        "APIService",
        "CustomResourceDefinition",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "Pod",
        "ServiceAccount",
        "ValidatingWebhookConfiguration",
    }
)


@dataclass(frozen=True, slots=True)
class DriftedField:
    """A field that is not as the set says.

    Args:
        path: The field.
        ours: What the set says; `compare.ABSENT` where it says nothing.
        theirs: What the cluster has; `compare.ABSENT` where it has nothing.
        manager: Who wrote it, where known.
        time: When that manager last wrote.
    """

    path: str
    ours: Any
    theirs: Any
    manager: str = ""
    time: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give it as ``--output json`` prints it."""
        document: dict[str, Any] = {"path": self.path}
        if self.ours is not ABSENT:
            document["ours"] = self.ours
        if self.theirs is not ABSENT:
            document["cluster"] = self.theirs
        if self.manager:
            document["manager"] = self.manager
        if self.time:
            document["since"] = self.time
        return document

    def __str__(self) -> str:
        who = f"  by {self.manager}" if self.manager else ""
        since = f" since {self.time}" if self.time else ""
        ours = "nothing" if self.ours is ABSENT else shown(self.ours)
        theirs = "nothing" if self.theirs is ABSENT else shown(self.theirs)
        return f"{self.path}: set {ours}, cluster {theirs}{who}{since}"


@dataclass(frozen=True, slots=True)
class Drift:
    """What is not as the set says about one object.

    Args:
        ref: The object.
        component: The component that it belongs to.
        kind: ``missing``, ``changed``, ``foreign`` or ``unknown``.
        fields: The fields of a changed object.
        reason: More about it.
    """

    ref: ObjectRef
    component: str | None
    kind: str
    fields: tuple[DriftedField, ...] = ()
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give it as ``--output json`` prints it."""
        document: dict[str, Any] = {"object": self.ref.to_json(), "drift": self.kind}
        if self.component:
            document["component"] = self.component
        if self.fields:
            document["fields"] = [field.to_json() for field in self.fields]
        if self.reason:
            document["reason"] = self.reason
        return document


def drift(cluster: Cluster, desired: DesiredSet, *, mask: Mask | None = None) -> list[Drift]:
    """Find what somebody else changed.

    Args:
        cluster: The cluster.
        desired: The set as it was applied.
        mask: Hides the values of Secrets.

    Returns:
        One entry per object that is not as the set says; empty where nothing drifted.
    """
    hidden = mask or Mask()

    def look(item: Item, resource: Resource | None, live: KubernetesObject | None) -> Drift | None:
        return _drift_of(cluster, desired.name, item, resource, live, hidden)

    return [found for found in read_each(cluster, desired.name, desired.items, look) if found is not None]


def _drift_of(
    cluster: Cluster, set_name: str, item: Item, resource: Resource | None, live: KubernetesObject | None, mask: Mask
) -> Drift | None:
    if resource is not None and live is None and removes_itself(item.object):
        return None
    if resource is None or live is None:
        reason = "the cluster does not serve this kind" if resource is None else "was deleted"
        return Drift(item.ref, item.component, "missing", reason=reason)
    owner = owner_of(live)
    if owner != set_name:
        return Drift(
            item.ref,
            item.component,
            "foreign",
            reason=f"belongs to the set {owner!r}" if owner else "has lost our label",
        )
    left = fields.yielded(item.object, live)
    body = fields.without(with_owner(item.object, set_name), [path for path, _ in left])
    added = added_by_hand(live, mask)
    if fields.settled(body, live, known=True):
        return Drift(item.ref, item.component, "changed", tuple(added)) if added else None
    answer = cluster.api.apply(resource, body, item.ref.namespace, item.ref.name, dry_run=True, force=True)
    if not answer.ok:
        if answer.outcome is Outcome.IMMUTABLE:
            return Drift(item.ref, item.component, "changed", reason=answer.message[:300])
        return Drift(item.ref, item.component, "unknown", reason=mask.text(answer.message[:300], body, live))
    differing = [attributed(change, live) for change in changes(mask.object(live), mask.object(answer.value))]
    if not differing and not added:
        return None
    seen = {field.path for field in differing}
    return Drift(
        item.ref, item.component, "changed", (*differing, *(field for field in added if field.path not in seen))
    )


def attributed(change: FieldChange, live: Mapping[str, Any]) -> DriftedField:
    """Find out who wrote a field that applying would set back.

    Args:
        change: From the cluster to what it would become.
        live: The object on the cluster.
    """
    wanted = _bare(change.path)
    best: fields.Owner | None = None
    for path, owner in fields.owners(live):
        if owner.manager == MANAGER and owner.operation == "Apply":
            continue
        text = _bare(fields.text(path))
        touches = text == wanted or text.startswith(f"{wanted}.") or wanted.startswith(f"{text}.")
        if touches and (best is None or owner.time > best.time):
            best = owner
    if best is None and change.before is ABSENT:
        # Somebody took the field away: nobody owns what is not there. The last hand at the object is the best guess there is.
        hands = [owner for _, owner in fields.owners(live) if _HANDS.match(owner.manager)]
        best = max(hands, key=lambda owner: owner.time, default=None)
    return DriftedField(
        change.path, change.after, change.before, best.manager if best else "", best.time if best else ""
    )


def _bare(path: str) -> str:
    """Take the selectors of list items out of a path: two notations of one item differ in them."""
    return re.sub(r"\[[^\]]*\]", "", path)


def added_by_hand(live: KubernetesObject, mask: Mask) -> list[DriftedField]:
    """Find fields that a person or another tool added, and of which the set says nothing."""
    found: dict[str, DriftedField] = {}
    ours = {path for path, owner in fields.owners(live) if owner.manager == MANAGER and owner.operation == "Apply"}
    group = str(live.get("apiVersion", "")).rpartition("/")[0]
    # In a custom resource, operators of any name fill in what they like.
    core = ("." not in group or group.endswith(".k8s.io")) and live.get("kind") not in _COMPLETED
    masked = mask.object(live)
    for path, owner in fields.owners(live):
        if (
            path in ours
            or owner.subresource
            or path[:2] == ("f:metadata", "f:finalizers")
            or owner.manager in fields.AUTOSCALERS
        ):
            continue
        by_hand = _HANDS.match(owner.manager) or (
            core and owner.operation == "Update" and not _SYSTEM.match(owner.manager)
        )
        if not by_hand or fields.text(path).endswith("last-applied-configuration"):
            continue
        value = fields.lookup(masked, path)
        if value is not fields.MISSING:
            text = fields.text(path)
            found[text] = DriftedField(text, ABSENT, value, owner.manager, owner.time)
    return list(found.values())
