"""The set as the cluster layer takes it: objects with wave and component, checked before anything is sent.

It comes from a set document, or from plain objects, which then get waves by their kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_nix.errors import InputError
from mlops_nix.objects import ObjectRef, as_list, as_map, as_text, metadata, reference, split_api_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mlops_nix.objects import KubernetesObject
    from mlops_nix.setdocument import SecretRequirement, SetDocument

# What a ref is on the cluster: an object keeps its identity when it is read in another version of its group.
Key = tuple[str, str, str, str]

# Limits of kube-apiserver 1.36.3: whole request, ConfigMap and Secret data, annotations together.
_BODY_LIMIT = 3 * 1024 * 1024
_DATA_LIMIT = 1024 * 1024
_ANNOTATIONS_LIMIT = 256 * 1024
_NAME_LIMIT = 253
_LABEL_NAME = re.compile(r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")

NAMESPACES, DEFINITIONS, CONFIG, STORAGE, WORKLOADS, WEBHOOKS, CUSTOM = 0, 10, 20, 25, 50, 70, 80
_WAVE_NAMES = {
    NAMESPACES: "namespaces",
    DEFINITIONS: "crds",
    CONFIG: "config",
    STORAGE: "storage",
    WORKLOADS: "workloads",
    WEBHOOKS: "webhooks",
    CUSTOM: "custom-resources",
}
_CONFIG_KINDS = frozenset(
    {
        "ClusterRole", "ClusterRoleBinding", "ConfigMap", "LimitRange", "NetworkPolicy", "PriorityClass", "ResourceQuota", "Role",
        "RoleBinding", "RuntimeClass", "Secret", "Service", "ServiceAccount", "StorageClass",
    }
)  # fmt: skip
_STORAGE_KINDS = frozenset({"PersistentVolume", "PersistentVolumeClaim"})
_WEBHOOK_KINDS = frozenset(
    {
        "APIService",
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }
)
# Groups whose kinds the API server itself serves; every other group is custom.
_BUILT_IN = re.compile(r"^(|apps|batch|autoscaling|policy|extensions|[a-z0-9.-]+\.k8s\.io)$")
_ADDED = re.compile(
    r"^(gateway\.networking|snapshot\.storage|x-k8s|metrics|custom\.metrics|external\.metrics)\.k8s\.io$"
)


def key_of(ref: ObjectRef) -> Key:
    """Give the identity without the version."""
    return (ref.group, ref.kind, ref.namespace, ref.name)


@dataclass(frozen=True, slots=True)
class Item:
    """One object of the set.

    Args:
        object: The complete object.
        ref: Who it is.
        wave: Number of its wave.
        component: The component that it belongs to.
    """

    object: KubernetesObject
    ref: ObjectRef
    wave: int
    component: str | None = None

    @property
    def key(self) -> Key:
        """The identity on the cluster."""
        return key_of(self.ref)


@dataclass(frozen=True, slots=True)
class DesiredSet:
    """What should be on the cluster.

    Args:
        name: Name of the set: the owner label, the lock and the inventory carry it.
        items: The objects in apply order.
        waves: Name of each wave by its number.
        kubernetes_version: ``1.36``: what the set was rendered for.
        external_kinds: CRDs by name that the user brings, with the operator that has them.
        secrets: Secrets that must exist.
        warnings: Texts of the set's author.
        endpoints: Component, name and URL of what can be reached inside the cluster.
    """

    name: str
    items: tuple[Item, ...]
    waves: Mapping[int, str] = field(default_factory=dict)
    kubernetes_version: str | None = None
    external_kinds: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[SecretRequirement, ...] = ()
    warnings: tuple[str, ...] = ()
    endpoints: tuple[tuple[str, str, str], ...] = ()

    @property
    def namespaces(self) -> list[str]:
        """The namespaces that objects of the set lie in."""
        return sorted({item.ref.namespace for item in self.items if item.ref.namespace})

    @property
    def definitions(self) -> list[KubernetesObject]:
        """The CustomResourceDefinitions of the set."""
        return [item.object for item in self.items if item.ref.kind == "CustomResourceDefinition"]

    def wave_name(self, number: int) -> str:
        """Give the name of a wave."""
        return self.waves.get(number, _WAVE_NAMES.get(number, f"wave {number}"))


def from_document(document: SetDocument, definitions: Sequence[KubernetesObject] = ()) -> DesiredSet:
    """Take a set document.

    Args:
        document: What Nix rendered.
        definitions: The objects of the CRD files that the document names.
    """
    number = next((wave.number for wave in document.waves if wave.name == "crds"), DEFINITIONS)
    inlined = {key_of(reference(entry.object)) for entry in document.entries}
    items = [item(obj, number) for obj in definitions if key_of(reference(obj)) not in inlined] + [
        item(entry.object, entry.wave, entry.component) for entry in document.entries
    ]
    return _finished(
        DesiredSet(
            document.name,
            tuple(items),
            {number: "crds", **{wave.number: wave.name for wave in document.waves}},
            document.kubernetes_version,
            {crd: external.name for external in document.external for crd in external.crds},
            document.secrets,
            tuple(
                f"{warning.component}: {warning.text}" if warning.component else warning.text
                for warning in document.warnings
            ),
            tuple((endpoint.component, endpoint.name, endpoint.url) for endpoint in document.endpoints if endpoint.url),
        )
    )


def from_objects(name: str, objects: Iterable[KubernetesObject]) -> DesiredSet:
    """Take plain objects; waves follow from their kinds.

    Args:
        name: Name of the set.
        objects: Kubernetes objects; a ``List`` is taken apart.
    """
    flat: list[KubernetesObject] = []
    for obj in objects:
        if as_text(obj.get("kind")).endswith("List") and isinstance(obj.get("items"), list):
            flat += as_list(obj["items"])
        else:
            flat.append(obj)
    return _finished(DesiredSet(name, tuple(item(obj, wave_of(obj)) for obj in flat), dict(_WAVE_NAMES)))


def item(obj: KubernetesObject, wave: int, component: str | None = None) -> Item:
    """Make an item; a Secret's ``stringData`` becomes ``data``, as the server would store it."""
    obj = _with_data(obj)
    return Item(obj, reference(obj), wave, component)


