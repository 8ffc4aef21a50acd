"""Compact schemas of custom kinds, from the CRDs of upstream projects."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from mlops_nix.generate.kubernetes.structure import Node, Schema, custom_node, object_fields, share, text_of

if TYPE_CHECKING:
    from pathlib import Path

# Kinds whose CRD at hand is a variant without a schema, although another kind has the same one.
# Source: argoproj/argo-workflows pkg/apis/workflow/v1alpha1: both have `Spec WorkflowSpec`; upstream's full CRD of
# ClusterWorkflowTemplate is not among the references.
_SAME_SPEC = {("argoproj.io", "ClusterWorkflowTemplate"): "WorkflowTemplate"}


class StoredFileError(ValueError):
    """A stored CRD is not the one that the index names."""


@dataclass(frozen=True)
class Kind:
    """One version of a custom kind.

    Attributes:
        group, version, kind, plural, scope: The names that the API server knows it by.
        served: Whether the API server answers to this version.
        crd: Name of the CRD.
        files: Keys of upstream's files that hold this CRD; the schema is that of the first.
        schema: ``openAPIV3Schema`` of the first.
    """

    group: str
    version: str
    kind: str
    plural: str
    scope: str
    served: bool
    crd: str
    files: tuple[str, ...]
    schema: Schema

    @property
    def api_version(self) -> str:
        """``GROUP/VERSION`` as an object says it."""
        return f"{self.group}/{self.version}"

    @property
    def path(self) -> str:
        """Where the compact schema lies, below the folder of custom kinds."""
        return f"{self.group}/{self.kind.lower()}_{self.version}.json"


def files_of(reference: Path) -> dict[str, dict[str, Any]]:
    """Return upstream's CRD files: key (the path in the reference) -> url, sha256 and bytes.

    Args:
        reference: The folder ``upstream/crds`` with its ``index.json``.

    Raises:
        StoredFileError: When a stored file differs from its sha256.
    """
    files: dict[str, dict[str, Any]] = {}
    for entry in json.loads((reference / "index.json").read_text(encoding="utf-8")):
        content = (reference / entry["file"]).read_bytes()
        if hashlib.sha256(content).hexdigest() != entry["sha256"]:
            raise StoredFileError(f"{reference / entry['file']}: sha256 differs from index.json")
        files[entry["file"]] = {"url": entry["url"], "sha256": entry["sha256"], "bytes": entry["bytes"]}
    return dict(sorted(files.items()))


def kinds_of(reference: Path) -> list[Kind]:
    """Return every version of every kind in the CRDs of the reference, sorted by group, kind and version."""
    found: dict[tuple[str, str, str], list[Kind]] = {}
    for file in files_of(reference):
        for crd in _documents(reference / file):
            spec = crd["spec"]
            names = spec["names"]
            for version in spec["versions"]:
                kind = Kind(
                    group=spec["group"],
                    version=version["name"],
                    kind=names["kind"],
                    plural=names["plural"],
                    scope=spec["scope"],
                    served=version.get("served", True),
                    crd=crd["metadata"]["name"],
                    files=(file,),
                    schema=version["schema"]["openAPIV3Schema"],
                )
                found.setdefault((kind.group, kind.kind, kind.version), []).append(kind)
    return [_richest(found[key]) for key in sorted(found)]


def definitions(kind: Kind, kinds: list[Kind]) -> dict[str, Node]:
    """Return the compact definitions of one version of a kind; the object itself is the definition ``""``."""
    same = _SAME_SPEC.get((kind.group, kind.kind))
    schema = kind.schema
    if same is not None:
        (schema,) = (
            other.schema
            for other in kinds
            if (other.group, other.kind, other.version) == (kind.group, same, kind.version)
        )
    return share(object_node(schema))


def object_node(schema: Schema) -> Node:
    """Return the compact node of a custom object: the CRD's schema with the identity that every object has."""
    root = custom_node(schema)
    if root == "object":
        root = {"fields": {}, "open": True}
    return {**root, "fields": object_fields(root["fields"])}


def _richest(variants: list[Kind]) -> Kind:
    # Upstream ships some CRDs twice, with and without a schema; the one with says more about an object.
    ordered = sorted(variants, key=lambda variant: (-len(text_of(object_node(variant.schema))), variant.files))
    best = ordered[0]
    return Kind(**{**best.__dict__, "files": tuple(variant.files[0] for variant in ordered)})


class _Loader(yaml.CSafeLoader):
    """YAML as Kubernetes reads it: `=` and dates are strings."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rsplit(":", 1)[-1] not in {"value", "timestamp"}]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def _documents(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as stream:
        documents = [document for document in yaml.load_all(stream, Loader=_Loader) if document]
    return [document for document in documents if document["kind"] == "CustomResourceDefinition"]
