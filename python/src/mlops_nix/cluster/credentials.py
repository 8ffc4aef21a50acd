"""Making the Secrets that a set needs, and rotating them. A value is never printed, never an argument of a process, never in a file.

Values come from a generator, a file, the environment, stdin, another Secret's key, or from an external store through External
Secrets. What is on the cluster is never overwritten, except by a rotation that was asked for.
"""

from __future__ import annotations

import base64
import os
import secrets as randomness
import string
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_nix.cluster import events
from mlops_nix.cluster.answer import Outcome
from mlops_nix.cluster.api import error_of
from mlops_nix.cluster.discovery import NAMESPACES, SECRETS
from mlops_nix.errors import InputError
from mlops_nix.objects import ObjectRef, as_map, metadata

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops_nix.cluster.connection import Cluster
    from mlops_nix.cluster.desired import DesiredSet
    from mlops_nix.objects import KubernetesObject
    from mlops_nix.setdocument import SecretKey, SecretRequirement

LABEL = "mlops-nix.dev/secret-of"
# Letters and digits only: passwords end up in URLs and connection strings.
_ALPHABET = string.ascii_letters + string.digits
_DATA_LIMIT = 1024 * 1024


class Place(NamedTuple):
    """A key of a Secret."""

    namespace: str
    name: str
    key: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}/{self.key}"


@dataclass(frozen=True, slots=True)
class Made:
    """What became of one Secret; it carries names of keys, never values.

    Args:
        namespace: Namespace.
        name: Name.
        action: ``created``, ``completed``, ``unchanged``, ``rotated`` or ``missing-values``.
        keys: The keys that were written, or whose values are missing.
    """

    namespace: str
    name: str
    action: str
    keys: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give it as ``--output json`` prints it."""
        return {"namespace": self.namespace, "name": self.name, "action": self.action, "keys": list(self.keys)}


@dataclass(slots=True)
class Values:
    """Values that the user gives, by place.

    Args:
        given: The values.
    """

    given: dict[Place, bytes] = field(default_factory=dict, repr=False)

    def add_files(self, arguments: Sequence[str], stdin: Any = None) -> None:
        """Read values from files.

        Args:
            arguments: ``NAMESPACE/NAME/KEY=PATH``; the path ``-`` is stdin.
            stdin: Read for ``-``.

        Raises:
            InputError: An argument has another form, or a file cannot be read.
        """
        for argument in arguments:
            place, source = _split(argument, "--from-file NAMESPACE/NAME/KEY=PATH")
            try:
                content = (
                    stdin.read() if source == "-" and stdin is not None else Path(source).expanduser().read_bytes()
                )
            except OSError as error:
                raise InputError(
                    f"{place}: cannot be read: {(error.strerror or str(error)).lower()}", path=source
                ) from error
            # An editor ends a file with a newline, which is no part of a password.
            self.given[place] = content[:-1] if content.endswith(b"\n") and content.count(b"\n") == 1 else content

    def add_environment(self, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Read values from environment variables.

        Args:
            arguments: ``NAMESPACE/NAME/KEY=VARIABLE``.
            environment: The process's own by default.

        Raises:
            InputError: An argument has another form, or the variable is not set.
        """
        there = os.environ if environment is None else environment
        for argument in arguments:
            place, variable = _split(argument, "--from-env NAMESPACE/NAME/KEY=VARIABLE")
            if variable not in there:
                raise InputError(f"{place}: the environment variable {variable} is not set")
            self.given[place] = there[variable].encode("utf-8", "surrogateescape")


def _split(argument: str, form: str) -> tuple[Place, str]:
    place, equals, source = argument.partition("=")
    parts = place.split("/")
    if not equals or not source or len(parts) != 3 or not all(parts):  # noqa: PLR2004
        # The argument itself is not repeated: somebody may have written the value into it.
        raise InputError(
            f"expected {form}", hint="values themselves are never arguments: other processes can read those"
        )
    return Place(*parts), source


def generate(length: int) -> bytes:
    """Make up a value of so many letters and digits."""
    return "".join(randomness.choice(_ALPHABET) for _ in range(length)).encode()


