"""Reading the objects of a set as they are on the cluster: one list per kind and namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nix.cluster.answer import Outcome
from mlops_nix.cluster.api import error_of
from mlops_nix.cluster.desired import OWNER_LABEL
from mlops_nix.cluster.workers import each
from mlops_nix.objects import as_list, as_text, metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    from mlops_nix.cluster.connection import Cluster
    from mlops_nix.cluster.desired import Item
    from mlops_nix.cluster.discovery import Resource
    from mlops_nix.objects import KubernetesObject

    T = TypeVar("T")


def read_each(
    cluster: Cluster,
    set_name: str,
    items: Iterable[Item],
    use: Callable[[Item, Resource | None, KubernetesObject | None], T],
) -> list[T]:
    """Call a function with each object of a set and what is on the cluster; the live object is dropped after the call.

    Args:
        cluster: The cluster.
        set_name: Name of the set.
        items: Objects of the set.
        use: Called with the item, where it is served, and the live object; the latter two may be absent.

    Returns:
        What the calls gave, in the order of the items.
    """
    listed = list(items)
    position = {item.key: index for index, item in enumerate(listed)}
    groups: dict[tuple[Resource, str], list[Item]] = {}
    results: dict[int, T] = {}
    for item in listed:
        resource = cluster.discovery.any_version(item.ref.group, item.ref.kind, item.ref.version)
        if resource is None:
            results[position[item.key]] = use(item, None, None)
        else:
            groups.setdefault((resource, item.ref.namespace if resource.namespaced else ""), []).append(item)

    def look(group: tuple[tuple[Resource, str], list[Item]]) -> None:
        (resource, namespace), wanted = group
        answer = cluster.api.list(resource, namespace, selector=f"{OWNER_LABEL}={set_name}")
        found: dict[str, KubernetesObject] = {}
        if answer.ok:
            for live in as_list(answer.value.get("items")):
                live.setdefault("apiVersion", resource.api_version)
                live.setdefault("kind", resource.kind)
                found[as_text(metadata(live).get("name"))] = live
        elif answer.outcome not in {Outcome.FORBIDDEN, Outcome.NOT_SERVED}:
            raise error_of(answer, f"list {resource.plural}")
        for item in wanted:
            live_one = found.pop(item.ref.name, None)
            if live_one is None:
                one = cluster.api.get(resource, item.ref.namespace, item.ref.name)
                live_one = one.value if one.ok else None
            results[position[item.key]] = use(item, resource, live_one)

    each(look, list(groups.items()), limit=cluster.api.limit)
    return [results[index] for index in range(len(listed))]
