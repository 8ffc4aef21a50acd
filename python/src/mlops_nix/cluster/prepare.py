"""From a set to a plan: what the server serves, what the inventory says, what is on the cluster, what follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_nix.cluster import desired as desired_set
from mlops_nix.cluster import prune, recovery
from mlops_nix.cluster.answer import Outcome
from mlops_nix.cluster.desired import OWNER_LABEL
from mlops_nix.cluster.discovery import NAMESPACES, SECRETS
from mlops_nix.cluster.inventory import Inventory, Ref, Store, locate
from mlops_nix.cluster.plan import Action, Plan, Policy, Step
from mlops_nix.cluster.redact import Mask
from mlops_nix.cluster.renames import renames
from mlops_nix.cluster.survey import Survey
from mlops_nix.cluster.workers import each
from mlops_nix.errors import InputError
from mlops_nix.objects import as_list, as_map, as_text, metadata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_nix.cluster.connection import Cluster
    from mlops_nix.cluster.desired import DesiredSet, Key


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan and what it was made from.

    Args:
        desired: The set.
        plan: What will happen.
        inventory: What the set owned before.
        store: Where the inventory lies.
        unknown: Objects that left the set and of which nothing can be known now: they stay in the inventory.
        mask: Hides the values of Secrets; the same for the whole run, so that digests compare.
    """

    desired: DesiredSet
    plan: Plan
    inventory: Inventory
    store: Store
    unknown: tuple[Ref, ...]
    mask: Mask

    @property
    def step_of(self) -> dict[Key, Step]:
        """The steps by identity."""
        return {step.key: step for step in self.plan.steps}


def prepare(
    cluster: Cluster,
    desired: DesiredSet,
    policy: Policy,
    *,
    inventory_namespace: str | None = None,
    preview_all: bool = False,
    preview_new: bool = False,
    mask: Mask | None = None,
    keep_objects: Any = None,
) -> Prepared:
    """Make the plan of a run; nothing is written.

    Args:
        cluster: The cluster.
        desired: The set.
        policy: What the user allows.
        inventory_namespace: Where the inventory lies, where the user says so.
        preview_all: Ask for a dry run for every object.
        preview_new: Ask for a dry run for new objects too.
        mask: Hides the values of Secrets.
        keep_objects: As in `Survey`.

    Raises:
        InputError: The set cannot be applied to this cluster.
        ClusterError: The server cannot be reached.
    """
    desired_set.require(desired)
    api = cluster.api
    discovery = cluster.discovery
    cluster.require_version(desired.kubernetes_version, desired.name)
    mask = mask or Mask()
    cluster_scoped = any(not item.ref.namespace for item in desired.items)
    namespace = locate(api, desired.name, desired.namespaces, cluster_scoped=cluster_scoped, given=inventory_namespace)
    store = Store(api, desired.name, namespace)
    inventory = store.read()
    survey = Survey(
        api,
        discovery,
        desired,
        policy,
        mask=mask,
        digests=inventory.digests() if inventory else None,
        preview_all=preview_all,
        preview_new=preview_new,
        keep_objects=keep_objects,
    )
    survey.check_kinds()
    sight = survey.look()
    notes: list[str] = []
    if inventory is None:
        # Labelled objects without an inventory: it was lost. On a first run there are none.
        if store.damaged or sight.found_ours:
            inventory = recovery.rebuild(api, discovery, desired.name, namespaces=desired.namespaces)
            why = f"damaged ({store.damaged})" if store.damaged else "lost"
            notes.append(f"the inventory is {why}; it is rebuilt from labels: {len(inventory.refs)} objects")
        else:
            inventory = Inventory(desired.name)
    elif inventory.pending is not None:
        notes.append(f"an earlier run ({inventory.pending.run}) did not finish; this run finishes its work")
    keys = {item.key for item in desired.items}
    leaving = [ref for key, ref in inventory.owned.items() if key not in keys]
    seen = survey.look_for(leaving)
    prunes = []
    unknown = []
    for ref in leaving:
        if ref.key not in seen:
            unknown.append(ref)
            notes.append(f"{ref.object_ref}: its API does not answer; it stays in the inventory")
            continue
        live = seen[ref.key]
        if live is not None:
            prunes.append(prune.decide(ref, live, policy, recovered=inventory.recovered))
    steps = tuple(sight.steps[item.key] for item in desired.items)
    created = [step.ref for step in steps if step.action is Action.CREATE]
    notes += renames(created, [step.ref for step in prunes])
    notes += _data_left_behind(prunes)
    plan = Plan(steps, prune.in_order(prunes), tuple(notes))
    return Prepared(desired, plan, inventory, store, tuple(unknown), mask)


