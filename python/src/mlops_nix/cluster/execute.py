"""Carrying out a plan: waves one after the other, requests of a wave side by side, deletions last.

Every write is safe to repeat, and a run that stops anywhere leaves nothing that the next run cannot finish.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from mlops_nix.cluster import discovery as served
from mlops_nix.cluster import events, namespaces, plan, prune, references, webhooks
from mlops_nix.cluster.answer import Answer, Outcome
from mlops_nix.cluster.api import error_of
from mlops_nix.cluster.pace import backoff
from mlops_nix.cluster.plan import Action, Step
from mlops_nix.cluster.readiness import Assessment, State
from mlops_nix.cluster.results import Outcomes, Result
from mlops_nix.cluster.wait import Target, Waiter, is_webhook
from mlops_nix.cluster.workers import each
from mlops_nix.errors import ClusterError
from mlops_nix.objects import as_list, as_map, as_text, metadata

if TYPE_CHECKING:
    from mlops_nix.cluster.api import Api
    from mlops_nix.cluster.desired import DesiredSet, Item, Key
    from mlops_nix.cluster.discovery import Discovery, Resource
    from mlops_nix.cluster.plan import Policy
    from mlops_nix.cluster.redact import Mask
    from mlops_nix.objects import KubernetesObject

# Seconds for which a webhook that is not of the set, and does not answer, is given another chance.
_FOREIGN_WEBHOOK = 60.0
# Times that a refused version is read again; more means that somebody writes all the time.
_STALE_TRIES = 16


class Execution:
    """Carries out one plan.

    Args:
        api: The server.
        discovery: What it serves; looked at again when CRDs were applied.
        desired: The set.
        policy: What the user allows.
        mask: Hides the values of Secrets.
        deadline: On the monotonic clock, in seconds: the end of all patience.
        polling: List again and again instead of watching.
    """

    def __init__(
        self,
        api: Api,
        discovery: Discovery,
        desired: DesiredSet,
        policy: Policy,
        mask: Mask,
        *,
        deadline: float,
        polling: bool = False,
    ) -> None:
        self._api = api
        self._discovery = discovery
        self._desired = desired
        self._policy = policy
        self._mask = mask
        self._deadline = deadline
        self._items: dict[Key, Item] = {item.key: item for item in desired.items}
        self._defined = references.definitions(desired.items)
        self._mounted = references.mounted_claims(desired.items)
        self._waiter = Waiter(api, desired.name, mounted=self._mounted, polling=polling)
        self._webhooks = _webhook_names(desired)
        self._guard = threading.Lock()
        self._undiscovered = False
        self.outcomes = Outcomes()

    @property
    def discovery(self) -> Discovery:
        """What the server serves, as known now."""
        return self._discovery

    # Waves -----------------------------------------------------------------------------------------------------------------

    def run_wave(self, number: int, steps: list[Step]) -> None:
        """Apply the objects of one wave.

        Args:
            number: Number of the wave.
            steps: Its steps; unchanged and blocked ones are only recorded.
        """
        writes = []
        for step in steps:
            if step.action is Action.UNCHANGED:
                if step.assessment is not None:
                    self.outcomes.assessments[step.key] = step.assessment
                self._record(step, "unchanged")
            elif step.action is Action.BLOCKED:
                self._fail(step, step.code, step.reason, step.hint)
            else:
                writes.append(step)
        if not writes:
            return
        name = self._desired.wave_name(number)
        self._api.listener(events.WaveStarted(wave=name, number=number, objects=len(writes)))
        # What something else in the same wave needs goes first: ServiceAccounts before the pods that use them.
        for group in _by_need(writes):
            each(self._apply, group, limit=self._api.limit)
        if any(step.ref.kind == "CustomResourceDefinition" for step in writes):
            self._undiscovered = True

    def wait_for_wave(self, number: int, steps: list[Step], *, final: bool) -> list[Target]:
        """Wait until the objects of a wave are ready.

        Args:
            number: Number of the wave; also of the last one where several are waited for together.
            steps: Their steps.
            final: Nothing follows.

        Returns:
            The objects that are not.
        """
        targets: list[Target] = []
        for step in steps:
            result = self.outcomes.results.get(step.key)
            if result is None or result.action in {"failed", "skipped"}:
                continue
            resource = self._discovery.find(step.ref.group, step.ref.version, step.ref.kind)
            if resource is None:
                continue
            item = self._items.get(step.key)
            targets.append(Target(step.ref, resource, step.component, item.object if item else None))
        known = {target.key: self._known(target, final=final) for target in targets}
        state = self._waiter.wait(
            targets,
            deadline=self._deadline,
            wave=self._desired.wave_name(number),
            final=final,
            known=known,
            changed=self._changed,
        )
        self.outcomes.assessments.update(state)
        return [target for target in targets if not state[target.key].ready]

    def _known(self, target: Target, *, final: bool) -> Assessment:
        if is_webhook(target.ref.kind):
            return Assessment(State.PROGRESSING, "its Service has not been looked at")
        if (
            final
            and target.ref.kind == "PersistentVolumeClaim"
            and (target.ref.namespace, target.ref.name) in self._mounted
        ):
            # Before the pods were there, waiting for the first of them was as good as bound.
            return Assessment(State.PROGRESSING, "not seen yet")
        return self.outcomes.assessments.get(target.key, Assessment(State.PROGRESSING, "not seen yet"))

    def _changed(self, target: Target, judged: Assessment) -> None:
        self._api.listener(
            events.Readiness(
                object=target.ref, status=judged.state.value, reason=judged.reason, component=target.component
            )
        )

    def rediscover(self) -> None:
        """Look again at what the server serves, where CRDs were applied."""
        if self._undiscovered:
            self._discovery = served.load(self._api)
            self._undiscovered = False

    # One object ------------------------------------------------------------------------------------------------------------

    def _apply(self, step: Step) -> None:
        missing = self._failed_need(step)
        if missing:
            self._skip(step, missing)
            return
        if step.action is Action.REPLACE and not self._remove_for_replacement(step):
            return
        resource = self._find(step)
        if resource is None:
            self._fail(
                step,
                "not-served",
                f"the API server does not serve {step.ref.api_version} {step.ref.kind}",
                "install the operator that brings its CRD, or add the CRD to the set",
            )
            return
        if step.action is Action.CREATE and step.uid and not self._wait_gone(resource, step, step.uid):
            # An object that is being deleted still takes writes, and takes them with it.
            return
        body = step.body or {}
        force = step.force
        attempt = stale = 0
        webhook_since = 0.0
        while True:
            attempt += 1
            answer = self._api.apply(resource, body, step.ref.namespace, step.ref.name, force=force)
            if answer.ok:
                if metadata(answer.value).get("deletionTimestamp"):
                    # The old one is still going: what we wrote goes with it.
                    if not self._wait_gone(resource, step, as_text(metadata(answer.value).get("uid"))):
                        return
                    continue
                self._applied(step, answer)
                return
            if answer.outcome is Outcome.FIELD_CONFLICT:
                decision = self._resolve(step, resource, body, answer)
                if isinstance(decision, Step):
                    self._fail(step, decision.code, decision.reason, decision.hint)
                    return
                if attempt > _STALE_TRIES:
                    self._refuse(step, answer)
                    return
                body, force = decision.body, force or decision.force
                continue
            if answer.outcome is Outcome.STALE:
                stale += 1
                if stale > _STALE_TRIES:
                    self._refuse(step, answer)
                    return
                # At once, but not in a tight circle: several writers may count against one quota.
                self._pause(backoff(stale, self._api.jitter(), base=0.02, cap=0.5))
                continue
            if answer.outcome is Outcome.WEBHOOK_UNAVAILABLE:
                webhook_since = webhook_since or self._api.clock.monotonic()
            if not self._worth_waiting(step, answer, webhook_since):
                self._refuse(step, answer)
                return
            delay = max(answer.retry_after or 0.0, backoff(attempt, self._api.jitter(), base=0.3, cap=5.0))
            if self._api.clock.monotonic() + delay > self._deadline:
                self._refuse(step, answer, late=True)
                return
            self._api.listener(
                events.Retrying(
                    request=f"apply {step.ref}",
                    reason=self._mask.text(answer.message, step.body),
                    attempt=attempt,
                    seconds=round(delay, 3),
                )
            )
            self._pause(delay)
            if answer.outcome is Outcome.NOT_SERVED:
                resource = self._find(step) or resource

    def _pause(self, seconds: float) -> None:
        end = self._api.clock.monotonic() + seconds
        while (left := end - self._api.clock.monotonic()) > 0:
            self._api.stop.check()
            self._api.clock.sleep(min(left, 0.5))

    def _worth_waiting(self, step: Step, answer: Answer, webhook_since: float) -> bool:
        """Tell whether an answer can get better while this run goes on."""
        match answer.outcome:
            case Outcome.WEBHOOK_UNAVAILABLE:
                ours = answer.webhook in self._webhooks
                return ours or self._api.clock.monotonic() - webhook_since < _FOREIGN_WEBHOOK
            case Outcome.NOT_SERVED:
                # Several API servers do not learn of a new CRD at the same moment.
                return (step.ref.group, step.ref.kind) in self._defined or step.resource_known
            case Outcome.TERMINATING:
                return True
            case Outcome.NAMESPACE_MISSING:
                return ("", "Namespace", "", step.ref.namespace) in self._items
            case _:
                return False

    def _find(self, step: Step) -> Resource | None:
        ref = step.ref
        found = self._discovery.find(ref.group, ref.version, ref.kind)
        if found is not None:
            return found
        attempt = 0
        while (ref.group, ref.kind) in self._defined and self._api.clock.monotonic() < self._deadline:
            with self._guard:
                if self._discovery.find(ref.group, ref.version, ref.kind) is None:
                    self._discovery = served.load(self._api)
                found = self._discovery.find(ref.group, ref.version, ref.kind)
            if found is not None:
                return found
            attempt += 1
            self._pause(backoff(attempt, self._api.jitter(), base=0.1, cap=2.0))
        return None

    def _resolve(self, step: Step, resource: Resource, body: KubernetesObject, answer: Answer) -> Step | plan.Again:
        """Decide about a conflict that arose, or was not known, when the plan was made."""
        found = self._api.get(resource, step.ref.namespace, step.ref.name)
        item = self._items[step.key]
        return plan.judge_conflict(
            item, body, found.value if found.ok else None, answer, self._policy.conflicts, self._mask
        )

    def _remove_for_replacement(self, step: Step) -> bool:
        resource = self._discovery.find(step.ref.group, step.ref.version, step.ref.kind)
        if resource is None:
            return True
        answer = self._api.delete(resource, step.ref.namespace, step.ref.name, uid=step.uid)
        if answer.outcome is Outcome.UID_MISMATCH:
            self._fail(
                step,
                "recreated",
                "somebody deleted it and made it anew since the plan was shown",
                "run the command again",
            )
            return False
        if not answer.ok and answer.outcome is not Outcome.NOT_FOUND:
            self._refuse(step, answer)
            return False
        return self._wait_gone(resource, step, step.uid)

    def _wait_gone(self, resource: Resource, step: Step, uid: str) -> bool:
        attempt = 0
        while True:
            answer = self._api.get(resource, step.ref.namespace, step.ref.name, metadata_only=True)
            if answer.outcome in {Outcome.NOT_FOUND, Outcome.NAMESPACE_MISSING, Outcome.NOT_SERVED}:
                return True
            if answer.ok and uid and metadata(answer.value).get("uid") != uid:
                return True
            if self._api.clock.monotonic() >= self._deadline:
                self._fail(step, "terminating", f"it is still being deleted; {self._held_by(step, answer)}", None)
                return False
            attempt += 1
            self._pause(backoff(attempt, self._api.jitter(), base=0.1, cap=2.0))

    def _failed_need(self, step: Step) -> str:
        item = self._items.get(step.key)
        if item is None:
            return ""
        for key in references.needs(item, self._defined):
            result = self.outcomes.results.get(key)
            if result is not None and result.action in {"failed", "skipped"}:
                return f"needs {result.ref}, which {'failed' if result.action == 'failed' else 'was skipped'}"
        return ""

    # Records ---------------------------------------------------------------------------------------------------------------

    def _applied(self, step: Step, answer: Answer) -> None:
        live = answer.value
        version = as_text(metadata(live).get("resourceVersion"))
        if step.action is Action.REPLACE:
            action = "replaced"
        elif answer.http_status == 201:  # noqa: PLR2004
            action = "created"
        else:
            # The same version means that nothing changed, for instance when an earlier try got through and its answer was lost.
            action = (
                "unchanged"
                if version and version == step.version
                else "changed"
                if step.action is Action.CHANGE
                else "created"
            )
        self.outcomes.assessments[step.key] = self._waiter.judge(live, final=False)
        self._record(step, action)

    def _record(self, step: Step, action: str) -> None:
        self._put(Result(step.ref, action, step.wave, step.component))
        self._api.listener(events.Applied(object=step.ref, action=action, component=step.component))

    def _fail(self, step: Step, code: str, reason: str, hint: str | None) -> None:
        self._put(Result(step.ref, "failed", step.wave, step.component, code, reason, hint))
        self._api.listener(
            events.Failed(object=step.ref, code=code, reason=reason, hint=hint, component=step.component)
        )

    def _skip(self, step: Step, reason: str) -> None:
        self._put(Result(step.ref, "skipped", step.wave, step.component, reason=reason))
        self._api.listener(events.Skipped(object=step.ref, reason=reason, component=step.component))

    def _put(self, result: Result) -> None:
        with self._guard:
            self.outcomes.results[result.key] = result

    def skip_rest(self, steps: list[Step], reason: str) -> None:
        """Record steps that are left out, for one reason."""
        for step in steps:
            if step.action is Action.UNCHANGED:
                self._record(step, "unchanged")
            else:
                self._skip(step, reason)

    def _refuse(self, step: Step, answer: Answer, *, late: bool = False) -> None:
        if answer.outcome is Outcome.UNAUTHORIZED:
            raise error_of(answer, f"apply {step.ref}")
        decided = plan.refused(self._items[step.key], answer, self._mask)
        reason, hint = decided.reason, decided.hint
        if answer.outcome is Outcome.IMMUTABLE:
            from mlops_nix.cluster import immutable

            where = ", ".join(dict.fromkeys(cause.field for cause in answer.causes)) or "a field"
            reason = f"{where} cannot be changed: {reason}"
            hint = immutable.advice(step.ref.kind, step.ref.namespace, step.ref.name, where)
        elif answer.outcome is Outcome.WEBHOOK_UNAVAILABLE:
            reason, hint = webhooks.trouble(self._api, answer.webhook, reason)
        elif answer.outcome is Outcome.TERMINATING:
            remaining = namespaces.remaining(self._api, step.ref.namespace)
            reason = f"{reason}; {remaining}" if remaining else reason
        if late:
            reason = f"{reason} (until the time-out)"
        self._fail(step, decided.code, reason, hint)

    def _held_by(self, step: Step, answer: Answer) -> str:
        """Say what keeps an object from going away."""
        finalizers = (
            ", ".join(str(entry) for entry in as_list(metadata(answer.value).get("finalizers"))) if answer.ok else ""
        )
        if finalizers or (step.ref.group, step.ref.kind) != ("", "Namespace"):
            return f"finalizers: {finalizers or 'none'}"
        return namespaces.remaining(self._api, step.ref.name) or "its content is being deleted"

    # Deletions -------------------------------------------------------------------------------------------------------------

    def run_prunes(self, steps: tuple[Step, ...]) -> None:
        """Delete what left the set, batch after batch, each gone before the next begins."""
        for step in steps:
            if step.action is Action.KEEP:
                self._put(Result(step.ref, "kept", step.wave, reason=step.reason))
                self._api.listener(events.Skipped(object=step.ref, reason=step.reason))
        for batch in prune.batches(step for step in steps if step.action is Action.PRUNE):
            each(self._delete, batch, limit=self._api.limit)
            gone = [step for step in batch if self.outcomes.results.get(step.key) is None]
            for step in gone:
                resource = self._discovery.any_version(step.ref.group, step.ref.kind, step.ref.version)
                if resource is None or self._wait_gone(resource, step, step.uid):
                    self._record(step, "pruned")

    def _delete(self, step: Step) -> None:
        resource = self._discovery.any_version(step.ref.group, step.ref.kind, step.ref.version)
        if resource is None:
            return
        answer = self._api.delete(resource, step.ref.namespace, step.ref.name, uid=step.uid)
        if answer.ok or answer.outcome in {Outcome.NOT_FOUND, Outcome.NOT_SERVED, Outcome.NAMESPACE_MISSING}:
            return
        if answer.outcome is Outcome.UID_MISMATCH:
            reason = "somebody deleted it and made it anew since the plan was shown"
            self._put(Result(step.ref, "kept", step.wave, reason=reason))
            self._api.listener(events.Skipped(object=step.ref, reason=reason))
            return
        if answer.outcome is Outcome.UNAUTHORIZED:
            raise error_of(answer, f"delete {step.ref}")
        self._fail(replace(step), plan.code_of(answer.outcome), plan.short(answer), None)


def _webhook_names(desired: DesiredSet) -> frozenset[str]:
    names: set[str] = set()
    for item in desired.items:
        if is_webhook(item.ref.kind):
            names |= {as_text(as_map(webhook).get("name")) for webhook in as_list(item.object.get("webhooks"))}
        # A conversion webhook is named by its CRD: `conversion webhook for serving.kserve.io/v1beta1, Kind=…`.
    return frozenset(names)


_FIRST_KINDS = frozenset(
    {
        "Namespace",
        "CustomResourceDefinition",
        "ServiceAccount",
        "Role",
        "ClusterRole",
        "ConfigMap",
        "Secret",
        "PriorityClass",
        "StorageClass",
        "ResourceQuota",
        "LimitRange",
    }
)
_LAST_KINDS = frozenset({"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"})


def _by_need(steps: list[Step]) -> list[list[Step]]:
    """Divide the steps of a wave: what others are likely to need, the others, webhook configurations."""
    parts: list[list[Step]] = [[], [], []]
    for step in steps:
        parts[0 if step.ref.kind in _FIRST_KINDS else 2 if step.ref.kind in _LAST_KINDS else 1].append(step)
    return [part for part in parts if part]


def unreachable(error: ClusterError, outcomes: Outcomes, total: int) -> ClusterError:
    """Make the error of a run that lost the server: what was done, and what is left."""
    done = sum(count for action, count in outcomes.counts().items() if action not in {"failed", "skipped"})
    return ClusterError(
        f"{error.message}; {done} of {total} objects were done",
        hint="run the same command again: it goes on from there",
    )
