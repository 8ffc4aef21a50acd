"""What an object needs to exist: its namespace, the CRD of its kind, and what its pods name.

An object is skipped when something that it needs, and that the set brings, could not be applied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_nix.objects import as_list, as_map, as_text, containers, pod_template

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mlops_nix.cluster.desired import Item, Key


def definitions(items: Iterable[Item]) -> dict[tuple[str, str], Key]:
    """Map group and kind to the CRD of the set that defines them."""
    from mlops_nix.cluster.discovery import resource_of_definition

    found: dict[tuple[str, str], Key] = {}
    for item in items:
        defined = resource_of_definition(item.object)
        if defined is not None:
            found[defined] = item.key
    return found


def needs(item: Item, defined: Mapping[tuple[str, str], Key]) -> Iterator[Key]:
    """Yield the identities of what an object needs, whether the set has them or not.

    Args:
        item: The object.
        defined: CRDs of the set, see `definitions`.
    """
    ref = item.ref
    if ref.namespace:
        yield ("", "Namespace", "", ref.namespace)
    if (ref.group, ref.kind) in defined:
        yield defined[ref.group, ref.kind]
    if ref.kind in {"RoleBinding", "ClusterRoleBinding"}:
        role = as_map(item.object.get("roleRef"))
        kind = as_text(role.get("kind"))
        yield ("rbac.authorization.k8s.io", kind, ref.namespace if kind == "Role" else "", as_text(role.get("name")))
    template = pod_template(item.object)
    if template is not None:
        yield from _of_pod(as_map(template[1].get("spec")), ref.namespace)


def _of_pod(spec: Mapping[str, Any], namespace: str) -> Iterator[Key]:
    account = as_text(spec.get("serviceAccountName"))
    if account and account != "default":
        yield ("", "ServiceAccount", namespace, account)
    for volume in as_list(spec.get("volumes")):
        yield from _of_sources(as_map(volume), namespace)
    for _, container in containers(spec):
        for entry in as_list(container.get("envFrom")):
            for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if name := as_text(as_map(as_map(entry).get(field)).get("name")):
                    yield ("", kind, namespace, name)
        for entry in as_list(container.get("env")):
            source = as_map(as_map(entry).get("valueFrom"))
            for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                if name := as_text(as_map(source.get(field)).get("name")):
                    yield ("", kind, namespace, name)


def _of_sources(volume: Mapping[str, Any], namespace: str) -> Iterator[Key]:
    for field, kind, name_field in (
        ("configMap", "ConfigMap", "name"),
        ("secret", "Secret", "secretName"),
        ("persistentVolumeClaim", "PersistentVolumeClaim", "claimName"),
    ):
        if name := as_text(as_map(volume.get(field)).get(name_field)):
            yield ("", kind, namespace, name)
    for source in as_list(as_map(volume.get("projected")).get("sources")):
        yield from _of_sources({"configMap": as_map(source).get("configMap")}, namespace)
        if name := as_text(as_map(as_map(source).get("secret")).get("name")):
            yield ("", "Secret", namespace, name)


def mounted_claims(items: Iterable[Item]) -> set[tuple[str, str]]:
    """Give namespace and name of the claims that pods of the set mount."""
    found: set[tuple[str, str]] = set()
    for item in items:
        found |= {(key[2], key[3]) for key in needs(item, {}) if key[1] == "PersistentVolumeClaim"}
    return found
