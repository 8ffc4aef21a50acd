"""Rotating Secrets: new values, in their copies too, and new pods for all who read them."""

from __future__ import annotations

import base64
import hashlib
import secrets as randomness
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_nix.cluster import events
from mlops_nix.cluster.answer import Outcome
from mlops_nix.cluster.api import error_of
from mlops_nix.cluster.credentials import Made, Place, Values, chosen, generate
from mlops_nix.cluster.discovery import SECRETS
from mlops_nix.cluster.references import needs
from mlops_nix.errors import InputError
from mlops_nix.objects import ObjectRef, as_text, metadata, pod_template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops_nix.cluster.connection import Cluster
    from mlops_nix.cluster.desired import DesiredSet, Item
    from mlops_nix.objects import KubernetesObject
    from mlops_nix.setdocument import SecretRequirement

MANAGER = "mlops-nix-rotate"


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation did.

    Args:
        secrets: The Secrets that were written, copies included.
        restarted: Workloads whose pods are replaced, as they read one of them.
    """

    secrets: tuple[Made, ...]
    restarted: tuple[ObjectRef, ...]

    def to_json(self) -> dict[str, Any]:
        """Give it as ``--output json`` prints it."""
        return {
            "secrets": [secret.to_json() for secret in self.secrets],
            "restarted": [ref.to_json() for ref in self.restarted],
        }


def rotate(
    cluster: Cluster,
    desired: DesiredSet,
    name: str,
    values: Values | None = None,
    *,
    keys: Sequence[str] = (),
    restart: bool = True,
) -> Rotated:
    """Give a Secret new values, its copies too, and restart all that read them.

    Args:
        cluster: The cluster.
        desired: The set.
        name: Name of the Secret, or ``namespace/name``.
        values: What the user gives; keys that are generated get a new value otherwise.
        keys: The keys to rotate; by default those that are generated or given.
        restart: Replace the pods that read them.

    Raises:
        InputError: There is no such Secret, or a value is missing.
        ApiError: The server refused.
    """
    given = values or Values()
    secret = _only(desired, name)
    rotated = [
        key
        for key in secret.keys
        if (
            key.key in keys
            if keys
            else key.generate is not None or Place(secret.namespace, secret.name, key.key) in given.given
        )
    ]
    missing = sorted(set(keys) - {key.key for key in secret.keys})
    if missing:
        raise InputError(
            f"the Secret {name} has no key {', '.join(missing)}",
            hint=f"it has {', '.join(key.key for key in secret.keys)}",
        )
    fresh: dict[Place, bytes] = {}
    for key in rotated:
        place = Place(secret.namespace, secret.name, key.key)
        if place in given.given:
            fresh[place] = given.given[place]
        elif key.generate is not None:
            fresh[place] = generate(key.generate.length)
        else:
            raise InputError(
                f"{place}: only you can give its new value",
                hint=f"--from-file {place}=PATH, or --from-env {place}=VARIABLE",
            )
    if not fresh:
        raise InputError(
            f"the Secret {name} has no key that can be rotated", hint="give new values with --from-file or --from-env"
        )
    written = _with_copies(desired, fresh)
    made = [_overwrite(cluster, place, part) for place, part in written.items()]
    touched = set(written)
    restarted = _restart(cluster, desired, touched, written) if restart else []
    return Rotated(tuple(made), tuple(restarted))


def _only(desired: DesiredSet, name: str) -> SecretRequirement:
    found = [secret for secret in desired.secrets if chosen(secret, [name])]
    if len(found) == 1:
        return found[0]
    there = ", ".join(f"{secret.namespace}/{secret.name}" for secret in desired.secrets) or "none"
    if not found:
        raise InputError(f"the set has no Secret {name!r}", hint=f"it has {there}")
    raise InputError(f"several Secrets are named {name!r}", hint=f"say NAMESPACE/NAME: {there}")


def _with_copies(desired: DesiredSet, fresh: Mapping[Place, bytes]) -> dict[tuple[str, str], dict[str, bytes]]:
    """Add the keys that are copies of what is rotated, also copies of copies."""
    values = dict(fresh)
    grown = True
    while grown:
        grown = False
        for secret in desired.secrets:
            for key in secret.keys:
                place = Place(secret.namespace, secret.name, key.key)
                if key.copy_of is None or place in values:
                    continue
                source = Place(key.copy_of.namespace, key.copy_of.name, key.copy_of.key)
                if source in values:
                    values[place] = values[source]
                    grown = True
    written: dict[tuple[str, str], dict[str, bytes]] = {}
    for place, value in values.items():
        written.setdefault((place.namespace, place.name), {})[place.key] = value
    return written


def _overwrite(cluster: Cluster, place: tuple[str, str], values: Mapping[str, bytes]) -> Made:
    namespace, name = place
    data = {key: base64.b64encode(value).decode() for key, value in values.items()}
    answer = cluster.api.patch(SECRETS, {"data": data}, namespace, name)
    if answer.outcome is Outcome.NOT_FOUND:
        raise InputError(
            f"the Secret {namespace}/{name} is not on the cluster", hint="`mlops-nix secrets create` makes it"
        )
    if not answer.ok:
        raise error_of(answer, f"write the Secret {namespace}/{name}")
    return Made(namespace, name, "rotated", tuple(sorted(values)))


def _restart(
    cluster: Cluster,
    desired: DesiredSet,
    touched: set[tuple[str, str]],
    written: Mapping[tuple[str, str], Mapping[str, bytes]],
) -> list[ObjectRef]:
    """Write an annotation into the pod template of every workload that reads a touched Secret.

    It belongs to a field manager of its own, so that the next apply leaves it alone. It changes with the values, but tells
    nothing about them: it is a digest with a random salt.
    """
    salt = randomness.token_bytes(16)
    restarted: list[ObjectRef] = []
    for item in desired.items:
        if item.ref.kind not in {"Deployment", "StatefulSet", "DaemonSet"} or pod_template(item.object) is None:
            continue
        read = {(key[2], key[3]) for key in needs(item, {}) if key[1] == "Secret"} & touched
        if not read:
            continue
        parts = [salt, *(value for place in sorted(read) for _, value in sorted(written[place].items()))]
        mark = hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]
        _annotate(cluster, item, mark)
        restarted.append(item.ref)
    return restarted


def _annotate(cluster: Cluster, item: Item, mark: str) -> None:
    resource = cluster.discovery.find(item.ref.group, item.ref.version, item.ref.kind)
    if resource is None:
        return
    there = cluster.api.get(resource, item.ref.namespace, item.ref.name, metadata_only=True)
    if not there.ok:
        return
    body: KubernetesObject = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {
            "name": item.ref.name,
            "namespace": item.ref.namespace,
            "uid": as_text(metadata(there.value).get("uid")),
        },
        "spec": {"template": {"metadata": {"annotations": {"mlops-nix.dev/secrets": mark}}}},
    }
    answer = cluster.api.apply(resource, body, item.ref.namespace, item.ref.name, force=True, manager=MANAGER)
    if not answer.ok:
        raise error_of(answer, f"restart {item.ref}")
    cluster.api.listener(events.Applied(object=item.ref, action="restarted", component=item.component))
