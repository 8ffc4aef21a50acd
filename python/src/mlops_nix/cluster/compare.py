"""What differs between two states of an object, field by field, and as a unified diff for people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_nix.objects import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlops_nix.objects import KubernetesObject

ABSENT: Any = object()

# What the server writes for itself: it says nothing about the configuration.
_SERVER_METADATA = frozenset(
    {
        "creationTimestamp",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
        "uid",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    }
)
# Names by which items of a list are told apart, the most telling first.
_KEYS = ("name", "containerPort", "port", "mountPath", "devicePath", "key", "type", "ip", "uid", "topologyKey", "path")


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs.

    Args:
        path: As the API server writes it: ``.spec.template.spec.containers[name="a"].image``.
        before: Value on the cluster; `ABSENT` where there is none.
        after: Value afterwards; `ABSENT` where the field goes away.
    """

    path: str
    before: Any
    after: Any

    def to_json(self) -> dict[str, Any]:
        """Give the change as ``--output json`` prints it; an absent side is left out."""
        document: dict[str, Any] = {"path": self.path}
        if self.before is not ABSENT:
            document["before"] = self.before
        if self.after is not ABSENT:
            document["after"] = self.after
        return document

    def __str__(self) -> str:
        if self.before is ABSENT:
            return f"+ {self.path}: {shown(self.after)}"
        if self.after is ABSENT:
            return f"- {self.path}: {shown(self.before)}"
        return f"~ {self.path}: {shown(self.before)} -> {shown(self.after)}"


def shown(value: Any, limit: int = 160) -> str:
    """Write a value on one line, cut where it is long."""
    text = value if isinstance(value, str) and value and "\n" not in value else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def configuration(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Give an object without what the server and controllers write: status, versions, owners of fields."""
    kept = {key: obj[key] for key in ("apiVersion", "kind") if key in obj}
    kept["metadata"] = {key: value for key, value in metadata(obj).items() if key not in _SERVER_METADATA}
    kept.update({key: value for key, value in obj.items() if key not in {"apiVersion", "kind", "metadata", "status"}})
    return kept


def changes(before: Any, after: Any) -> tuple[FieldChange, ...]:
    """Give the fields that differ between two objects, in the order of the fields.

    Args:
        before: The object on the cluster.
        after: What it becomes, as a dry run answers.
    """
    return tuple(_walk(configuration(before), configuration(after), ""))


def _walk(before: Any, after: Any, path: str) -> Iterator[FieldChange]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            yield from _pair(before.get(key, ABSENT), after.get(key, ABSENT), f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list):
        yield from _lists(before, after, path)
    elif before != after or isinstance(before, bool) != isinstance(after, bool):
        yield FieldChange(path, before, after)


def _pair(before: Any, after: Any, path: str) -> Iterator[FieldChange]:
    if before is ABSENT or after is ABSENT:
        yield FieldChange(path, before, after)
    else:
        yield from _walk(before, after, path)


def _lists(before: list[Any], after: list[Any], path: str) -> Iterator[FieldChange]:
    key = _key(before, after)
    if key is None:
        if all(not isinstance(item, dict | list) for item in [*before, *after]) and len(before) != len(after):
            yield FieldChange(path, before, after)
            return
        for index in range(max(len(before), len(after))):
            first = before[index] if index < len(before) else ABSENT
            second = after[index] if index < len(after) else ABSENT
            yield from _pair(first, second, f"{path}[{index}]")
        return
    old = {json.dumps(item[key]): item for item in before}
    new = {json.dumps(item[key]): item for item in after}
    for name in dict.fromkeys([*old, *new]):
        yield from _pair(old.get(name, ABSENT), new.get(name, ABSENT), f"{path}[{key}={name}]")
    if [name for name in old if name in new] != [name for name in new if name in old]:
        yield FieldChange(f"{path}[order]", [item[key] for item in before], [item[key] for item in after])


def _key(before: list[Any], after: list[Any]) -> str | None:
    """Find a name whose value is there, and different, in every item of both lists."""
    items = [*before, *after]
    if not items or not all(isinstance(item, dict) for item in items):
        return None
    for key in _KEYS:
        if all(isinstance(item.get(key), str | int) for item in items) and all(
            len({json.dumps(item[key]) for item in side}) == len(side) for side in (before, after)
        ):
            return key
    return None


def unified(before: KubernetesObject | None, after: KubernetesObject | None, label: str) -> str:
    """Give a unified diff of two states as YAML; empty where they are equal.

    Args:
        before: The object on the cluster, nothing for a new one.
        after: What it becomes, nothing for a deletion.
        label: Name of the object in the two header lines.
    """
    import difflib

    lines = difflib.unified_diff(
        _yaml(before),
        _yaml(after),
        f"cluster/{label}" if before else "/dev/null",
        f"set/{label}" if after else "/dev/null",
        n=3,
    )
    return "".join(lines)


def _yaml(obj: KubernetesObject | None) -> list[str]:
    if obj is None:
        return []
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text = yaml.dump(
        configuration(obj), Dumper=dumper, sort_keys=True, default_flow_style=False, allow_unicode=True, width=1000
    )
    return str(text).splitlines(keepends=True)
