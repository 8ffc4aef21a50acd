"""Rebuilding an inventory from labels, after it was deleted or damaged.

The owner label alone proves little: controllers copy labels (the endpoints controller from a Service to its EndpointSlices). So
an object also has to have no owner, and to have been applied by our field manager.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_nix.cluster.answer import Outcome
from mlops_nix.cluster.desired import OWNER_LABEL, wave_of
from mlops_nix.cluster.fields import applied_by
from mlops_nix.cluster.inventory import Inventory, Ref, Revision
from mlops_nix.cluster.workers import each
from mlops_nix.objects import as_list, as_map, as_text, metadata

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlops_nix.cluster.api import Api
    from mlops_nix.cluster.discovery import Discovery, Resource

# Kinds whose objects are made by controllers, never applied.
_DERIVED = frozenset(
    {"Endpoints", "EndpointSlice", "Event", "ControllerRevision", "PodMetrics", "NodeMetrics", "Lease"}
)


def is_ours(live: Any) -> bool:
    """Tell whether an object with our label was really applied by us."""
    return applied_by(live) is not None and not as_list(metadata(live).get("ownerReferences"))


def rebuild(
    api: Api,
    discovery: Discovery,
    set_name: str,
    *,
    namespaces: Iterable[str] = (),
    revisions: tuple[Revision, ...] = (),
) -> Inventory:
    """Find every object of a set by its label: one list per kind that is served.

    Args:
        api: The server.
        discovery: What it serves.
        set_name: Name of the set.
        namespaces: Where to look for a kind that may not be listed in all namespaces.
        revisions: Known revisions, from the history.
    """
    resources = [
        resource for resource in discovery.preferred() if "list" in resource.verbs and resource.kind not in _DERIVED
    ]
    spaces = sorted(set(namespaces))

    def look(resource: Resource) -> list[Ref]:
        selector = f"{OWNER_LABEL}={set_name}"
        answer = api.list(resource, selector=selector, metadata_only=True)
        answers = [answer]
        if answer.outcome is Outcome.FORBIDDEN and resource.namespaced:
            answers = [api.list(resource, namespace, selector=selector, metadata_only=True) for namespace in spaces]
        return [
            _ref(resource, live)
            for found in answers
            if found.ok
            for live in as_list(as_map(found.value).get("items"))
            if is_ours(live)
        ]

    refs = {ref.key: ref for part in each(look, resources, limit=api.limit) for ref in part}
    return Inventory(set_name, revisions, tuple(sorted(refs.values())), recovered=True)


def _ref(resource: Resource, live: Any) -> Ref:
    meta = metadata(live)
    obj = {"apiVersion": resource.api_version, "kind": resource.kind}
    return Ref(
        resource.group,
        resource.kind,
        resource.version,
        as_text(meta.get("namespace")),
        as_text(meta.get("name")),
        wave_of(obj),
    )
