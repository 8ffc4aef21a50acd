"""Keeping the values of Secrets out of everything that is shown.

A value becomes a digest keyed with a key that lives as long as the process: it shows whether two values of one run differ, and
nothing more: not the length, and nothing that could be compared with a list of guessed passwords.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Any

from mlops_nix.objects import as_map, metadata

if TYPE_CHECKING:
    from mlops_nix.objects import KubernetesObject

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# Values shorter than this are not looked for in texts: "1" or "on" would be found everywhere.
_SHORTEST = 4


class Mask:
    """Replaces the values of Secrets.

    Args:
        key: Key of the digests; random by default, so that digests of two runs cannot be compared.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)

    def digest(self, value: Any) -> str:
        """Give the digest that stands for a value."""
        raw = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else repr(value).encode()
        return f"<hidden {hmac.new(self._key, raw, hashlib.sha256).hexdigest()[:8]}>"

    def object(self, obj: KubernetesObject) -> KubernetesObject:
        """Give the object as it may be shown; only a Secret differs from what came in."""
        if not is_secret(obj):
            return obj
        shown = dict(obj)
        # stringData and data of one value must give one digest.
        for field in ("data", "stringData"):
            if isinstance(obj.get(field), dict):
                shown[field] = {
                    name: self.digest(_decoded(value) if field == "data" else value)
                    for name, value in obj[field].items()
                }
        annotations = as_map(metadata(obj).get("annotations"))
        if _LAST_APPLIED in annotations:
            shown["metadata"] = {
                **metadata(obj),
                "annotations": {**annotations, _LAST_APPLIED: self.digest(annotations[_LAST_APPLIED])},
            }
        return shown

    def text(self, text: str, *objects: KubernetesObject | None) -> str:
        """Give a text of the server with the values of these Secrets replaced.

        Args:
            text: An error message, which may quote what was sent.
            objects: The objects that it is about; others than Secrets change nothing.
        """
        for obj in objects:
            if obj is None or not is_secret(obj):
                continue
            for field in ("data", "stringData"):
                for value in as_map(obj.get(field)).values():
                    for form in _forms(value):
                        if len(form) >= _SHORTEST:
                            text = text.replace(form, self.digest(_decoded(value) if field == "data" else value))
        return text


def is_secret(obj: Any) -> bool:
    """Tell whether an object is a Secret of the core API."""
    return isinstance(obj, dict) and obj.get("kind") == "Secret" and obj.get("apiVersion") == "v1"


def _decoded(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        return value


def _forms(value: Any) -> list[str]:
    """Give the spellings in which a value can appear in a text, the longest first."""
    if not isinstance(value, str):
        return [str(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []
    decoded = _decoded(value)
    # What looks like base64 may be a plain value that happens to look so: all readings of it are replaced.
    readings = {value, decoded if isinstance(decoded, str) else value}
    forms = set(readings)
    for reading in readings:
        forms.add(base64.b64encode(reading.encode("utf-8", "surrogateescape")).decode())
        forms.add(repr(reading)[1:-1])
    return sorted(forms, key=len, reverse=True)
