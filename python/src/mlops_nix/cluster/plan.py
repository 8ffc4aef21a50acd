"""What a run will do, decided from the set, the live objects, dry-run answers and the inventory; no request is made here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from mlops_nix.cluster import conflicts, immutable
from mlops_nix.cluster.answer import Answer, Outcome
from mlops_nix.cluster.compare import FieldChange, changes
from mlops_nix.cluster.conflicts import Conflict, ConflictPolicy, Resolution
from mlops_nix.cluster.desired import OWNER_LABEL
from mlops_nix.objects import as_list, as_map, as_text, metadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nix.cluster.desired import Item, Key
    from mlops_nix.cluster.fields import FieldPath
    from mlops_nix.cluster.readiness import Assessment
    from mlops_nix.cluster.redact import Mask
    from mlops_nix.objects import KubernetesObject, ObjectRef


class Action(StrEnum):
    """What happens to an object."""

    CREATE = "create"
    CHANGE = "change"
    UNCHANGED = "unchanged"
    REPLACE = "replace"
    PRUNE = "prune"
    KEEP = "keep"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one object.

    Args:
        ref: The object.
        action: What happens.
        wave: Its wave.
        component: The component that it belongs to.
        body: What is sent; nothing for prune and keep.
        changes: Fields that differ, values of Secrets masked.
        conflicts: Fields that others own, with what happens to them.
        code: For a blocked object, the class of the trouble.
        reason: Why it is replaced, kept or blocked; or why nothing more is known.
        hint: What the user can do about it.
        uid: UID on the cluster as seen.
        version: resourceVersion as seen.
        force: Take fields from other managers.
        assessment: Readiness, where the live object was seen.
        adopted: The object was there before and is not marked as ours.
        digest: Of the object in the set.
        resource_known: The kind was served when the plan was made.
    """

    ref: ObjectRef
    action: Action
    wave: int
    component: str | None = None
    body: KubernetesObject | None = None
    changes: tuple[FieldChange, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    code: str = ""
    reason: str = ""
    hint: str | None = None
    uid: str = ""
    version: str = ""
    force: bool = False
    assessment: Assessment | None = None
    adopted: bool = False
    digest: str = ""
    resource_known: bool = True

    @property
    def key(self) -> Key:
        """The identity on the cluster."""
        return (self.ref.group, self.ref.kind, self.ref.namespace, self.ref.name)

    @property
    def writes(self) -> bool:
        """Whether a request that changes the cluster follows from it."""
        return self.action in {Action.CREATE, Action.CHANGE, Action.REPLACE, Action.PRUNE}

    def to_json(self) -> dict[str, Any]:
        """Give the step as ``--output json`` prints it."""
        document: dict[str, Any] = {"object": self.ref.to_json(), "action": self.action.value, "wave": self.wave}
        if self.component:
            document["component"] = self.component
        if self.changes:
            document["changes"] = [change.to_json() for change in self.changes]
        if self.conflicts:
            document["conflicts"] = [conflict.to_json() for conflict in self.conflicts]
        told = {"code": self.code, "reason": self.reason, "hint": self.hint}
        document.update({name: value for name, value in told.items() if value})
        if self.adopted:
            document["adopted"] = True
        return document


@dataclass(frozen=True, slots=True)
class Policy:
    """What the user allows.

    Args:
        set_name: Name of the set.
        conflicts: What to do about fields of others.
        recreate: Objects that may be deleted and made anew, as ``Kind/name`` patterns; ``*`` for all that ever may be.
        prune: Objects that left the set are deleted.
        prune_namespaces: Namespaces too.
        prune_definitions: CustomResourceDefinitions too, and with them all their objects.
        prune_claims: PersistentVolumeClaims too, and with them the data.
        prune_recovered: Also in a run whose inventory had to be rebuilt from labels.
    """

    set_name: str
    conflicts: ConflictPolicy = field(default_factory=ConflictPolicy)
    recreate: tuple[str, ...] = ()
    prune: bool = True
    prune_namespaces: bool = False
    prune_definitions: bool = False
    prune_claims: bool = False
    prune_recovered: bool = False

    def may_recreate(self, ref: ObjectRef) -> bool:
        """Tell whether the user allowed deleting an object to make it anew."""
        return any(fnmatchcase(f"{ref.kind}/{ref.name}", pattern) or pattern == "*" for pattern in self.recreate)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do.

    Args:
        steps: What happens to the objects of the set, in apply order.
        prunes: What happens to objects that left the set, in the order in which they go.
        notes: What the user should know before saying yes.
    """

    steps: tuple[Step, ...]
    prunes: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def changes_anything(self) -> bool:
        """Whether anything would be written."""
        return any(step.writes for step in (*self.steps, *self.prunes))

    @property
    def blocked(self) -> tuple[Step, ...]:
        """Objects that cannot be applied."""
        return tuple(step for step in self.steps if step.action is Action.BLOCKED)

    @property
    def differs(self) -> bool:
        """Whether the cluster is not what the set says."""
        return self.changes_anything or bool(self.blocked)

    def counts(self) -> dict[str, int]:
        """Count the objects per action."""
        return dict(Counter(step.action.value for step in (*self.steps, *self.prunes)))

    def to_json(self) -> dict[str, Any]:
        """Give the plan as ``--output json`` prints it; unchanged objects are only counted."""
        shown_steps = [step.to_json() for step in (*self.steps, *self.prunes) if step.action is not Action.UNCHANGED]
        return {"counts": self.counts(), "steps": shown_steps, "notes": list(self.notes)}


# Answers after which nothing is known about the outcome, so that the object is applied without a preview.
UNKNOWABLE = {
    Outcome.DRY_RUN_UNSUPPORTED: "a webhook does not support dry runs, so it is applied without a preview",
    Outcome.WEBHOOK_UNAVAILABLE: "a webhook does not answer yet, so there is no preview",
    Outcome.NOT_SERVED: "its kind is not served yet",
    Outcome.NAMESPACE_MISSING: "its namespace does not exist yet",
    Outcome.THROTTLED: "the server was too busy for a preview",
    Outcome.TRANSIENT: "the server had trouble answering, so there is no preview",
    Outcome.NOT_YET: "what it needs is still being made, so there is no preview",
    Outcome.TERMINATING: "what it needs is being deleted; it is applied when that is gone",
}

_CODES = {
    Outcome.IMMUTABLE: "immutable-field",
    Outcome.FIELD_CONFLICT: "field-conflict",
    Outcome.WEBHOOK_DENIED: "denied",
    Outcome.POLICY_DENIED: "denied",
    Outcome.FORBIDDEN: "forbidden",
    Outcome.QUOTA: "quota",
    Outcome.POD_SECURITY: "pod-security",
    Outcome.SCHEMA: "invalid",
    Outcome.INVALID: "invalid",
    Outcome.TOO_LARGE: "too-large",
    Outcome.WEBHOOK_UNAVAILABLE: "webhook-unavailable",
    Outcome.NOT_SERVED: "not-served",
    Outcome.NAMESPACE_MISSING: "namespace-missing",
    Outcome.TERMINATING: "terminating",
    Outcome.UNAUTHORIZED: "unauthorized",
}


def code_of(outcome: Outcome) -> str:
    """Give the stable word for a class of refusals."""
    return _CODES.get(outcome, "refused")


def owner_of(live: Mapping[str, Any]) -> str:
    """Give the set that an object on the cluster belongs to; empty for none."""
    return as_text(as_map(metadata(live).get("labels")).get(OWNER_LABEL))


def create(
    item: Item, body: KubernetesObject, digest: str, *, reason: str = "", known: bool = True, after: str = ""
) -> Step:
    """Plan an object that is not on the cluster.

    Args:
        item: The object of the set.
        body: What is sent.
        digest: Of the object in the set.
        reason: What else is known.
        known: The kind is served.
        after: UID of an object of that name that is being deleted and has to be gone first.
    """
    return Step(
        item.ref,
        Action.CREATE,
        item.wave,
        item.component,
        body,
        digest=digest,
        reason=reason,
        resource_known=known,
        uid=after,
    )


def unchanged(item: Item, live: Mapping[str, Any], digest: str, assessment: Assessment) -> Step:
    """Plan an object that is as it should be."""
    meta = metadata(live)
    return Step(
        item.ref,
        Action.UNCHANGED,
        item.wave,
        item.component,
        uid=as_text(meta.get("uid")),
        version=as_text(meta.get("resourceVersion")),
        assessment=assessment,
        digest=digest,
    )


def blocked(item: Item, code: str, reason: str, *, hint: str | None = None, found: tuple[Conflict, ...] = ()) -> Step:
    """Plan an object that cannot be applied."""
    return Step(
        item.ref, Action.BLOCKED, item.wave, item.component, code=code, reason=reason, hint=hint, conflicts=found
    )


def foreign(item: Item, live: Mapping[str, Any], policy: Policy) -> Step | None:
    """Refuse an object that belongs to another set; nothing where it does not."""
    owner = owner_of(live)
    if not owner or owner == policy.set_name:
        return None
    return blocked(
        item,
        "foreign-owner",
        f"belongs to the set {owner!r}",
        hint=f"remove it from one of the sets, or take the label {OWNER_LABEL} off it to hand it over",
    )


@dataclass(frozen=True, slots=True)
class Again:
    """A preview must be asked for again with another body or with force.

    Args:
        body: What to send.
        force: Take fields from others.
        conflicts: The conflicts that this resolves.
    """

    body: KubernetesObject
    force: bool
    conflicts: tuple[Conflict, ...]


def judge_conflict(
    item: Item,
    body: KubernetesObject,
    live: KubernetesObject | None,
    answer: Answer,
    policy: ConflictPolicy,
    mask: Mask,
) -> Step | Again:
    """Decide about an answer that names conflicts.

    Args:
        item: The object of the set.
        body: What was sent.
        live: The object on the cluster.
        answer: The answer.
        policy: The user's word.
        mask: Hides the values of Secrets.
    """
    from mlops_nix.cluster import fields

    found = conflicts.of_answer(answer.causes, body, live, policy, mask)
    listed = tuple(conflict for conflict, _ in found)
    open_ones = [conflict for conflict in listed if conflict.resolution is Resolution.REPORT]
    if open_ones:
        return blocked(
            item,
            "field-conflict",
            conflicts.described(open_ones),
            hint="drop the field from the set, or take it with --force-conflicts or "
            f"--force-conflicts={open_ones[0].field}, or leave it to its owner with --keep-field={open_ones[0].field}",
            found=listed,
        )
    kept: list[FieldPath] = [path for conflict, path in found if conflict.resolution is Resolution.KEEP and path]
    force = any(conflict.resolution is Resolution.FORCE for conflict in listed)
    return Again(fields.without(body, kept) if kept else body, force, listed)


def judge_preview(
    item: Item,
    body: KubernetesObject,
    live: KubernetesObject,
    answer: Answer,
    policy: Policy,
    mask: Mask,
    *,
    digest: str,
    force: bool = False,
    found: tuple[Conflict, ...] = (),
) -> Step:
    """Decide about an existing object from the answer to a dry run.

    Args:
        item: The object of the set.
        body: What was sent.
        live: The object on the cluster.
        answer: The answer; not one that names conflicts.
        policy: What the user allows.
        mask: Hides the values of Secrets.
        digest: Of the object in the set.
        force: The dry run took fields from others, so the write does too.
        found: Conflicts that were resolved on the way.
    """
    from mlops_nix.cluster.readiness import assess

    meta = metadata(live)
    uid, version = as_text(meta.get("uid")), as_text(meta.get("resourceVersion"))
    adopted = owner_of(live) != policy.set_name
    if answer.ok:
        differences = changes(mask.object(live), mask.object(answer.value))
        # A dry run that changes nothing but who owns what still has to be written once.
        same = not differences and _owns_the_same(live, answer.value)
        if same:
            return unchanged(item, live, digest, assess(live))
        return Step(
            item.ref,
            Action.CHANGE,
            item.wave,
            item.component,
            body,
            differences,
            found,
            uid=uid,
            version=version,
            force=force,
            adopted=adopted,
            digest=digest,
        )
    if answer.outcome is Outcome.IMMUTABLE:
        return _immutable(item, body, live, answer, policy, mask, digest)
    if answer.outcome in UNKNOWABLE:
        return Step(
            item.ref,
            Action.CHANGE,
            item.wave,
            item.component,
            body,
            conflicts=found,
            reason=UNKNOWABLE[answer.outcome],
            uid=uid,
            version=version,
            force=force,
            adopted=adopted,
            digest=digest,
        )
    return refused(item, answer, mask, live)


def _owns_the_same(live: KubernetesObject, after: KubernetesObject) -> bool:
    from mlops_nix.cluster.fields import applied_by

    before_fields, after_fields = applied_by(live), applied_by(after)
    return before_fields is not None and before_fields == after_fields


def _immutable(
    item: Item, body: KubernetesObject, live: KubernetesObject, answer: Answer, policy: Policy, mask: Mask, digest: str
) -> Step:
    where = ", ".join(dict.fromkeys(cause.field for cause in answer.causes)) or "a field"
    text = mask.text(short(answer), body, live)
    has_claims = bool(as_list(as_map(live.get("spec")).get("volumeClaimTemplates")))
    refusal = immutable.refuses_replacement(item.ref.kind, has_claims=has_claims)
    meta = metadata(live)
    if refusal is None and policy.may_recreate(item.ref):
        return Step(
            item.ref,
            Action.REPLACE,
            item.wave,
            item.component,
            body,
            reason=f"{where} cannot be changed: it is deleted and made anew",
            uid=as_text(meta.get("uid")),
            version=as_text(meta.get("resourceVersion")),
            digest=digest,
        )
    reason = f"{where} cannot be changed: {text}"
    if refusal is not None and policy.may_recreate(item.ref):
        reason = f"{reason}; {refusal}"
    return blocked(
        item, "immutable-field", reason, hint=immutable.advice(item.ref.kind, item.ref.namespace, item.ref.name, where)
    )


def short(answer: Answer, limit: int = 600) -> str:
    """Give what the server said, cut where it repeats a whole template."""
    if answer.causes:
        texts = [
            f"{cause.field}: {_cut(cause.message, limit)}" if cause.field else _cut(cause.message, limit)
            for cause in answer.causes[:5]
        ]
        return "; ".join(dict.fromkeys(texts))
    return _cut(answer.message, limit)


def _cut(message: str, limit: int) -> str:
    # `Invalid value: core.PodTemplateSpec{…}: field is immutable` holds the whole template: only its ends say something.
    if len(message) <= limit:
        return message
    return f"{message[: limit // 3]} … {message[-limit // 3 :]}"


_HINTS = {
    Outcome.FORBIDDEN: "`mlops-nix doctor --rbac` prints the Role that this set needs",
    Outcome.QUOTA: "raise the ResourceQuota of the namespace, or lower the requests of the set",
    Outcome.POD_SECURITY: "the namespace enforces a Pod Security level that this pod does not meet; change the pod, or the level",
    Outcome.SCHEMA: "`mlops-nix validate` finds such errors without a cluster",
    Outcome.INVALID: "`mlops-nix validate` finds many such errors without a cluster",
    Outcome.TOO_LARGE: "divide it: the API server takes 3 MiB for an object, 1 MiB for the data of a ConfigMap or Secret",
    Outcome.WEBHOOK_DENIED: "the webhook's operator wants something else; its message says what",
    Outcome.POLICY_DENIED: "a ValidatingAdmissionPolicy of the cluster forbids it",
}


def refused(item: Item, answer: Answer, mask: Mask, live: KubernetesObject | None = None) -> Step:
    """Plan an object that the server will not take, with its words and a way out."""
    text = mask.text(short(answer), item.object, live)
    if answer.webhook and answer.webhook not in text:
        text = f"{answer.webhook}: {text}"
    return blocked(item, code_of(answer.outcome), text, hint=_HINTS.get(answer.outcome))
