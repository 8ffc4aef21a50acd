"""May this object be deleted? A chain of small guards, each with its reason; the first that speaks decides.

Only what the inventory names is ever considered, and only the object that was seen (by UID) is deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_nix.cluster.desired import PRUNE_ANNOTATION
from mlops_nix.cluster.plan import Action, Policy, Step, owner_of
from mlops_nix.objects import as_map, as_text, metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mlops_nix.cluster.inventory import Ref


def _switched_off(ref: Ref, live: Mapping[str, Any], policy: Policy) -> str:
    del ref, live
    return "" if policy.prune else "pruning is switched off (--no-prune)"


def _not_ours(ref: Ref, live: Mapping[str, Any], policy: Policy) -> str:
    del ref
    owner = owner_of(live)
    if owner == policy.set_name:
        return ""
    return f"it belongs to the set {owner!r}" if owner else "its owner label is gone: somebody else may rely on it"


def _annotated(ref: Ref, live: Mapping[str, Any], policy: Policy) -> str:
    del ref, policy
    if as_map(metadata(live).get("annotations")).get(PRUNE_ANNOTATION) == "keep":
        return f"it carries the annotation {PRUNE_ANNOTATION}: keep"
    return ""


def _namespace(ref: Ref, live: Mapping[str, Any], policy: Policy) -> str:
    del live
    if (ref.group, ref.kind) != ("", "Namespace") or policy.prune_namespaces:
        return ""
    return "a namespace is only deleted with --prune-namespaces, as everything in it goes too"


def _definition(ref: Ref, live: Mapping[str, Any], policy: Policy) -> str:
    del live
    if ref.kind != "CustomResourceDefinition" or policy.prune_definitions:
        return ""
    return "a CustomResourceDefinition is only deleted with --prune-crds, as all objects of its kind go too"


def _claim(ref: Ref, live: Mapping[str, Any], policy: Policy) -> str:
    del live
    if (ref.group, ref.kind) not in {("", "PersistentVolumeClaim"), ("", "PersistentVolume")} or policy.prune_claims:
        return ""
    return f"a {ref.kind} is only deleted with --prune-data, as it holds data"


_GUARDS: tuple[Callable[[Ref, Mapping[str, Any], Policy], str], ...] = (
    _switched_off,
    _not_ours,
    _annotated,
    _namespace,
    _definition,
    _claim,
)


def decide(ref: Ref, live: Mapping[str, Any], policy: Policy, *, recovered: bool = False) -> Step:
    """Decide about an object that is in the inventory and not in the set.

    Args:
        ref: The object.
        live: Its metadata on the cluster.
        policy: What the user allows.
        recovered: The inventory was rebuilt from labels in this run.
    """
    meta = metadata(live)
    reason = ""
    if recovered and not policy.prune_recovered:
        reason = "the inventory was rebuilt from labels; look at the list, then run again with --prune-recovered"
    for guard in _GUARDS:
        reason = reason or guard(ref, live, policy)
    return Step(
        ref.object_ref,
        Action.KEEP if reason else Action.PRUNE,
        ref.wave,
        reason=reason or "left the set",
        uid=as_text(meta.get("uid")),
        version=as_text(meta.get("resourceVersion")),
        digest=ref.digest,
    )


# Within a wave, what uses something goes before what it uses; Namespaces and definitions go last of all.
_LAST = {"Namespace": 9, "CustomResourceDefinition": 8, "PersistentVolume": 7, "PersistentVolumeClaim": 6}
_FIRST = {"ValidatingWebhookConfiguration": -2, "MutatingWebhookConfiguration": -2, "APIService": -1}


def in_order(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Order deletions: waves backwards, webhooks first within a wave, data and what holds everything else last."""
    return tuple(
        sorted(
            steps,
            key=lambda step: (
                _LAST.get(step.ref.kind, 0),
                -step.wave,
                _FIRST.get(step.ref.kind, 0),
                step.ref,
            ),
        )
    )


def batches(steps: Iterable[Step]) -> list[list[Step]]:
    """Divide ordered deletions into groups that may go at the same time; one group is gone before the next goes."""
    found: list[list[Step]] = []
    previous: tuple[int, int, int] | None = None
    for step in in_order(steps):
        place = (_LAST.get(step.ref.kind, 0), -step.wave, _FIRST.get(step.ref.kind, 0))
        if place != previous:
            found.append([])
            previous = place
        found[-1].append(step)
    return found
