"""Compact schemas: the nodes of ``generated/kubernetes`` (format: README.md there), and what is made of them.

JSON Schema for validators; a search for list items with the same key, which JSON Schema cannot say; and, the other way round,
nodes from the structural schemas of CRDs.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeAlias

from mlops_nix.objects import as_list, as_map, as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Node: TypeAlias = "str | list[Any] | dict[str, Any]"
JsonSchema: TypeAlias = "dict[str, Any] | bool"

QUANTITY = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$"
CRD_QUANTITY = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)
_CORE = "core#"

_RANGES = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
WORDS: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "double": {"type": "number"},
    "float": {"type": "number"},
    "int32": {"type": "integer", "minimum": _RANGES["int32"][0], "maximum": _RANGES["int32"][1]},
    "int64": {"type": "integer"},
    "int-or-string": {"type": ["integer", "string"]},
    "quantity": {"type": ["number", "string"], "pattern": QUANTITY},
    "int-or-quantity": {"type": ["integer", "string"], "pattern": CRD_QUANTITY},
    "object": {"type": "object"},
    "any": {},
    "date-time": {"type": "string", "format": "date-time"},
}
CONSTRAINTS = (
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "anyOf",
    "oneOf",
    "allOf",
    "not",
)
# What a value must be, for messages.


class Expansion:
    """Expands one kind: only the definitions that it reaches."""

    def __init__(self, own: Mapping[str, Node], core: Mapping[str, Node], *, is_core: bool) -> None:
        self.own = own
        self.core = core
        self.is_core = is_core
        self.defs: dict[str, JsonSchema] = {}

    def document(self, root: str) -> dict[str, Any]:
        """Expand a definition and all that it reaches."""
        schema = self._node(self.own[root], core=self.is_core)
        # The definition of the root itself is also referred to by recursive kinds.
        return {**schema, "$defs": self.defs} if self.defs else dict(schema)

    def _reference(self, word: str, *, core: bool) -> dict[str, Any]:
        from_core = core or word.startswith(_CORE)
        name = word.partition("#")[2]
        key = ("core." if from_core else "own.") + name.replace("/", ".")
        if key not in self.defs:
            self.defs[key] = True  # a place, so that recursion ends
            self.defs[key] = self._node((self.core if from_core else self.own)[name], core=from_core)
        return {"$ref": f"#/$defs/{key}"}

    def _node(self, node: Node, *, core: bool) -> dict[str, Any]:
        if isinstance(node, str):
            if "#" in node:
                return self._reference(node, core=core)
            return WORDS.get(node, {"type": "string"})
        if isinstance(node, list):
            return {"type": "array", "items": self._node(node[0], core=core)}
        schema: dict[str, Any] = {}
        if "fields" in node:
            required = node.get("required", [])
            properties = {}
            for name, child in node["fields"].items():
                field = self._node(child, core=core)
                # The API server takes null as absent, in custom kinds too (apiextensions 0.36.3: prunenulls.go).
                properties[name] = field if name in required else _nullable(field)
            schema = {"type": "object", "properties": properties}
            if required:
                schema["required"] = required
            if not node.get("open"):
                schema["additionalProperties"] = False
        elif "values" in node:
            values = self._node(node["values"], core=core)
            schema = {"type": "object", "additionalProperties": _nullable(values)}
        elif "items" in node:
            schema = {"type": "array", "items": self._node(node["items"], core=core)}
            if node.get("set"):
                schema["uniqueItems"] = True
        elif "type" in node:
            schema = dict(self._node(node["type"], core=core))
        for name in CONSTRAINTS:
            if name in node:
                if name in schema and name in {"minimum", "maximum"}:
                    schema[name] = max(schema[name], node[name]) if name == "minimum" else min(schema[name], node[name])
                elif name == "pattern":
                    pattern = _portable(node[name])
                    if name in schema:
                        schema["allOf"] = [*schema.get("allOf", []), {"pattern": pattern}]
                    else:
                        schema[name] = pattern
                elif name == "allOf":
                    schema["allOf"] = [*schema.get("allOf", []), *node[name]]
                else:
                    schema[name] = node[name]
        return _nullable(schema) if node.get("nullable") else schema


def _portable(pattern: str) -> str:
    r"""Write a pattern of Go's syntax so that Go, Rust and Python read it alike: ``\0`` is a NUL in Go only."""
    return re.sub(r"(?<!\\)((?:\\\\)*)\\0", r"\1\\x00", pattern)


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    kind = schema.get("type")
    if not schema:
        return schema
    if kind is None or "enum" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    if isinstance(kind, list):
        return schema if "null" in kind else {**schema, "type": [*kind, "null"]}
    return {**schema, "type": [kind, "null"]}


def with_metadata(node: Node) -> Node:
    """Give the root of a CRD its metadata, which CRDs leave open and the API server checks."""
    if not isinstance(node, dict) or "fields" not in node:
        return node
    fields = {**node["fields"], "apiVersion": "string", "kind": "string", "metadata": "core#meta/v1.ObjectMeta"}
    return {**node, "fields": fields}


