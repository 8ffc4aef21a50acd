"""Putting objects that name no namespace into one, as kubectl does with the context's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mlops_nix.cluster.desired import Item
from mlops_nix.cluster.discovery import of_definitions

if TYPE_CHECKING:
    from mlops_nix.cluster.desired import DesiredSet
    from mlops_nix.cluster.discovery import Discovery


def in_namespace(desired: DesiredSet, namespace: str, served: Discovery) -> DesiredSet:
    """Give the set with every object of a namespaced kind in a namespace.

    Args:
        desired: The set.
        namespace: For objects that name none.
        served: What the server serves; it knows which kinds lie in namespaces, together with the CRDs of the set.
    """
    future = of_definitions(desired.definitions)

    def placed(item: Item) -> Item:
        ref = item.ref
        resource = served.any_version(ref.group, ref.kind, ref.version) or future.any_version(ref.group, ref.kind)
        if (
            ref.namespace
            or resource is None
            or not resource.namespaced
            or not isinstance(item.object.get("metadata"), dict)
        ):
            return item
        meta = {**item.object["metadata"], "namespace": namespace}
        return Item({**item.object, "metadata": meta}, ref._replace(namespace=namespace), item.wave, item.component)

    return replace(desired, items=tuple(placed(item) for item in desired.items))
