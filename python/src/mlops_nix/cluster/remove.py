"""Deleting a set: what its inventory names, waves backwards, data only where asked."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from mlops_nix.cluster import events, history, lock, prune, recovery
from mlops_nix.cluster.desired import DesiredSet
from mlops_nix.cluster.execute import Execution
from mlops_nix.cluster.inventory import Inventory, Ref, Store, locate
from mlops_nix.cluster.plan import Action, Plan, Policy
from mlops_nix.cluster.redact import Mask
from mlops_nix.cluster.report import Report
from mlops_nix.cluster.survey import Survey
from mlops_nix.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_nix.cluster.connection import Cluster


def find(cluster: Cluster, set_name: str, namespace: str | None = None) -> tuple[Store, Inventory | None]:
    """Find the inventory of a set by its name.

    Args:
        cluster: The cluster.
        set_name: Name of the set.
        namespace: Where it lies, where the user says so.
    """
    place = locate(cluster.api, set_name, [cluster.namespace], cluster_scoped=True, given=namespace)
    store = Store(cluster.api, set_name, place)
    return store, store.read()


def delete(
    cluster: Cluster,
    policy: Policy,
    *,
    timeout: float = 600.0,
    lock_timeout: float = 0.0,
    inventory_namespace: str | None = None,
    confirm: Callable[[Plan], bool] | None = None,
    missing_ok: bool = False,
) -> Report:
    """Delete what a set owns.

    Args:
        cluster: The cluster.
        policy: What may be deleted; namespaces, CRDs and claims only where it says so.
        timeout: Seconds for everything.
        lock_timeout: Seconds to wait for another run.
        inventory_namespace: Where the inventory lies.
        confirm: Asked with the plan before anything is deleted.
        missing_ok: It is no error where nothing of the set is there.

    Raises:
        InputError: There is no such set.
        Locked: Another run holds the lock.
    """
    api = cluster.api
    begun = api.clock.monotonic()
    deadline = begun + timeout
    api.deadline = deadline
    api.listener(events.Started(set=policy.set_name, operation="delete", server=cluster.server))
    store, inventory = find(cluster, policy.set_name, inventory_namespace)
    if inventory is None:
        inventory = recovery.rebuild(api, cluster.discovery, policy.set_name, namespaces=[cluster.namespace])
        if not inventory.refs and not store.damaged:
            # A run that died after its last deletion leaves its lock behind: then this one finishes what it began.
            if lock.clear_abandoned(api, store.namespace, policy.set_name) or missing_ok:
                return Report(policy.set_name, "unchanged", Plan(()), operation="delete", requests=api.requests)
            raise InputError(
                f"there is no set {policy.set_name!r} on this cluster", hint="`mlops-nix inventory` lists the sets"
            )
        api.listener(events.Noticed(text="the inventory is lost; it is rebuilt from labels"))
    plan, unknown = _plan(cluster, policy, inventory)
    api.listener(events.Planned(counts=plan.counts()))
    if confirm is not None and not confirm(plan):
        return Report(policy.set_name, "declined", plan, operation="delete")
    guard = lock.Lock(api, store.namespace, policy.set_name, uuid.uuid4().hex[:8])
    guard.acquire(wait=lock_timeout)
    guard.keep()
    api.fence = guard
    try:
        current = store.read()
        if (current.resource_version if current else "") != inventory.resource_version:
            raise InputError(
                "another run changed the set in between; nothing was deleted", hint="run the command again"
            )
        execution = Execution(
            api, cluster.discovery, DesiredSet(policy.set_name, ()), policy, Mask(), deadline=deadline
        )
        execution.run_prunes(plan.prunes)
        results = execution.outcomes.results
        left = [
            Ref(step.ref.group, step.ref.kind, step.ref.version, step.ref.namespace, step.ref.name, step.wave)
            for step in plan.prunes
            if step.key not in results or results[step.key].action != "pruned"
        ]
        left += unknown
        if left:
            store.write(replace(inventory, refs=tuple(sorted(left)), pending=None))
        else:
            history.History(api, policy.set_name, store.namespace).delete()
            # A damaged Secret has to be replaced first: deleting goes by the version of what was written.
            store.delete(inventory if inventory.resource_version else store.write(inventory))
    finally:
        api.fence = None
        guard.release()
    failed = [result for result in results.values() if result.action == "failed"]
    report = Report(
        policy.set_name,
        "incomplete" if failed else "ok",
        plan,
        tuple(results.values()),
        seconds=api.clock.monotonic() - begun,
        requests=api.requests,
        operation="delete",
    )
    api.listener(
        events.Finished(
            outcome=report.outcome,
            counts=dict(report.counts()),
            seconds=round(report.seconds, 3),
            requests=api.requests,
        )
    )
    return report


def _plan(cluster: Cluster, policy: Policy, inventory: Inventory) -> tuple[Plan, list[Ref]]:
    api = cluster.api
    survey = Survey(api, cluster.discovery, DesiredSet(policy.set_name, ()), policy)
    refs = list(inventory.owned.values())
    seen = survey.look_for(refs)
    unknown = [ref for ref in refs if ref.key not in seen]
    steps = [
        prune.decide(ref, live, policy, recovered=inventory.recovered)
        for ref in refs
        if (live := seen.get(ref.key)) is not None
    ]
    steps = [replace(step, reason="" if step.action is Action.PRUNE else step.reason) for step in steps]
    notes = tuple(f"{ref.object_ref}: its API does not answer; it stays in the inventory" for ref in unknown)
    return Plan((), prune.in_order(steps), notes), unknown
