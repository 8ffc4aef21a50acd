"""What a set owns on the cluster: one Secret per set, compressed, with a record of what is pending.

Before the first write of a run it names what was there and what will be there; afterwards exactly what is there. So a run that
dies in between loses track of nothing. The rendered sets of earlier revisions lie beside it, in Secrets of their own (`history`).
It is a Secret, not a ConfigMap, since objects given as plain YAML may hold Secrets.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_nix.cluster.answer import Outcome
from mlops_nix.cluster.api import error_of
from mlops_nix.cluster.discovery import SECRETS
from mlops_nix.errors import ClusterError, InputError
from mlops_nix.objects import ObjectRef, as_list, as_map, as_text, metadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mlops_nix.cluster.api import Api
    from mlops_nix.cluster.desired import Key
    from mlops_nix.objects import KubernetesObject

FORMAT = "mlops-nix/inventory/v1"
SYSTEM_NAMESPACE = "mlops-nix-system"
LABEL = "mlops-nix.dev/inventory"
TYPE = "mlops-nix.dev/inventory"
KEPT_REVISIONS = 10
# Secrets are limited to 1 MiB of data; base64 of the transport does not count.
_LIMIT = 1_000_000


class Ref(NamedTuple):
    """An object of the inventory."""

    group: str
    kind: str
    version: str
    namespace: str
    name: str
    wave: int
    digest: str = ""

    @property
    def key(self) -> Key:
        """The identity on the cluster."""
        return (self.group, self.kind, self.namespace, self.name)

    @property
    def object_ref(self) -> ObjectRef:
        """The same as an `ObjectRef`."""
        return ObjectRef(self.group, self.version, self.kind, self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class Revision:
    """One successful run.

    Args:
        number: 1 for the first.
        digest: Of the set that was applied.
        at: When, as RFC 3339.
        by: Who, as user@host.
        objects: How many objects.
    """

    number: int
    digest: str
    at: str
    by: str
    objects: int

    def to_json(self) -> dict[str, Any]:
        """Give the revision as the inventory and ``--output json`` have it."""
        return {"number": self.number, "digest": self.digest, "at": self.at, "by": self.by, "objects": self.objects}


@dataclass(frozen=True, slots=True)
class Pending:
    """A run that has begun.

    Args:
        run: Its id.
        digest: Of the set that it applies.
        refs: What it will own in the end.
    """

    run: str
    digest: str
    refs: tuple[Ref, ...]


@dataclass(frozen=True, slots=True)
class Inventory:
    """The inventory of one set.

    Args:
        set: Name of the set.
        revisions: Successful runs, the newest last.
        refs: What the set owns.
        pending: A run that did not finish.
        recovered: It was rebuilt from labels, so that what it names may be older than what was applied.
        resource_version: Version of the Secret; empty before the first write.
    """

    set: str
    revisions: tuple[Revision, ...] = ()
    refs: tuple[Ref, ...] = ()
    pending: Pending | None = None
    recovered: bool = False
    resource_version: str = field(default="", compare=False)

    @property
    def number(self) -> int:
        """Number of the last successful run; 0 before the first."""
        return self.revisions[-1].number if self.revisions else 0

    @property
    def owned(self) -> dict[Key, Ref]:
        """Everything that may be on the cluster: what the last run left, and what an unfinished one may have made."""
        pending = self.pending.refs if self.pending else ()
        # What is pending may never have been applied: its digest says nothing.
        union = {ref.key: ref._replace(digest="") for ref in pending}
        union.update({ref.key: ref for ref in self.refs})
        return union

    def digests(self) -> dict[Key, str]:
        """Give the digest of each object as it was applied last."""
        unsure = {ref.key for ref in self.pending.refs} if self.pending else set()
        return {ref.key: ref.digest for ref in self.refs if ref.digest and ref.key not in unsure}


def secret_name(set_name: str) -> str:
    """Name the Secret of an inventory."""
    return f"mlops-nix-{set_name}"


def encode(inventory: Inventory) -> bytes:
    """Write an inventory: JSON, compressed. Equal inventories give equal bytes."""
    import orjson

    def rows(refs: Iterable[Ref]) -> dict[str, Any]:
        ordered = sorted(refs)
        # Digests do not compress: beside the refs rather than between them, gzip finds the repetitions better.
        return {
            "refs": [list(ref[:6]) for ref in ordered],
            "digests": "".join(ref.digest.ljust(8, ".") for ref in ordered),
        }

    document: dict[str, Any] = {
        "format": FORMAT,
        "set": inventory.set,
        "revisions": [revision.to_json() for revision in inventory.revisions],
        "objects": rows(inventory.refs),
        "recovered": inventory.recovered,
    }
    if inventory.pending is not None:
        pending = inventory.pending
        document["pending"] = {"run": pending.run, "digest": pending.digest, "objects": rows(pending.refs)}
    return gzip.compress(orjson.dumps(document), mtime=0)


def decode(data: bytes, resource_version: str = "") -> Inventory:
    """Read an inventory.

    Raises:
        ValueError: It is damaged.
    """
    import zlib

    import orjson

    try:
        document = orjson.loads(gzip.decompress(data))
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise ValueError(f"not a compressed inventory: {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(
            f"expected the format {FORMAT}, found {document.get('format') if isinstance(document, dict) else document!r}"
        )
    try:
        pending = document.get("pending")
        return Inventory(
            as_text(document["set"]),
            tuple(
                Revision(entry["number"], entry["digest"], entry["at"], entry["by"], entry["objects"])
                for entry in document["revisions"]
            ),
            _rows(document["objects"]),
            Pending(pending["run"], pending["digest"], _rows(pending["objects"])) if pending else None,
            bool(document.get("recovered")),
            resource_version,
        )
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(f"a part of it is missing or of the wrong type: {error!r}") from error


def _rows(value: Mapping[str, Any]) -> tuple[Ref, ...]:
    digests = value["digests"]
    refs = []
    for index, row in enumerate(value["refs"]):
        group, kind, version, namespace, name, wave = row
        refs.append(Ref(group, kind, version, namespace, name, wave, digests[index * 8 : index * 8 + 8].strip(".")))
    return tuple(refs)


class Store:
    """Where the inventory of one set lies.

    Args:
        api: The server.
        set_name: Name of the set.
        namespace: Namespace of the Secret.
    """

    def __init__(self, api: Api, set_name: str, namespace: str) -> None:
        self._api = api
        self.set_name = set_name
        self.namespace = namespace
        self.damaged = ""

    def read(self) -> Inventory | None:
        """Read the inventory; nothing where there is none, or where it is damaged (then `damaged` says why).

        Raises:
            ApiError: It may not be read.
        """
        answer = self._api.get(SECRETS, self.namespace, secret_name(self.set_name))
        self.damaged = ""
        if answer.outcome in {Outcome.NOT_FOUND, Outcome.NAMESPACE_MISSING}:
            return None
        if not answer.ok:
            raise error_of(answer, f"read the inventory {self.namespace}/{secret_name(self.set_name)}")
        data = as_map(answer.value.get("data"))
        version = as_text(metadata(answer.value).get("resourceVersion"))
        try:
            raw = base64.b64decode(as_text(data.get("inventory")), validate=True)
            checksum = base64.b64decode(as_text(data.get("sha256"))).decode("ascii", "replace")
            if hashlib.sha256(raw).hexdigest() != checksum:
                raise ValueError("its checksum does not match")  # noqa: TRY301
            found = decode(raw, version)
            if found.set != self.set_name:
                raise ValueError(f"it is that of the set {found.set!r}")  # noqa: TRY301
        except ValueError as error:
            self.damaged = str(error)
            return None
        return found

    def write(self, inventory: Inventory) -> Inventory:
        """Write the inventory, unless somebody else wrote it since it was read.

        Returns:
            The inventory with its new resource version.

        Raises:
            ClusterError: Somebody else wrote it.
        """
        raw = encode(inventory)
        if len(raw) > _LIMIT:
            raise InputError(
                f"the inventory of the set {inventory.set!r} is {len(raw):,} bytes compressed; a Secret takes {_LIMIT:,}",
                hint="divide the set in two",
            )
        secret: KubernetesObject = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": secret_name(self.set_name),
                "namespace": self.namespace,
                "labels": {LABEL: self.set_name, "app.kubernetes.io/managed-by": "mlops-nix"},
            },
            "type": TYPE,
            "data": {
                "inventory": base64.b64encode(raw).decode(),
                "sha256": base64.b64encode(hashlib.sha256(raw).hexdigest().encode()).decode(),
            },
        }
        if not inventory.resource_version:
            answer = self._api.create(SECRETS, secret, self.namespace)
            if answer.outcome is Outcome.EXISTS:
                return self._settle(inventory, raw, secret)
        else:
            secret["metadata"]["resourceVersion"] = inventory.resource_version
            answer = self._api.replace(SECRETS, secret, self.namespace, secret_name(self.set_name))
            if answer.outcome is Outcome.STALE:
                return self._settle(inventory, raw, secret)
        if not answer.ok:
            raise error_of(answer, f"write the inventory {self.namespace}/{secret_name(self.set_name)}")
        return replace(inventory, resource_version=as_text(metadata(answer.value).get("resourceVersion")))

    def _settle(self, inventory: Inventory, raw: bytes, secret: KubernetesObject) -> Inventory:
        """After a refused write: an answer of ours may have got lost, or a damaged inventory lies there, or somebody wrote."""
        found = self._api.get(SECRETS, self.namespace, secret_name(self.set_name))
        if not found.ok:
            raise error_of(found, f"read the inventory {self.namespace}/{secret_name(self.set_name)}")
        version = as_text(metadata(found.value).get("resourceVersion"))
        if as_map(found.value.get("data")).get("inventory") == secret["data"]["inventory"]:
            return replace(inventory, resource_version=version)
        current = self.read()
        if current is None and self.damaged:
            secret["metadata"]["resourceVersion"] = version
            answer = self._api.replace(SECRETS, secret, self.namespace, secret_name(self.set_name))
            if answer.ok:
                return replace(inventory, resource_version=as_text(metadata(answer.value).get("resourceVersion")))
        del raw
        raise ClusterError(
            f"the inventory {self.namespace}/{secret_name(self.set_name)} was written by somebody else during this run",
            hint="run the command again",
        )

    def delete(self, inventory: Inventory) -> None:
        """Delete the inventory, where it is still the one that was read."""
        if inventory.resource_version:
            self._api.delete(
                SECRETS, self.namespace, secret_name(self.set_name), resource_version=inventory.resource_version
            )


def locate(
    api: Api, set_name: str, namespaces: Iterable[str], *, cluster_scoped: bool, given: str | None = None
) -> str:
    """Find the namespace of a set's inventory, or choose one.

    Args:
        api: The server.
        set_name: Name of the set.
        namespaces: The namespaces that its objects lie in.
        cluster_scoped: Whether the set has objects outside namespaces.
        given: The namespace that the user named.
    """
    if given:
        return given
    spaces = sorted(set(namespaces))
    # A set that lives in one namespace needs rights in that namespace only.
    chosen = spaces[0] if len(spaces) == 1 and not cluster_scoped else SYSTEM_NAMESPACE
    for namespace in dict.fromkeys([chosen, SYSTEM_NAMESPACE]):
        found = api.get(SECRETS, namespace, secret_name(set_name), metadata_only=True)
        if found.ok:
            return namespace
    # The shape of the set may have changed since: the label finds it wherever it is, where that may be asked.
    everywhere = api.list(SECRETS, selector=f"{LABEL}={set_name}", metadata_only=True)
    if everywhere.ok:
        for entry in as_list(everywhere.value.get("items")):
            if as_text(metadata(entry).get("name")) == secret_name(set_name):
                return as_text(metadata(entry).get("namespace"))
        return chosen
    for namespace in spaces:
        if namespace != chosen and api.get(SECRETS, namespace, secret_name(set_name), metadata_only=True).ok:
            return namespace
    return chosen
