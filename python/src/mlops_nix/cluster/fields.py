"""Who owns which field: reading ``metadata.managedFields``.

From it follows, without asking the server, whether applying an object would change anything: our entry names exactly the fields
of the object, and the values on the cluster are those of the object. Source: the format FieldsV1 of structured-merge-diff
(``f:`` a field, ``k:`` an item of a list by its keys, ``v:`` an item of a set, ``i:`` an index, ``.`` the item itself).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from mlops_nix.cluster.api import MANAGER
from mlops_nix.cluster.quantity import same_amount
from mlops_nix.objects import as_list, as_map, as_text, metadata

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlops_nix.objects import KubernetesObject

# Steps as FieldsV1 has them: "f:spec", 'k:{"name":"x"}', 'v:"x"', "i:0".
FieldPath: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Owner:
    """One entry of ``managedFields``.

    Args:
        manager: Name of the manager.
        operation: ``Apply`` or ``Update``.
        subresource: ``status``, ``scale`` or empty.
        time: When it last changed something.
    """

    manager: str
    operation: str
    subresource: str = ""
    time: str = ""


MISSING: Any = object()

# Managers of parts of Kubernetes and of well-known autoscalers: they write replicas and resources as their task is.
AUTOSCALERS = frozenset(
    {
        "cluster-autoscaler",
        "horizontal-pod-autoscaler",
        "keda",
        "keda-operator",
        "kube-controller-manager",
        "vpa-admission-controller",
        "vpa-recommender",
        "vpa-updater",
    }
)


def entries(live: Mapping[str, Any]) -> Iterator[tuple[Owner, Mapping[str, Any], str]]:
    """Yield the entries of ``managedFields``: owner, fields, and the API version that they are written in."""
    for entry in as_list(metadata(live).get("managedFields")):
        if isinstance(entry, dict):
            owner = Owner(
                as_text(entry.get("manager")),
                as_text(entry.get("operation")),
                as_text(entry.get("subresource")),
                as_text(entry.get("time")),
            )
            yield owner, as_map(entry.get("fieldsV1")), as_text(entry.get("apiVersion"))


def applied_by(live: Mapping[str, Any], manager: str = MANAGER) -> tuple[Mapping[str, Any], str] | None:
    """Give the fields that a manager applied, and their API version; nothing where it applied none."""
    for owner, fields, api_version in entries(live):
        if owner.manager == manager and owner.operation == "Apply" and not owner.subresource:
            return fields, api_version
    return None


def paths(fields: Mapping[str, Any], prefix: FieldPath = ()) -> Iterator[FieldPath]:
    """Yield the paths of all leaves; an item of a list counts by its keys."""
    for step, below in fields.items():
        if step == ".":
            continue
        path = (*prefix, step)
        inner = {key: value for key, value in below.items() if key != "."} if isinstance(below, dict) else {}
        if inner:
            yield from paths(inner, path)
        else:
            yield path


def owners(live: Mapping[str, Any]) -> Iterator[tuple[FieldPath, Owner]]:
    """Yield each leaf that somebody owns, once per owner."""
    for owner, fields, _ in entries(live):
        for path in paths(fields):
            yield path, owner


def text(path: FieldPath) -> str:
    """Write a path as the API server does in conflicts: ``.spec.template.spec.containers[name="a"].image``."""
    parts: list[str] = []
    for step in path:
        sort, _, rest = step.partition(":")
        if sort == "f":
            parts.append(f".{rest}")
        elif sort == "k":
            keys = ",".join(f"{name}={json.dumps(value)}" for name, value in json.loads(rest).items())
            parts.append(f"[{keys}]")
        elif sort == "v":
            parts.append(f"[={rest}]")
        else:
            parts.append(f"[{rest}]")
    return "".join(parts)


def lookup(obj: Any, path: FieldPath) -> Any:
    """Give the value at a path, or `MISSING`."""
    value = obj
    for step in path:
        value = _step(value, step)
        if value is MISSING:
            return MISSING
    return value


def _step(value: Any, step: str) -> Any:
    sort, _, rest = step.partition(":")
    if sort == "f":
        return value.get(rest, MISSING) if isinstance(value, dict) else MISSING
    if not isinstance(value, list):
        return MISSING
    if sort == "k":
        keys = json.loads(rest)
        return next((item for item in value if _has_keys(item, keys)), MISSING)
    if sort == "v":
        wanted = json.loads(rest)
        return wanted if wanted in value else MISSING
    index = int(rest)
    return value[index] if index < len(value) else MISSING


def _has_keys(item: Any, keys: Mapping[str, Any]) -> bool:
    # A key with a default (`protocol: TCP` of a port) may be absent in what the user wrote, but not all of them.
    return (
        isinstance(item, dict)
        and all(name not in item or item[name] == value for name, value in keys.items())
        and any(name in item for name in keys)
    )


def without(obj: KubernetesObject, removed: list[FieldPath]) -> KubernetesObject:
    """Give the object without the fields at these paths; parts that are not on a path are shared, not copied."""
    result: Any = obj
    for path in removed:
        result = _remove(result, path)
    return result if isinstance(result, dict) else {}


def _remove(value: Any, path: FieldPath) -> Any:
    step, *rest = path
    sort, _, name = step.partition(":")
    if sort == "f" and isinstance(value, dict) and name in value:
        if not rest:
            return {key: inner for key, inner in value.items() if key != name}
        inner = _remove(value[name], tuple(rest))
        # A map or list that becomes empty was only there for what was removed.
        if inner in ({}, []) and value[name] not in ({}, []):
            return {key: kept for key, kept in value.items() if key != name}
        return {**value, name: inner}
    if sort in {"k", "v", "i"} and isinstance(value, list):
        found = _step(value, step)
        if found is MISSING:
            return value
        if not rest:
            return [item for item in value if item is not found and item != found]
        return [_remove(item, tuple(rest)) if item is found else item for item in value]
    return value


def _intent(obj: KubernetesObject) -> dict[str, Any]:
    """Give the parts of an object that become owned fields."""
    meta = {
        key: value
        for key, value in metadata(obj).items()
        if key
        not in {"name", "namespace", "creationTimestamp", "managedFields", "resourceVersion", "uid", "generation"}
    }
    rest = {key: value for key, value in obj.items() if key not in {"apiVersion", "kind", "metadata", "status"}}
    return {**rest, "metadata": meta} if meta else rest


def settled(desired: KubernetesObject, live: KubernetesObject, *, known: bool, manager: str = MANAGER) -> bool:
    """Tell whether applying the object would certainly change nothing.

    A "no" is not certain: where defaults lie inside values that are owned as a whole, only the server can tell.

    Args:
        desired: The object as it would be sent.
        live: The object on the cluster, with ``managedFields``.
        known: The object is the one that was applied last (by its digest in the inventory). Then what the cluster has beyond it
            inside values owned as a whole (atomic lists) are defaults, as nobody has taken a field out of it.
        manager: Field manager.
    """
    ours = applied_by(live, manager)
    if ours is None or ours[1] != desired.get("apiVersion"):
        return False
    return _same(_intent(desired), live, ours[0], known=known, parent="")


def _same(desired: Any, live: Any, fields: Mapping[str, Any], *, known: bool, parent: str) -> bool:
    steps = [step for step in fields if step != "."]
    if not steps:
        return _equal(desired, live, known=known, parent=parent)
    if isinstance(desired, dict):
        if not isinstance(live, dict) or len(steps) != len(desired):
            return False
        for step in steps:
            sort, _, name = step.partition(":")
            if sort != "f" or name not in desired or name not in live:
                return False
            if not _same(desired[name], live[name], fields[step], known=known, parent=name):
                return False
        return True
    if not isinstance(desired, list) or not isinstance(live, list) or len(steps) != len(desired):
        return False
    positions: list[tuple[int, int]] = []
    for step in steps:
        ours, theirs = _index(desired, step), _index(live, step)
        if ours is None or theirs is None:
            return False
        positions.append((ours, theirs))
        if step.startswith("k:") and not _same(desired[ours], live[theirs], fields[step], known=known, parent=parent):
            return False
    # Merged lists keep the order of whoever applies them; another order is a change.
    positions.sort()
    return all(first[1] < second[1] for first, second in pairwise(positions))


def _index(items: list[Any], step: str) -> int | None:
    sort, _, rest = step.partition(":")
    if sort == "i":
        return int(rest) if int(rest) < len(items) else None
    wanted = json.loads(rest)
    for index, item in enumerate(items):
        if (sort == "k" and _has_keys(item, wanted)) or (sort == "v" and item == wanted):
            return index
    return None


def _equal(desired: Any, live: Any, *, known: bool, parent: str) -> bool:
    if isinstance(desired, dict):
        if not isinstance(live, dict) or (not known and len(desired) != len(live)) or (not desired and live):
            return False
        return all(
            name in live and _equal(value, live[name], known=known, parent=name) for name, value in desired.items()
        )
    if isinstance(desired, list):
        return (
            isinstance(live, list)
            and len(desired) == len(live)
            and all(
                _equal(ours, theirs, known=known, parent=parent) for ours, theirs in zip(desired, live, strict=True)
            )
        )
    if desired == live:
        return isinstance(desired, bool) == isinstance(live, bool)
    return same_amount(parent, desired, live)


def yielded(desired: KubernetesObject, live: KubernetesObject, manager: str = MANAGER) -> list[tuple[FieldPath, Owner]]:
    """Find fields of the object that an autoscaler owns on the cluster: they are left to it.

    Args:
        desired: The object as the set has it.
        live: The object on the cluster.
        manager: Our field manager.
    """
    found: list[tuple[FieldPath, Owner]] = []
    for owner, fields, _ in entries(live):
        if owner.manager == manager:
            continue
        scales = owner.subresource == "scale"
        if not scales and owner.manager not in AUTOSCALERS:
            continue
        for path in paths(fields):
            wanted = path == ("f:spec", "f:replicas") or (not scales and "f:resources" in path)
            if wanted and path[0] == "f:spec" and lookup(desired, path) is not MISSING:
                found.append((path, owner))
    return found
