"""What an answer of the API server means: classed by code, reason, causes and message, never by the code alone.

Source: answers of kube-apiserver 1.36.3, recorded for each class; messages marked "source" are read in Kubernetes' code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from mlops_nix.cluster import immutable
from mlops_nix.objects import as_list, as_map, as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nix.cluster.transport import Response


class Outcome(StrEnum):
    """The classes of answers."""

    OK = "ok"
    THROTTLED = "throttled"
    TRANSIENT = "transient"
    UNAUTHORIZED = "unauthorized"
    NOT_FOUND = "not-found"
    NOT_SERVED = "not-served"
    NAMESPACE_MISSING = "namespace-missing"
    EXISTS = "exists"
    STALE = "stale"
    UID_MISMATCH = "uid-mismatch"
    FIELD_CONFLICT = "field-conflict"
    TERMINATING = "terminating"
    NOT_YET = "not-yet"
    EXPIRED = "expired"
    WEBHOOK_UNAVAILABLE = "webhook-unavailable"
    WEBHOOK_DENIED = "webhook-denied"
    POLICY_DENIED = "policy-denied"
    DRY_RUN_UNSUPPORTED = "dry-run-unsupported"
    FORBIDDEN = "forbidden"
    QUOTA = "quota"
    POD_SECURITY = "pod-security"
    SCHEMA = "schema"
    INVALID = "invalid"
    IMMUTABLE = "immutable"
    TOO_LARGE = "too-large"
    SERVER_ERROR = "server-error"


# Answers after which the same request, sent again a little later, may well succeed.
RETRYABLE = frozenset({Outcome.THROTTLED, Outcome.TRANSIENT, Outcome.NOT_YET})


@dataclass(frozen=True, slots=True)
class Cause:
    """One of ``details.causes``.

    Args:
        reason: ``FieldManagerConflict``, ``FieldValueInvalid`` and the like.
        field: The field as the server writes it: ``.spec.replicas`` in conflicts, ``spec.replicas`` elsewhere.
        message: The server's text.
    """

    reason: str
    field: str
    message: str

    @property
    def manager(self) -> str:
        """The field manager that a conflict names."""
        found = _MANAGER.search(self.message)
        return found["manager"] if found else ""

    @property
    def subresource(self) -> str:
        """The subresource through which that manager wrote, such as ``scale``."""
        found = _SUBRESOURCE.search(self.message)
        return found["name"] if found else ""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and its class.

    Args:
        outcome: The class.
        http_status: The HTTP code.
        value: The parsed body, where it is JSON.
        message: The server's text for an error.
        causes: The causes of an error.
        retry_after: Seconds that the server asks to wait.
        warnings: Texts of the ``Warning`` headers.
        webhook: The webhook that an error is about.
        date: The ``Date`` header: the time as the server sees it.
        text: A body that is no JSON, such as a container's log.
    """

    outcome: Outcome
    http_status: int
    value: Any = None
    message: str = ""
    causes: tuple[Cause, ...] = ()
    retry_after: float | None = None
    warnings: tuple[str, ...] = ()
    webhook: str = ""
    date: str = ""
    text: str = ""

    @property
    def ok(self) -> bool:
        """Whether the request did what it was meant to do."""
        return self.outcome is Outcome.OK

    @property
    def status(self) -> dict[str, Any]:
        """The ``Status`` of an error; empty where there is none."""
        return self.value if isinstance(self.value, dict) and self.value.get("kind") == "Status" else {}


_MANAGER = re.compile(r'conflict with "(?P<manager>[^"]*)"')
_SUBRESOURCE = re.compile(r'with subresource "(?P<name>[^"]*)"')
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
_CALLING = re.compile(r'failed calling (?:conversion )?webhook "(?P<name>[^"]*)"')
_CONVERSION = re.compile(r"conversion webhook for \S+ failed|failed to convert|conversion webhook")
_DENIED = re.compile(r'admission webhook "(?P<name>[^"]*)" denied the request')
_POLICY = re.compile(r"ValidatingAdmissionPolicy '(?P<name>[^']*)' with binding '[^']*' denied request")
# Texts of storage and network trouble that reach the client in a 500. Source: etcd's rpctypes and measured answers.
_PASSING = (
    "etcdserver:",
    "raft proposal dropped",
    "leader changed",
    "request timed out",
    "context deadline exceeded",
    "connection refused",
    "connection reset by peer",
    "unexpected EOF",
    "http2: ",
    "transport is closing",
    "the server was unable to return a response in the time allotted",
    "rpc error: code = Unavailable",
    "rpc error: code = Canceled",
)


