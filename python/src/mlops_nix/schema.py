"""Check objects against the API schemas: those of Kubernetes, of the custom kinds we know, and of CRDs that the user brings.

The compact files of ``generated/kubernetes`` (format: README.md there) are expanded to JSON Schema per kind, when an object of
the kind is met, and compiled once. The compiled validator only says yes or no; for an object that is refused a walk over the
compact form finds the words: path, expected, found, nearest name.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nix.compactschema import Expansion, KeyedLists, Node, compact, with_metadata
from mlops_nix.errors import InputError
from mlops_nix.explain import Explainer, SchemaProblem
from mlops_nix.nearest import suggest
from mlops_nix.objects import as_list, as_map, as_text, reference

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from mlops_nix.objects import KubernetesObject


FORMAT = "mlops-nix/kubernetes-schema/v1"
_DRAFT = "https://json-schema.org/draft/2020-12/schema"


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
        self._explainers: dict[tuple[str, str], Explainer] = {}
        self._keyed: dict[tuple[str, str], KeyedLists] = {}

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
                self._own[key] = {"": with_metadata(compact(schema))}
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
        expansion = Expansion(
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
        self._keyed[key] = KeyedLists(root, definitions, _core_definitions(self.version))
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
            explainer = self._explainers[key] = Explainer(root, definitions, _core_definitions(self.version))
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
