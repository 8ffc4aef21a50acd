"""Say in words where an object breaks its schema: path, expected, found, nearest name."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from mlops_nix.compactschema import WORDS, Definitions, Node, duplicate_keys
from mlops_nix.nearest import suggest

_LONG = 60
_MANY = 12

_EXPECTED = {
    "string": "a string",
    "boolean": "true or false",
    "integer": "an integer",
    "int32": "an integer",
    "int64": "an integer",
    "number": "a number",
    "double": "a number",
    "float": "a number",
    "int-or-string": "an integer or a string",
    "quantity": "a quantity such as 500m or 2Gi",
    "int-or-quantity": "a quantity such as 500m or 2Gi",
    "object": "a map",
    "date-time": "a time such as 2006-01-02T15:04:05Z",
}


class SchemaProblem(NamedTuple):
    """One place where an object breaks its schema."""

    path: str
    message: str
    check: str = "schema"
    """Id of the check that it belongs to."""


class Explainer(Definitions):
    """Walks an object along the compact nodes and says what is wrong where."""

    def problems(self, obj: Any) -> list[SchemaProblem]:
        """Give everything that is wrong, in the order of the object."""
        self._found: list[SchemaProblem] = []
        self._walk(self.root, obj, "", core=self.is_core)
        return self._found

    def _add(self, path: str, message: str, check: str = "schema") -> None:
        self._found.append(SchemaProblem(path, message, check))

    def _walk(self, node: Node, value: Any, path: str, *, core: bool) -> None:
        node, core = self.resolve(node, core=core)
        if isinstance(node, str):
            self._word(node, value, path)
            return
        if isinstance(node, list):
            node = {"items": node[0]}
        if value is None and node.get("nullable"):
            return
        if "fields" in node or "values" in node:
            if not isinstance(value, dict):
                self._add(path, f"expected a map, found {describe(value)}")
                return
            self._fields(node, value, path, core=core) if "fields" in node else self._values(
                node, value, path, core=core
            )
        elif "items" in node:
            if not isinstance(value, list):
                self._add(path, f"expected a list, found {describe(value)}")
                return
            self._items(node, value, path, core=core)
        elif "type" in node and not self._word(node["type"], value, path):
            return
        self._constraints(node, value, path)

    def _fields(self, node: dict[str, Any], value: dict[str, Any], path: str, *, core: bool) -> None:
        fields, required = node["fields"], node.get("required", ())
        missing = [name for name in required if name not in value]
        unknown = [] if node.get("open") else [name for name in value if name not in fields]
        for name in unknown:
            near = suggest(name, missing) or suggest(name, fields)
            if not near:
                free = [field for field in fields if field not in value]
                near = f"; known: {', '.join(free)}" if len(free) <= _MANY and free else ""
            self._add(_join(path, name), f"unknown field{near}")
        for name in missing:
            if not any(
                f"did you mean {name}?" in problem.message for problem in self._found[-len(unknown) :] if unknown
            ):
                self._add(
                    _join(path, name),
                    f"required field is missing; expected {self._expected(fields.get(name, 'any'), core=core)}",
                )
        for name, child in value.items():
            if name in fields and not (child is None and name not in required):
                self._walk(fields[name], child, _join(path, name), core=core)

    def _values(self, node: dict[str, Any], value: dict[str, Any], path: str, *, core: bool) -> None:
        for name, child in value.items():
            if child is not None:
                self._walk(node["values"], child, f"{path}[{name}]", core=core)

    def _items(self, node: dict[str, Any], value: list[Any], path: str, *, core: bool) -> None:
        for index, child in enumerate(value):
            self._walk(node["items"], child, f"{path}[{index}]", core=core)
        keys = node.get("keys")
        if keys:
            for index, first in duplicate_keys(value, keys, node.get("keyDefaults", {})):
                shown = ", ".join(
                    f"{name}={json.dumps(value[index].get(name))}" for name in keys if name in value[index]
                )
                self._add(f"{path}[{index}]", f"duplicate entry {shown}: also at index {first}", "list-duplicates")
        elif node.get("set"):
            marks = [json.dumps(child) for child in value]
            for index, mark in enumerate(marks):
                if mark in marks[:index]:
                    self._add(
                        f"{path}[{index}]",
                        f"duplicate entry {mark[:_LONG]}: also at index {marks.index(mark)}",
                        "list-duplicates",
                    )

    def _expected(self, node: Node, *, core: bool) -> str:
        node, _ = self.resolve(node, core=core)
        if isinstance(node, str):
            return _EXPECTED.get(node, "a value" if node == "any" else "a string")
        if isinstance(node, list) or "items" in node:
            return "a list"
        if "enum" in node:
            return _one_of(node["enum"])
        return _EXPECTED.get(node.get("type", "object"), "a value")

    def _word(self, word: str, value: Any, path: str) -> bool:
        """Check a value against a word; tell whether it has the type."""
        schema = WORDS.get(word, WORDS["string"])
        kinds = schema.get("type", [])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if kinds and not any(_is(value, kind) for kind in kinds):
            self._add(
                path, f"expected {_EXPECTED.get(word, 'a string')}, found {describe(value)}{_repair(kinds, value)}"
            )
            return False
        if word == "int32" and not schema["minimum"] <= value <= schema["maximum"]:
            self._add(path, f"expected an integer of 32 bits, found {value}")
        if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
            from mlops_nix.quantity import suggest_quantity

            self._add(path, f"expected {_EXPECTED[word]}, found {describe(value)}{suggest_quantity(value)}")
        if word == "date-time" and isinstance(value, str) and not _is_time(value):
            self._add(path, f"expected {_EXPECTED[word]}, found {describe(value)}")
        return True

    def _constraints(self, node: dict[str, Any], value: Any, path: str) -> None:
        if "enum" in node and not any(value == allowed and type(value) is type(allowed) for allowed in node["enum"]):
            near = (
                suggest(value, [text for text in node["enum"] if isinstance(text, str)])
                if isinstance(value, str)
                else ""
            )
            self._add(path, f"expected {_one_of(node['enum'])}, found {describe(value)}{near}")
        if isinstance(value, str):
            if "pattern" in node and not _matches(node["pattern"], value):
                self._add(path, f"expected a text that matches {node['pattern']}, found {describe(value)}")
            self._bounds(node, len(value), "Length", "characters", path)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            if "minimum" in node and value < node["minimum"]:
                self._add(path, f"expected at least {node['minimum']}, found {value}")
            if "maximum" in node and value > node["maximum"]:
                self._add(path, f"expected at most {node['maximum']}, found {value}")
        elif isinstance(value, list):
            self._bounds(node, len(value), "Items", "items", path)
        elif isinstance(value, dict):
            self._bounds(node, len(value), "Properties", "fields", path)

    def _bounds(self, node: dict[str, Any], size: int, name: str, words: str, path: str) -> None:
        if size < node.get(f"min{name}", 0):
            self._add(path, f"expected at least {node[f'min{name}']} {words}, found {size}")
        if size > node.get(f"max{name}", size):
            self._add(path, f"expected at most {node[f'max{name}']} {words}, found {size}")


def describe(value: Any) -> str:
    """Describe a value for a message: its type and, where it is short, itself."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case str():
            shown = value if len(value) <= _LONG else value[: _LONG - 3] + "..."
            return f"the string {json.dumps(shown, ensure_ascii=False)}"
        case list():
            return "a list"
        case _:
            return "a map"