def compact(schema: Mapping[str, Any]) -> Node:
    """Turn a structural schema of a CRD into a compact node. Source: apiextensions.k8s.io/v1, structural schemas."""
    extra = {name: schema[name] for name in CONSTRAINTS if name in schema}
    if schema.get("nullable"):
        extra["nullable"] = True
    preserve = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    kind = schema.get("type")
    node: dict[str, Any]
    if schema.get("x-kubernetes-int-or-string"):
        node = {"type": "int-or-string"}
    elif kind == "array":
        node = {"items": compact(as_map(schema.get("items")))}
        if schema.get("x-kubernetes-list-type") == "map":
            node["keys"] = list(as_list(schema.get("x-kubernetes-list-map-keys")))
        elif schema.get("x-kubernetes-list-type") == "set":
            node["set"] = True
    elif isinstance(schema.get("properties"), dict):
        node = {"fields": {name: compact(as_map(child)) for name, child in schema["properties"].items()}}
        if schema.get("required"):
            node["required"] = list(schema["required"])
        if preserve or schema.get("additionalProperties") is True:
            node["open"] = True
        if schema.get("x-kubernetes-embedded-resource"):
            node["fields"] = {"apiVersion": "string", "kind": "string", "metadata": "object", **node["fields"]}
            node["required"] = sorted({*node.get("required", []), "apiVersion", "kind"})
    elif isinstance(schema.get("additionalProperties"), dict):
        node = {"values": compact(schema["additionalProperties"])}
    elif kind == "object" or (preserve and kind is None):
        node = {"type": "object" if kind == "object" else "any"}
    elif kind == "integer":
        node = {"type": as_text(schema.get("format")) or "integer"}
    elif kind in {"string", "boolean", "number"}:
        node = {"type": "date-time" if schema.get("format") == "date-time" else str(kind)}
    else:
        node = {"type": "any"}
    node.update(extra)
    return node


class Definitions:
    """Resolves the references of a kind's nodes."""

    def __init__(self, root: str, own: Mapping[str, Node], core: Mapping[str, Node]) -> None:
        self.root = own[root]
        self.own = own
        self.core = core
        self.is_core = own is core

    def resolve(self, node: Node, *, core: bool) -> tuple[Node, bool]:
        """Follow references; tell also whether the node is one of Kubernetes itself."""
        while isinstance(node, str) and "#" in node:
            core = core or node.startswith(_CORE)
            node = (self.core if core else self.own)[node.partition("#")[2]]
        return node, core


class KeyedLists(Definitions):
    """Finds items of a list with the same key, which JSON Schema cannot say."""

    def __init__(self, root: str, own: Mapping[str, Node], core: Mapping[str, Node]) -> None:
        super().__init__(root, own, core)
        self._walkers: dict[int, Callable[[Any], bool] | None] = {}
        self._open: set[int] = set()
        self._kept: list[Node] = []
        self._walker = self._build(self.root, core=self.is_core)

    def present(self, obj: Any) -> bool:
        """Tell whether two items of any keyed list have the same key."""
        return self._walker is not None and self._walker(obj)

    def _build(self, node: Node, *, core: bool) -> Callable[[Any], bool] | None:
        """Make a function that looks only where keyed lists can be; nothing where there can be none."""
        node, core = self.resolve(node, core=core)
        if isinstance(node, str):
            return None
        mark = id(node)
        if mark in self._walkers:
            return self._walkers[mark]
        if mark in self._open:  # recursive: decide when it is called
            return lambda value: bool((walker := self._walkers.get(mark)) and walker(value))
        self._open.add(mark)
        self._kept.append(node)  # an id is good only as long as the node lives
        walker = self._of_node(node, core=core)
        self._open.discard(mark)
        self._walkers[mark] = walker
        return walker

    def _of_node(self, node: list[Any] | dict[str, Any], *, core: bool) -> Callable[[Any], bool] | None:
        if isinstance(node, dict) and "fields" in node:
            walkers = [
                (name, walker) for name, child in node["fields"].items() if (walker := self._build(child, core=core))
            ]
            if not walkers:
                return None

            def fields(value: Any) -> bool:
                return any(name in value and value[name] is not None and walk(value[name]) for name, walk in walkers)

            return fields
        if isinstance(node, dict) and "values" in node:
            inner = self._build(node["values"], core=core)
            if inner is None:
                return None
            return lambda value: any(inner(child) for child in value.values() if child is not None)
        items = node[0] if isinstance(node, list) else node.get("items")
        if items is None:
            return None
        each = self._build(items, core=core)
        keys = node.get("keys") if isinstance(node, dict) else None
        if keys is None:
            return None if each is None else lambda value: any(map(each, value))
        defaults = node.get("keyDefaults", {}) if isinstance(node, dict) else {}

        def keyed(value: Any) -> bool:
            if len(value) > 1 and duplicate_keys(value, keys, defaults):
                return True
            return each is not None and any(map(each, value))

        return keyed


def duplicate_keys(items: list[Any], keys: list[str], defaults: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Give the pairs (index, earlier index) of items that agree in all keys."""
    if len(keys) == 1 and not defaults:
        name = keys[0]
        try:
            values = [item[name] for item in items]
            if len(set(values)) == len(values):
                return []
        except (KeyError, TypeError):
            pass
    seen: dict[str, int] = {}
    result = []
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            continue
        values = [item.get(name, defaults.get(name)) for name in keys]
        if all(value is None for value in values):
            continue
        mark = json.dumps(values)
        first = seen.setdefault(mark, index)
        if first != index:
            result.append((index, first))
    return result