def create_missing(
    cluster: Cluster,
    desired: DesiredSet,
    values: Values | None = None,
    *,
    only: Sequence[str] = (),
    dry_run: bool = False,
) -> list[Made]:
    """Make the Secrets of a set that are not on the cluster, and add keys that are missing in those that are.

    Args:
        cluster: The cluster.
        desired: The set.
        values: What the user gives.
        only: Names of Secrets, or ``namespace/name``; all by default.
        dry_run: Only say what would happen.

    Returns:
        One entry per Secret.

    Raises:
        InputError: A value is given for a key that no Secret of the set has.
        ApiError: The server refused.
    """
    given = values or Values()
    known = {Place(secret.namespace, secret.name, key.key) for secret in desired.secrets for key in secret.keys}
    unknown = sorted(str(place) for place in given.given if place not in known)
    if unknown:
        raise InputError(f"the set has no such keys: {', '.join(unknown)}", hint="`mlops-nix secrets list` shows them")
    wanted = [secret for secret in desired.secrets if chosen(secret, only)]
    made: dict[Place, bytes] = {}
    results: list[Made] = []
    if not dry_run:
        _make_namespaces(cluster, desired, {secret.namespace for secret in wanted})
    # A copy waits for its source; more rounds than Secrets are never needed.
    waiting = list(wanted)
    for _ in range(len(wanted) + 1):
        again: list[SecretRequirement] = []
        for secret in waiting:
            result = _create(cluster, desired.name, secret, given, made, dry_run=dry_run)
            if result.action == "missing-values" and any(
                _awaited(key, waiting) for key in secret.keys if key.key in result.keys
            ):
                again.append(secret)
            else:
                results.append(result)
        if not again or len(again) == len(waiting):
            results += [_create(cluster, desired.name, secret, given, made, dry_run=dry_run) for secret in again]
            break
        waiting = again
    for result in results:
        if result.action in {"created", "completed"}:
            ref = ObjectRef("", "v1", "Secret", result.namespace, result.name)
            cluster.api.listener(
                events.Applied(object=ref, action=result.action, reason=f"keys {', '.join(result.keys)}")
            )
    return results


def _make_namespaces(cluster: Cluster, desired: DesiredSet, names: set[str]) -> None:
    """Make the namespaces that the set brings and that are not there yet; the owner label comes with the apply."""
    for item in desired.items:
        if (item.ref.group, item.ref.kind) != ("", "Namespace") or item.ref.name not in names:
            continue
        if cluster.api.get(NAMESPACES, "", item.ref.name, metadata_only=True).outcome is not Outcome.NOT_FOUND:
            continue
        answer = cluster.api.apply(NAMESPACES, item.object, "", item.ref.name)
        if not answer.ok:
            raise error_of(answer, f"make the namespace {item.ref.name}")


def chosen(secret: SecretRequirement, only: Sequence[str]) -> bool:
    """Tell whether a Secret is among those that are named, by name or as ``namespace/name``; all are, where none is."""
    return not only or secret.name in only or f"{secret.namespace}/{secret.name}" in only


def _awaited(key: SecretKey, waiting: Sequence[SecretRequirement]) -> bool:
    source = key.copy_of
    return source is not None and any(
        (secret.namespace, secret.name) == (source.namespace, source.name) for secret in waiting
    )


