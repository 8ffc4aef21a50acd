"""Check objects against the API schemas: those of Kubernetes, of the custom kinds we know, and of CRDs that the user brings.

The compact files of ``generated/kubernetes`` (format: README.md there) are expanded to JSON Schema per kind, when an object of
the kind is met, and compiled once. The compiled validator only says yes or no; for an object that is refused a walk over the
compact form finds the words: path, expected, found, nearest name.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from mlops_nix.errors import InputError
from mlops_nix.nearest import suggest
from mlops_nix.objects import as_list, as_map, as_text, reference

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from mlops_nix.objects import KubernetesObject

Node: TypeAlias = "str | list[Any] | dict[str, Any]"
JsonSchema: TypeAlias = "dict[str, Any] | bool"

FORMAT = "mlops-nix/kubernetes-schema/v1"
QUANTITY = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$"
CRD_QUANTITY = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)
_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_CORE = "core#"
_LONG = 60
_MANY = 12

_RANGES = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
_WORDS: dict[str, dict[str, Any]] = {
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
_CONSTRAINTS = (
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


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known about a kind: its scope, its plural, and where its schema is."""

    api_version: str
    kind: str
    plural: str
    scope: str
    source: str
    """``core``, the path of a file below ``custom``, or the name of a CRD that the user brought."""


@cache
def schema_folder() -> Path:
    """Find ``generated/kubernetes``: inside an installed wheel, or beside ``python/`` in a checkout.

    Raises:
        InputError: There is none, or it has another format.
    """
    here = Path(__file__).resolve().parent
    chosen = os.environ.get("MLOPS_NIX_SCHEMAS")
    places = (
        [Path(chosen)]
        if chosen
        else [here / "data" / "generated" / "kubernetes", here.parents[2] / "generated" / "kubernetes"]
    )
    for place in places:
        if (place / "index.json").is_file():
            found = _json(place / "index.json").get("format")
            if found != FORMAT:
                raise InputError(
                    f"expected format {FORMAT}, found {found}", path=str(place / "index.json"), hint="make generate"
                )
            return place
    raise InputError(
        "no API schemas found", path=str(places[-1]), hint="run `make generate`, or install the wheel again"
    )


def _json(path: Path) -> Any:
    import orjson

    try:
        return orjson.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path=str(path), hint="run `make generate`") from error
    except orjson.JSONDecodeError as error:
        raise InputError(f"broken JSON: {error}", path=str(path), hint="run `make generate`") from error


@cache
def history() -> dict[str, dict[str, dict[str, str]]]:
    """Give for each API version and kind since and until which version of Kubernetes it is served."""
    kinds: dict[str, dict[str, dict[str, str]]] = _json(schema_folder() / "history.json")["kinds"]
    return kinds


def versions() -> list[str]:
    """Name the versions of Kubernetes whose schemas are there, ascending."""
    found: list[str] = _json(schema_folder() / "index.json")["versions"]
    return found


def default_version() -> str:
    """Name the version of Kubernetes that is taken where none is given."""
    found: str = _json(schema_folder() / "index.json")["default"]
    return found


def choose_version(wanted: str | None) -> str:
    """Give the version of Kubernetes whose schemas fit the wanted one, such as ``1.36``, ``v1.36`` or ``1.36.3``.

    Raises:
        InputError: There are no schemas of that version.
    """
    if wanted is None:
        return default_version()
    known = versions()
    match = re.fullmatch(r"v?(\d+\.\d+)(\..*)?", wanted)
    if match is None or match.group(1) not in known:
        raise InputError(f"Kubernetes {wanted}: expected one of {', '.join(known)}")
    return match.group(1)


@cache
def _core_definitions(version: str) -> dict[str, Node]:
    folder = schema_folder() / "core"
    base = default_version()
    definitions: dict[str, Node] = dict(_json(folder / f"{base}.json")["definitions"])
    if version != base:
        own = _json(folder / f"{version}.json")
        for name in own.get("absent", ()):
            definitions.pop(name, None)
        definitions.update(own.get("definitions", {}))
    return definitions


