"""What to do about a field that another manager owns with another value: report it, take it, or leave it; per field and manager."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from mlops_nix.cluster import fields
from mlops_nix.cluster.fields import MISSING, FieldPath

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlops_nix.cluster.answer import Cause
    from mlops_nix.cluster.redact import Mask
    from mlops_nix.objects import KubernetesObject


class Resolution(StrEnum):
    """What happens to a field in conflict."""

    REPORT = "report"
    FORCE = "force"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Conflict:
    """A field that another manager owns.

    Args:
        field: As the server writes it.
        manager: Who owns it.
        subresource: Through which it was written.
        ours: The value of the set, masked where it is a Secret's.
        theirs: The value on the cluster, masked likewise.
        resolution: What happens to it.
    """

    field: str
    manager: str
    subresource: str = ""
    ours: Any = None
    theirs: Any = None
    resolution: Resolution = Resolution.REPORT

    def to_json(self) -> dict[str, Any]:
        """Give the conflict as ``--output json`` prints it."""
        document = {"field": self.field, "manager": self.manager, "ours": self.ours, "theirs": self.theirs}
        if self.subresource:
            document["subresource"] = self.subresource
        document["resolution"] = self.resolution.value
        return document


@dataclass(frozen=True, slots=True)
class ConflictPolicy:
    """The user's word on conflicts.

    Args:
        force_all: Take every field.
        force_fields: Take these fields and what lies below them (``.spec.replicas``).
        force_managers: Take fields of these managers (what is taken over from Helm or kubectl).
        keep_fields: Leave these fields, and what lies below them, to whoever owns them.
        keep_managers: Leave fields of these managers to them.
    """

    force_all: bool = False
    force_fields: tuple[str, ...] = ()
    force_managers: tuple[str, ...] = ()
    keep_fields: tuple[str, ...] = ()
    keep_managers: tuple[str, ...] = ()

    def resolve(self, field: str, manager: str, subresource: str = "") -> Resolution:
        """Decide about one field; a named field weighs more than a named manager, and keeping more than forcing.

        Args:
            field: As the server writes it.
            manager: Its owner.
            subresource: Through which the owner wrote it.
        """
        if _covers(self.keep_fields, field):
            return Resolution.KEEP
        if _covers(self.force_fields, field):
            return Resolution.FORCE
        if manager in self.keep_managers:
            return Resolution.KEEP
        # Whoever scales has the last word on what it scales, also where everything else is forced.
        scaled = field == ".spec.replicas" and subresource == "scale"
        if scaled or (manager in fields.AUTOSCALERS and (field == ".spec.replicas" or ".resources." in field)):
            return Resolution.KEEP
        if self.force_all or manager in self.force_managers:
            return Resolution.FORCE
        return Resolution.REPORT


def _covers(patterns: Iterable[str], field: str) -> bool:
    for given in patterns:
        pattern = given if given.startswith((".", "[")) else f".{given}"
        if field == pattern or field.startswith((f"{pattern}.", f"{pattern}[")):
            return True
    return False


def locate(cause_field: str, manager: str, live: KubernetesObject) -> FieldPath | None:
    """Find the path of a field that a conflict names: the server's text alone cannot be taken apart where keys hold dots.

    Args:
        cause_field: As the server writes it.
        manager: The manager that the conflict names.
        live: The object on the cluster.
    """
    for owner, owned, _ in fields.entries(live):
        if owner.manager != manager:
            continue
        for path in fields.paths(owned):
            for length in range(len(path), 0, -1):
                if fields.text(path[:length]) == cause_field:
                    return path[:length]
    return None


def of_answer(
    causes: Iterable[Cause],
    desired: KubernetesObject,
    live: KubernetesObject | None,
    policy: ConflictPolicy,
    mask: Mask,
) -> list[tuple[Conflict, FieldPath | None]]:
    """Make the conflicts of an answer, each with its path and what happens to it.

    Args:
        causes: Causes of the answer.
        desired: The object that was sent.
        live: The object on the cluster; nothing where it is not known.
        policy: The user's word.
        mask: Hides the values of Secrets.
    """
    ours_shown = mask.object(desired)
    theirs_shown = mask.object(live) if live else {}
    found: list[tuple[Conflict, FieldPath | None]] = []
    for cause in causes:
        path = locate(cause.field, cause.manager, live) if live else None
        ours = fields.lookup(ours_shown, path) if path else None
        theirs = fields.lookup(theirs_shown, path) if path else None
        resolution = policy.resolve(cause.field, cause.manager, cause.subresource)
        if resolution is Resolution.KEEP and path is None:
            resolution = Resolution.REPORT
        found.append(
            (
                Conflict(
                    cause.field,
                    cause.manager,
                    cause.subresource,
                    None if ours is MISSING else ours,
                    None if theirs is MISSING else theirs,
                    resolution,
                ),
                path,
            )
        )
    return found


def described(conflicts: Iterable[Conflict]) -> str:
    """Write conflicts for people: a line with the owners, then a line per field with both values."""
    from mlops_nix.cluster.compare import shown

    listed = list(conflicts)
    managers = ", ".join(sorted({f'"{conflict.manager}"' for conflict in listed}))
    lines = [f"field conflict with {managers}"]
    lines += [
        f"{conflict.field}   yours {shown(conflict.ours)}, cluster {shown(conflict.theirs)}" for conflict in listed
    ]
    return "\n".join(lines)
