"""Taking over what ``kubectl apply`` or Helm made: their fields become ours, and nothing else changes.

As long as the former tool stays the owner of a field, that field conflicts, or stays although it left the set. So its entry in
``managedFields`` is turned into one of ours, as client-go's ``csaupgrade`` does it: by a JSON patch that also names the
resourceVersion. Values are not touched, so nothing restarts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_nix.cluster import events, fields
from mlops_nix.cluster.answer import Outcome
from mlops_nix.cluster.api import MANAGER, error_of
from mlops_nix.cluster.live import read_each
from mlops_nix.cluster.plan import owner_of
from mlops_nix.objects import as_list, as_map, as_text, metadata

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops_nix.cluster.connection import Cluster
    from mlops_nix.cluster.desired import DesiredSet, Item
    from mlops_nix.cluster.discovery import Resource
    from mlops_nix.cluster.plan import Policy
    from mlops_nix.objects import KubernetesObject, ObjectRef

# Source: field managers of kubectl (client-side apply, create, edit, replace) and of Helm 3 and 4.
FORMER_MANAGERS = (
    "kubectl-client-side-apply",
    "kubectl-create",
    "kubectl-edit",
    "kubectl-replace",
    "kubectl",
    "helm",
    "Helm",
)
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_HELM_ANNOTATIONS = ("meta.helm.sh/release-name", "meta.helm.sh/release-namespace")


@dataclass(frozen=True, slots=True)
class Adoption:
    """What taking over one object means.

    Args:
        ref: The object.
        action: ``adopt``, ``ours`` (nothing to do), ``new`` (not on the cluster) or ``refused``.
        managers: Whose fields are taken.
        leaves: Fields of theirs that the set does not have: the next apply removes them.
        reason: Why it is refused.
        release: Helm release that it belongs to, as ``namespace/name``.
        patch: The JSON patch.
    """

    ref: ObjectRef
    action: str
    managers: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    reason: str = ""
    release: str = ""
    patch: tuple[dict[str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give it as ``--output json`` prints it."""
        document: dict[str, Any] = {"object": self.ref.to_json(), "action": self.action}
        told = {
            "managers": list(self.managers),
            "leaves": list(self.leaves),
            "reason": self.reason,
            "release": self.release,
        }
        document.update({name: value for name, value in told.items() if value})
        return document


def decide(
    item: Item, live: KubernetesObject, set_name: str, managers: Sequence[str], *, release: bool = False
) -> Adoption:
    """Decide about one object; no request is made here.

    Args:
        item: The object of the set.
        live: The object on the cluster.
        set_name: Name of the set.
        managers: Whose fields to take.
        release: Also take Helm's labels and annotations off it.
    """
    owner = owner_of(live)
    annotations = as_map(metadata(live).get("annotations"))
    helm = as_text(annotations.get(_HELM_ANNOTATIONS[0]))
    name = f"{as_text(annotations.get(_HELM_ANNOTATIONS[1]))}/{helm}" if helm else ""
    if owner and owner != set_name:
        return Adoption(item.ref, "refused", reason=f"belongs to the set {owner!r}", release=name)
    if any(as_map(reference).get("controller") for reference in as_list(metadata(live).get("ownerReferences"))):
        return Adoption(item.ref, "refused", reason="is made by a controller, which would make it again", release=name)
    problem = _data_problem(item, live)
    if problem:
        return Adoption(item.ref, "refused", reason=problem, release=name)
    merged, taken, rest = _merged(live, managers)
    patch: list[dict[str, Any]] = []
    if taken:
        patch += [
            {"op": "replace", "path": "/metadata/managedFields", "value": [*rest, merged]},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": metadata(live).get("resourceVersion")},
        ]
    removable = [LAST_APPLIED, *(_HELM_ANNOTATIONS if release else ())]
    patch += [
        {"op": "remove", "path": f"/metadata/annotations/{_escaped(annotation)}"}
        for annotation in removable
        if annotation in annotations
    ]
    if not patch:
        return Adoption(item.ref, "ours", release=name)
    ours = [
        fields.text(path)
        for path in fields.paths(as_map(merged.get("fieldsV1")))
        if fields.lookup(item.object, path) is fields.MISSING
        and not fields.text(path).endswith((LAST_APPLIED, *_HELM_ANNOTATIONS))
    ]
    return Adoption(item.ref, "adopt", taken, tuple(ours), release=name, patch=tuple(patch))


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _data_problem(item: Item, live: KubernetesObject) -> str:
    """Say why taking an object over would endanger data; empty where it would not."""
    spec, there = as_map(item.object.get("spec")), as_map(live.get("spec"))
    if item.ref.kind == "PersistentVolumeClaim":
        wanted, found = spec.get("storageClassName"), there.get("storageClassName")
        if wanted is not None and wanted != found:
            return f"storageClassName: the set says {wanted!r}, the claim has {found!r}, and it cannot be changed"
    if item.ref.kind == "StatefulSet":
        wanted_claims, found_claims = _claim_names(spec), _claim_names(there)
        if wanted_claims != found_claims:
            return f"volumeClaimTemplates: the set has {wanted_claims or 'none'}, the cluster {found_claims or 'none'}, and they cannot be changed"
    return ""