class Schemas:
    """The schemas of one version of Kubernetes, and of custom kinds.

    Args:
        version: Version of Kubernetes, such as ``1.36``; the default one if none is given.

    Raises:
        InputError: There are no schemas of that version.
    """

    def __init__(self, version: str | None = None) -> None:
        self.version = choose_version(version)
        folder = schema_folder()
        self._kinds: dict[tuple[str, str], Kind] = {}
        for api_version, kinds in _json(folder / "custom" / "index.json")["kinds"].items():
            for kind, about in kinds.items():
                if "file" in about:
                    known = Kind(api_version, kind, about["plural"], about["scope"], about["file"])
                    self._kinds[api_version, kind] = known
        self._definition_of: dict[tuple[str, str], str] = {}
        for api_version, kinds in _json(folder / "core" / f"{self.version}.json")["kinds"].items():
            for kind, about in kinds.items():
                self._kinds[api_version, kind] = Kind(api_version, kind, about["plural"], about["scope"], "core")
                self._definition_of[api_version, kind] = about["definition"]
        self._own: dict[tuple[str, str], dict[str, Node]] = {}
        self._validators: dict[tuple[str, str], Callable[[Any], bool] | None] = {}
        self._explainers: dict[tuple[str, str], _Explainer] = {}
        self._keyed: dict[tuple[str, str], _KeyedLists] = {}

    def kind(self, api_version: str, kind: str) -> Kind | None:
        """Give what is known about a kind."""
        return self._kinds.get((api_version, kind))

    def kinds(self) -> list[Kind]:
        """Give all known kinds, in alphabetical order."""
        return [self._kinds[key] for key in sorted(self._kinds)]

    def near_kind(self, api_version: str, kind: str) -> str:
        """Say which known kind may have been meant; nothing if none is near."""
        own = [known for api, known in self._kinds if api == api_version]
        if own:
            return suggest(kind, own)
        others = sorted({api for api, known in self._kinds if known == kind})
        return f"; {kind} is known in {', '.join(others)}" if others else ""

    def has_version(self, api_version: str) -> bool:
        """Tell whether any kind of an API version is known, so that an unknown kind there is a mistake."""
        return any(kind.api_version == api_version and kind.source == "core" for kind in self._kinds.values())

    def scope(self, group: str, version: str, kind: str) -> str | None:
        """Tell whether a kind is ``Namespaced`` or ``Cluster``; nothing if it is unknown."""
        known = self._kinds.get((f"{group}/{version}" if group else version, kind))
        return known.scope if known else None

    def add_crds(self, objects: Iterable[KubernetesObject]) -> int:
        """Learn the kinds of CustomResourceDefinitions; they win over what was known. Other objects are passed over.

        Returns:
            How many kinds were learnt.
        """
        count = 0
        for obj in objects:
            if obj.get("kind") != "CustomResourceDefinition":
                continue
            spec = as_map(obj.get("spec"))
            group, names = as_text(spec.get("group")), as_map(spec.get("names"))
            kind = as_text(names.get("kind"))
            for item in as_list(spec.get("versions")):
                version = as_map(item)
                schema = as_map(as_map(version.get("schema")).get("openAPIV3Schema"))
                if not kind or not schema or version.get("served") is False:
                    continue
                key = f"{group}/{as_text(version.get('name'))}", kind
                scope = as_text(spec.get("scope")) or "Namespaced"
                self._kinds[key] = Kind(*key, as_text(names.get("plural")), scope, reference(obj).name)
                self._own[key] = {"": _root(_compact(schema))}
                for memory in (self._validators, self._explainers, self._keyed):
                    memory.pop(key, None)
                count += 1
        return count

    def definitions(self, api_version: str, kind: str) -> tuple[str, dict[str, Node]]:
        """Give the name of a kind's definition, and its definitions by the names that `#NAME` means there."""
        key = api_version, kind
        known = self._kinds[key]
        if key in self._own:
            return "", self._own[key]
        if known.source == "core":
            return self._definition_of[key], _core_definitions(self.version)
        own: dict[str, Node] = _json(schema_folder() / "custom" / known.source)["definitions"]
        return "", own

    def json_schema(self, api_version: str, kind: str) -> dict[str, Any]:
        """Expand the schema of a kind to a self-contained JSON Schema (draft 2020-12).

        Raises:
            KeyError: The kind is unknown.
        """
        root, definitions = self.definitions(api_version, kind)
        expansion = _Expansion(
            definitions, _core_definitions(self.version), is_core=self._kinds[api_version, kind].source == "core"
        )
        return {"$schema": _DRAFT, **expansion.document(root)}

    def is_valid(self, obj: KubernetesObject) -> bool | None:
        """Tell whether an object fits its schema; nothing if its kind is unknown. This is the fast way."""
        key = obj.get("apiVersion"), obj.get("kind")
        try:
            validator = self._validators[key]  # type: ignore[index]
        except KeyError:
            validator = self._compile(*key)  # type: ignore[arg-type]
        if validator is None:
            return None
        return validator(obj) and not self._keyed[key].present(obj)  # type: ignore[index]

    def _compile(self, api_version: str, kind: str) -> Callable[[Any], bool] | None:
        key = api_version, kind
        if key not in self._kinds:
            self._validators[key] = None
            return None
        schema = self.json_schema(api_version, kind)
        try:
            validator = _validator(schema)
        except ValueError as error:  # a pattern that is no regular expression, in a CRD that the user brought
            message = str(error).partition("\n")[0]
            raise InputError(f"{kind}: its schema cannot be used: {message}", path=self._kinds[key].source) from None
        check: Callable[[Any], bool] = validator.is_valid
        self._validators[key] = check
        root, definitions = self.definitions(api_version, kind)
        self._keyed[key] = _KeyedLists(root, definitions, _core_definitions(self.version))
        return check

    def explain(self, obj: KubernetesObject) -> list[SchemaProblem]:
        """Say what is wrong with an object; empty if it fits its schema, or its kind is unknown."""
        valid = self.is_valid(obj)
        if valid or valid is None:
            return []
        key = obj["apiVersion"], obj["kind"]
        explainer = self._explainers.get(key)
        if explainer is None:
            root, definitions = self.definitions(*key)
            explainer = self._explainers[key] = _Explainer(root, definitions, _core_definitions(self.version))
        problems = explainer.problems(obj)
        return problems or list(self._generic(obj))

    def _generic(self, obj: KubernetesObject) -> Iterator[SchemaProblem]:
        """Give the validator's own words, for what the walk has none: anyOf and oneOf."""
        for error in _validator(self.json_schema(obj["apiVersion"], obj["kind"])).iter_errors(obj):
            path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)
            yield SchemaProblem(path.lstrip("."), error.message[:300])


