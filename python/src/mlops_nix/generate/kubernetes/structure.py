"""Turn a JSON schema of the Kubernetes API into a compact node.

A keyword that is neither kept nor known to be without effect on validity is an error: upstream's next CRD may not lose a
constraint in silence.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]
# A word, a one-element list, or a dict with the keys that README.md of the generated folder describes.
Node = Any

# Keywords without effect on whether a new object is valid.
_SILENT = frozenset(
    {
        "default",
        "description",
        "example",
        "externalDocs",
        "title",
        "x-kubernetes-group-version-kind",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-map-type",
        "x-kubernetes-patch-merge-key",
        "x-kubernetes-patch-strategy",
        "x-kubernetes-unions",
    }
)
# Kept under their own name.
_BOUNDS = (
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
)
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
# What the API machinery's generator writes for `resource.Quantity` in a CRD.
QUANTITY_PATTERN = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
    r"(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)
# Definitions of the core API that are a word of the compact format.
WORDS = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "date-time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "date-time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "object",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "object",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON": "any",
}
# Defaults of list-map keys that the core API's published schemas leave out; two entries without the key collide.
# Source: k8s.io/api/core/v1 types.go, `+default="TCP"` on ContainerPort.protocol and ServicePort.protocol.
_CORE_KEY_DEFAULTS = {"protocol": "TCP"}
_CORE_NAME = re.compile(r"(?:.*\.)?([a-z0-9]+)\.(v\d+(?:(?:alpha|beta)\d+)?|version)\.([A-Za-z0-9]+)")


# What the API server checks the metadata of a custom object against.
METADATA = "core#meta/v1.ObjectMeta"


class UnknownKeywordError(ValueError):
    """A schema says something that this generator has no rule for."""


def definition_name(name: str) -> str:
    """Return the short name of a core definition: ``core/v1.PodSpec`` for ``io.k8s.api.core.v1.PodSpec``."""
    match = _CORE_NAME.fullmatch(name)
    if match is None:
        raise UnknownKeywordError(f"definition {name}: not of the form GROUP.VERSION.NAME")
    return f"{match[1]}/{match[2]}.{match[3]}"


def core_node(schema: Schema) -> Node:
    """Return the compact node of a definition of ``kubernetes-validate``'s strict schemas.

    There every optional field may also be null, which is the rule of the core files and not said again per field.
    """
    if "$ref" in schema:
        target = schema["$ref"].rsplit("/", 1)[-1]
        return WORDS.get(target) or "#" + definition_name(target)
    _refuse_unknown(schema, {"type", "format", "properties", "required", "additionalProperties", "items", *_BOUNDS})
    kinds = [kind for kind in _as_list(schema.get("type")) if kind != "null"]
    if not kinds:
        return "any"
    (kind,) = kinds
    bounds = {key: schema[key] for key in _BOUNDS if key in schema}
    if kind == "array":
        return _list(schema, core_node(schema["items"]), bounds, _CORE_KEY_DEFAULTS)
    if kind != "object":
        return _scalar(schema, kind, bounds)
    if "properties" in schema:
        return _fields({name: core_node(field) for name, field in schema["properties"].items()}, schema, bounds)
    values = schema.get("additionalProperties")
    return _map(core_node(values), bounds) if isinstance(values, dict) else _bounded("object", bounds)


def custom_node(schema: Schema) -> Node:
    """Return the compact node of a CRD's structural schema, with the pruning of the API server made explicit."""
    _refuse_unknown(
        schema,
        {
            "type",
            "format",
            "properties",
            "required",
            "additionalProperties",
            "items",
            "nullable",
            "anyOf",
            "oneOf",
            "x-kubernetes-embedded-resource",
            "x-kubernetes-int-or-string",
            "x-kubernetes-preserve-unknown-fields",
            "x-kubernetes-validations",
            *_BOUNDS,
        },
    )
    more = {key: schema[key] for key in _BOUNDS if key in schema}
    if schema.get("nullable"):
        more["nullable"] = True
    if "oneOf" in schema:
        more["oneOf"] = schema["oneOf"]
    if "x-kubernetes-validations" in schema:
        more["rules"] = [_rule(rule) for rule in schema["x-kubernetes-validations"]]
    if schema.get("x-kubernetes-int-or-string"):
        if schema.get("anyOf", _INT_OR_STRING) != _INT_OR_STRING:
            raise UnknownKeywordError("anyOf beside x-kubernetes-int-or-string is not integer or string")
        if more.get("pattern") == QUANTITY_PATTERN:
            del more["pattern"]
            return _bounded("int-or-quantity", more)
        return _bounded("int-or-string", more)
    if "anyOf" in schema:
        more["anyOf"] = schema["anyOf"]
    keep = schema.get("x-kubernetes-preserve-unknown-fields") is True
    if schema.get("x-kubernetes-embedded-resource"):
        return _embedded(schema, more, keep=keep)
    kind = schema.get("type")
    if kind is None:
        if not keep:
            raise UnknownKeywordError("a schema has neither type nor x-kubernetes-preserve-unknown-fields")
        return _bounded("any", more)
    if kind == "array":
        defaults = {
            name: field["default"]
            for name, field in schema["items"].get("properties", {}).items()
            if "default" in field
        }
        return _list(schema, custom_node(schema["items"]), more, defaults)
    if kind != "object":
        return _scalar(schema, kind, more)
    values = schema.get("additionalProperties")
    if isinstance(values, dict) and values:
        return _map(custom_node(values), more)
    if values and "properties" not in schema:
        return _map("any", more)
    fields = {name: custom_node(field) for name, field in schema.get("properties", {}).items()}
    if keep:
        if not fields and "required" not in schema:
            return _bounded("object", more)
        more["open"] = True
    return _fields(fields, schema, more)