def _claim_names(spec: Mapping[str, Any]) -> list[str]:
    return [as_text(metadata(template).get("name")) for template in as_list(spec.get("volumeClaimTemplates"))]


def _merged(live: KubernetesObject, managers: Sequence[str]) -> tuple[dict[str, Any], tuple[str, ...], list[Any]]:
    """Give our entry with theirs in it, whose were taken, and the entries that stay."""
    version = as_text(live.get("apiVersion"))
    merged: dict[str, Any] = {}
    taken: dict[str, None] = {}
    rest: list[Any] = []
    for entry in as_list(metadata(live).get("managedFields")):
        mine = entry.get("manager") == MANAGER and entry.get("operation") == "Apply"
        theirs = entry.get("manager") in managers
        if entry.get("subresource") or not (mine or theirs) or entry.get("apiVersion") != version:
            rest.append(entry)
            continue
        _merge(merged, as_map(entry.get("fieldsV1")))
        if theirs:
            taken[as_text(entry.get("manager"))] = None
    ours = {
        "manager": MANAGER,
        "operation": "Apply",
        "apiVersion": version,
        "fieldsType": "FieldsV1",
        "fieldsV1": merged,
    }
    return ours, tuple(taken), rest


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for step, below in other.items():
        if step in into and isinstance(into[step], dict) and isinstance(below, dict):
            _merge(into[step], below)
        else:
            into[step] = _copy(below)


def _copy(value: Any) -> Any:
    return {key: _copy(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def adopt(
    cluster: Cluster,
    desired: DesiredSet,
    policy: Policy,
    *,
    managers: Sequence[str] = (),
    release: bool = False,
    dry_run: bool = False,
) -> list[Adoption]:
    """Take over the objects of a set that kubectl or Helm made.

    Args:
        cluster: The cluster.
        desired: The set.
        policy: What the user allows; its forced managers are taken too.
        managers: Whose fields to take; kubectl's and Helm's by default.
        release: Also take Helm's labels and annotations off.
        dry_run: Only say what would happen.

    Raises:
        ApiError: The server refused.
    """
    chosen = tuple(dict.fromkeys([*(managers or FORMER_MANAGERS), *policy.conflicts.force_managers]))

    def take(item: Item, resource: Resource | None, live: KubernetesObject | None) -> Adoption:
        if resource is None or live is None:
            return Adoption(item.ref, "new")
        decided = decide(item, live, desired.name, chosen, release=release)
        for _ in range(5):
            if dry_run or decided.action != "adopt":
                return decided
            answer = cluster.api.patch(resource, list(decided.patch), item.ref.namespace, item.ref.name, kind="json")
            if answer.ok:
                cluster.api.listener(events.Applied(object=item.ref, action="adopted", component=item.component))
                return decided
            if answer.outcome not in {Outcome.STALE, Outcome.INVALID}:
                raise error_of(answer, f"take over {item.ref}")
            # Somebody wrote in between: look again.
            again = cluster.api.get(resource, item.ref.namespace, item.ref.name)
            if not again.ok:
                raise error_of(again, f"take over {item.ref}")
            decided = decide(item, again.value, desired.name, chosen, release=release)
        return decided

    return read_each(cluster, desired.name, desired.items, take)
