"""Errors of mlops-nix and the exit codes that they lead to.

The tree (class: code, exit code)::

    MlopsNixError                    internal            1
    ├── InputError                   invalid-input       3   a file, folder, option value or object that cannot be used
    │   └── EvaluationError          evaluation-failed   3   Nix refused the user's expression
    ├── PolicyViolation              policy-violation    3   objects that break a schema or a policy
    ├── ToolMissing                  tool-missing        3   a program (nix, kubeconform, kubectl) or extra is not installed
    ├── Differences                  differences         2   compared things differ
    ├── ClusterError                 cluster-error       5   the cluster cannot be reached or does not answer
    │   ├── ApiError                 refused             4   the API server answered with an error status
    │   │   ├── FieldConflict        field-conflict      4   another manager owns a field
    │   │   ├── ImmutableField       immutable-field     4   a field that cannot be changed would change
    │   │   └── WebhookUnavailable   webhook-unavailable 5   an admission webhook does not answer
    │   ├── NotReady                 not-ready           6   applied, but not ready in time
    │   └── Locked                   locked              7   another run holds the lock
    └── Interrupted                  interrupted       130   the user stopped the run

Only ``mlops_nix.cli`` turns an error into text and an exit code; a traceback is a bug of ours.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence


class ExitCode(IntEnum):
    """Exit codes of every command; each member's comment is its line in ``--help``."""

    OK = 0
    INTERNAL = 1
    DIFFERENCES = 2
    INVALID = 3
    REFUSED = 4
    UNREACHABLE = 5
    NOT_READY = 6
    LOCKED = 7
    USAGE = 64
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


EXIT_CODE_MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "done, or nothing differs",
    ExitCode.INTERNAL: "a bug of mlops-nix",
    ExitCode.DIFFERENCES: "differences (diff, drift)",
    ExitCode.INVALID: "invalid input, schema or policy violated",
    ExitCode.REFUSED: "conflict, denied, or an immutable field",
    ExitCode.UNREACHABLE: "cluster unreachable, or timed out",
    ExitCode.NOT_READY: "applied, but not ready in time",
    ExitCode.LOCKED: "locked by another run",
    ExitCode.USAGE: "wrong usage of the command line",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.BROKEN_PIPE: "the reader of the output went away",
    ExitCode.TERMINATED: "terminated",
}


class MlopsNixError(Exception):
    """Base of all errors: a message for people, where it was, and the way out.

    Args:
        message: What is wrong, in one line; more lines are details and stand indented.
        hint: What the user can do about it.
        path: The file or folder, or the JSON path inside an object, that the message is about.
    """

    code: ClassVar[str] = "internal"
    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL

    def __init__(self, message: str, *, hint: str | None = None, path: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.path = path

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message

    def to_json(self) -> dict[str, Any]:
        """Give the error as ``--output json`` prints it."""
        document: dict[str, Any] = {"error": self.code, "message": self.message, "exitCode": int(self.exit_code)}
        if self.path:
            document["path"] = self.path
        if self.hint:
            document["hint"] = self.hint
        return document


class InputError(MlopsNixError):
    """Something that the user gave cannot be used."""

    code = "invalid-input"
    exit_code = ExitCode.INVALID


class EvaluationError(InputError):
    """Nix refused the user's expression."""

    code = "evaluation-failed"


class PolicyViolation(MlopsNixError):
    """Objects break a schema or a policy."""

    code = "policy-violation"
    exit_code = ExitCode.INVALID


class ToolMissing(MlopsNixError):
    """A program or an extra of the package is not installed, or too old."""

    code = "tool-missing"
    exit_code = ExitCode.INVALID


class Differences(MlopsNixError):
    """Compared things differ where the caller asked for equality."""

    code = "differences"
    exit_code = ExitCode.DIFFERENCES


class ClusterError(MlopsNixError):
    """The cluster cannot be reached, or did not answer in time."""

    code = "cluster-error"
    exit_code = ExitCode.UNREACHABLE


class ApiError(ClusterError):
    """The API server answered with an error.

    Args:
        message: As in `MlopsNixError`.
        status: The ``Status`` object of the answer; empty where the body was none.
        http_status: The HTTP status code of the answer.
        hint: As in `MlopsNixError`.
        path: As in `MlopsNixError`.
    """

    code = "refused"
    exit_code = ExitCode.REFUSED

    def __init__(
        self,
        message: str,
        *,
        status: dict[str, Any] | None = None,
        http_status: int | None = None,
        hint: str | None = None,
        path: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, path=path)
        self.status = status or {}
        self.http_status = http_status

    @property
    def reason(self) -> str | None:
        """The machine-readable word of the ``Status``, such as ``Invalid``; some errors carry none."""
        reason = self.status.get("reason")
        return reason if isinstance(reason, str) else None


class FieldConflict(ApiError):
    """Another field manager owns fields that this run would set.

    Args:
        message: As in `MlopsNixError`.
        causes: One dict per field: ``field``, ``manager`` and, where known, ``ours`` and ``theirs``.
        status: As in `ApiError`.
        http_status: As in `ApiError`.
        hint: As in `MlopsNixError`.
        path: As in `MlopsNixError`.
    """

    code = "field-conflict"

    def __init__(
        self,
        message: str,
        *,
        causes: Sequence[dict[str, Any]] = (),
        status: dict[str, Any] | None = None,
        http_status: int | None = None,
        hint: str | None = None,
        path: str | None = None,
    ) -> None:
        super().__init__(message, status=status, http_status=http_status, hint=hint, path=path)
        self.causes = tuple(causes)


class ImmutableField(ApiError):
    """A field that the API server never changes would change."""

    code = "immutable-field"


class WebhookUnavailable(ApiError):
    """An admission webhook does not answer, so that nothing of its kinds can be written."""

    code = "webhook-unavailable"
    exit_code = ExitCode.UNREACHABLE


class NotReady(ClusterError):
    """Everything was applied, but not everything became ready in time."""

    code = "not-ready"
    exit_code = ExitCode.NOT_READY


class Locked(ClusterError):
    """Another run holds the lock of the set."""

    code = "locked"
    exit_code = ExitCode.LOCKED


class Interrupted(MlopsNixError):
    """The user stopped the run."""

    code = "interrupted"
    exit_code = ExitCode.INTERRUPTED
