"""Plans as people read them: a line per object, a line per field, the counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nix.cluster.compare import shown
from mlops_nix.cluster.conflicts import Resolution
from mlops_nix.cluster.plan import Action

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nix.cluster.plan import Plan


def text_of(plan: Plan, *, fields_shown: int = 8) -> list[str]:
    """Write a plan for people, a line per object and a line per field; unchanged objects are only counted.

    Args:
        plan: The plan.
        fields_shown: Fields per object at most.
    """
    signs = {
        Action.CREATE: "+",
        Action.CHANGE: "~",
        Action.REPLACE: "±",
        Action.PRUNE: "-",
        Action.KEEP: "=",
        Action.BLOCKED: "!",
    }
    lines: list[str] = []
    for step in (*plan.steps, *plan.prunes):
        if step.action is Action.UNCHANGED:
            continue
        extra = " (was there before; is taken over)" if step.adopted and step.action is Action.CHANGE else ""
        reason = step.reason.splitlines()
        if reason and step.action in {Action.PRUNE, Action.KEEP, Action.REPLACE, Action.CREATE, Action.CHANGE}:
            extra += f": {reason[0]}"
        lines.append(f"{signs[step.action]} {step.action.value} {step.ref}{extra}")
        if step.action is Action.BLOCKED:
            lines += [f"    {line}" for line in reason]
            if step.hint:
                lines.append(f"    hint: {step.hint}")
        lines += [f"    {change}" for change in step.changes[:fields_shown]]
        if len(step.changes) > fields_shown:
            lines.append(f"    … and {len(step.changes) - fields_shown} more fields")
        lines += [
            f"    {conflict.field} stays with {conflict.manager} ({shown(conflict.theirs)})"
            if conflict.resolution is Resolution.KEEP
            else f"    {conflict.field} is taken from {conflict.manager}"
            for conflict in step.conflicts
            if conflict.resolution is not Resolution.REPORT
        ]
    return lines


def summary(counts: Mapping[str, int]) -> str:
    """Write the counts of a plan on one line."""
    words = {
        "create": "to create",
        "change": "to change",
        "replace": "to replace",
        "prune": "to prune",
        "blocked": "blocked",
        "keep": "left alone",
        "unchanged": "unchanged",
    }
    return ", ".join(f"{counts[name]} {word}" for name, word in words.items() if counts.get(name)) or "nothing to do"
