"""The rendered sets of earlier runs, kept beside the inventory for ``rollback``, ``drift`` and ``status`` without Nix."""

from __future__ import annotations

import base64
import gzip
import hashlib
from typing import TYPE_CHECKING, Any

from mlops_nix.cluster.answer import Outcome
from mlops_nix.cluster.api import error_of
from mlops_nix.cluster.desired import DesiredSet, Item
from mlops_nix.cluster.discovery import SECRETS
from mlops_nix.cluster.inventory import KEPT_REVISIONS, LABEL
from mlops_nix.errors import InputError
from mlops_nix.objects import as_list, as_map, as_text, metadata, reference

if TYPE_CHECKING:
    from mlops_nix.cluster.api import Api
    from mlops_nix.objects import KubernetesObject

FORMAT = "mlops-nix/revision/v1"
TYPE = "mlops-nix.dev/revision"
SET_LABEL = "mlops-nix.dev/revision-of"
_PART = 900_000


def encode(desired: DesiredSet) -> bytes:
    """Write a set: JSON, compressed; equal sets give equal bytes."""
    import orjson

    document = {
        "format": FORMAT,
        "set": desired.name,
        "kubernetesVersion": desired.kubernetes_version,
        "waves": {str(number): name for number, name in desired.waves.items()},
        "items": [[item.wave, item.component, item.object] for item in desired.items],
        "endpoints": [list(endpoint) for endpoint in desired.endpoints],
    }
    return gzip.compress(orjson.dumps(document), compresslevel=6, mtime=0)


def decode(data: bytes) -> DesiredSet:
    """Read a set back.

    Raises:
        ValueError: It is damaged.
    """
    import zlib

    import orjson

    try:
        document: dict[str, Any] = orjson.loads(gzip.decompress(data))
        if document.get("format") != FORMAT:
            raise ValueError(f"expected the format {FORMAT}, found {document.get('format')!r}")
        return DesiredSet(
            document["set"],
            tuple(Item(obj, reference(obj), wave, component) for wave, component, obj in document["items"]),
            {int(number): name for number, name in document["waves"].items()},
            document["kubernetesVersion"],
            endpoints=tuple((component, name, url) for component, name, url in document.get("endpoints", [])),
        )
    except (OSError, EOFError, zlib.error, KeyError, TypeError, orjson.JSONDecodeError) as error:
        raise ValueError(f"not a kept revision: {error!r}") from error


def digest(desired: DesiredSet) -> str:
    """Give the digest of a whole set."""
    return hashlib.sha256(gzip.decompress(encode(desired))).hexdigest()[:16]


def _name(set_name: str, number: int, part: int) -> str:
    return f"mlops-nix-{set_name}.{number}" + (f".{part}" if part else "")


class History:
    """The kept revisions of one set.

    Args:
        api: The server.
        set_name: Name of the set.
        namespace: Where they lie: the inventory's namespace.
    """

    def __init__(self, api: Api, set_name: str, namespace: str) -> None:
        self._api = api
        self._set = set_name
        self._namespace = namespace

    def keep(self, number: int, desired: DesiredSet) -> None:
        """Keep a revision; doing it twice (after a run that died) is doing it once.

        Args:
            number: Number of the revision.
            desired: The set.
        """
        raw = encode(desired)
        parts = [raw[start : start + _PART] for start in range(0, len(raw), _PART)]
        for index, part in enumerate(parts):
            secret: KubernetesObject = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {
                    "name": _name(self._set, number, index),
                    "namespace": self._namespace,
                    "labels": {
                        SET_LABEL: self._set,
                        "mlops-nix.dev/revision": str(number),
                        "app.kubernetes.io/managed-by": "mlops-nix",
                    },
                    "annotations": {"mlops-nix.dev/parts": str(len(parts))},
                },
                "type": TYPE,
                "data": {"set": base64.b64encode(part).decode()},
            }
            answer = self._api.apply(SECRETS, secret, self._namespace, _name(self._set, number, index), force=True)
            if not answer.ok:
                raise error_of(answer, f"keep revision {number} in the history")

    def read(self, number: int) -> DesiredSet:
        """Read a revision.

        Raises:
            InputError: It is not there, or damaged.
        """
        raw, index, parts = b"", 0, 1
        while index < parts:
            answer = self._api.get(SECRETS, self._namespace, _name(self._set, number, index))
            if answer.outcome in {Outcome.NOT_FOUND, Outcome.NAMESPACE_MISSING}:
                kept = ", ".join(str(entry) for entry in self.numbers()) or "none"
                raise InputError(
                    f"revision {number} of the set {self._set!r} is not kept on the cluster", hint=f"kept: {kept}"
                )
            if not answer.ok:
                raise error_of(answer, f"read revision {number}")
            count = as_text(as_map(metadata(answer.value).get("annotations")).get("mlops-nix.dev/parts"))
            parts = int(count) if count.isdigit() else 1
            raw += base64.b64decode(as_text(as_map(answer.value.get("data")).get("set")))
            index += 1
        try:
            return decode(raw)
        except ValueError as error:
            raise InputError(f"revision {number} of the set {self._set!r} is damaged: {error}") from error

    def numbers(self) -> list[int]:
        """Give the numbers of the kept revisions."""
        return sorted({number for number, _ in self._secrets()})

    def _secrets(self) -> list[tuple[int, str]]:
        answer = self._api.list(SECRETS, self._namespace, selector=f"{SET_LABEL}={self._set}", metadata_only=True)
        if not answer.ok:
            raise error_of(answer, "list the history")
        found: list[tuple[int, str]] = []
        for entry in as_list(answer.value.get("items")):
            number = as_text(as_map(metadata(entry).get("labels")).get("mlops-nix.dev/revision"))
            if number.isdigit():
                found.append((int(number), as_text(metadata(entry).get("name"))))
        return found

    def trim(self, newest: int) -> None:
        """Delete revisions beyond those that are kept, and those that a run which died left after the newest.

        Args:
            newest: Number of the newest revision.
        """
        for number, name in self._secrets():
            if number <= newest - KEPT_REVISIONS or number > newest:
                self._api.delete(SECRETS, self._namespace, name)

    def delete(self) -> None:
        """Delete all revisions."""
        for _, name in self._secrets():
            self._api.delete(SECRETS, self._namespace, name)


__all__ = ["FORMAT", "LABEL", "SET_LABEL", "History", "decode", "digest", "encode"]
