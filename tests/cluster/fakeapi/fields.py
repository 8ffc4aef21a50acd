"""Server-side apply: who owns which field, merging by schema, conflicts.

The algorithm is structured-merge-diff's, over the same data: a manager owns a set of paths; an
apply merges its object into the live one, removes what it owned alone and no longer names, and
conflicts with every other owner of a field that it would change.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .kinds import Schema, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

Path = tuple[str, ...]
"""Elements as managedFields writes them: `f:NAME`, `k:{JSON of the keys}`, `v:JSON`."""
FieldSet = frozenset[Path]

_UNOWNED = {
    ("f:apiVersion",),
    ("f:kind",),
    ("f:metadata",),
    *(
        ("f:metadata", f"f:{name}")
        for name in (
            "name",
            "namespace",
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generation",
            "selfLink",
            "managedFields",
        )
    ),
}
# The defaults that take part in the keys of core lists.
_KEY_DEFAULTS = {"protocol": "TCP"}


class SchemaMismatch(Exception):
    """An object that does not fit its schema; the text is the server's."""


@dataclass(frozen=True)
class Shape:
    """How a value is merged: as one piece (atomic), by fields, or by items."""

    form: str  # scalar | struct | map | untyped | atomic | keyed | set
    schema: Schema

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of a keyed list."""
        return tuple(self.schema.get("x-kubernetes-list-map-keys", ()))


def shape(schema: Schema | None, value: Any) -> Shape:
    """Return how `value` is merged under `schema`; without a schema it is deduced."""
    schema = resolve(schema or {})
    if isinstance(value, dict):
        if schema.get("x-kubernetes-map-type") == "atomic":
            return Shape("atomic", schema)
        if "properties" in schema:
            return Shape("struct", schema)
        return Shape("map" if isinstance(schema.get("additionalProperties"), dict) else "untyped", schema)
    if isinstance(value, list):
        kind = schema.get("x-kubernetes-list-type")
        return Shape({"map": "keyed", "set": "set"}.get(kind or "", "atomic"), schema)
    return Shape("scalar", schema)


def child(schema: Schema | None, name: str) -> Schema | None:
    """Return the schema of the field `name`; None where there is none (untyped)."""
    schema = resolve(schema or {})
    known = schema.get("properties", {}).get(name)
    if known is not None:
        return dict(known)
    more = schema.get("additionalProperties")
    return more if isinstance(more, dict) else None


def item_key(form: Shape, item: Any) -> str:
    """Return the path element of a list's item."""
    if form.form == "set":
        return "v:" + json.dumps(item, separators=(",", ":"))
    keys = {key: item.get(key, _KEY_DEFAULTS.get(key)) for key in sorted(form.keys)}
    return "k:" + json.dumps({key: value for key, value in keys.items() if value is not None}, separators=(",", ":"))


def items_schema(schema: Schema) -> Schema | None:
    """Return the schema of a list's items."""
    items = schema.get("items")
    return items if isinstance(items, dict) else None


# -- text -----------------------------------------------------------------------------------


def text(path: Path) -> str:
    """Return a path as messages and causes write it: `.spec.ports[port=80,protocol="TCP"].name`."""
    parts = []
    for element in path:
        kind, value = element[0], element[2:]
        if kind == "f":
            parts.append(f".{value}")
        elif kind == "k":
            keys = json.loads(value)
            parts.append("[" + ",".join(f"{key}={json.dumps(keys[key])}" for key in sorted(keys)) + "]")
        else:
            parts.append(f"[={value}]")
    return "".join(parts)


# -- checking -------------------------------------------------------------------------------


def check(schema: Schema, value: Any) -> None:
    """Raise `SchemaMismatch` for the first things that do not fit, as a typed patch does."""
    problems = list(_problems(schema, value, ()))
    if problems:
        raise SchemaMismatch(problems[0] if len(problems) == 1 else "errors:\n" + "\n".join(f"  {p}" for p in problems))


