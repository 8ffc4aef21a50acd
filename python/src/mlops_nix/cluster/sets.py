"""The sets of a cluster, and the repair of an inventory."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mlops_nix.cluster import history, lock, recovery
from mlops_nix.cluster.answer import Outcome
from mlops_nix.cluster.api import error_of
from mlops_nix.cluster.discovery import SECRETS
from mlops_nix.cluster.inventory import LABEL, SYSTEM_NAMESPACE, Inventory, Revision, Store
from mlops_nix.cluster.remove import find
from mlops_nix.objects import as_list, as_map, as_text, metadata

if TYPE_CHECKING:
    from mlops_nix.cluster.connection import Cluster


@dataclass(frozen=True, slots=True)
class Known:
    """A set of the cluster.

    Args:
        name: Its name.
        namespace: Where its inventory lies.
        objects: How many objects it owns; none where the inventory is damaged.
        revision: Number of the last run that finished.
        at: When that was.
        pending: A run did not finish.
    """

    name: str
    namespace: str
    objects: int | None
    revision: int = 0
    at: str = ""
    pending: bool = False

    def to_json(self) -> dict[str, Any]:
        """Give it as ``--output json`` prints it."""
        return {
            "set": self.name,
            "namespace": self.namespace,
            "objects": self.objects,
            "revision": self.revision,
            "at": self.at or None,
            "pending": self.pending,
        }

    def __str__(self) -> str:
        if self.objects is None:
            return f"{self.name}: the inventory in {self.namespace} is damaged; `mlops-nix inventory repair --set {self.name}` rebuilds it"
        pending = ", a run did not finish" if self.pending else ""
        return f"{self.name}: {self.objects} objects, revision {self.revision} {self.at}, inventory in {self.namespace}{pending}"


def listed(cluster: Cluster) -> list[Known]:
    """List the sets of a cluster; without the right to see all namespaces, those of the context's.

    Raises:
        ApiError: Not even those may be listed.
    """
    api = cluster.api
    answer = api.list(SECRETS, selector=LABEL, metadata_only=True)
    secrets = as_list(answer.value.get("items")) if answer.ok else []
    if answer.outcome is Outcome.FORBIDDEN:
        for namespace in dict.fromkeys([cluster.namespace, SYSTEM_NAMESPACE]):
            part = api.list(SECRETS, namespace, selector=LABEL, metadata_only=True)
            if part.ok:
                secrets += as_list(part.value.get("items"))
            elif namespace == cluster.namespace:
                raise error_of(part, f"list the inventories in {namespace}")
    elif not answer.ok:
        raise error_of(answer, "list the inventories")
    found: list[Known] = []
    for secret in secrets:
        name = as_text(as_map(metadata(secret).get("labels")).get(LABEL))
        namespace = as_text(metadata(secret).get("namespace"))
        inventory = Store(api, name, namespace).read()
        if inventory is None:
            found.append(Known(name, namespace, None))
            continue
        at = inventory.revisions[-1].at if inventory.revisions else ""
        found.append(Known(name, namespace, len(inventory.refs), inventory.number, at, inventory.pending is not None))
    return sorted(found, key=lambda known: (known.name, known.namespace))


def repair(cluster: Cluster, set_name: str, *, namespace: str | None = None, lock_timeout: float = 0.0) -> Inventory:
    """Rebuild the inventory of a set from the labels of its objects, and write it.

    Args:
        cluster: The cluster.
        set_name: Name of the set.
        namespace: Where the inventory lies.
        lock_timeout: Seconds to wait for another run.

    Raises:
        Locked: A run of the set is under way.
        ApiError: The server refused.
    """
    api = cluster.api
    store, before = find(cluster, set_name, namespace)
    guard = lock.Lock(api, store.namespace, set_name, uuid.uuid4().hex[:8])
    guard.acquire(wait=lock_timeout)
    api.fence = guard
    try:
        revisions = before.revisions if before else _kept_revisions(cluster, store)
        spaces = {
            cluster.namespace,
            *(ref.namespace for ref in (before.owned.values() if before else ()) if ref.namespace),
        }
        rebuilt = recovery.rebuild(api, cluster.discovery, set_name, namespaces=spaces, revisions=revisions)
        waves = {ref.key: ref.wave for ref in before.owned.values()} if before else {}
        refs = tuple(ref._replace(wave=waves.get(ref.key, ref.wave)) for ref in rebuilt.refs)
        version = before.resource_version if before else ""
        # Whoever asks for a repair has seen what it found: it needs no second word.
        return store.write(replace(rebuilt, refs=refs, recovered=False, resource_version=version))
    finally:
        api.fence = None
        guard.release()


def _kept_revisions(cluster: Cluster, store: Store) -> tuple[Revision, ...]:
    """Read the history, of which the lost inventory was the table of contents."""
    kept = history.History(cluster.api, store.set_name, store.namespace)
    found: list[Revision] = []
    for number in kept.numbers():
        desired = kept.read(number)
        found.append(Revision(number, history.digest(desired), "", "", len(desired.items)))
    return tuple(found)
