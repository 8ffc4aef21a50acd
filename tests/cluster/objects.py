"""Kubernetes objects and sets of them, as the tests of the cluster layer apply them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Object = dict[str, Any]
WAVES = {
    "Namespace": (0, "namespaces"),
    "CustomResourceDefinition": (10, "crds"),
    "ConfigMap": (20, "config"),
    "Secret": (20, "config"),
    "ServiceAccount": (20, "config"),
    "Service": (20, "config"),
    "Role": (20, "config"),
    "RoleBinding": (20, "config"),
    "ResourceQuota": (20, "config"),
    "PersistentVolumeClaim": (20, "config"),
    "StorageClass": (20, "config"),
    "Deployment": (55, "stage-1"),
    "StatefulSet": (55, "stage-1"),
    "DaemonSet": (55, "stage-1"),
    "HorizontalPodAutoscaler": (55, "stage-1"),
    "ValidatingWebhookConfiguration": (60, "webhooks"),
    "Job": (65, "stage-2"),
}
"""Kind -> number and name of its wave; other kinds are custom resources, in the last wave."""


def config_map(name: str, data: dict[str, str] | None = None, **more: Any) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data or {}, **more}


def deployment(name: str, *, replicas: int | None = 1, image: str = "registry.test/app:1", app: str = "") -> Object:
    labels = {"app": app or name}
    container = {"name": "app", "image": image, "ports": [{"containerPort": 80}], "env": [{"name": "A", "value": "1"}]}
    spec: Object = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    }
    if replicas is not None:
        spec["replicas"] = replicas
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def crd(group: str, plural: str = "widgets", kind: str = "Widget") -> Object:
    schema = {
        "type": "object",
        "required": ["spec"],
        "properties": {
            "spec": {
                "type": "object",
                "required": ["size"],
                "properties": {
                    "size": {"type": "integer", "minimum": 1, "maximum": 9},
                    "mode": {"type": "string", "enum": ["fast", "safe"]},
                    "parts": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["name"],
                        "items": {
                            "type": "object",
                            "required": ["name"],
                            "properties": {"name": {"type": "string"}, "count": {"type": "integer"}},
                        },
                    },
                },
            },
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [version],
        },
    }


def namespace(name: str, **labels: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def secret(name: str, data: dict[str, str]) -> Object:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque", "stringData": data}


def service(name: str, **spec: Any) -> Object:
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"ports": ports, "selector": {"app": name}, **spec},
    }


def job(name: str, image: str = "registry.test/job:1", **spec: Any) -> Object:
    pod = {"restartPolicy": "Never", "containers": [{"name": "job", "image": image}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"template": {"spec": pod}, **spec},
    }


def stateful_set(name: str, *, storage: str = "1Gi", replicas: int = 1) -> Object:
    labels = {"app": name}
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}},
    }
    pod = {"containers": [{"name": "app", "image": "registry.test/db:1"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "serviceName": name,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
            "volumeClaimTemplates": [claim],
        },
    }


def widget(group: str, name: str, **spec: Any) -> Object:
    return {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": name}, "spec": {"size": 1, **spec}}


CLUSTER_SCOPED = {
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "MutatingWebhookConfiguration",
    "Namespace",
    "StorageClass",
    "ValidatingWebhookConfiguration",
}


def placed(item: Object, where: str) -> Object:
    """Return the object with the namespace `where`, unless it has one or is cluster-scoped, or `where` is empty."""
    if not where or item.get("kind") in CLUSTER_SCOPED or "namespace" in item["metadata"]:
        return item
    return {**item, "metadata": {**item["metadata"], "namespace": where}}


def set_document(name: str, items: list[Object], *, where: str = "ml", kubernetes: str = "1.36", **more: Any) -> Object:
    """Return a set document as Nix writes it.

    Args:
        name: name of the set.
        items: objects in any order; waves follow from `WAVES`.
        where: namespace of those that name none; empty: they are all placed.
        kubernetes: version that the set is rendered for.
        more: further fields of the document.
    """
    entries: list[Object] = []
    for item in items:
        number, wave = WAVES.get(item.get("kind", ""), (70, "custom-resources"))
        file = f"{number:02}-{wave}/{item.get('kind', 'none').lower()}-{len(entries)}.yaml"
        entries.append({"object": placed(item, where), "wave": number, "component": None, "file": file})
    entries.sort(key=lambda entry: entry["wave"])
    names = dict(WAVES.values()) | {70: "custom-resources"}
    used = sorted({entry["wave"] for entry in entries})
    return {
        "format": "mlops-nix/set/v1",
        "name": name,
        "kubernetesVersion": kubernetes,
        "components": [],
        "waves": [{"name": names[number], "number": number} for number in used],
        "entries": entries,
        "crds": [],
        "external": [],
        "images": [],
        "secrets": [],
        "endpoints": [],
        "warnings": [],
        "graph": {"nodes": [], "edges": []},
        **more,
    }


def write_set(folder: Path, name: str, items: list[Object], **more: Any) -> Path:
    """Write a set document to a file that every command takes as its target."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps(set_document(name, items, **more)))
    return path
