"""How a set is: a tree of components and objects, each with its readiness and the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_nix.cluster import references
from mlops_nix.cluster.explain import Explanation, explain
from mlops_nix.cluster.live import read_each
from mlops_nix.cluster.readiness import Assessment, State, removes_itself
from mlops_nix.cluster.wait import Target, Waiter, is_webhook, webhook_ready

if TYPE_CHECKING:
    from mlops_nix.cluster.connection import Cluster
    from mlops_nix.cluster.desired import DesiredSet, Item
    from mlops_nix.cluster.discovery import Resource
    from mlops_nix.console import Colour, Console
    from mlops_nix.objects import KubernetesObject, ObjectRef

_EXPLAINED = 12


@dataclass(frozen=True, slots=True)
class ObjectStatus:
    """How one object is.

    Args:
        ref: The object.
        component: The component that it belongs to.
        assessment: The judgement.
        explanation: Why it is not ready.
    """

    ref: ObjectRef
    component: str | None
    assessment: Assessment
    explanation: Explanation | None = None

    def to_json(self) -> dict[str, Any]:
        """Give it as ``--output json`` prints it."""
        document: dict[str, Any] = {"object": self.ref.to_json(), "status": self.assessment.state.value}
        if self.component:
            document["component"] = self.component
        if self.assessment.reason:
            document["reason"] = self.assessment.reason
        if self.assessment.rule.startswith("general"):
            document["rule"] = self.assessment.rule
        if self.explanation:
            document.update(self.explanation.to_json())
        return document


@dataclass(frozen=True, slots=True)
class Status:
    """How a set is.

    Args:
        set: Name of the set.
        objects: Its objects.
    """

    set: str
    objects: tuple[ObjectStatus, ...]

    @property
    def total(self) -> int:
        """How many objects there should be."""
        return len(self.objects)

    @property
    def ready(self) -> int:
        """How many are ready."""
        return sum(1 for entry in self.objects if entry.assessment.ready)

    @property
    def all_ready(self) -> bool:
        """Whether all are ready."""
        return self.ready == self.total

    def to_json(self) -> dict[str, Any]:
        """Give it as ``--output json`` prints it."""
        return {
            "set": self.set,
            "ready": self.ready,
            "total": self.total,
            "objects": [entry.to_json() for entry in self.objects],
        }

    def lines(self, console: Console, *, problems_only: bool = False) -> list[str]:
        """Write it as a tree.

        Args:
            console: Decides about colours.
            problems_only: Leave out what is ready.
        """
        by_component: dict[str, list[ObjectStatus]] = {}
        for entry in self.objects:
            by_component.setdefault(entry.component or "(platform)", []).append(entry)
        lines: list[str] = []
        for component, entries in by_component.items():
            ready = sum(1 for entry in entries if entry.assessment.ready)
            if problems_only and ready == len(entries):
                continue
            colour: Colour = "green" if ready == len(entries) else "yellow"
            lines.append(console.style(f"{component}  {ready}/{len(entries)} ready", colour, bold=True))
            for entry in entries:
                if problems_only and entry.assessment.ready:
                    continue
                lines += _lines_of(entry, console)
        return lines


_MARKS: dict[State, tuple[str, Colour]] = {
    State.READY: ("✔", "green"),
    State.PROGRESSING: ("◎", "yellow"),
    State.FAILED: ("✗", "red"),
    State.TERMINATING: ("◌", "magenta"),
    State.MISSING: ("✗", "red"),
}


def _lines_of(entry: ObjectStatus, console: Console) -> list[str]:
    mark, colour = _MARKS[entry.assessment.state]
    try:
        mark.encode(console.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        mark = "+" if entry.assessment.ready else "x"
    reason = f"  {entry.assessment.reason}" if entry.assessment.reason else ""
    state = "" if entry.assessment.ready else f"  {entry.assessment.state.value}"
    lines = [f"  {console.style(mark, colour)} {entry.ref}{state}{reason}"]
    if entry.explanation:
        lines += [f"      {line}" for line in entry.explanation.lines()[1 if entry.explanation.reason else 0 :]]
    return lines


def status(cluster: Cluster, desired: DesiredSet, *, explained: bool = True) -> Status:
    """Look at every object of a set.

    Args:
        cluster: The cluster.
        desired: The set.
        explained: Also find out why objects are not ready (events, pods, logs).
    """
    waiter = Waiter(cluster.api, desired.name, mounted=references.mounted_claims(desired.items))

    def judge(
        item: Item, resource: Resource | None, live: KubernetesObject | None
    ) -> tuple[Item, Resource | None, Assessment]:
        if resource is None:
            return item, None, Assessment(State.MISSING, "the cluster does not serve this kind")
        if live is None:
            if removes_itself(item.object):
                return item, resource, Assessment(State.READY, "is not there: finished, or never applied", "Job")
            return item, resource, Assessment(State.MISSING, "is not on the cluster")
        if is_webhook(item.ref.kind):
            return item, resource, webhook_ready(cluster.api, live)
        return item, resource, waiter.judge(live)

    found = read_each(cluster, desired.name, desired.items, judge)
    return _status(
        cluster, desired, [(item, resource, judged) for item, resource, judged in found], explained=explained
    )


def _status(
    cluster: Cluster, desired: DesiredSet, found: list[tuple[Item, Resource | None, Assessment]], *, explained: bool
) -> Status:
    objects: list[ObjectStatus] = []
    left = _EXPLAINED if explained else 0
    for item, resource, judged in found:
        explanation = None
        if left and not judged.ready and resource is not None and judged.state is not State.MISSING:
            left -= 1
            explanation = explain(cluster.api, Target(item.ref, resource, item.component, item.object), judged)
        objects.append(ObjectStatus(item.ref, item.component, judged, explanation))
    return Status(desired.name, tuple(objects))


def wait(cluster: Cluster, desired: DesiredSet, *, timeout: float, polling: bool = False) -> Status:
    """Wait until every object of a set is ready, or the time is over.

    Args:
        cluster: The cluster.
        desired: The set.
        timeout: Seconds.
        polling: List again and again instead of watching.
    """
    from mlops_nix.cluster import events

    api = cluster.api
    deadline = api.clock.monotonic() + timeout
    api.deadline = deadline
    waiter = Waiter(api, desired.name, mounted=references.mounted_claims(desired.items), polling=polling)
    targets: dict[Any, Target] = {}
    for item in desired.items:
        resource = cluster.discovery.any_version(item.ref.group, item.ref.kind, item.ref.version)
        if resource is not None:
            targets[item.key] = Target(item.ref, resource, item.component, item.object)

    def changed(target: Target, judged: Assessment) -> None:
        api.listener(
            events.Readiness(
                object=target.ref, status=judged.state.value, reason=judged.reason, component=target.component
            )
        )

    state = waiter.wait(targets.values(), deadline=deadline, changed=changed)
    found = [
        (
            item,
            targets[item.key].resource if item.key in targets else None,
            state.get(item.key, Assessment(State.MISSING, "the cluster does not serve this kind")),
        )
        for item in desired.items
    ]
    return _status(cluster, desired, found, explained=True)