def object_fields(fields: dict[str, Node]) -> dict[str, Node]:
    """Return the fields of a complete object: what every object has is as the API server sees it, whatever the CRD says."""
    return dict(sorted({**fields, "apiVersion": "string", "kind": "string", "metadata": METADATA}.items()))


def _embedded(schema: Schema, more: dict[str, Any], *, keep: bool) -> Node:
    fields = {name: custom_node(field) for name, field in schema.get("properties", {}).items()}
    required = sorted({*schema.get("required", []), "apiVersion", "kind"})
    return {"fields": object_fields(fields), "required": required, **({"open": True} if keep else {}), **more}


def _refuse_unknown(schema: Schema, known: set[str]) -> None:
    unknown = set(schema) - known - _SILENT
    if unknown:
        raise UnknownKeywordError(f"keyword {', '.join(sorted(unknown))} in {json.dumps(schema)[:200]}")


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _bounded(word: str, more: dict[str, Any]) -> Node:
    return {"type": word, **more} if more else word


def _scalar(schema: Schema, kind: str, more: dict[str, Any]) -> Node:
    return _bounded(schema.get("format") or kind, more)


def _map(values: Node, more: dict[str, Any]) -> Node:
    return "object" if values == "any" and not more else {"values": values, **more}


def _fields(fields: dict[str, Node], schema: Schema, more: dict[str, Any]) -> Node:
    required = {"required": sorted(schema["required"])} if schema.get("required") else {}
    return {"fields": dict(sorted(fields.items())), **required, **more}


def _list(schema: Schema, items: Node, more: dict[str, Any], defaults: dict[str, Any]) -> Node:
    if schema.get("x-kubernetes-list-type") == "map":
        keys = schema["x-kubernetes-list-map-keys"]
        more = {"keys": keys, **more}
        defaulted = {key: defaults[key] for key in keys if key in defaults}
        if defaulted:
            more["keyDefaults"] = defaulted
    elif schema.get("x-kubernetes-list-type") == "set":
        more = {"set": True, **more}
    return {"items": items, **more} if more else [items]


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    # `message` is what the API server answers: an identifier for people, not documentation.
    kept = ("rule", "message", "messageExpression", "fieldPath", "reason", "optionalOldSelf")
    return {key: rule[key] for key in kept if key in rule}


@dataclass(frozen=True)
class _Part:
    text: str
    name: str


# Text shorter than this is not worth a name; text longer than this gets one though it occurs once, so that a line of
# a diff stays readable.
_SHORTEST_DEFINITION = 60
_LONGEST_LINE = 2000


def share(root: Node) -> dict[str, Node]:
    """Return definitions in which every part that occurs twice is named once; the whole is the definition ``""``.

    A part is named after the first field that holds it. Equal input gives equal names.
    """
    counts: Counter[str] = Counter()
    _count(root, counts)
    definitions: dict[str, Node] = {}
    names: dict[str, str] = {}
    definitions[""] = _name_parts(root, "", counts, names, definitions)
    return definitions


def text_of(node: Node) -> str:
    """Return the canonical JSON text of a node."""
    return json.dumps(node, ensure_ascii=False, separators=(",", ":"))


def _children(node: Node) -> list[tuple[str, Node]]:
    if isinstance(node, list):
        return [("", node[0])]
    if not isinstance(node, dict):
        return []
    return [
        *node.get("fields", {}).items(),
        *([("", node["values"])] if "values" in node else []),
        *([("", node["items"])] if "items" in node else []),
    ]


def _count(node: Node, counts: Counter[str]) -> None:
    if isinstance(node, dict):
        text = text_of(node)
        counts[text] += 1
        if counts[text] > 1:
            return
    for _, child in _children(node):
        _count(child, counts)


def _name_parts(
    node: Node, field: str, counts: Counter[str], names: dict[str, str], definitions: dict[str, Node]
) -> Node:
    if isinstance(node, list):
        return [_name_parts(node[0], field, counts, names, definitions)]
    if not isinstance(node, dict):
        return node
    text = text_of(node)
    if text in names:
        return "#" + names[text]
    inner = dict(node)
    if "fields" in node:
        inner["fields"] = {
            name: _name_parts(child, name, counts, names, definitions) for name, child in node["fields"].items()
        }
    for key in ("values", "items"):
        if key in node:
            inner[key] = _name_parts(node[key], field, counts, names, definitions)
    shared = counts[text] > 1 and len(text) >= _SHORTEST_DEFINITION
    if not field or not (shared or len(text_of(inner)) > _LONGEST_LINE):
        return inner
    name, number = field, 1
    while name in definitions:
        number += 1
        name = f"{field}{number}"
    names[text] = name
    definitions[name] = inner
    return "#" + name
