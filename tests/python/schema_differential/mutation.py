"""Objects to judge: made from upstream's schemas, read from upstream's manifests, and broken in small ways.

Everything is drawn from one seeded generator, so that a run can be repeated.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

STRINGS = [
    "", "a", "name", "web-1", "Always", "RuntimeDefault", "TCP", "http", "80", "100m", "2Gi", "1e3", "1.5", ".5", "5.", "abc",
    "1KB", "1K", "-1", "+2", "1Ei", "10%", "a/b", "example.com", "example.com/path", "example.com/name", "*.example.com",
    "http://example.com", "https://example.com/x", "oci://r/x", "10s", "1h30m", "500ms", "0", "5m", "1d", "Abc_Def",
    "x" * 64, "é", "日本語", "a\nb", "a b", "-a", "a-", "a.b.c", "UPPER", "under_score", "16KiB", "64MB", "/etc/x", "relative/x",
    "* * * * *", "@daily", "@every 5m", "monday", "monday:friday", "january", "2024", "2024:2025", "24:00", "23:59", "sha256:abc",
    "repo/image:tag", "system:serviceaccount:a:b", "a@b.iam.gserviceaccount.com", "IPAddress", "Hostname", "10.0.0.1",
    "a=b", "$x", "tab\there", "warn", "ABORT", "git:main", "%20", "`", "[1]", "a" * 300,
]  # fmt: skip
NUMBERS: list[Any] = [0, 1, -1, 2, 80, 443, 8080, 65535, 65536, 1000000, -2147483648, 3000000000, 0.5, 12.75]
OTHERS: list[Any] = [True, False, {}, [], {"a": "b"}, ["a"], [{}], {"name": "a"}, [1], {"a": 1}]


class Maker:
    """Makes values for a schema; they are valid more often than not, and nobody relies on it."""

    def __init__(self, rng: random.Random, definitions: dict[str, Any]) -> None:
        self.rng, self.definitions = rng, definitions

    def make(self, schema: dict[str, Any], depth: int = 0) -> Any:
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[-1]
            if name.endswith("Quantity"):
                return self.rng.choice(["100m", "2Gi", "1e3", 1, 0.5, "0"])
            if name.endswith("IntOrString"):
                return self.rng.choice([80, "http", "25%"])
            return self.make(self.definitions[name], depth)
        if "enum" in schema:
            return self.rng.choice(schema["enum"])
        if schema.get("x-kubernetes-int-or-string"):
            return self.rng.choice([1, self.text(schema)])
        kinds = schema.get("type")
        kind = kinds[0] if isinstance(kinds, list) else kinds
        if kind == "object":
            return self.fields(schema, depth)
        if kind == "array":
            least = schema.get("minItems", 0)
            count = max(least, 0 if depth > 12 else self.rng.choice([0, 1, 1, 2]))
            return [self.make(schema["items"], depth + 1) for _ in range(count)]
        if kind == "string":
            return self.text(schema)
        if kind in {"integer", "number"}:
            low, high = schema.get("minimum", 0), schema.get("maximum", 100)
            return self.rng.randint(int(low), max(int(low), int(high)))
        if kind == "boolean":
            return self.rng.random() < 0.5
        return self.rng.choice([{"any": "thing"}, "x", 1, [1], {}])

    def fields(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        required = set(schema.get("required", []))
        # Deep objects get few optional fields: schemas are recursive, and time is bounded.
        share = 0.5 if depth < 2 else 0.25 if depth < 5 else 0.08 if depth < 9 else 0
        made = {
            name: self.make(field, depth + 1)
            for name, field in properties.items()
            if name in required or self.rng.random() < share
        }
        values = schema.get("additionalProperties")
        if isinstance(values, dict):
            for name in self.rng.sample(["a", "app.kubernetes.io/name", "b-c"], self.rng.choice([0, 1, 2])):
                made[name] = self.make(values, depth + 1)
        elif not properties and schema.get("x-kubernetes-preserve-unknown-fields"):
            made["anything"] = self.rng.choice(OTHERS)
        return made

    def text(self, schema: dict[str, Any]) -> str:
        fitting = [
            text
            for text in STRINGS
            if schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", 1000)
            and ("pattern" not in schema or re.search(schema["pattern"].replace("(?i)", ""), text))
        ]
        return self.rng.choice(fitting or STRINGS)

    def object(self, key: tuple[str, str], schema: dict[str, Any]) -> dict[str, Any]:
        made = self.fields(schema, 0)
        # A status is never rendered; half of the objects keep it, since the schemas have it.
        if self.rng.random() < 0.5:
            made.pop("status", None)
        return {**made, "apiVersion": key[0], "kind": key[1], "metadata": {"name": "a", "labels": {"a": "b"}}}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all values inside an object, its own fields first."""
    found = []
    for key, child in value.items() if isinstance(value, dict) else enumerate(value):
        found.append((*path, key))
        if isinstance(child, dict | list):
            found += places(child, (*path, key))
    return found