def _validator(schema: dict[str, Any]) -> Any:
    """Compile a schema. Its patterns run in linear time, so that no text can hold up a check."""
    import jsonschema_rs

    patterns = jsonschema_rs.RegexOptions()
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True, pattern_options=patterns)


# --- compact nodes into JSON Schema -------------------------------------------------------------------------------------------


class _Expansion:
    """Expands one kind: only the definitions that it reaches."""

    def __init__(self, own: Mapping[str, Node], core: Mapping[str, Node], *, is_core: bool) -> None:
        self.own = own
        self.core = core
        self.is_core = is_core
        self.defs: dict[str, JsonSchema] = {}

    def document(self, root: str) -> dict[str, Any]:
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
            return _WORDS.get(node, {"type": "string"})
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
        for name in _CONSTRAINTS:
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


# --- CRD schemas into compact nodes -------------------------------------------------------------------------------------------


def _root(node: Node) -> Node:
    """Give the root of a CRD its metadata, which CRDs leave open and the API server checks."""
    if not isinstance(node, dict) or "fields" not in node:
        return node
    fields = {**node["fields"], "apiVersion": "string", "kind": "string", "metadata": "core#meta/v1.ObjectMeta"}
    return {**node, "fields": fields}


def _compact(schema: Mapping[str, Any]) -> Node:
    """Turn a structural schema of a CRD into a compact node. Source: apiextensions.k8s.io/v1, structural schemas."""
    extra = {name: schema[name] for name in _CONSTRAINTS if name in schema}
    if schema.get("nullable"):
        extra["nullable"] = True
    preserve = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    kind = schema.get("type")
    node: dict[str, Any]
    if schema.get("x-kubernetes-int-or-string"):
        node = {"type": "int-or-string"}
    elif kind == "array":
        node = {"items": _compact(as_map(schema.get("items")))}
        if schema.get("x-kubernetes-list-type") == "map":
            node["keys"] = list(as_list(schema.get("x-kubernetes-list-map-keys")))
        elif schema.get("x-kubernetes-list-type") == "set":
            node["set"] = True
    elif isinstance(schema.get("properties"), dict):
        node = {"fields": {name: _compact(as_map(child)) for name, child in schema["properties"].items()}}
        if schema.get("required"):
            node["required"] = list(schema["required"])
        if preserve or schema.get("additionalProperties") is True:
            node["open"] = True
        if schema.get("x-kubernetes-embedded-resource"):
            node["fields"] = {"apiVersion": "string", "kind": "string", "metadata": "object", **node["fields"]}
            node["required"] = sorted({*node.get("required", []), "apiVersion", "kind"})
    elif isinstance(schema.get("additionalProperties"), dict):
        node = {"values": _compact(schema["additionalProperties"])}
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


# --- keyed lists --------------------------------------------------------------------------------------------------------------


class _Definitions:
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


class _KeyedLists(_Definitions):
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


# --- words for what is wrong --------------------------------------------------------------------------------------------------


class _Explainer(_Definitions):
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
        schema = _WORDS.get(word, _WORDS["string"])
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


def write_kubeconform_schemas(
    folder: Path,
    *,
    version: str | None = None,
    schemas: Schemas | None = None,
    only: Collection[tuple[str, str]] | None = None,
) -> int:
    """Write a JSON Schema for every known kind, so that kubeconform checks all of them without the network.

    The layout is ``{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json``, with the folder ``v1`` for the core group.

    Args:
        folder: Where to; it is made if needed.
        version: Version of Kubernetes; ignored if `schemas` is given.
        schemas: Schemas with the kinds of own CRDs.
        only: API versions and kinds that shall be written; all if not given.

    Returns:
        How many files were written.
    """
    import orjson

    schemas = schemas or Schemas(version)
    kinds = [kind for kind in schemas.kinds() if only is None or (kind.api_version, kind.kind) in only]
    for kind in kinds:
        group, _, api = kind.api_version.rpartition("/")
        path = folder / (group or api) / f"{kind.kind.lower()}_{api}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps(schemas.json_schema(kind.api_version, kind.kind)))
    return len(kinds)