def _name(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return {dict: "map", list: "list", str: "string", int: "int", float: "float"}.get(type(value), "null")


def _problems(schema: Schema | None, value: Any, path: Path) -> Iterator[str]:
    if schema is None or value is None:
        return
    schema = resolve(schema)
    expected = _expected(schema)
    if (expected and not isinstance(value, expected[1])) or (expected and expected[0] != "boolean" and value is True):
        yield f"{text(path)}: expected {expected[0]}, got {_name(value)}"
        return
    form = shape(schema, value)
    if isinstance(value, dict):
        open_ended = form.form != "struct" or schema.get("x-kubernetes-preserve-unknown-fields")
        for name, one in value.items():
            inner = child(schema, name)
            if inner is None and not open_ended and not isinstance(schema.get("additionalProperties"), dict):
                yield f"{text((*path, f'f:{name}'))}: field not declared in schema"
            yield from _problems(inner, one, (*path, f"f:{name}"))
    elif isinstance(value, list):
        seen = set()
        for index, item in enumerate(value):
            if form.form in ("keyed", "set") and (form.form == "set" or isinstance(item, dict)):
                key = item_key(form, item)
                if key in seen:
                    yield f"{text(path)}: duplicate entries for key {text((key,))}"
                seen.add(key)
                yield from _problems(items_schema(schema), item, (*path, key))
            else:
                yield from _problems(items_schema(schema), item, (*path[:-1], f"{path[-1]}[{index}]"))


def _expected(schema: Schema) -> tuple[str, type | tuple[type, ...]] | None:
    if any(word in schema for word in ("oneOf", "anyOf", "x-kubernetes-int-or-string")):
        return None
    kinds = schema.get("type")
    kind = next((one for one in ([kinds] if isinstance(kinds, str) else kinds or ()) if one != "null"), None)
    return {
        "string": ("string", str),
        "integer": ("numeric (int or float)", (int, float)),
        "number": ("numeric (int or float)", (int, float)),
        "boolean": ("boolean", bool),
        "object": ("map", dict),
        "array": ("list", list),
    }.get(kind or "")  # type: ignore[return-value]


# -- sets -----------------------------------------------------------------------------------


def owned(schema: Schema, value: Any) -> FieldSet:
    """Return the fields that an applied object names."""
    found: set[Path] = set()
    _collect(schema, value, (), found)
    return frozenset(path for path in found if path not in _UNOWNED and path)


def _collect(schema: Schema | None, value: Any, path: Path, found: set[Path]) -> None:
    form = shape(schema, value)
    if form.form in ("scalar", "atomic"):
        found.add(path)
    elif isinstance(value, dict):
        fixed = form.schema.get("properties", {})
        for name, one in value.items():
            inner = (*path, f"f:{name}")
            _collect(child(form.schema, name), one, inner, found)
            if one is None or one == {} or name not in fixed:
                found.add(inner)
    else:
        for item in value:
            inner = (*path, item_key(form, item))
            found.add(inner)
            _collect(items_schema(form.schema), item, inner, found)


def changed(schema: Schema, old: Any, new: Any) -> tuple[FieldSet, FieldSet]:
    """Return the fields that were added or given another value, and those that were removed."""
    before = {path: value for path, value in _leaves(schema, old, ()) if path not in _UNOWNED and path}
    after = {path: value for path, value in _leaves(schema, new, ()) if path not in _UNOWNED and path}
    missing = object()
    set_now = frozenset(path for path, value in after.items() if before.get(path, missing) != value)
    return set_now, frozenset(path for path in before if path not in after)


def _leaves(schema: Schema | None, value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    form = shape(schema, value)
    if form.form in ("scalar", "atomic"):
        yield path, value
    elif isinstance(value, dict):
        if path:
            yield path, dict
        for name, one in value.items():
            yield from _leaves(child(form.schema, name), one, (*path, f"f:{name}"))
    else:
        if path:
            yield path, list
        for item in value:
            inner = (*path, item_key(form, item))
            yield from _leaves(items_schema(form.schema), item, inner)


def to_fields(fields: FieldSet) -> dict[str, Any]:
    """Return a set as FieldsV1."""
    tree: dict[str, Any] = {}
    for path in sorted(fields):
        node = tree
        for element in path:
            node = node.setdefault(element, {})
    for path in fields:
        node = tree
        for element in path:
            node = node[element]
        if node:
            node["."] = {}
    return tree


def from_fields(tree: dict[str, Any]) -> FieldSet:
    """Read a FieldsV1."""
    found: set[Path] = set()

    def walk(node: dict[str, Any], path: Path) -> None:
        if "." in node or (not node and path):
            found.add(path)
        for element, inner in node.items():
            if element != ".":
                walk(inner, (*path, element))

    walk(tree, ())
    return frozenset(found)


# -- merging --------------------------------------------------------------------------------


def merge(schema: Schema | None, live: Any, patch: Any) -> Any:
    """Return `live` with `patch` merged in, by the schema's list and map types."""
    form = shape(schema, patch)
    if form.form in ("scalar", "atomic") or type(live) is not type(patch):
        return copy.deepcopy(patch)
    if isinstance(patch, dict):
        merged = dict(live)
        for name, one in patch.items():
            merged[name] = merge(child(form.schema, name), live[name], one) if name in live else copy.deepcopy(one)
        return merged
    known = {item_key(form, item): item for item in live}
    result = []
    named = {item_key(form, item): item for item in patch}
    for key, item in known.items():
        if key not in named:
            result.append(item)
    inner = items_schema(form.schema)
    for key, item in named.items():
        result.append(merge(inner, known[key], item) if key in known else copy.deepcopy(item))
    # Items keep the live order where they were there before.
    order = {key: number for number, key in enumerate(known)}
    return sorted(result, key=lambda item: order.get(item_key(form, item), len(order)))


def remove(schema: Schema | None, value: Any, paths: set[Path]) -> Any:
    """Return `value` without the fields and items at `paths`."""
    form = shape(schema, value)
    if form.form in ("scalar", "atomic") or not paths:
        return value
    here = {path[0] for path in paths if len(path) == 1}
    below: dict[str, set[Path]] = {}
    for path in paths:
        if len(path) > 1:
            below.setdefault(path[0], set()).add(path[1:])
    if isinstance(value, dict):
        result = {}
        for name, one in value.items():
            element = f"f:{name}"
            if element in here:
                continue
            inner = below.get(element)
            kept = remove(child(form.schema, name), one, inner) if inner else one
            # What is emptied by the removal goes with it.
            if inner and not kept and one:
                continue
            result[name] = kept
        return result
    remaining = []
    for item in value:
        element = item_key(form, item)
        if element in here:
            continue
        inner = below.get(element)
        remaining.append(remove(items_schema(form.schema), item, inner) if inner else item)
    return remaining


# -- managers -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Manager:
    """One entry of managedFields."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""
    time: str = ""

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What tells two entries apart."""
        return self.name, self.operation, self.api_version, self.subresource

    def __str__(self) -> str:
        """As conflict messages call it."""
        where = f' with subresource "{self.subresource}"' if self.subresource else ""
        when = f" at {self.time}" if self.operation == "Update" and self.time else ""
        return f'"{self.name}"{where} using {self.api_version}{when}'


Managers = dict[Manager, FieldSet]


def managers_of(item: dict[str, Any]) -> Managers:
    """Read an object's managedFields."""
    return {
        Manager(
            entry.get("manager", ""),
            entry.get("operation", ""),
            entry.get("apiVersion", ""),
            entry.get("subresource", ""),
            entry.get("time", ""),
        ): from_fields(entry.get("fieldsV1") or {})
        for entry in item.get("metadata", {}).get("managedFields") or ()
    }


def write_managers(item: dict[str, Any], managers: Managers) -> None:
    """Write an object's managedFields."""
    entries = []
    for manager, fields in managers.items():
        if not fields:
            continue
        entry: dict[str, Any] = {
            "manager": manager.name,
            "operation": manager.operation,
            "apiVersion": manager.api_version,
            "time": manager.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": to_fields(fields),
        }
        if manager.subresource:
            entry["subresource"] = manager.subresource
        entries.append(entry)
    if entries:
        item["metadata"]["managedFields"] = entries
    else:
        item["metadata"].pop("managedFields", None)


def without_status(fields: FieldSet) -> FieldSet:
    """Return the set without what only the status subresource may write."""
    return frozenset(path for path in fields if path[0] != "f:status")


@dataclass(frozen=True)
class Applied:
    """What an apply gives: the object, its managers, and the conflicts that stopped it."""

    item: dict[str, Any]
    managers: Managers
    conflicts: list[tuple[Manager, Path]]


def apply(schema: Schema, live: dict[str, Any], patch: dict[str, Any], manager: Manager, *, force: bool) -> Applied:
    """Server-side apply `patch` to `live` (which is {} with metadata for a new object)."""
    managers = managers_of(live)
    mine = next((other for other in managers if other.identity == manager.identity), None)
    last = managers.pop(mine) if mine else frozenset()
    wanted = owned(schema, patch)
    merged = merge(schema, live, patch)
    others: FieldSet = frozenset().union(*managers.values()) if managers else frozenset()
    dropped = last - wanted - others
    # An item or map that is still somebody's, because of what is in it, stays.
    held = {path[:length] for path in others | wanted for length in range(1, len(path) + 1)}
    merged = remove(schema, merged, {path for path in dropped if path not in held})
    set_now, removed = changed(schema, live, merged)
    conflicts = [(other, path) for other, fields in managers.items() for path in sorted(fields & set_now)]
    if conflicts and not force:
        return Applied(live, managers, conflicts)
    result: Managers = {}
    for other, fields in managers.items():
        rest = fields - set_now - removed if force else fields - removed
        result[other] = rest
    # An apply that names the same fields again leaves the entry, and its time, as they were.
    result[mine if mine and last == wanted else manager] = wanted
    return Applied(merged, result, [])


def update(schema: Schema, live: dict[str, Any], new: dict[str, Any], manager: Manager) -> Managers:
    """Return the managers after `manager` wrote `new` over `live` by POST, PUT or PATCH."""
    managers = managers_of(live)
    set_now, removed = changed(schema, live, new)
    mine = next((other for other in managers if other.identity == manager.identity), None)
    before = managers.pop(mine) if mine else frozenset()
    result = {other: fields - set_now - removed for other, fields in managers.items()}
    after = (before | set_now) - removed
    if after:
        result[mine if mine and after == before and not set_now else manager] = after
    return result