CONSTRAINTS = {
    "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties",
    "required", "x-kubernetes-int-or-string", "x-kubernetes-list-map-keys", "additionalProperties",
}  # fmt: skip


def constrained(
    schema: dict[str, Any], value: Any, definitions: dict[str, Any], path: tuple[Any, ...] = ()
) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Places inside a value where the schema says more than a type, each with that part of the schema."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        schema = {"quantity": True} if name.endswith("Quantity") else definitions[name]
    found = [(path, schema)] if path and (schema.keys() & CONSTRAINTS or "quantity" in schema) else []
    if isinstance(value, dict):
        rest = schema.get("additionalProperties")
        for name, child in value.items():
            field = schema.get("properties", {}).get(name) or (rest if isinstance(rest, dict) else {})
            found += constrained(field, child, definitions, (*path, name))
    if isinstance(value, list) and "items" in schema:
        for index, child in enumerate(value):
            found += constrained(schema["items"], child, definitions, (*path, index))
    return found


def at_the_edge(
    rng: random.Random, value: dict[str, Any], schema: dict[str, Any], definitions: dict[str, Any]
) -> dict[str, Any] | None:
    """Return a copy in which one constraint of the schema is just kept or just broken; None when there is none to choose."""
    changed = copy.deepcopy(value)
    # Kinds of constraints that are rare in schemas are as likely as the others.
    by_kind: dict[str, list[tuple[tuple[Any, ...], dict[str, Any]]]] = {}
    for place in constrained(schema, changed, definitions):
        for kind in place[1].keys() & (CONSTRAINTS | {"quantity"}):
            by_kind.setdefault(kind, []).append(place)
    if not by_kind:
        return None
    kind = rng.choice(sorted(by_kind))
    path, part = rng.choice(by_kind[kind])
    parent: Any = changed
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = _edge(rng, kind, part, parent[path[-1]])
    return changed


def _edge(rng: random.Random, kind: str, part: dict[str, Any], old: Any) -> Any:
    bound = part.get(kind)
    match kind:
        case "enum":
            return rng.choice([*bound, str(bound[0]).swapcase(), "other", "", 1])
        case "pattern" | "quantity" | "x-kubernetes-int-or-string":
            text = str(old)
            place = rng.randrange(len(text) + 1)
            return rng.choice(
                [*STRINGS, text[:place] + rng.choice("-._/:aA0 é\n") + text[place:], text[:place], 1, 0.5]
            )
        case "minimum" | "maximum":
            return rng.choice([bound, bound - 1, bound + 1, bound + 0.5, -bound])
        case "minLength" | "maxLength":
            letter, count = rng.choice(["a", "a", "é", "🙂"]), max(bound + rng.choice([-1, 0, 1]), 0)
            return letter * min(count, 70000)
        case "minItems" | "maxItems" | "x-kubernetes-list-map-keys":
            return _items(rng, part, old)
        case "minProperties" | "maxProperties":
            count = max(bound + rng.choice([-1, 0, 1]), 0)
            return (
                {f"a{index}": "a" for index in range(count)}
                if "properties" not in part
                else dict(list(old.items())[:count])
            )
        case "required":
            missing = rng.choice(bound)
            return {name: item for name, item in old.items() if name != missing} if isinstance(old, dict) else {}
        case _:
            return {**old, "a": rng.choice([*STRINGS, *NUMBERS, *OTHERS])} if isinstance(old, dict) else old