def _with_data(obj: KubernetesObject) -> KubernetesObject:
    # Server-side apply keeps `stringData` as an owned field while the values land in `data`, so that it never settles.
    if obj.get("kind") != "Secret" or obj.get("apiVersion") != "v1" or not isinstance(obj.get("stringData"), dict):
        return obj
    import base64

    given = {
        name: base64.b64encode(value.encode("utf-8", "surrogatepass")).decode() if isinstance(value, str) else value
        for name, value in obj["stringData"].items()
    }
    kept = {name: value for name, value in obj.items() if name != "stringData"}
    return {**kept, "data": {**as_map(obj.get("data")), **given}}


def _finished(desired: DesiredSet) -> DesiredSet:
    return DesiredSet(
        desired.name,
        tuple(sorted(desired.items, key=lambda entry: entry.wave)),
        desired.waves,
        desired.kubernetes_version,
        desired.external_kinds,
        desired.secrets,
        desired.warnings,
        desired.endpoints,
    )


def wave_of(obj: KubernetesObject) -> int:
    """Give the wave of an object that comes without one."""
    group, _ = split_api_version(as_text(obj.get("apiVersion")))
    kind = as_text(obj.get("kind"))
    if not _BUILT_IN.match(group) or _ADDED.match(group):
        return CUSTOM
    if (group, kind) == ("", "Namespace"):
        return NAMESPACES
    if kind == "CustomResourceDefinition":
        return DEFINITIONS
    if kind in _CONFIG_KINDS:
        return CONFIG
    if kind in _STORAGE_KINDS:
        return STORAGE
    return WEBHOOKS if kind in _WEBHOOK_KINDS else WORKLOADS


def problems(desired: DesiredSet) -> list[InputError]:
    """Find what cannot be applied, without asking the server.

    Args:
        desired: The set.

    Returns:
        One error per problem; empty where there is none.
    """
    found: list[InputError] = []
    if not _LABEL_NAME.match(desired.name):
        found.append(
            InputError(
                f"{desired.name!r} cannot be the name of a set: expected at most 63 of a-z, 0-9, - and ., found "
                f"{len(desired.name)} characters",
                hint="the name becomes a label and part of object names; choose another with --set",
            )
        )
    seen: dict[Key, Item] = {}
    for entry in desired.items:
        found += [InputError(f"{_label(entry)}: {problem}") for problem in _problems_of(entry)]
        if entry.key in seen:
            found.append(
                InputError(f"{_label(entry)}: stands twice in the set", hint="remove one of them, or rename it")
            )
        seen[entry.key] = entry
    return found


def require(desired: DesiredSet) -> None:
    """Raise `InputError` with everything that cannot be applied."""
    found = problems(desired)
    if not found:
        return
    shown = [str(problem) for problem in found[:20]]
    if len(found) > len(shown):
        shown.append(f"… and {len(found) - len(shown)} more")
    if len(found) == 1:
        raise found[0]
    raise InputError("\n".join([f"{len(found)} objects cannot be applied; nothing was sent", *shown]))


