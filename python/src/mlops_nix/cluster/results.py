"""What became of the objects of a run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops_nix.cluster.desired import Key
    from mlops_nix.cluster.readiness import Assessment
    from mlops_nix.objects import ObjectRef


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one object.

    Args:
        ref: The object.
        action: created, changed, unchanged, replaced, pruned, kept, failed or skipped.
        wave: Its wave.
        component: The component that it belongs to.
        code: For a failed one, the class of the trouble.
        reason: Why it failed, was skipped or kept.
        hint: What the user can do about it.
    """

    ref: ObjectRef
    action: str
    wave: int
    component: str | None = None
    code: str = ""
    reason: str = ""
    hint: str | None = None

    @property
    def key(self) -> Key:
        """The identity on the cluster."""
        return (self.ref.group, self.ref.kind, self.ref.namespace, self.ref.name)

    def to_json(self) -> dict[str, Any]:
        """Give the result as ``--output json`` prints it."""
        document: dict[str, Any] = {"object": self.ref.to_json(), "action": self.action}
        told = {"component": self.component, "code": self.code, "reason": self.reason, "hint": self.hint}
        document.update({name: value for name, value in told.items() if value})
        return document


@dataclass(slots=True)
class Outcomes:
    """What became of all objects so far.

    Args:
        results: By identity.
        assessments: Readiness by identity.
    """

    results: dict[Key, Result] = field(default_factory=dict)
    assessments: dict[Key, Assessment] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """Count the objects per action."""
        return dict(Counter(result.action for result in self.results.values()))

    def failed(self) -> list[Result]:
        """Give what could not be applied, and what was skipped for it."""
        return [result for result in self.results.values() if result.action in {"failed", "skipped"}]
