"""Applying a set: plan, ask, lock, record what is pending, waves, wait, prune, record what is there.

Killed at any moment, the same command ends in the same state: every write is safe to repeat, what will be owned is recorded before
the first of them, and what is owned only after the last.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlops_nix.cluster import events, history, lock
from mlops_nix.cluster.answer import Outcome
from mlops_nix.cluster.api import error_of
from mlops_nix.cluster.clock import timestamp
from mlops_nix.cluster.discovery import NAMESPACES
from mlops_nix.cluster.execute import Execution, unreachable
from mlops_nix.cluster.explain import explain
from mlops_nix.cluster.inventory import SYSTEM_NAMESPACE, Inventory, Pending, Ref, Revision
from mlops_nix.cluster.plan import Action, Plan, Policy, Step
from mlops_nix.cluster.prepare import Prepared, check_before_writing, prepare
from mlops_nix.cluster.readiness import Assessment, State
from mlops_nix.cluster.report import Report, Unready
from mlops_nix.cluster.results import Outcomes
from mlops_nix.errors import ClusterError, Interrupted, Locked, MlopsNixError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_nix.cluster.connection import Cluster
    from mlops_nix.cluster.desired import DesiredSet
    from mlops_nix.cluster.wait import Target

DEFAULT_TIMEOUT = 600.0
# Objects that are explained in detail; for the rest their status has to do.
_EXPLAINED = 12
# Seconds for the last writes, explanations and the lock, where waiting took all the time.
_CLOSING = 30.0


@dataclass(frozen=True, slots=True)
class Options:
    """How to apply.

    Args:
        policy: What the user allows.
        timeout: Seconds for everything: applying, retrying and waiting.
        wait: Wait until everything is ready.
        lock_timeout: Seconds to wait for another run.
        inventory_namespace: Where the inventory lies.
        shared_namespaces: Namespaces of other sets that may be written into.
        without_secrets: Missing Secrets are no reason to stop.
        dry_run: Stop after the plan, in which also new objects were tried.
        confirm: Asked with the plan before anything is written; nothing is asked where it is None.
        polling: List again and again instead of watching.
        restore: The revision that is restored, in the record of the run.
    """

    policy: Policy
    timeout: float = DEFAULT_TIMEOUT
    wait: bool = True
    lock_timeout: float = 0.0
    inventory_namespace: str | None = None
    shared_namespaces: tuple[str, ...] = ()
    without_secrets: bool = False
    dry_run: bool = False
    confirm: Callable[[Plan], bool] | None = None
    polling: bool = False


def apply(cluster: Cluster, desired: DesiredSet, options: Options | None = None) -> Report:
    """Apply a set.

    Args:
        cluster: The cluster.
        desired: The set.
        options: How.

    Returns:
        What was done, and what is ready. Objects that could not be applied are in the report, not raised.

    Raises:
        InputError: The set cannot be applied to this cluster; nothing was written.
        Locked: Another run holds the lock, or took it over.
        Interrupted: The user stopped the run.
        ClusterError: The server was out of reach for too long.
    """
    return Run(cluster, desired, options or Options(Policy(desired.name))).run()


class Run:
    """One run; see `apply`."""

    def __init__(self, cluster: Cluster, desired: DesiredSet, options: Options) -> None:
        self._cluster = cluster
        self._api = cluster.api
        self._desired = desired
        self._options = options
        self._begun = self._api.clock.monotonic()
        self._deadline = self._begun + options.timeout
        self._id = uuid.uuid4().hex[:8]
        self._outcomes = Outcomes()

    def run(self) -> Report:
        """Do it."""
        self._api.listener(events.Started(set=self._desired.name, operation="apply", server=self._cluster.server))
        # A program may keep its connection for days, while CRDs come and go.
        self._cluster.forget()
        self._api.deadline = self._deadline
        prepared = self._prepare()
        self._announce(prepared)
        if not self._to_write(prepared):
            lock.clear_abandoned(self._api, prepared.store.namespace, self._desired.name)
            return self._unchanged(prepared)
        if self._options.dry_run:
            return self._report(prepared, "planned")
        check_before_writing(
            self._cluster,
            prepared,
            shared_namespaces=self._options.shared_namespaces,
            without_secrets=self._options.without_secrets,
        )
        if not self._confirmed(prepared):
            return self._report(prepared, "declined")
        # The time that the user took to read the plan is not the run's.
        self._deadline = self._api.clock.monotonic() + self._options.timeout
        self._api.deadline = self._deadline
        self._ensure_namespace(prepared)
        guard = lock.Lock(self._api, prepared.store.namespace, self._desired.name, self._id)
        guard.acquire(wait=self._options.lock_timeout)
        guard.keep()
        self._api.fence = guard
        try:
            return self._write(self._current(prepared))
        except Interrupted as error:
            counts = self._outcomes.counts()
            self._finish("interrupted", counts)
            done = ", ".join(f"{number} {action}" for action, number in counts.items()) or "nothing written"
            raise Interrupted(
                f"{error.message}: {done}", hint="run the same command again: it goes on from there"
            ) from error
        except (Locked, MlopsNixError) as error:
            self._finish("failed", self._outcomes.counts())
            if type(error) is ClusterError:
                raise unreachable(error, self._outcomes, len(self._desired.items)) from error
            raise
        finally:
            self._api.fence = None
            guard.release()

    # Before --------------------------------------------------------------------------------------------------------------

    def _prepare(self) -> Prepared:
        return prepare(
            self._cluster,
            self._desired,
            self._options.policy,
            inventory_namespace=self._options.inventory_namespace,
            preview_new=self._options.dry_run,
        )

    def _announce(self, prepared: Prepared) -> None:
        for note in prepared.plan.notes:
            self._api.listener(events.Noticed(text=note))
        self._api.listener(events.Planned(counts=prepared.plan.counts()))

    def _to_write(self, prepared: Prepared) -> bool:
        """Tell whether anything has to be written, be it only the inventory."""
        inventory = prepared.inventory
        if prepared.plan.changes_anything or prepared.plan.blocked or inventory.pending or inventory.recovered:
            return True
        return set(self._final_refs(prepared)) != set(inventory.refs)

    def _confirmed(self, prepared: Prepared) -> bool:
        if self._options.confirm is None or not (prepared.plan.changes_anything or prepared.plan.blocked):
            return True
        return self._options.confirm(prepared.plan)

    def _current(self, prepared: Prepared) -> Prepared:
        """Now that the lock is ours: is the plan still that of what is there?"""
        inventory = prepared.store.read()
        version = inventory.resource_version if inventory else ""
        if version == prepared.inventory.resource_version:
            return prepared
        self._api.listener(events.Noticed(text="another run finished in between; the plan is made again"))
        again = self._prepare()
        self._announce(again)
        before = [(step.ref, step.action) for step in (*prepared.plan.steps, *prepared.plan.prunes) if step.writes]
        after = [(step.ref, step.action) for step in (*again.plan.steps, *again.plan.prunes) if step.writes]
        if after != before and not self._confirmed(again):
            raise Interrupted("the new plan was declined")
        return again

    def _ensure_namespace(self, prepared: Prepared) -> None:
        """Make the namespace of the inventory, where it is ours to make."""
        name = prepared.store.namespace
        if prepared.inventory.resource_version or name != SYSTEM_NAMESPACE:
            return
        found = self._api.get(NAMESPACES, "", name, metadata_only=True)
        if found.ok:
            return
        made = self._api.create(
            NAMESPACES,
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "mlops-nix"}},
            },
            "",
        )
        if not made.ok and made.outcome is not Outcome.EXISTS:
            error = error_of(made, f"make the namespace {name} for the inventory")
            error.hint = "name another place with --inventory-namespace NAMESPACE"
            raise error

    # Writing -------------------------------------------------------------------------------------------------------------

    def _write(self, prepared: Prepared) -> Report:
        inventory = self._write_pending(prepared)
        execution = Execution(
            self._api,
            self._cluster.discovery,
            self._desired,
            self._options.policy,
            prepared.mask,
            deadline=self._deadline,
            polling=self._options.polling,
        )
        self._outcomes = execution.outcomes
        unready = self._run_waves(execution, prepared)
        # What is left is quick, and deserves its retries also where waiting took all the time.
        self._api.deadline = max(self._deadline, self._api.clock.monotonic() + _CLOSING)
        self._cluster.discovery = execution.discovery
        failed = execution.outcomes.failed()
        prunable = not failed and not unready
        if prunable:
            execution.run_prunes(prepared.plan.prunes)
            failed = execution.outcomes.failed()
        elif any(step.action is Action.PRUNE for step in prepared.plan.prunes):
            self._api.listener(
                events.Noticed(
                    text="nothing is pruned while something of the set is not applied or not ready; run again later"
                )
            )
        revision = None
        if not [result for result in failed if result.key in prepared.step_of]:
            revision = self._write_final(prepared, inventory)
        outcome = "incomplete" if failed else "not-ready" if unready else "ok"
        return self._report(prepared, outcome, execution, unready, revision)

    def _write_pending(self, prepared: Prepared) -> Inventory:
        refs = tuple(sorted(self._ref(step) for step in prepared.plan.steps))
        pending = Pending(self._id, history.digest(self._desired), tuple(ref._replace(digest="") for ref in refs))
        union = prepared.inventory.owned
        return prepared.store.write(
            replace(
                prepared.inventory,
                refs=tuple(sorted(union.values())),
                pending=pending,
                recovered=prepared.inventory.recovered,
            )
        )

    def _run_waves(self, execution: Execution, prepared: Prepared) -> list[Target]:
        numbers = sorted({step.wave for step in prepared.plan.steps})
        by_wave: dict[int, list[Step]] = {number: [] for number in numbers}
        for step in prepared.plan.steps:
            by_wave[step.wave].append(step)
        for position, number in enumerate(numbers):
            steps = by_wave[number]
            rest = [step for later in numbers[position + 1 :] for step in by_wave[later]]
            execution.run_wave(number, steps)
            if not any(step.writes for step in rest):
                continue
            definitions = [step for step in steps if step.ref.kind in {"CustomResourceDefinition", "Namespace"}]
            awaited = steps if self._options.wait else definitions
            unready = execution.wait_for_wave(number, awaited, final=False) if awaited else []
            execution.rediscover()
            if unready:
                names = ", ".join(str(target.ref) for target in unready[:3])
                wave = self._desired.wave_name(number)
                execution.skip_rest(rest, f"the wave {wave} before it is not ready: {names}")
                return unready
        if not self._options.wait:
            return []
        return execution.wait_for_wave(numbers[-1], list(prepared.plan.steps), final=True) if numbers else []

    def _ref(self, step: Step) -> Ref:
        ref = step.ref
        return Ref(ref.group, ref.kind, ref.version, ref.namespace, ref.name, step.wave, step.digest)

    def _final_refs(self, prepared: Prepared) -> tuple[Ref, ...]:
        refs = {step.key: self._ref(step) for step in prepared.plan.steps}
        for key, judged in self._outcomes.assessments.items():
            # Without a digest nothing is taken for granted: what did not get ready is looked at anew.
            if key in refs and not judged.ready:
                refs[key] = refs[key]._replace(digest="")
        for ref in prepared.unknown:
            refs[ref.key] = ref
        for step in prepared.plan.prunes:
            result = self._outcomes.results.get(step.key)
            if result is None or result.action != "pruned":
                refs[step.key] = self._ref(step)
        return tuple(sorted(refs.values()))

    def _write_final(self, prepared: Prepared, inventory: Inventory) -> Revision:
        digest = history.digest(self._desired)
        kept = history.History(self._api, self._desired.name, prepared.store.namespace)
        revisions = inventory.revisions
        if not revisions or revisions[-1].digest != digest:
            number = inventory.number + 1
            kept.keep(number, self._desired)
            revision = Revision(
                number,
                digest,
                timestamp(self._api.server_now()),
                lock.holder_name(self._id).partition("/")[0],
                len(self._desired.items),
            )
            from mlops_nix.cluster.inventory import KEPT_REVISIONS

            revisions = (*revisions, revision)[-KEPT_REVISIONS:]
            kept.trim(number)
        # What was rebuilt from labels has been shown now; the next run may prune it.
        prepared.store.write(
            replace(inventory, refs=self._final_refs(prepared), pending=None, revisions=revisions, recovered=False)
        )
        return revisions[-1]

    # After ---------------------------------------------------------------------------------------------------------------

    def _unchanged(self, prepared: Prepared) -> Report:
        """Report a run that has nothing to write; readiness was seen on the way."""
        execution = Execution(
            self._api,
            self._cluster.discovery,
            self._desired,
            self._options.policy,
            prepared.mask,
            deadline=self._deadline,
            polling=self._options.polling,
        )
        self._outcomes = execution.outcomes
        for step in prepared.plan.steps:
            if step.assessment is not None:
                execution.outcomes.assessments[step.key] = step.assessment
            execution.run_wave(step.wave, [step])
        waiting = [step for step in prepared.plan.steps if step.assessment is not None and not step.assessment.ready]
        unready: list[Target] = []
        if waiting and self._options.wait and not self._options.dry_run:
            unready = execution.wait_for_wave(waiting[-1].wave, waiting, final=True)
        revision = prepared.inventory.revisions[-1] if prepared.inventory.revisions else None
        return self._report(prepared, "not-ready" if unready else "unchanged", execution, unready, revision)

    def _report(
        self,
        prepared: Prepared,
        outcome: str,
        execution: Execution | None = None,
        targets: list[Target] | None = None,
        revision: Revision | None = None,
    ) -> Report:
        outcomes = execution.outcomes if execution else Outcomes()
        unready = []
        for index, target in enumerate(targets or []):
            judged = outcomes.assessments.get(target.key, Assessment(State.PROGRESSING, "not seen yet"))
            if index < _EXPLAINED:
                found = explain(self._api, target, judged)
            else:
                from mlops_nix.cluster.explain import Explanation

                found = Explanation(judged.reason)
            unready.append(Unready(target.ref, judged.state.value, found, target.component))
        report = Report(
            self._desired.name,
            outcome,
            prepared.plan,
            tuple(outcomes.results.values()),
            tuple(unready),
            sum(1 for judged in outcomes.assessments.values() if judged.ready),
            self._api.clock.monotonic() - self._begun,
            self._api.requests,
            revision,
            self._desired.endpoints,
            prepared.plan.notes,
        )
        self._finish(outcome, dict(report.counts()) or prepared.plan.counts())
        return report

    def _finish(self, outcome: str, counts: dict[str, int]) -> None:
        self._api.listener(
            events.Finished(
                outcome=outcome,
                counts=counts,
                seconds=round(self._api.clock.monotonic() - self._begun, 3),
                requests=self._api.requests,
            )
        )
