"""The API server's refusals, with the code, reason, causes and wording that clients class them by.

Every maker is compared with the real server's answer in `test_fake_is_honest.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .kinds import Kind


class Refusal(Exception):
    """An answer that is no success: a Status, or plain text as the server's filters send it.

    Args:
        code: the HTTP status.
        message: the Status's message, or the whole body of a plain answer.
        reason: the Status's reason; None leaves it out, as schema errors do.
        details: the Status's details.
        plain: send `message` as text/plain, without a Status.
        headers: further headers, such as Retry-After.
    """

    def __init__(
        self,
        code: int,
        message: str,
        reason: str | None = None,
        *,
        details: dict[str, Any] | None = None,
        plain: bool = False,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        self.details = details
        self.plain = plain
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """Return the Status object."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason is not None:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        status["code"] = self.code
        return status


Cause = tuple[str, str, str]
"""Reason, field, message."""


def _details(name: str, kind: Kind | None, causes: Sequence[Cause] = (), *, plural: bool) -> dict[str, Any]:
    details: dict[str, Any] = {"name": name}
    if kind is not None:
        if kind.group:
            details["group"] = kind.group
        details["kind"] = kind.plural if plural else kind.kind
    if causes:
        details["causes"] = [{"reason": reason, "message": text, "field": path} for reason, path, text in causes]
    return details


def not_served() -> Refusal:
    """No such path: a kind that is not served (yet)."""
    return Refusal(404, "404 page not found\n", plain=True)


def unknown_resource() -> Refusal:
    """An unknown kind of a group and version that are served."""
    return Refusal(404, "the server could not find the requested resource", "NotFound", details={})


def not_found(kind: Kind, name: str) -> Refusal:
    """No such object."""
    return Refusal(404, f'{kind.resource} "{name}" not found', "NotFound", details=_details(name, kind, plural=True))


def already_exists(kind: Kind, name: str) -> Refusal:
    """POST of a name that is taken."""
    return Refusal(
        409, f'{kind.resource} "{name}" already exists', "AlreadyExists", details=_details(name, kind, plural=True)
    )


def conflict(kind: Kind, name: str, text: str) -> Refusal:
    """A precondition that does not hold: no causes."""
    message = f'Operation cannot be fulfilled on {kind.resource} "{name}": {text}'
    return Refusal(409, message, "Conflict", details=_details(name, kind, plural=True))


def modified(kind: Kind, name: str) -> Refusal:
    """A stale resourceVersion."""
    return conflict(
        kind, name, "the object has been modified; please apply your changes to the latest version and try again"
    )


def field_conflicts(causes: Sequence[tuple[str, str]]) -> Refusal:
    """Server-side apply of fields that other managers own; (whose, field) each."""
    owners = sorted({whose for whose, _ in causes})
    if len(causes) == 1:
        text = f"conflict with {causes[0][0]}: {causes[0][1]}"
    else:
        text = "\n".join(
            f"conflicts with {owner}:\n" + "\n".join(f"- {path}" for whose, path in causes if whose == owner)
            for owner in owners
        )
    plural = "" if len(causes) == 1 else "s"
    details = {
        "causes": [
            {"reason": "FieldManagerConflict", "message": f"conflict with {whose}", "field": path}
            for whose, path in causes
        ]
    }
    return Refusal(409, f"Apply failed with {len(causes)} conflict{plural}: {text}", "Conflict", details=details)


def invalid(kind: Kind, name: str, causes: Sequence[Cause]) -> Refusal:
    """A value that the kind's rules refuse."""
    texts = [f"{path}: {text}" for _, path, text in causes]
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    qualified = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    return Refusal(
        422, f'{qualified} "{name}" is invalid: {text}', "Invalid", details=_details(name, kind, causes, plural=False)
    )


def bad_request(text: str) -> Refusal:
    """A request that makes no sense."""
    return Refusal(400, text, "BadRequest")


def forbidden(kind: Kind, name: str, text: str, causes: Sequence[Cause] = ()) -> Refusal:
    """A request that admission or authorization refuses."""
    message = f'{kind.resource} "{name}" is forbidden: {text}' if name else f"{kind.resource} is forbidden: {text}"
    return Refusal(403, message, "Forbidden", details=_details(name, kind, causes, plural=True))


def unauthorized() -> Refusal:
    """An unknown or expired token."""
    return Refusal(401, "Unauthorized", "Unauthorized")


def typed_patch(kind: Kind, namespace: str, name: str, text: str) -> Refusal:
    """A patch that does not fit the schema: 500 and no reason, but final."""
    where = f"{namespace}/{name}; {kind.api_version}, Kind={kind.kind}"
    return Refusal(500, f"failed to create typed patch object ({where}): {text}")


def expired(text: str) -> Refusal:
    """A resourceVersion or continue token that is too old."""
    return Refusal(410, text, "Expired")


def webhook_down(name: str, url: str, text: str = "connect: connection refused") -> Refusal:
    """An admission webhook that does not answer."""
    message = (
        f'Internal error occurred: failed calling webhook "{name}": failed to call webhook: '
        f'Post "{url}?timeout=10s": dial tcp 127.0.0.1:1: {text}'
    )
    details = {"causes": [{"message": message.removeprefix("Internal error occurred: ")}]}
    return Refusal(500, message, "InternalError", details=details)


def throttled(seconds: int = 1) -> Refusal:
    """Too many requests in flight: text/plain, no Status."""
    return Refusal(
        429,
        "Too many requests, please try again later.\n",
        plain=True,
        headers={"Retry-After": str(seconds)},
    )


def unavailable(seconds: int | None = None) -> Refusal:
    """The server, or what it needs, is not there for now."""
    headers = {"Retry-After": str(seconds)} if seconds else {}
    return Refusal(503, "the server is currently unable to handle the request", "ServiceUnavailable", headers=headers)


def etcd(text: str = "etcdserver: leader changed") -> Refusal:
    """Storage trouble that passes: 500 without a reason, as a schema error, but to be retried."""
    return Refusal(500, text)


def timeout() -> Refusal:
    """Storage that did not answer in time."""
    return Refusal(
        504,
        "Timeout: request did not complete within the allotted timeout",
        "Timeout",
        details={"retryAfterSeconds": 1},
    )