def _label(entry: Item) -> str:
    label = str(entry.ref)
    safe = label.encode("utf-8", "backslashreplace").decode()
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in safe)


def _problems_of(entry: Item) -> list[str]:
    obj, ref = entry.object, entry.ref
    found: list[str] = []
    if not ref.kind or not ref.version:
        return ["apiVersion and kind are needed to apply an object"]
    meta = metadata(obj)
    if not as_text(meta.get("name")):
        generated = " (generateName would make a new object with each run)" if meta.get("generateName") else ""
        return [f"metadata.name: expected a name, found none{generated}"]
    for field_name, value in (("metadata.name", ref.name), ("metadata.namespace", ref.namespace)):
        # These are the rules for a path segment; each kind has stricter ones, which the server checks.
        if value in {".", ".."} or "/" in value or "%" in value or not value.isprintable():
            found.append(
                f"{field_name}: not a name that can stand in a path (no '/', '%', '.', '..' or control characters), found {value!a}"
            )
        elif len(value) > _NAME_LIMIT:
            found.append(f"{field_name}: at most {_NAME_LIMIT} characters, found {len(value)}")
    return found + _size_problems(obj, ref)


def _size_problems(obj: KubernetesObject, ref: ObjectRef) -> list[str]:
    import orjson

    try:
        size = len(orjson.dumps(obj))
    except (TypeError, orjson.JSONEncodeError) as error:
        if "surrogates" in str(error) or "utf-8" in str(error).lower():
            return [
                "holds text that is not valid UTF-8; binary data belongs into binaryData (ConfigMap) or data (Secret), as base64"
            ]
        return [f"cannot be written as JSON: {error}"]
    found: list[str] = []
    if size > _BODY_LIMIT:
        found.append(f"is {size:,} bytes of JSON; the API server takes at most {_BODY_LIMIT:,} ({_largest(obj)})")
    if ref.kind in {"ConfigMap", "Secret"} and not ref.group and size > _DATA_LIMIT:
        data = data_size(obj)
        if data > _DATA_LIMIT:
            found.append(f"holds {data:,} bytes of data; a {ref.kind} takes at most {_DATA_LIMIT:,} ({_largest(obj)})")
    annotations = as_map(metadata(obj).get("annotations"))
    if annotations and size > _ANNOTATIONS_LIMIT:
        total = sum(len(name.encode()) + len(as_text(value).encode()) for name, value in annotations.items())
        if total > _ANNOTATIONS_LIMIT:
            found.append(f"has {total:,} bytes of annotations; the API server takes at most {_ANNOTATIONS_LIMIT:,}")
    return found


def data_size(obj: KubernetesObject) -> int:
    """Give the bytes of data of a ConfigMap or Secret, as the API server counts them."""
    total = 0
    for name, value in as_map(obj.get("data")).items():
        # In a Secret, and in binaryData, four characters stand for three bytes.
        length = len(value.encode()) if isinstance(value, str) else 0
        total += len(name) + (length * 3 // 4 if obj.get("kind") == "Secret" else length)
    for name, value in as_map(obj.get("binaryData")).items():
        total += len(name) + (len(value) * 3 // 4 if isinstance(value, str) else 0)
    return total


def _largest(obj: KubernetesObject) -> str:
    import orjson

    sizes: list[tuple[int, str]] = []
    for name, value in obj.items():
        if isinstance(value, dict):
            sizes += [(len(orjson.dumps(inner)), f"{name}.{key}") for key, inner in value.items()]
    size, path = max(sizes, default=(0, "all of it"))
    return f"the largest part is {path} with {size:,}"


def digest(obj: Any) -> str:
    """Give a short digest of an object, for telling whether it is still the one that was applied."""
    import base64
    import hashlib

    import orjson

    raw = hashlib.sha256(orjson.dumps(obj, option=orjson.OPT_SORT_KEYS)).digest()
    return base64.b64encode(raw[:6]).decode()


def with_owner(obj: KubernetesObject, set_name: str) -> KubernetesObject:
    """Give the object with the owner label, and without fields that nobody applies."""
    meta = dict(metadata(obj))
    meta.pop("creationTimestamp", None)
    meta.pop("managedFields", None)
    meta["labels"] = {**as_map(meta.get("labels")), OWNER_LABEL: set_name}
    return {**{name: value for name, value in obj.items() if name != "status"}, "metadata": meta}


OWNER_LABEL = "mlops-nix.dev/set"
PRUNE_ANNOTATION = "mlops-nix.dev/prune"
