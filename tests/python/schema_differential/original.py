"""A full check of Kubernetes objects on upstream's own schemas, without anything of ours in between.

Core kinds: the strict schemas of ``kubernetes-validate``. Custom kinds: ``openAPIV3Schema`` of the CRD, closed as the API server
prunes. What JSON Schema cannot say and the API server checks all the same is here in plain Python: list-maps and sets without
duplicates, and the grammar of quantities in core kinds.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import yaml

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES = {"", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"}
CORE = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
KEY_DEFAULTS = {"protocol": "TCP"}
# Keywords that mean the same in a CRD and in JSON Schema.
SAME = {
    *("enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *("multipleOf", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "required"),
    *("oneOf", "anyOf", "allOf", "not"),
}


class Loader(yaml.CSafeLoader):
    """YAML 1.1 without its traps: `=` and dates are strings."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":value", ":timestamp"))]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


@cache
def definitions(version: str) -> dict[str, Any]:
    folder = resources.files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}.0-local-strict"
    return json.loads((folder / "_definitions.json").read_text())["$defs"]


@cache
def core_kinds(version: str) -> dict[tuple[str, str], str]:
    """(apiVersion, kind) -> name of the definition."""
    found = {}
    for name, schema in definitions(version).items():
        for gvk in schema.get("x-kubernetes-group-version-kind", []):
            api_version = f"{gvk['group']}/{gvk['version']}" if gvk["group"] else gvk["version"]
            found[api_version, gvk["kind"]] = name
    return found


@cache
def core_validator(version: str, name: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$ref": f"#/$defs/{name}",
            "$defs": definitions(version),
        }
    )


@cache
def crd_schemas(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """(apiVersion, kind) -> openAPIV3Schema of every served version in a CRD file."""
    found = {}
    with path.open() as stream:
        for crd in yaml.load_all(stream, Loader=Loader):
            if crd:
                spec = crd["spec"]
                for version in spec["versions"]:
                    if version.get("served", True):
                        key = f"{spec['group']}/{version['name']}", spec["names"]["kind"]
                        found[key] = version["schema"]["openAPIV3Schema"]
                        if key == ("argoproj.io/v1alpha1", "WorkflowTemplate"):
                            found[key[0], "ClusterWorkflowTemplate"] = found[key]
    return found


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """JSON Schema of a structural schema: unknown fields refused wherever the API server would prune them."""
    out: dict[str, Any] = {key: value for key, value in schema.items() if key in SAME}
    if "pattern" in out:
        # The API server's RE2 reads \0; the validator here wants it spelled out.
        out["pattern"] = out["pattern"].replace("\\0", "\\x00")
    if schema.get("x-kubernetes-int-or-string"):
        out["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    if "type" in schema:
        out["type"] = [schema["type"], "null"] if schema.get("nullable") else schema["type"]
    if "items" in schema:
        out["items"] = closed(schema["items"])
    if "properties" in schema:
        out["properties"] = {name: closed(field) for name, field in schema["properties"].items()}
    values = schema.get("additionalProperties")
    if isinstance(values, dict):
        out["additionalProperties"] = closed(values) if values else {}
    elif schema.get("type") == "object" and not schema.get("x-kubernetes-preserve-unknown-fields") and not values:
        out["additionalProperties"] = False
    return out


@cache
def custom_validator(version: str, path: Path, key: tuple[str, str]) -> jsonschema_rs.Validator:
    schema = closed(crd_schemas(path)[key])
    schema["properties"] = {
        **schema.get("properties", {}),
        "apiVersion": {"const": key[0]},
        "kind": {"const": key[1]},
        "metadata": {"$ref": f"#/$defs/{CORE}"},
    }
    return jsonschema_rs.validator_for(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **schema,
            "$defs": definitions(version),
        }
    )


def is_quantity(text: str) -> bool:
    """Whether ``resource.ParseQuantity`` reads the text; a port of its scanner, not an expression like ours.

    Source: k8s.io/apimachinery pkg/api/resource/quantity.go, parseQuantityString and suffix.go, interpret.
    """
    rest = text[1:] if text[:1] in {"+", "-"} else text
    number = re.match(r"[0-9]*", rest, re.ASCII).group()  # type: ignore[union-attr]
    rest = rest[len(number) :]
    if rest.startswith("."):
        fraction = re.match(r"[0-9]*", rest[1:], re.ASCII).group()  # type: ignore[union-attr]
        rest = rest[1 + len(fraction) :]
        number += fraction
    if not number:
        return False
    if rest in SUFFIXES:
        return True
    return rest[:1] in {"e", "E"} and re.fullmatch(r"[+-]?[0-9]+", rest[1:], re.ASCII) is not None


def beyond_json_schema(schema: dict[str, Any], value: Any, core: dict[str, Any] | None) -> bool:
    """Whether lists have no duplicates and core quantities can be read; the value is valid for the schema."""
    if core is not None and "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        if name == QUANTITY and isinstance(value, str):
            return is_quantity(value)
        schema = core[name]
    if isinstance(value, list):
        items = schema.get("items", {})
        return all(beyond_json_schema(items, item, core) for item in value) and not _has_duplicates(
            schema, value, core is not None
        )
    if isinstance(value, dict):
        fields, rest = schema.get("properties", {}), schema.get("additionalProperties")
        return all(
            beyond_json_schema(fields[name] if name in fields else rest if isinstance(rest, dict) else {}, field, core)
            for name, field in value.items()
        )
    return True


def _has_duplicates(schema: dict[str, Any], value: list[Any], is_core: bool) -> bool:
    kind = schema.get("x-kubernetes-list-type")
    if kind == "set":
        identities = [json.dumps(item, sort_keys=True) for item in value]
    elif kind == "map":
        defaults = KEY_DEFAULTS
        if not is_core:
            properties = schema["items"].get("properties", {})
            defaults = {name: field["default"] for name, field in properties.items() if "default" in field}
        identities = [
            json.dumps([(item or {}).get(key, defaults.get(key)) for key in schema["x-kubernetes-list-map-keys"]])
            for item in value
        ]
    else:
        return False
    return len(set(identities)) < len(identities)


class Original:
    """The verdict of upstream's schemas on objects of one Kubernetes version."""

    def __init__(self, version: str, crds: Path, files: dict[tuple[str, str], str]) -> None:
        """``files``: (apiVersion, kind) -> path below ``crds`` of the CRD to use."""
        self.version, self.crds, self.files = version, crds, files

    def schema(self, key: tuple[str, str]) -> dict[str, Any] | None:
        """Upstream's own schema of a kind; for a core kind its references are to ``definitions``."""
        if key in core_kinds(self.version):
            return definitions(self.version)[core_kinds(self.version)[key]]
        if key in self.files:
            return crd_schemas(self.crds / self.files[key]).get(key)
        return None

    def accepts(self, value: dict[str, Any]) -> bool:
        key = value.get("apiVersion"), value.get("kind")
        if not all(isinstance(part, str) for part in key):
            return False
        if key in core_kinds(self.version):
            name = core_kinds(self.version)[key]
            core = definitions(self.version)
            return core_validator(self.version, name).is_valid(value) and beyond_json_schema(core[name], value, core)
        schema = self.schema(key)
        if schema is None:
            return False
        if not custom_validator(self.version, self.crds / self.files[key], key).is_valid(value):
            return False
        core = definitions(self.version)
        return beyond_json_schema(schema, {**value, "metadata": {}}, None) and beyond_json_schema(
            core[CORE], value.get("metadata", {}), core
        )