def _repair(kinds: list[str], value: Any) -> str:
    """Say how a value of the wrong type becomes the right one."""
    if isinstance(value, str):
        if "integer" in kinds and re.fullmatch(r"-?[0-9]+", value):
            return "; drop the quotes"
        if "boolean" in kinds and value.lower() in {"true", "false", "yes", "no", "on", "off"}:
            return f"; did you mean {'true' if value.lower() in {'true', 'yes', 'on'} else 'false'}?"
    if "string" in kinds and isinstance(value, bool | int | float):
        return "; quote it"
    return ""


def _one_of(values: list[Any]) -> str:
    shown = [value if isinstance(value, str) and value else json.dumps(value) for value in values]
    return f"one of {', '.join(shown)}" if len(shown) > 1 else shown[0]


def _is(value: Any, kind: str) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return (isinstance(value, int) and not isinstance(value, bool)) or (
                isinstance(value, float) and value.is_integer()
            )
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return isinstance(value, dict)


def _is_time(text: str) -> bool:
    return re.fullmatch(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", text) is not None


def _matches(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:  # Go's syntax has a little that Python's has not; the validator has judged already
        return True


def _join(path: str, name: str) -> str:
    plain = re.fullmatch(r"[A-Za-z_$][A-Za-z0-9_-]*", name)
    return f"{path}.{name}".lstrip(".") if plain else f"{path}[{name}]"
