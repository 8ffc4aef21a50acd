"""What keeps a namespace from going away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nix.cluster.discovery import NAMESPACES
from mlops_nix.objects import as_list, as_map, as_text

if TYPE_CHECKING:
    from mlops_nix.cluster.api import Api

# Conditions of a terminating namespace that name kinds, counts and finalizers. Source: kube-controller-manager 1.36.
_TELLING = frozenset({"NamespaceContentRemaining", "NamespaceFinalizersRemaining", "NamespaceDeletionContentFailure"})


def remaining(api: Api, namespace: str) -> str:
    """Say what keeps a namespace from going away; empty where nothing is known.

    Args:
        api: The server.
        namespace: Its name.
    """
    if not namespace:
        return ""
    found = api.get(NAMESPACES, "", namespace, patience=5.0)
    if not found.ok:
        return ""
    told = [
        as_text(condition.get("message"))
        for condition in as_list(as_map(found.value.get("status")).get("conditions"))
        if condition.get("status") == "True" and condition.get("type") in _TELLING
    ]
    return "; ".join(told)
