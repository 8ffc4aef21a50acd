"""What a run leaves on a cluster, without what differs between two clean runs as well."""

from __future__ import annotations

import base64
import copy
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.cluster.fakeapi import FakeCluster
    from tests.cluster.objects import Object

_PASSING = ("uid", "resourceVersion", "creationTimestamp", "generation", "deletionTimestamp")


def cluster_state(fake: FakeCluster) -> dict[str, Any]:
    """Return all that is on the cluster, without what two clean runs differ in."""
    with fake.state.store.lock:
        objects = copy.deepcopy(fake.state.store.objects)
    found: dict[str, Any] = {}
    for (group, plural), items in objects.items():
        for (where, name), item in items.items():
            if plural == "endpointslices" or "mlops-nix" in name:
                continue
            found[f"{plural}.{group}/{where}/{name}"] = comparable(item)
    return found


def comparable(item: Object) -> Object:
    """Return an object without what two clean runs differ in."""
    metadata = {key: value for key, value in item["metadata"].items() if key not in _PASSING}
    managers = sorted(
        (
            entry["manager"],
            entry["operation"],
            entry.get("subresource", ""),
            json.dumps(entry.get("fieldsV1"), sort_keys=True) if entry["operation"] == "Apply" else "",
        )
        for entry in metadata.pop("managedFields", ())
    )
    # A real server stores no empty data: its type says omitempty, which the fake, having no types, does not know.
    kept = {
        key: value
        for key, value in item.items()
        if key not in ("metadata", "status") and not (key == "data" and value == {})
    }
    if item["kind"] in ("Job", "Service"):
        # Their UID and address are in their spec.
        kept["spec"] = {
            key: value for key, value in kept["spec"].items() if key not in ("selector", "clusterIP", "clusterIPs")
        }
    return {**kept, "metadata": metadata, "managers": managers}


def inventory(fake: FakeCluster, name: str = "acme") -> dict[str, Any]:
    """Return what the inventory says the set owns."""
    from mlops_nix.cluster.inventory import decode

    secrets = [
        item for item in fake.state.store.items(("", "secrets")) if item["metadata"]["name"] == f"mlops-nix-{name}"
    ]
    if not secrets:
        return {"refs": [], "pending": None, "recovered": False, "digest": None}
    found = decode(base64.b64decode(secrets[0]["data"]["inventory"]))
    return {
        "refs": sorted(found.refs),
        "pending": found.pending,
        "recovered": found.recovered,
        "digest": found.revisions[-1].digest if found.revisions else None,
    }
