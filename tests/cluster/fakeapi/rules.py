"""The rules of single kinds: names, defaults, required values, limits, and what cannot be changed.

Only as much as the tests of the cluster layer need; each rule's answer is compared with the
real server's.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

from .kinds import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .kinds import Kind, Schema
    from .status import Cause
    from .store import Item

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_DNS_LABELS = {"Namespace", "Service"}
_FREE_NAMES = {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
OBJECT_LIMIT = 1048576
ANNOTATION_LIMIT = 262144
_STATEFULSET_CHANGES = {
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
}
_STATEFULSET_TEXT = (
    "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' "
    "are forbidden"
)
_CLAIM_TEXT = (
    "Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName "
    "for bound claims"
)
IMMUTABLE = "field is immutable"


# -- defaults -------------------------------------------------------------------------------


def default(item: Item, kind: Kind, *, address: Callable[[], str]) -> None:
    """Fill in what the server fills in, as far as clients look at it."""
    spec = item.get("spec")
    if not kind.custom and kind.kind in ("Deployment", "StatefulSet", "ReplicaSet") and isinstance(spec, dict):
        spec.setdefault("replicas", 1)
    if not isinstance(spec, dict):
        spec = {}
    match kind.kind:
        case "Deployment":
            spec.setdefault(
                "strategy", {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
            )
            spec.setdefault("revisionHistoryLimit", 10)
            spec.setdefault("progressDeadlineSeconds", 600)
        case "StatefulSet":
            spec.setdefault("podManagementPolicy", "OrderedReady")
            spec.setdefault("updateStrategy", {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})
            spec.setdefault("revisionHistoryLimit", 10)
        case "DaemonSet":
            spec.setdefault(
                "updateStrategy", {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
            )
            spec.setdefault("revisionHistoryLimit", 10)
        case "Service":
            spec.setdefault("type", "ClusterIP")
            spec.setdefault("sessionAffinity", "None")
            for port in spec.get("ports", ()):
                port.setdefault("protocol", "TCP")
                port.setdefault("targetPort", port.get("port"))
            if spec["type"] != "ExternalName":
                if not spec.get("clusterIP"):
                    spec["clusterIP"] = address()
                spec["clusterIPs"] = [spec["clusterIP"]]
        case "Secret":
            item.setdefault("type", "Opaque")
            written = item.pop("stringData", None)
            if written:
                data = item.setdefault("data", {})
                data.update({key: base64.b64encode(value.encode()).decode() for key, value in written.items()})
        case "Job":
            spec.setdefault("completions", 1)
            spec.setdefault("parallelism", 1)
            spec.setdefault("backoffLimit", 6)
            spec.setdefault("suspend", False)
            labels = {
                "batch.kubernetes.io/job-name": item["metadata"].get("name", ""),
                "job-name": item["metadata"].get("name", ""),
            }
            template = spec.setdefault("template", {})
            template.setdefault("metadata", {}).setdefault("labels", {}).update(labels)
            spec.setdefault(
                "selector", {"matchLabels": {"batch.kubernetes.io/controller-uid": item["metadata"].get("uid", "")}}
            )
        case "PersistentVolumeClaim":
            spec.setdefault("volumeMode", "Filesystem")
        case "Namespace":
            item.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
            item.setdefault("status", {}).setdefault("phase", "Active")
            item["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = item["metadata"]["name"]
        case "CustomResourceDefinition":
            names = spec.setdefault("names", {})
            if "kind" in names:
                names.setdefault("singular", names["kind"].lower())
                names.setdefault("listKind", f"{names['kind']}List")
            spec.setdefault("conversion", {"strategy": "None"})
        case "HorizontalPodAutoscaler":
            spec.setdefault("minReplicas", 1)
        case _:
            pass
    template = spec.get("template")
    if kind.group in ("apps", "batch") and isinstance(template, dict) and isinstance(template.get("spec"), dict):
        _default_pod(template["spec"])
    if kind.kind == "Pod":
        _default_pod(spec)


def _default_pod(spec: Item) -> None:
    for name, value in (
        ("restartPolicy", "Always"),
        ("dnsPolicy", "ClusterFirst"),
        ("schedulerName", "default-scheduler"),
        ("terminationGracePeriodSeconds", 30),
        ("securityContext", {}),
    ):
        spec.setdefault(name, value)
    for container in spec.get("containers") or ():
        image = container.get("image", "")
        latest = ":" not in image.rsplit("/", 1)[-1] or image.endswith(":latest")
        container.setdefault("imagePullPolicy", "Always" if latest and "@" not in image else "IfNotPresent")
        container.setdefault("resources", {})
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
        for port in container.get("ports") or ():
            port.setdefault("protocol", "TCP")


# -- checks of one object -------------------------------------------------------------------


def problems(item: Item, kind: Kind) -> list[Cause]:
    """Return what is invalid in an object."""
    return [*_metadata(item, kind), *_values(item, kind)]


def _metadata(item: Item, kind: Kind) -> Iterator[Cause]:
    name = item["metadata"].get("name", "")
    if not name:
        yield "FieldValueRequired", "metadata.name", "Required value: name or generateName is required"
        return
    if kind.kind in _FREE_NAMES:
        if name in (".", "..") or "/" in name or "%" in name:
            yield "FieldValueInvalid", "metadata.name", f"Invalid value: \"{name}\": may not contain '/'"
    else:
        label = kind.kind in _DNS_LABELS and not kind.custom
        pattern, longest = (_LABEL, 63) if label else (_SUBDOMAIN, 253)
        if not pattern.fullmatch(name) or len(name) > longest:
            form = "label" if label else "subdomain"
            yield (
                "FieldValueInvalid",
                "metadata.name",
                f'Invalid value: "{name}": a lowercase RFC 1123 {form} must consist of lower case alphanumeric characters',
            )
    annotations = item["metadata"].get("annotations") or {}
    size = sum(len(key.encode()) + len(str(value).encode()) for key, value in annotations.items())
    if size > ANNOTATION_LIMIT:
        yield (
            "FieldValueTooLong",
            "metadata.annotations",
            f"Too long: may not be more than {ANNOTATION_LIMIT} bytes",
        )


def _values(item: Item, kind: Kind) -> Iterator[Cause]:
    if kind.custom:
        yield from _custom(kind.schema, item, "")
        return
    spec = item.get("spec") or {}
    match kind.kind:
        case "ConfigMap" | "Secret":
            data = {**(item.get("data") or {}), **(item.get("binaryData") or {})}
            if kind.kind == "Secret":
                size = sum(len(base64.b64decode(value or "")) for value in data.values())
            else:
                size = sum(len(str(value).encode()) for value in data.values())
            if size > OBJECT_LIMIT:
                field = "data" if kind.kind == "Secret" else "[]"
                yield "FieldValueTooLong", field, f"Too long: may not be more than {OBJECT_LIMIT} bytes"
        case "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet":
            if not spec.get("selector"):
                yield "FieldValueRequired", "spec.selector", "Required value"
            wanted = (spec.get("selector") or {}).get("matchLabels") or {}
            labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
            if not wanted or any(labels.get(key) != value for key, value in wanted.items()):
                shown = json.dumps(labels, separators=(",", ":"))
                yield (
                    "FieldValueInvalid",
                    "spec.template.metadata.labels",
                    f"Invalid value: {shown}: `selector` does not match template `labels`",
                )
            yield from _containers(spec.get("template") or {}, "spec.template.spec")
        case "Job":
            yield from _containers(spec.get("template") or {}, "spec.template.spec")
            policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy")
            if policy == "Always":
                yield (
                    "FieldValueRequired",
                    "spec.template.spec.restartPolicy",
                    'Required value: valid values: "OnFailure", "Never"',
                )
        case "Pod":
            yield from _containers({"spec": spec}, "spec")
        case "Service":
            if not spec.get("ports") and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
                yield "FieldValueRequired", "spec.ports", "Required value"
        case _:
            pass


def _containers(template: Item, path: str) -> Iterator[Cause]:
    containers = (template.get("spec") or {}).get("containers")
    if not containers:
        yield "FieldValueRequired", f"{path}.containers", "Required value"
    for number, container in enumerate(containers or ()):
        if not container.get("image"):
            yield "FieldValueRequired", f"{path}.containers[{number}].image", "Required value"


def _custom(schema: Schema, value: Any, path: str) -> Iterator[Cause]:
    schema = resolve(schema)
    if isinstance(value, dict):
        for name in schema.get("required") or ():
            if name not in value:
                yield "FieldValueRequired", f"{path}.{name}".lstrip("."), "Required value"
        for name, one in value.items():
            inner = (schema.get("properties") or {}).get(name)
            if inner is not None and name != "metadata":
                yield from _custom(inner, one, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            if isinstance(schema.get("items"), dict):
                yield from _custom(schema["items"], one, f"{path}[{index}]")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if value < schema.get("minimum", value):
            yield (
                "FieldValueInvalid",
                path,
                f"Invalid value: {value}: should be greater than or equal to {schema['minimum']}",
            )
        if value > schema.get("maximum", value):
            yield (
                "FieldValueInvalid",
                path,
                f"Invalid value: {value}: should be less than or equal to {schema['maximum']}",
            )
    if schema.get("enum") and value not in schema["enum"]:
        options = ", ".join(f'"{one}"' for one in schema["enum"])
        yield "FieldValueNotSupported", path, f'Unsupported value: "{value}": supported values: {options}'


# -- checks of a change ---------------------------------------------------------------------


def changes(old: Item, new: Item, kind: Kind) -> list[Cause]:
    """Return what a write would change although it cannot be changed."""
    return list(_changes(old, new, kind))


def _changes(old: Item, new: Item, kind: Kind) -> Iterator[Cause]:
    if kind.custom:
        return
    before, after = old.get("spec") or {}, new.get("spec") or {}

    def immutable(*fields: str) -> Iterator[Cause]:
        for field in fields:
            if before.get(field) != after.get(field):
                shown = json.dumps(after.get(field), separators=(",", ":"))
                yield "FieldValueInvalid", f"spec.{field}", f"Invalid value: {shown}: {IMMUTABLE}"

    match kind.kind:
        case "Job":
            yield from immutable("completions", "selector")
            if before.get("template") != after.get("template"):
                # A suspended Job may still change where its pods are scheduled, so the check goes deeper.
                path = "spec.template.spec" if before.get("suspend") else "spec.template"
                yield "FieldValueInvalid", path, f"Invalid value: {json.dumps(after.get('template'))}: {IMMUTABLE}"
        case "Deployment" | "DaemonSet" | "ReplicaSet":
            yield from immutable("selector")
        case "StatefulSet":
            if any(before.get(name) != after.get(name) for name in {*before, *after} - _STATEFULSET_CHANGES):
                yield "FieldValueForbidden", "spec", _STATEFULSET_TEXT
        case "PersistentVolumeClaim":
            same = {name: value for name, value in before.items() if name != "resources"}
            if same != {name: value for name, value in after.items() if name != "resources"} or (
                before.get("resources") != after.get("resources") and (old.get("status") or {}).get("phase") != "Bound"
            ):
                yield "FieldValueForbidden", "spec", _CLAIM_TEXT
        case "Service":
            if before.get("clusterIP") != after.get("clusterIP") and before.get("type") != "ExternalName":
                shown = json.dumps([after.get("clusterIP")])
                yield "FieldValueInvalid", "spec.clusterIPs[0]", f"Invalid value: {shown}: may not change once set"
        case "Secret":
            if old.get("type") != new.get("type"):
                yield "FieldValueInvalid", "type", f'Invalid value: "{new.get("type")}": {IMMUTABLE}'
            yield from _sealed(old, new)
        case "ConfigMap":
            yield from _sealed(old, new)
        case "RoleBinding" | "ClusterRoleBinding":
            if old.get("roleRef") != new.get("roleRef"):
                shown = json.dumps(new.get("roleRef"))
                yield "FieldValueInvalid", "roleRef", f"Invalid value: {shown}: cannot change roleRef"
        case "StorageClass":
            if old.get("provisioner") != new.get("provisioner"):
                yield "FieldValueForbidden", "provisioner", "Forbidden: updates to provisioner are forbidden."
        case "PriorityClass":
            if old.get("value") != new.get("value"):
                yield "FieldValueForbidden", "value", "Forbidden: may not be changed in an update."
        case "CustomResourceDefinition":
            established = any(
                one.get("type") == "Established" and one.get("status") == "True"
                for one in (old.get("status") or {}).get("conditions") or ()
            )
            if established and before.get("scope") != after.get("scope"):
                yield "FieldValueInvalid", "spec.scope", f'Invalid value: "{after.get("scope")}": {IMMUTABLE}'
        case _:
            pass


def _sealed(old: Item, new: Item) -> Iterator[Cause]:
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        yield "FieldValueForbidden", "immutable", "Forbidden: field is immutable when `immutable` is set"
    if old.get("data") != new.get("data"):
        yield "FieldValueForbidden", "data", "Forbidden: field is immutable when `immutable` is set"
