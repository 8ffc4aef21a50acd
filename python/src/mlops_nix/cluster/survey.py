"""Looking at the cluster: one list per kind and namespace, and a dry run only for what may differ."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_nix.cluster import fields, plan
from mlops_nix.cluster.answer import Answer, Outcome
from mlops_nix.cluster.api import error_of
from mlops_nix.cluster.conflicts import Conflict, Resolution
from mlops_nix.cluster.desired import OWNER_LABEL, digest, with_owner
from mlops_nix.cluster.discovery import NAMESPACES, Discovery, Resource, of_definitions
from mlops_nix.cluster.plan import Step
from mlops_nix.cluster.readiness import Assessment, State, assess, removes_itself
from mlops_nix.cluster.redact import Mask
from mlops_nix.cluster.workers import each
from mlops_nix.errors import InputError
from mlops_nix.objects import as_list, as_text, metadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nix.cluster.api import Api
    from mlops_nix.cluster.desired import DesiredSet, Item, Key
    from mlops_nix.cluster.inventory import Ref
    from mlops_nix.cluster.plan import Policy
    from mlops_nix.objects import KubernetesObject

# From this many objects of one kind and namespace on, one more list is cheaper than asking for each.
_MANY = 4
# Dry runs of one object at most.
_ROUNDS = 4
# Users of a kind that an error names.
_NAMED = 3


@dataclass(slots=True)
class Sight:
    """What was seen.

    Args:
        steps: What follows for each object of the set.
        live: Metadata of objects with our label that are not in the set, by identity.
        listed: Kinds and namespaces that were listed completely by label.
        found_ours: An object with our label was there.
    """

    steps: dict[Key, Step] = field(default_factory=dict)
    live: dict[Key, Mapping[str, Any]] = field(default_factory=dict)
    listed: set[tuple[str, str, str]] = field(default_factory=set)
    found_ours: bool = False


class Survey:
    """Finds out what applying a set would do.

    Args:
        api: The server.
        discovery: What it serves.
        desired: The set.
        policy: What the user allows.
        mask: Hides the values of Secrets.
        digests: Of the objects as they were applied last.
        preview_all: Ask for a dry run for every object, also for new and settled ones.
        keep_objects: Called with each object and what it becomes, for a unified diff; values of Secrets are masked.
    """

    def __init__(
        self,
        api: Api,
        discovery: Discovery,
        desired: DesiredSet,
        policy: Policy,
        *,
        mask: Mask | None = None,
        digests: Mapping[Key, str] | None = None,
        preview_all: bool = False,
        preview_new: bool = False,
        keep_objects: Any = None,
    ) -> None:
        self._api = api
        self._discovery = discovery
        self._desired = desired
        self._policy = policy
        self._mask = mask or Mask()
        self._digests = dict(digests or {})
        self._preview_all = preview_all
        self._preview_new = preview_new or preview_all
        self._keep_objects = keep_objects
        self._future = of_definitions(desired.definitions)
        self._sight = Sight()
        self._missing_namespaces: set[str] = set()
        self._guard = threading.Lock()

    def resource(self, item: Item) -> Resource | None:
        """Find where an object is served; nothing where its kind comes with the set."""
        ref = item.ref
        return self._discovery.find(ref.group, ref.version, ref.kind)

    def check_kinds(self) -> None:
        """Make sure that every kind is served, or comes with the set, and that namespaces are where they belong.

        Raises:
            InputError: Something cannot be applied anywhere; nothing was written.
        """
        problems: dict[str, None] = {}
        hints: dict[str, None] = {}
        whose: dict[str, dict[str, None]] = {}
        for item in self._desired.items:
            ref = item.ref
            resource = self.resource(item) or self._future.find(ref.group, ref.version, ref.kind)
            if resource is None:
                problem, hint = self._unknown_kind(item)
                whose.setdefault(problem, {})[item.component or str(ref)] = None
                hints[hint] = None
            elif resource.namespaced and not ref.namespace:
                problems[f"{ref}: a {ref.kind} lies in a namespace; metadata.namespace is missing"] = None
            elif not resource.namespaced and ref.namespace:
                problems[f"{ref}: a {ref.kind} is cluster-scoped; metadata.namespace must not be there"] = None
        for problem, users in whose.items():
            named = list(users)[:_NAMED]
            more = f" and {len(users) - len(named)} more" if len(users) > len(named) else ""
            problems[f"{problem} (for {', '.join(named)}{more})"] = None
        if problems:
            raise InputError(
                "\n".join(["objects that this cluster cannot take; nothing was sent", *problems]),
                hint="; ".join(hints) or None,
            )

    def _unknown_kind(self, item: Item) -> tuple[str, str]:
        ref = item.ref
        if self._discovery.is_stale(ref.group):
            return (
                f"{ref.api_version} {ref.kind}: the aggregated API {ref.group} does not answer",
                f"`kubectl get apiservice` shows why; repair it, then run again",  # noqa: F541
            )
        other = self._discovery.any_version(ref.group, ref.kind) or self._future.any_version(ref.group, ref.kind)
        if other is not None:
            return (
                f"{ref.api_version} {ref.kind}: the cluster serves this kind only as {other.api_version}",
                "render for the version of this cluster, or update the operator",
            )
        operator = next(
            (name for crd, name in self._desired.external_kinds.items() if crd.partition(".")[2] == ref.group), ""
        )
        needed = f"; it belongs to {operator}, which the set expects on the cluster" if operator else ""
        return (
            f"{ref.api_version} {ref.kind}: the cluster does not serve this kind, and the set does not bring its CRD{needed}",
            f"install {operator or 'the operator'} first, or add its CRDs to the set",
        )

    def look(self) -> Sight:
        """Look at every object of the set.

        Returns:
            A step for each object.
        """
        groups: dict[tuple[Resource, str], list[Item]] = {}
        for item in self._desired.items:
            resource = self.resource(item)
            if resource is None:
                self._plan_new(item, None)
            else:
                groups.setdefault((resource, item.ref.namespace if resource.namespaced else ""), []).append(item)
        namespaces = [group for group in groups if group[0] == NAMESPACES or group[0].kind == "Namespace"]
        each(self._look_at, [(group, groups[group]) for group in namespaces], limit=self._api.limit)
        rest = [(group, items) for group, items in groups.items() if group not in namespaces]
        later: list[tuple[Item, KubernetesObject | None, Resource]] = []
        for found in each(self._look_at, rest, limit=self._api.limit):
            later += found
        each(self._preview, later, limit=self._api.limit)
        return self._sight

    def look_for(self, refs: list[Ref]) -> dict[Key, Mapping[str, Any] | None]:
        """Find out which objects of the inventory are still there.

        Args:
            refs: Objects that left the set.

        Returns:
            Their metadata; nothing for those that are gone. Those of which nothing can be known are left out.
        """
        found: dict[Key, Mapping[str, Any] | None] = {}
        groups: dict[tuple[Resource, str], list[Ref]] = {}
        for ref in refs:
            resource = self._discovery.any_version(ref.group, ref.kind, ref.version)
            if resource is None:
                # The kind is gone, and its objects with it, unless its API server is only down.
                if not self._discovery.is_stale(ref.group):
                    found[ref.key] = None
                continue
            groups.setdefault((resource, ref.namespace if resource.namespaced else ""), []).append(ref)

        def look(group: tuple[tuple[Resource, str], list[Ref]]) -> dict[Key, Mapping[str, Any] | None]:
            (resource, namespace), wanted = group
            seen: dict[Key, Mapping[str, Any] | None] = {}
            rest = list(wanted)
            place = (resource.group, resource.kind, namespace)
            if place not in self._sight.listed and len(wanted) >= _MANY:
                answer = self._list(resource, namespace, metadata_only=True)
                if answer is not None:
                    self._remember(resource, namespace, answer)
            rest = [ref for ref in wanted if ref.key not in self._sight.live]
            seen.update({ref.key: self._sight.live[ref.key] for ref in wanted if ref.key in self._sight.live})
            for ref in rest:
                # Not in the list by label: gone, or no longer labelled, which is not ours to delete but ours to tell.
                answer_one = self._api.get(resource, ref.namespace, ref.name, metadata_only=True)
                if answer_one.ok:
                    seen[ref.key] = answer_one.value
                elif answer_one.outcome in {Outcome.NOT_FOUND, Outcome.NAMESPACE_MISSING, Outcome.NOT_SERVED}:
                    seen[ref.key] = None
            return seen

        for part in each(look, list(groups.items()), limit=self._api.limit):
            found.update(part)
        return found

    def _remember(self, resource: Resource, namespace: str, items: list[Any]) -> None:
        with self._guard:
            self._sight.listed.add((resource.group, resource.kind, namespace))
            for live in items:
                meta = metadata(live)
                key = (resource.group, resource.kind, as_text(meta.get("namespace")), as_text(meta.get("name")))
                self._sight.live[key] = {
                    "metadata": {name: value for name, value in meta.items() if name != "managedFields"}
                }

    def _list(
        self, resource: Resource, namespace: str, *, metadata_only: bool = False, label: bool = True
    ) -> list[Any] | None:
        selector = f"{OWNER_LABEL}={self._policy.set_name}" if label else ""
        answer = self._api.list(resource, namespace, selector=selector, metadata_only=metadata_only)
        if answer.ok:
            items = as_list(answer.value.get("items"))
            for live in items:
                # Items of a list carry neither apiVersion nor kind.
                live.setdefault("apiVersion", resource.api_version)
                live.setdefault("kind", resource.kind)
            return items
        if answer.outcome in {Outcome.FORBIDDEN, Outcome.NOT_SERVED, Outcome.WEBHOOK_UNAVAILABLE}:
            # Without the right to list, each object is asked for.
            return None
        raise error_of(answer, f"list {resource.plural}{f' in {namespace}' if namespace else ''}")

    def _look_at(
        self, group: tuple[tuple[Resource, str], list[Item]]
    ) -> list[tuple[Item, KubernetesObject | None, Resource]]:
        (resource, namespace), items = group
        later: list[tuple[Item, KubernetesObject | None, Resource]] = []
        if namespace in self._missing_namespaces:
            for item in items:
                self._plan_new(item, resource)
            return later
        listed = self._list(resource, namespace)
        by_name: dict[str, KubernetesObject] = {}
        wanted = {item.ref.name for item in items}
        if listed is not None:
            others = [live for live in listed if as_text(metadata(live).get("name")) not in wanted]
            self._remember(resource, namespace, others)
            by_name = {as_text(metadata(live).get("name")): live for live in listed}
            if by_name:
                self._sight.found_ours = True
            del listed, others
        missing = [item for item in items if item.ref.name not in by_name]
        present = self._present(resource, namespace, missing) if missing else set()
        for item in items:
            live = by_name.pop(item.ref.name, None)
            if live is None and item.ref.name in present:
                live = self._read(resource, item)
            if live is None and self._finished(item):
                continue
            if live is None:
                if resource.kind == "Namespace" and not resource.group:
                    self._missing_namespaces.add(item.ref.name)
                if self._preview_new and namespace not in self._missing_namespaces:
                    later.append((item, None, resource))
                else:
                    self._plan_new(item, resource)
                continue
            settled = self._settle(item, live)
            if settled is None:
                later.append((item, live, resource))
        if resource.kind == "Namespace":
            each(self._preview, later, limit=1)
            return []
        return later

    def _finished(self, item: Item) -> bool:
        """Plan nothing for a Job that was applied as it is, finished, and was removed by its own time to live."""
        mark = digest(item.object)
        if (
            self._digests.get(item.key) != mark
            or not removes_itself(item.object)
            or self._policy.may_recreate(item.ref)
        ):
            return False
        judged = Assessment(State.READY, "finished, and was removed by its ttlSecondsAfterFinished", "Job")
        self._put(item, plan.unchanged(item, {}, mark, judged))
        return True

    def _present(self, resource: Resource, namespace: str, missing: list[Item]) -> set[str]:
        """Name those objects without our label that are on the cluster nevertheless."""
        if len(missing) >= _MANY:
            items = self._list(resource, namespace, metadata_only=True, label=False)
            if items is not None:
                return {as_text(metadata(live).get("name")) for live in items}
        return {item.ref.name for item in missing}

    def _read(self, resource: Resource, item: Item) -> KubernetesObject | None:
        answer = self._api.get(resource, item.ref.namespace, item.ref.name)
        if answer.ok:
            live: KubernetesObject = answer.value
            return live
        if answer.outcome in {Outcome.NOT_FOUND, Outcome.NAMESPACE_MISSING, Outcome.NOT_SERVED}:
            return None
        if answer.outcome in {Outcome.FORBIDDEN, Outcome.WEBHOOK_UNAVAILABLE}:
            # Without the right to read, or while a conversion webhook is down: the answer to the apply will tell.
            return None
        raise error_of(answer, f"read {item.ref}")

    def _body(self, item: Item, live: KubernetesObject | None) -> tuple[KubernetesObject, tuple[Any, ...]]:
        body = with_owner(item.object, self._policy.set_name)
        if live is None:
            return body, ()
        policy = self._policy.conflicts
        left = [
            (path, owner)
            for path, owner in fields.yielded(body, live)
            if policy.resolve(fields.text(path), owner.manager, owner.subresource) is Resolution.KEEP
        ]
        if not left:
            return body, ()
        kept = tuple(
            Conflict(
                fields.text(path),
                owner.manager,
                owner.subresource,
                fields.lookup(body, path),
                fields.lookup(live, path),
                Resolution.KEEP,
            )
            for path, owner in left
            if fields.lookup(body, path) != fields.lookup(live, path)
        )
        return fields.without(body, [path for path, _ in left]), kept

    def _settle(self, item: Item, live: KubernetesObject) -> Step | None:
        """Plan an object without asking the server, where that is certain."""
        refusal = plan.foreign(item, live, self._policy)
        if refusal is not None:
            return self._put(item, refusal)
        if metadata(live).get("deletionTimestamp"):
            return self._put(
                item,
                plan.create(
                    item,
                    with_owner(item.object, self._policy.set_name),
                    digest(item.object),
                    reason="is made again when the old one, which is being deleted, is gone",
                    after=as_text(metadata(live).get("uid")),
                ),
            )
        body, _ = self._body(item, live)
        mark = digest(item.object)
        known = self._digests.get(item.key) == mark
        if (
            not self._preview_all
            and plan.owner_of(live) == self._policy.set_name
            and fields.settled(body, live, known=known)
        ):
            self._shown(item, live, live)
            return self._put(item, plan.unchanged(item, live, mark, assess(live)))
        return None

    def _plan_new(self, item: Item, resource: Resource | None) -> None:
        body = with_owner(item.object, self._policy.set_name)
        self._shown(item, None, body)
        self._put(item, plan.create(item, body, digest(item.object), known=resource is not None))

    def _preview(self, found: tuple[Item, KubernetesObject | None, Resource]) -> None:
        item, live, resource = found
        body, kept = self._body(item, live)
        force = False
        conflicts = kept
        mark = digest(item.object)
        answer: Answer
        # Each round resolves conflicts of the one before; two are enough unless somebody writes at the same time.
        for attempt in range(_ROUNDS):
            answer = self._api.apply(resource, body, item.ref.namespace, item.ref.name, dry_run=True, force=force)
            if answer.outcome is not Outcome.FIELD_CONFLICT:
                break
            if attempt == _ROUNDS - 1:
                self._put(item, plan.refused(item, answer, self._mask, live))
                return
            decision = plan.judge_conflict(item, body, live, answer, self._policy.conflicts, self._mask)
            if isinstance(decision, Step):
                self._shown(item, live, body)
                self._put(item, decision)
                return
            body, force, conflicts = decision.body, decision.force, (*conflicts, *decision.conflicts)
        if live is None:
            self._preview_of_new(item, body, answer, mark)
            return
        self._shown(item, live, answer.value if answer.ok else body)
        self._put(
            item,
            plan.judge_preview(
                item, body, live, answer, self._policy, self._mask, digest=mark, force=force, found=conflicts
            ),
        )

    def _preview_of_new(self, item: Item, body: KubernetesObject, answer: Answer, mark: str) -> None:
        if answer.ok or answer.outcome in plan.UNKNOWABLE:
            self._shown(item, None, answer.value if answer.ok else body)
            self._put(item, plan.create(item, body, mark, reason="" if answer.ok else plan.UNKNOWABLE[answer.outcome]))
        else:
            self._shown(item, None, body)
            self._put(item, plan.refused(item, answer, self._mask))

    def _shown(self, item: Item, before: KubernetesObject | None, after: KubernetesObject | None) -> None:
        if self._keep_objects is not None:
            self._keep_objects(
                item.ref, self._mask.object(before) if before else None, self._mask.object(after) if after else None
            )

    def _put(self, item: Item, step: Step) -> Step:
        with self._guard:
            self._sight.steps[item.key] = step
        return step
