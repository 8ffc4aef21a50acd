"""Kubernetes objects as plain dicts: who one is, and where its pods and containers are.

Nothing here changes an object, and nothing here fails on a malformed one: what has the wrong shape is as if absent, because
objects come from foreign files and the schema check tells what is wrong with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KubernetesObject: TypeAlias = dict[str, Any]


class ObjectRef(NamedTuple):
    """The identity of an object: two objects with equal refs are one on the cluster."""

    group: str
    version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    @property
    def api_version(self) -> str:
        """``apps/v1``, or ``v1`` of the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def to_json(self) -> dict[str, str]:
        """Give the ref as ``--output json`` prints it."""
        document = {"apiVersion": self.api_version, "kind": self.kind, "name": self.name}
        if self.namespace:
            document["namespace"] = self.namespace
        return document


def split_api_version(api_version: str) -> tuple[str, str]:
    """Split ``apps/v1`` into group and version; the core group is the empty string."""
    group, slash, version = api_version.rpartition("/")
    return (group, version) if slash else ("", api_version)


def as_map(value: object) -> Mapping[str, Any]:
    """Give the value if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """Give the value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: object) -> str:
    """Give the value if it is a string, else the empty one."""
    return value if isinstance(value, str) else ""


def metadata(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give ``metadata`` of an object."""
    return as_map(obj.get("metadata"))


def reference(obj: Mapping[str, Any]) -> ObjectRef:
    """Give the identity of an object; the namespace is empty where the object names none."""
    group, version = split_api_version(as_text(obj.get("apiVersion")))
    meta = metadata(obj)
    name = as_text(meta.get("name")) or as_text(meta.get("generateName"))
    return ObjectRef(group, version, as_text(obj.get("kind")), as_text(meta.get("namespace")), name)


# Where the pod template of a core kind lies. Source: the Kubernetes API reference of 1.36.
_POD_TEMPLATES: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "PodTemplate"): ("template",),
    ("", "ReplicationController"): ("spec", "template"),
    ("apps", "DaemonSet"): ("spec", "template"),
    ("apps", "Deployment"): ("spec", "template"),
    ("apps", "ReplicaSet"): ("spec", "template"),
    ("apps", "StatefulSet"): ("spec", "template"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
    ("batch", "Job"): ("spec", "template"),
}


def pod_template(obj: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """Find the pod (``metadata`` and ``spec``) that an object of a core kind makes.

    Returns:
        The JSON path of the template (empty for a Pod, which is its own) and the template; nothing for other kinds.
    """
    group, _ = split_api_version(as_text(obj.get("apiVersion")))
    kind = as_text(obj.get("kind"))
    if (group, kind) == ("", "Pod"):
        return "", obj
    steps = _POD_TEMPLATES.get((group, kind))
    if steps is None:
        return None
    value: Any = obj
    for step in steps:
        value = as_map(value).get(step)
    return (".".join(steps), value) if isinstance(value, dict) else None


def containers(pod_spec: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every container of a pod spec with its path below the spec, in the order in which they start."""
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(as_list(pod_spec.get(field))):
            if isinstance(container, dict):
                yield f"{field}[{index}]", container
