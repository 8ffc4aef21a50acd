"""How a run ended: what was done, what is ready, and what is not and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_nix.errors import ApiError, ExitCode, FieldConflict, ImmutableField, NotReady, WebhookUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nix.cluster.explain import Explanation
    from mlops_nix.cluster.inventory import Revision
    from mlops_nix.cluster.plan import Plan
    from mlops_nix.cluster.results import Result
    from mlops_nix.objects import ObjectRef


@dataclass(frozen=True, slots=True)
class Unready:
    """An object that is not ready.

    Args:
        ref: The object.
        state: What is known.
        explanation: Why.
        component: The component that it belongs to.
    """

    ref: ObjectRef
    state: str
    explanation: Explanation
    component: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Give it as ``--output json`` prints it."""
        document = {"object": self.ref.to_json(), "status": self.state, **self.explanation.to_json()}
        if self.component:
            document["component"] = self.component
        return document


@dataclass(frozen=True, slots=True)
class Report:
    """The end of a run.

    Args:
        set: Name of the set.
        outcome: ok, unchanged, planned, declined, incomplete or not-ready.
        plan: What was to be done.
        results: What became of each object.
        unready: What is not ready.
        ready: How many objects are ready.
        seconds: How long it took.
        requests: How many requests were sent.
        revision: The revision on the cluster.
        endpoints: Component, name and URL of what can be reached inside the cluster.
        notes: What else the user should know.
        operation: apply or delete.
    """

    set: str
    outcome: str
    plan: Plan
    results: tuple[Result, ...] = ()
    unready: tuple[Unready, ...] = ()
    ready: int = 0
    seconds: float = 0.0
    requests: int = 0
    revision: Revision | None = None
    endpoints: tuple[tuple[str, str, str], ...] = ()
    notes: tuple[str, ...] = field(default=())
    operation: str = "apply"

    @property
    def ok(self) -> bool:
        """Whether the set is on the cluster and ready."""
        return self.outcome in {"ok", "unchanged", "planned", "declined"}

    @property
    def failed(self) -> tuple[Result, ...]:
        """Objects that could not be applied."""
        return tuple(result for result in self.results if result.action == "failed")

    def counts(self) -> Mapping[str, int]:
        """Count the objects per action."""
        counted: dict[str, int] = {}
        for result in self.results:
            counted[result.action] = counted.get(result.action, 0) + 1
        return counted

    @property
    def exit_code(self) -> ExitCode:
        """The exit code that belongs to the outcome."""
        codes = {result.code for result in self.failed}
        if codes:
            # Nothing refused, only something that did not come in time.
            return ExitCode.UNREACHABLE if codes <= _LATE else ExitCode.REFUSED
        return ExitCode.OK if self.ok else ExitCode.NOT_READY

    def raise_for_outcome(self) -> None:
        """Raise the error that belongs to the outcome, for callers who want exceptions.

        Raises:
            FieldConflict: Another manager owns a field.
            ImmutableField: A field cannot be changed.
            WebhookUnavailable: A webhook did not answer in time.
            ApiError: Something else was refused.
            NotReady: Applied, but not ready in time.
        """
        for result in self.failed:
            message = f"{result.ref}: {result.reason}"
            if result.code == "field-conflict":
                raise FieldConflict(message, hint=result.hint)
            if result.code == "immutable-field":
                raise ImmutableField(message, hint=result.hint)
            if result.code == "webhook-unavailable":
                raise WebhookUnavailable(message, hint=result.hint)
            raise ApiError(message, hint=result.hint)
        if not self.ok:
            raise NotReady(
                "; ".join(f"{entry.ref}: {entry.explanation.reason}" for entry in self.unready[:5]) or "not ready"
            )

    def to_json(self) -> dict[str, Any]:
        """Give the report as the last line of ``--output json`` has it."""
        return {
            "type": "summary",
            "set": self.set,
            "outcome": self.outcome,
            "counts": dict(self.counts()) or self.plan.counts(),
            "ready": self.ready,
            "notReady": [entry.to_json() for entry in self.unready],
            "failed": [result.to_json() for result in self.results if result.action in {"failed", "skipped"}],
            "kept": [result.to_json() for result in self.results if result.action == "kept"],
            "revision": self.revision.to_json() if self.revision else None,
            "requests": self.requests,
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
        }


_LATE = frozenset({"webhook-unavailable", "terminating", "not-served", "namespace-missing"})