def _data_left_behind(prunes: Sequence[Step]) -> list[str]:
    """Name the claims that left the set, for instance with the component that was renamed: their data stay behind."""
    behind = [
        str(step.ref) for step in prunes if step.ref.kind == "PersistentVolumeClaim" and step.action is Action.KEEP
    ]
    return (
        [f"data stays behind in {', '.join(behind)}; copy it before deleting them with --prune-data"] if behind else []
    )


def check_before_writing(
    cluster: Cluster, prepared: Prepared, *, shared_namespaces: Sequence[str] = (), without_secrets: bool = False
) -> None:
    """Find what would fail later, before the first write: foreign and missing namespaces, missing Secrets, missing rights.

    Args:
        cluster: The cluster.
        prepared: The plan.
        shared_namespaces: Namespaces of other sets that the user allows to write into.
        without_secrets: Missing Secrets are no reason to stop.

    Raises:
        InputError: Something is missing or foreign.
        ApiError: A right is missing.
    """
    problems = _namespace_problems(cluster, prepared, shared_namespaces)
    hints = []
    if any("belongs to the set" in problem for problem in problems):
        hints.append("--shared-namespace NAME allows writing into the namespace of another set")
    if any("does not exist" in problem for problem in problems):
        hints.append("create the namespace, or add it to the set")
    missing = [] if without_secrets else missing_secrets(cluster, prepared.desired)
    if missing:
        problems += [
            f"Secret {name} is missing: {purpose}" if purpose else f"Secret {name} is missing"
            for name, purpose in missing
        ]
        hints.append("`mlops-nix secrets create` makes them; it overwrites nothing")
    if problems:
        raise InputError(
            "\n".join(["the set cannot be applied yet; nothing was sent", *problems]), hint="; ".join(hints)
        )
    from mlops_nix.cluster import rbac

    rbac.require(cluster.api, cluster.discovery, prepared)


def _namespace_problems(cluster: Cluster, prepared: Prepared, shared: Sequence[str]) -> list[str]:
    brought = {item.ref.name for item in prepared.desired.items if item.ref.kind == "Namespace" and not item.ref.group}
    spaces = sorted(
        {step.ref.namespace for step in prepared.plan.steps if step.action is Action.CREATE and step.ref.namespace}
        - brought
    )

    def look(name: str) -> str:
        answer = cluster.api.get(NAMESPACES, "", name, metadata_only=True)
        if answer.outcome is Outcome.NOT_FOUND:
            return f"the namespace {name!r} does not exist, and the set does not bring it"
        if not answer.ok:
            # Without the right to read namespaces, RBAC inside of it decides.
            return ""
        meta = metadata(answer.value)
        owner = as_text(as_map(meta.get("labels")).get(OWNER_LABEL))
        allowed = name in shared or as_map(meta.get("annotations")).get("mlops-nix.dev/shared") == "true"
        if owner and owner != prepared.desired.name and not allowed:
            return f"the namespace {name!r} belongs to the set {owner!r}"
        return ""

    return [problem for problem in each(look, spaces, limit=cluster.api.limit) if problem]


def missing_secrets(cluster: Cluster, desired: DesiredSet) -> list[tuple[str, str]]:
    """Find Secrets that the set refers to, and that neither the set nor the cluster has.

    Returns:
        ``namespace/name`` and what each is for. Those that may not be looked for are left out.
    """
    brought = {
        (item.ref.namespace, item.ref.name)
        for item in desired.items
        if item.ref.kind in {"Secret", "ExternalSecret", "SealedSecret"}
    }
    by_namespace: dict[str, list[tuple[str, str]]] = {}
    for secret in desired.secrets:
        if (secret.namespace, secret.name) not in brought:
            by_namespace.setdefault(secret.namespace, []).append((secret.name, secret.purpose))
    missing: list[tuple[str, str]] = []
    for namespace, wanted in by_namespace.items():
        answer = cluster.api.list(SECRETS, namespace, metadata_only=True)
        if not answer.ok:
            continue
        there = {as_text(metadata(entry).get("name")) for entry in as_list(answer.value.get("items"))}
        missing += [(f"{namespace}/{name}", purpose) for name, purpose in wanted if name not in there]
    return missing