def _items(rng: random.Random, part: dict[str, Any], old: Any) -> Any:
    """Repeat items up to a bound of their number, with other keys or with the same ones."""
    if not isinstance(old, list) or not old:
        return old
    bounds = [part[name] for name in ("minItems", "maxItems") if name in part] or [len(old) + 1]
    count = min(max(rng.choice(bounds) + rng.choice([-1, 0, 1]), 0), 300)
    distinct = rng.random() < 0.7
    made = []
    for index in range(count):
        item = copy.deepcopy(old[index % len(old)])
        if index >= len(old) and isinstance(item, dict):
            keys = part.get("x-kubernetes-list-map-keys", [])
            for name in list(item):
                if (name in keys) == distinct and isinstance(item[name], str | int):
                    _edit(rng, item, name)
                    item[name] = f"{item[name]}{index}" if isinstance(item.get(name), str) else index
        elif index >= len(old) and isinstance(item, str) and distinct:
            item += str(index)
        made.append(item)
    return made


def mutate(rng: random.Random, value: dict[str, Any]) -> dict[str, Any]:
    """Return a copy with one small change somewhere; apiVersion and kind are mostly left alone."""
    changed = copy.deepcopy(value)
    candidates = [path for path in places(changed) if path[0] not in {"apiVersion", "kind"} or rng.random() < 0.02]
    path = rng.choice(candidates or places(changed))
    parent: Any = changed
    for key in path[:-1]:
        parent = parent[key]
    key, old = path[-1], parent[path[-1]]
    operation = rng.choice(MUTATIONS)
    operation(rng, parent, key, old)
    return changed


def _drop(_: random.Random, parent: Any, key: Any, __: Any) -> None:
    del parent[key]


def _null(_: random.Random, parent: Any, key: Any, __: Any) -> None:
    parent[key] = None


def _string(rng: random.Random, parent: Any, key: Any, _: Any) -> None:
    parent[key] = rng.choice(STRINGS)


def _number(rng: random.Random, parent: Any, key: Any, _: Any) -> None:
    parent[key] = rng.choice(NUMBERS)


def _other(rng: random.Random, parent: Any, key: Any, _: Any) -> None:
    parent[key] = copy.deepcopy(rng.choice(OTHERS))


def _stringify(_: random.Random, parent: Any, key: Any, old: Any) -> None:
    parent[key] = str(old) if not isinstance(old, str) else int(old) if old.isascii() and old.isdigit() else [old]


def _unknown_field(rng: random.Random, parent: Any, key: Any, old: Any) -> None:
    target = old if isinstance(old, dict) else parent if isinstance(parent, dict) else None
    if target is None:
        parent[key] = {"unknown": old}
    else:
        target[rng.choice(["unknown", "nmae", "Name", "image", "x-y", "spec", "0"])] = rng.choice(["a", 1, True])


def _misspell(rng: random.Random, parent: Any, key: Any, old: Any) -> None:
    if isinstance(parent, dict):
        del parent[key]
        place = rng.randrange(len(key) + 1)
        parent[rng.choice([key[:place] + "x" + key[place:], key[:place] + key[place + 1 :], key.upper()])] = old


def _twice(rng: random.Random, parent: Any, key: Any, old: Any) -> None:
    """Repeat an item of a list: whole, or with all but the name changed."""
    items = old if isinstance(old, list) and old else parent if isinstance(parent, list) else None
    if items is None:
        parent[key] = [old, old]
        return
    again = copy.deepcopy(rng.choice(items))
    if isinstance(again, dict) and rng.random() < 0.7:
        for name in list(again):
            if rng.random() < 0.4:
                _edit(rng, again, name)
    items.append(again)


def _edit(rng: random.Random, item: dict[str, Any], name: str) -> None:
    old = item[name]
    if isinstance(old, str):
        item[name] = old + "x"
    elif isinstance(old, int) and not isinstance(old, bool):
        item[name] = old + 1
    elif rng.random() < 0.5:
        del item[name]


def _many(_: random.Random, parent: Any, key: Any, old: Any) -> None:
    """Go past every maximum: of items, of fields, of characters."""
    if isinstance(old, list):
        parent[key] = [copy.deepcopy(item) for item in old for _ in range(40)]
    elif isinstance(old, dict):
        old.update({f"field-{index}": "a" for index in range(70)})
    else:
        parent[key] = str(old) * 300


def _case(_: random.Random, parent: Any, key: Any, old: Any) -> None:
    parent[key] = old.swapcase() if isinstance(old, str) else -old if isinstance(old, int | float) else None


MUTATIONS = [_drop, _drop, _null, _string, _string, _number, _other, _stringify, _unknown_field, _misspell, _twice, _twice, _many, _case]  # fmt: skip