def _create(
    cluster: Cluster,
    set_name: str,
    secret: SecretRequirement,
    given: Values,
    made: dict[Place, bytes],
    *,
    dry_run: bool,
) -> Made:
    api = cluster.api
    for _ in range(5):
        found = api.get(SECRETS, secret.namespace, secret.name)
        if not found.ok and found.outcome not in {Outcome.NOT_FOUND, Outcome.NAMESPACE_MISSING}:
            raise error_of(found, f"read the Secret {secret.namespace}/{secret.name}")
        there = as_map(found.value.get("data")) if found.ok else {}
        lacking = [key for key in secret.keys if key.key not in there]
        for key in secret.keys:
            if key.key in there:
                made[Place(secret.namespace, secret.name, key.key)] = base64.b64decode(there[key.key])
        if found.ok and not lacking:
            return Made(secret.namespace, secret.name, "unchanged")
        fresh = {key.key: _value(cluster, secret, key, given, made) for key in lacking}
        without = tuple(name for name, value in fresh.items() if value is None)
        if without:
            return Made(secret.namespace, secret.name, "missing-values", without)
        data = {name: base64.b64encode(value).decode() for name, value in fresh.items() if value is not None}
        if dry_run:
            return Made(secret.namespace, secret.name, "completed" if found.ok else "created", tuple(fresh))
        if found.ok:
            # The version makes sure that a key which somebody adds meanwhile is not overwritten.
            body: KubernetesObject = {
                "metadata": {"resourceVersion": metadata(found.value).get("resourceVersion")},
                "data": data,
            }
            answer = api.patch(SECRETS, body, secret.namespace, secret.name)
        else:
            answer = api.create(SECRETS, _secret(set_name, secret, data), secret.namespace)
        if answer.ok:
            made.update(
                {
                    Place(secret.namespace, secret.name, name): value
                    for name, value in fresh.items()
                    if value is not None
                }
            )
            return Made(secret.namespace, secret.name, "completed" if found.ok else "created", tuple(fresh))
        if answer.outcome is Outcome.NAMESPACE_MISSING:
            raise InputError(
                f"the Secret {secret.namespace}/{secret.name} cannot be made: its namespace does not exist",
                hint=f"`kubectl create namespace {secret.namespace}`, or apply the set once with --without-secrets",
            )
        if answer.outcome not in {Outcome.EXISTS, Outcome.STALE}:
            raise error_of(answer, f"make the Secret {secret.namespace}/{secret.name}")
    raise InputError(
        f"the Secret {secret.namespace}/{secret.name} changes all the time", hint="somebody else writes it; run again"
    )


def _secret(set_name: str, secret: SecretRequirement, data: Mapping[str, str]) -> KubernetesObject:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret.name,
            "namespace": secret.namespace,
            "labels": {LABEL: set_name, "app.kubernetes.io/managed-by": "mlops-nix"},
        },
        "type": secret.type,
        "data": dict(data),
    }


def _value(
    cluster: Cluster, secret: SecretRequirement, key: SecretKey, given: Values, made: dict[Place, bytes]
) -> bytes | None:
    """Find the value of a key; nothing where only the user can give it."""
    place = Place(secret.namespace, secret.name, key.key)
    if place in given.given:
        return given.given[place]
    if key.copy_of is not None:
        source = Place(key.copy_of.namespace, key.copy_of.name, key.copy_of.key)
        if source in made:
            return made[source]
        found = cluster.api.get(SECRETS, source.namespace, source.name)
        encoded = as_map(found.value.get("data")).get(source.key) if found.ok else None
        return base64.b64decode(encoded) if isinstance(encoded, str) else None
    if key.value is not None:
        return key.value.encode()
    return generate(key.generate.length) if key.generate is not None else None


def external(
    desired: DesiredSet, store: str, *, store_kind: str = "ClusterSecretStore", prefix: str = ""
) -> list[KubernetesObject]:
    """Write the Secrets of a set as ExternalSecrets, for whoever keeps values in a store outside the cluster.

    Args:
        desired: The set.
        store: Name of the SecretStore or ClusterSecretStore.
        store_kind: Its kind.
        prefix: Put before ``namespace/name``, the key in the store.

    Returns:
        One ExternalSecret per Secret; each key is a property of the store's entry of that name.
    """
    return [
        {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "metadata": {"name": secret.name, "namespace": secret.namespace},
            "spec": {
                "secretStoreRef": {"name": store, "kind": store_kind},
                "target": {"name": secret.name, "template": {"type": secret.type}},
                "data": [
                    {
                        "secretKey": key.key,
                        "remoteRef": {"key": f"{prefix}{secret.namespace}/{secret.name}", "property": key.key},
                    }
                    for key in secret.keys
                ],
            },
        }
        for secret in desired.secrets
    ]
