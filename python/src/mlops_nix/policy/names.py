"""Names, labels, sizes and fields that belong to the server."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from mlops_nix.findings import ERROR, WARNING, Family, Problem
from mlops_nix.objects import as_map, as_text, metadata
from mlops_nix.objectset import CLUSTER_SCOPED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlops_nix.objectset import Entry, ObjectSet

CHECKS = Family("names")

# Source: apimachinery util/validation of 1.36.
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?\Z")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?\Z")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?\Z")

_LABEL_LENGTH = 63
_SUBDOMAIN_LENGTH = 253
# The controller appends 11 characters to the name of a CronJob's Jobs, which are labels of their pods.
_CRON_JOB_LENGTH = 52
_RBAC = {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}
_CONFIG_LIMIT = 1024 * 1024
_OBJECT_LIMIT = 1536 * 1024
_ANNOTATIONS_LIMIT = 256 * 1024


@CHECKS.check("duplicate-object", ERROR, "Two objects are one on the cluster", fix="keep one of them, or rename one")
def duplicate_object(objects: ObjectSet) -> Iterator[Problem]:
    """The one that is applied last wins in silence, and the next apply changes it back and forth."""
    seen: dict[tuple[str, str, str, str], Entry] = {}
    for entry in objects.entries:
        if not as_text(metadata(entry.object).get("name")):
            continue
        first = seen.setdefault((entry.group, entry.kind, entry.namespace, entry.name), entry)
        if first is not entry:
            yield Problem(entry, "metadata.name", f"{entry} is also made at {first.position}")


@CHECKS.check("missing-name", ERROR, "The object has no name", fix="set metadata.name")
def missing_name(objects: ObjectSet) -> Iterator[Problem]:
    """Apply needs a name; an object with generateName can only be created, and each run makes another one."""
    for entry in objects.entries:
        meta = metadata(entry.object)
        if not as_text(meta.get("name")):
            found = "only generateName, which apply refuses" if meta.get("generateName") else "none"
            yield Problem(entry, "metadata.name", f"expected a name, found {found}")


def _name_problem(entry: Entry) -> str | None:
    name = entry.name
    if entry.kind in _RBAC:
        return "expected no '/' or '%'" if "/" in name or "%" in name or name in {".", ".."} else None
    if entry.group == "" and entry.kind == "Service":
        pattern, limit, words = _LABEL_1035, _LABEL_LENGTH, "a letter, then lower-case letters, digits or '-'"
    elif entry.group == "" and entry.kind == "Namespace":
        pattern, limit, words = _LABEL, _LABEL_LENGTH, "lower-case letters, digits or '-'"
    else:
        pattern, words = _SUBDOMAIN, "lower-case letters, digits, '-' or '.'"
        limit = _SUBDOMAIN_LENGTH
        if entry.group == "batch" and entry.kind == "CronJob":
            limit = _CRON_JOB_LENGTH
        elif entry.group == "batch" and entry.kind == "Job":
            limit = _LABEL_LENGTH
        elif entry.group == "apps" and entry.kind == "StatefulSet":
            # The pods' label statefulset.kubernetes.io/pod-name is NAME-ORDINAL.
            limit = _LABEL_LENGTH - 2
    if len(name) > limit:
        return f"{len(name)} characters; expected at most {limit}"
    if not pattern.match(name):
        near = re.sub(r"[^a-z0-9.-]+", "-", name.lower()).strip("-.")
        suggestion = f"; did you mean {near}?" if near != name and pattern.match(near) else ""
        return f"expected {words}, found {json.dumps(name)}{suggestion}"
    return None


@CHECKS.check("invalid-name", ERROR, "The name is not valid for its kind", fix="rename the object")
def invalid_name(objects: ObjectSet) -> Iterator[Problem]:
    """The API server refuses it, or the controller fails later because names of children are made from it."""
    for entry in objects.entries:
        if entry.name and as_text(metadata(entry.object).get("name")):
            problem = _name_problem(entry)
            if problem:
                yield Problem(entry, "metadata.name", problem)
        namespace = entry.ref.namespace
        if namespace and (len(namespace) > _LABEL_LENGTH or not _LABEL.match(namespace)):
            found = json.dumps(namespace[:80])
            yield Problem(entry, "metadata.namespace", f"expected lower-case letters, digits or '-', found {found}")


def _key_problem(key: str) -> str | None:
    prefix, slash, name = key.rpartition("/")
    if slash and (not prefix or len(prefix) > _SUBDOMAIN_LENGTH or not _SUBDOMAIN.match(prefix)):
        return f"the prefix {json.dumps(prefix)} is no DNS name"
    if not name or len(name) > _LABEL_LENGTH or not _QUALIFIED.match(name):
        return f"{json.dumps(name)}: expected up to 63 letters, digits, '-', '_' or '.'"
    return None


def _label_problems(path: str, labels: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key, value in labels.items():
        problem = _key_problem(key)
        if problem:
            yield f"{path}[{key}]", problem
        elif not isinstance(value, str):
            yield f"{path}[{key}]", f"expected a string, found {json.dumps(value)}; quote it"
        elif len(value) > _LABEL_LENGTH or not _LABEL_VALUE.match(value):
            yield (
                f"{path}[{key}]",
                f"expected up to 63 letters, digits, '-', '_' or '.', found {json.dumps(value[:80])}",
            )


@CHECKS.check(
    "invalid-label", ERROR, "A label is not valid", fix="correct the label; longer texts belong in an annotation"
)
def invalid_label(objects: ObjectSet) -> Iterator[Problem]:
    """The API server refuses the object, or the pods that are made from the template."""
    for entry in objects.entries:
        for path, problem in _label_problems("metadata.labels", entry.labels):
            yield Problem(entry, path, problem)
    for pod in objects.pods:
        if pod.path != "spec":
            prefix = pod.path.removesuffix(".spec")
            for path, problem in _label_problems(f"{prefix}.metadata.labels", pod.labels):
                yield Problem(pod.entry, path, problem)


@CHECKS.check("invalid-annotation", ERROR, "An annotation is not valid", fix="correct the key, quote the value")
def invalid_annotation(objects: ObjectSet) -> Iterator[Problem]:
    """The API server refuses the object."""
    for entry in objects.entries:
        for key, value in as_map(metadata(entry.object).get("annotations")).items():
            problem = _key_problem(key.lower())
            if problem is None and not isinstance(value, str):
                problem = f"expected a string, found {json.dumps(value)[:80]}; quote it"
            if problem:
                yield Problem(entry, f"metadata.annotations[{key}]", problem)


@CHECKS.check(
    "cluster-scoped-namespace",
    WARNING,
    "An object without a namespace by nature names one",
    fix="drop metadata.namespace",
)
def cluster_scoped_namespace(objects: ObjectSet) -> Iterator[Problem]:
    """The API server ignores or refuses it, and readers think that the object is confined to the namespace."""
    for entry in objects.entries:
        if entry.ref.namespace and (entry.group, entry.kind) in CLUSTER_SCOPED:
            yield Problem(entry, "metadata.namespace", f"{entry.kind} has no namespace, found {entry.ref.namespace}")


@CHECKS.check("server-fields", WARNING, "Fields that only the server writes", fix="drop them")
def server_fields(objects: ObjectSet) -> Iterator[Problem]:
    """They come from an export of a live object: apply fails with a conflict, or never is equal to what is there."""
    for entry in objects.entries:
        meta = metadata(entry.object)
        if meta.get("managedFields"):
            message = "the server refuses every apply of an object that carries it"
            yield Problem(entry, "metadata.managedFields", message, None, ERROR)
        for field in ("resourceVersion", "uid", "selfLink", "deletionTimestamp"):
            if meta.get(field):
                yield Problem(entry, f"metadata.{field}", "is written by the server only")
        if meta.get("ownerReferences"):
            message = (
                "names an owner by a uid that only one cluster knows; the object is collected as garbage elsewhere"
            )
            yield Problem(entry, "metadata.ownerReferences", message)


@CHECKS.check(
    "config-too-large",
    ERROR,
    "A ConfigMap or Secret of more than 1 MiB",
    fix="split it, or ship the data in an image or a volume",
)
def config_too_large(objects: ObjectSet) -> Iterator[Problem]:
    """The API server answers 422 `may not be more than 1048576 bytes`."""
    for entry in objects.of("", "ConfigMap", "Secret"):
        size = 0
        for field in ("data", "binaryData", "stringData"):
            for value in as_map(entry.object.get(field)).values():
                if isinstance(value, str):
                    encoded = field == "binaryData" or (field == "data" and entry.kind == "Secret")
                    size += len(value) * 3 // 4 if encoded else len(value.encode())
        if size > _CONFIG_LIMIT:
            yield Problem(entry, "data", f"{size} bytes; expected at most {_CONFIG_LIMIT}")


@CHECKS.check("object-too-large", ERROR, "An object of more than 1.5 MiB", fix="split it")
def object_too_large(objects: ObjectSet) -> Iterator[Problem]:
    """A request to etcd may have 1.5 MiB by default."""
    import orjson

    for entry in objects.entries:
        try:
            size = len(orjson.dumps(entry.object))
        except TypeError:  # numbers beyond 64 bits, which only an object that no file held can have
            size = len(json.dumps(entry.object, ensure_ascii=False).encode())
        if size > _OBJECT_LIMIT:
            yield Problem(entry, "", f"{size} bytes; expected at most {_OBJECT_LIMIT}")


@CHECKS.check("annotations-too-large", ERROR, "Annotations of more than 256 KiB", fix="move the text to a ConfigMap")
def annotations_too_large(objects: ObjectSet) -> Iterator[Problem]:
    """The API server refuses the object."""
    for entry in objects.entries:
        annotations = as_map(metadata(entry.object).get("annotations"))
        size = sum(len(key) + len(value) for key, value in annotations.items() if isinstance(value, str))
        if size > _ANNOTATIONS_LIMIT:
            yield Problem(entry, "metadata.annotations", f"{size} bytes; expected at most {_ANNOTATIONS_LIMIT}")


@CHECKS.check("crd-name", ERROR, "The name of a CustomResourceDefinition is not plural.group", fix="rename it")
def crd_name(objects: ObjectSet) -> Iterator[Problem]:
    """The API server refuses it."""
    for entry in objects.of("apiextensions.k8s.io", "CustomResourceDefinition"):
        plural = as_text(as_map(entry.spec.get("names")).get("plural"))
        expected = f"{plural}.{as_text(entry.spec.get('group'))}"
        if plural and entry.name != expected:
            yield Problem(entry, "metadata.name", f"expected {expected}, found {entry.name}")


@CHECKS.check("invalid-key", ERROR, "A key of a ConfigMap or Secret is not valid", fix="rename the key")
def invalid_key(objects: ObjectSet) -> Iterator[Problem]:
    """A key becomes the name of a file or of an environment variable; the API server refuses others."""
    for entry in objects.of("", "ConfigMap", "Secret"):
        seen: dict[str, str] = {}
        for field in ("data", "binaryData", "stringData"):
            for key in as_map(entry.object.get(field)):
                if len(key) > _SUBDOMAIN_LENGTH or not re.fullmatch(r"[-._A-Za-z0-9]+", key) or key in {".", ".."}:
                    message = f"expected letters, digits, '-', '_' or '.', found {json.dumps(key[:80])}"
                    yield Problem(entry, f"{field}[{key}]", message)
                elif entry.kind == "ConfigMap" and key in seen:
                    yield Problem(entry, f"{field}[{key}]", f"the key is also in {seen[key]}")
                seen[key] = field