def classify(response: Response, *, path: str = "") -> Answer:
    """Class an answer.

    Args:
        response: The answer.
        path: The path that was asked for; tells a missing object from a missing namespace around it.
    """
    value = _parse(response)
    status = value if isinstance(value, dict) and value.get("kind") == "Status" else {}
    message = as_text(status.get("message")) or ("" if response.status < 400 else _text(response))  # noqa: PLR2004
    details = as_map(status.get("details"))
    causes = tuple(
        Cause(as_text(cause.get("reason")), as_text(cause.get("field")), as_text(cause.get("message")))
        for cause in as_list(details.get("causes"))
        if isinstance(cause, dict)
    )
    outcome = _outcome(response.status, status, message, causes, path)
    webhook = _CALLING.search(message) or _DENIED.search(message) or _POLICY.search(message)
    return Answer(
        outcome,
        response.status,
        value,
        message,
        causes,
        _retry_after(response.headers, details),
        tuple(
            text.replace('\\"', '"').replace("\\\\", "\\")
            for text in _WARNING.findall(response.headers.get("warning", ""))
        ),
        webhook["name"] if webhook else "",
        response.headers.get("date", ""),
        response.body.decode("utf-8", "replace") if value is None else "",
    )


def _outcome(code: int, status: Mapping[str, Any], message: str, causes: tuple[Cause, ...], path: str) -> Outcome:
    reason = as_text(status.get("reason"))
    if 200 <= code < 300:  # noqa: PLR2004
        # A DELETE answers 200 with a Status; a Status that says Failure does not come with 2xx.
        return Outcome.OK
    if code == 429:  # noqa: PLR2004
        return Outcome.THROTTLED
    if _DENIED.search(message):
        return Outcome.WEBHOOK_DENIED
    if _POLICY.search(message):
        return Outcome.POLICY_DENIED
    if "does not support dry run" in message:
        return Outcome.DRY_RUN_UNSUPPORTED
    match code:
        case 401:
            return Outcome.UNAUTHORIZED
        case 403:
            return _forbidden(message, causes)
        case 404:
            return _missing(status, message, path)
        case 409:
            return _conflict(reason, message, causes)
        case 410:
            return Outcome.EXPIRED
        case 413:
            return Outcome.TOO_LARGE
        case 422:
            if "uid mismatch" in message:
                return Outcome.UID_MISMATCH
            kind = as_text(as_map(status.get("details")).get("kind"))
            return Outcome.IMMUTABLE if immutable.says_so(kind, causes, message) else Outcome.INVALID
        case 500:
            return _server_error(reason, message)
        case 408 | 502 | 503 | 504:
            return Outcome.TRANSIENT
        case _:
            return Outcome.INVALID if code < 500 else Outcome.TRANSIENT  # noqa: PLR2004


def _forbidden(message: str, causes: tuple[Cause, ...]) -> Outcome:
    if any(cause.reason == "NamespaceTerminating" for cause in causes) or "because it is being terminated" in message:
        return Outcome.TERMINATING
    if "custom resource definition is terminating" in message:
        return Outcome.TERMINATING
    # The service account controller needs a moment after a namespace was made; a quota without status likewise (source).
    if "error looking up service account" in message or "status unknown for quota" in message:
        return Outcome.NOT_YET
    if "exceeded quota:" in message or "failed quota:" in message:
        return Outcome.QUOTA
    if "violates PodSecurity" in message:
        return Outcome.POD_SECURITY
    return Outcome.FORBIDDEN


def _missing(status: Mapping[str, Any], message: str, path: str) -> Outcome:
    details = as_map(status.get("details"))
    # A path that is not served has a text/plain body, or a Status that names no object.
    if not status or not details.get("name") or "could not find the requested resource" in message:
        return Outcome.NOT_SERVED
    asks_for_namespace = re.search(r"/namespaces/[^/]+(/finalize|/status)?$", path) is not None
    if details.get("kind") == "namespaces" and not asks_for_namespace:
        return Outcome.NAMESPACE_MISSING
    return Outcome.NOT_FOUND


def _conflict(reason: str, message: str, causes: tuple[Cause, ...]) -> Outcome:
    if any(cause.reason == "FieldManagerConflict" for cause in causes):
        return Outcome.FIELD_CONFLICT
    if "object is being deleted" in message:
        return Outcome.TERMINATING
    if reason == "AlreadyExists":
        return Outcome.EXISTS
    if "UID in the precondition" in message or "uid mismatch" in message:
        return Outcome.UID_MISMATCH
    return Outcome.STALE


def _server_error(reason: str, message: str) -> Outcome:
    # A 500 without a reason is a schema error of server-side apply, and final.
    if "failed to create typed patch object" in message or "failed to create typed live object" in message:
        return Outcome.SCHEMA
    if _CALLING.search(message) or _CONVERSION.search(message):
        return Outcome.WEBHOOK_UNAVAILABLE
    if any(text in message for text in _PASSING):
        return Outcome.TRANSIENT
    return Outcome.SERVER_ERROR if reason else Outcome.SCHEMA


def _retry_after(headers: Mapping[str, str], details: Mapping[str, Any]) -> float | None:
    text = headers.get("retry-after", "")
    if text.isdigit():
        return float(text)
    seconds = details.get("retryAfterSeconds")
    return float(seconds) if isinstance(seconds, int | float) and seconds > 0 else None


def _parse(response: Response) -> Any:
    if not response.body or response.body.lstrip()[:1] not in {b"{", b"["}:
        return None
    import orjson

    try:
        return orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return None


def _text(response: Response) -> str:
    return response.body.decode("utf-8", "replace").strip()[:2000] or f"HTTP {response.status}"
