"""Waiting until objects are ready: one watch per kind and namespace, judged by `readiness`."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from mlops_nix.cluster import events
from mlops_nix.cluster.desired import OWNER_LABEL
from mlops_nix.cluster.discovery import ENDPOINT_SLICES, STORAGE_CLASSES
from mlops_nix.cluster.readiness import Assessment, State, assess
from mlops_nix.cluster.watch import Refused, Seen, follow
from mlops_nix.objects import as_list, as_map, as_text, metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mlops_nix.cluster.api import Api
    from mlops_nix.cluster.desired import Key
    from mlops_nix.cluster.discovery import Resource
    from mlops_nix.cluster.transport import Stream
    from mlops_nix.objects import KubernetesObject, ObjectRef

Group = tuple["Resource", str]

# Beyond so many watches at once, lists in turn are cheaper for everybody.
_MOST_WATCHES = 24
# Seconds for which an object may look failed: a claim is Lost until its volume is seen, a rollout late until it moves again.
_GRACE = 5.0
# Seconds between two looks at what cannot be watched.
_INTERVAL = 1.5


@dataclass(frozen=True, slots=True)
class Target:
    """An object to wait for.

    Args:
        ref: The object.
        resource: Where it is served.
        component: The component that it belongs to.
        object: The object of the set, for kinds that need it to judge.
    """

    ref: ObjectRef
    resource: Resource
    component: str | None = None
    object: KubernetesObject | None = None

    @property
    def key(self) -> Key:
        """The identity on the cluster."""
        return (self.ref.group, self.ref.kind, self.ref.namespace, self.ref.name)


class Source(Protocol):
    """Where news about objects comes from."""

    def news(self, timeout: float) -> list[tuple[Group, Seen]]:
        """Give what happened, waiting at most so many seconds for something to happen."""

    def close(self) -> None:
        """End it."""


class Lists:
    """News by listing again and again; for few objects, for tests, and where watching is not allowed.

    Args:
        api: The server.
        groups: What to list.
        selector: Label selector.
        interval: Seconds between two rounds.
    """

    def __init__(self, api: Api, groups: Iterable[Group], selector: str, *, interval: float = _INTERVAL) -> None:
        self._api = api
        self._groups = list(groups)
        self._selector = selector
        self._interval = interval
        self._first = True

    def news(self, timeout: float) -> list[tuple[Group, Seen]]:
        """List every group once."""
        if not self._first:
            self._api.clock.sleep(min(timeout, self._interval))
        self._first = False
        found: list[tuple[Group, Seen]] = []
        for resource, namespace in self._groups:
            answer = self._api.list(resource, namespace, selector=self._selector)
            if answer.ok:
                items = as_list(answer.value.get("items"))
                for item in items:
                    item.setdefault("apiVersion", resource.api_version)
                    item.setdefault("kind", resource.kind)
                found.append(((resource, namespace), Seen(listed=tuple(items))))
        return found

    def close(self) -> None:
        """Nothing is open."""


class Watches:
    """News by watches, each in a thread of its own.

    Args:
        api: The server.
        groups: What to watch.
        selector: Label selector.
    """

    def __init__(self, api: Api, groups: Iterable[Group], selector: str) -> None:
        self._api = api
        self._selector = selector
        self._queue: queue.Queue[tuple[Group, Seen | Exception]] = queue.Queue()
        self._ended = threading.Event()
        self._streams: dict[Group, Stream] = {}
        self._refused: list[Group] = []
        self._fallback: Lists | None = None
        for group in groups:
            threading.Thread(target=self._run, args=(group,), name="mlops-nix-watch", daemon=True).start()

    def _run(self, group: Group) -> None:
        def opened(stream: Stream) -> None:
            self._streams[group] = stream

        try:
            for seen in follow(self._api, group[0], group[1], self._selector, ended=self._ended.is_set, opened=opened):
                self._queue.put((group, seen))
        except Exception as error:  # noqa: BLE001 (handed to the waiting thread, which raises it)
            self._queue.put((group, error))

    def news(self, timeout: float) -> list[tuple[Group, Seen]]:
        """Give what happened."""
        found: list[tuple[Group, Seen]] = []
        if self._fallback is not None:
            found += self._fallback.news(min(timeout, _INTERVAL))
            timeout = 0.0 if found else min(timeout, 0.2)
        try:
            group, seen = self._queue.get(timeout=max(timeout, 0.01))
            while True:
                if isinstance(seen, Refused):
                    self._refused.append(group)
                    self._fallback = Lists(self._api, self._refused, self._selector)
                elif isinstance(seen, Exception):
                    raise seen
                else:
                    found.append((group, seen))
                group, seen = self._queue.get_nowait()
        except queue.Empty:
            pass
        return found

    def close(self) -> None:
        """End all watches."""
        self._ended.set()
        for stream in list(self._streams.values()):
            stream.close()


class Waiter:
    """Waits for objects of one set.

    Args:
        api: The server.
        set_name: Name of the set.
        mounted: Namespace and name of claims that pods of the set mount.
        polling: List again and again instead of watching.
    """

    def __init__(
        self, api: Api, set_name: str, *, mounted: set[tuple[str, str]] | None = None, polling: bool = False
    ) -> None:
        self._api = api
        self._selector = f"{OWNER_LABEL}={set_name}"
        self._mounted = mounted or set()
        self._polling = polling
        self._late_binding: dict[str, bool] = {}
        self._failed_since: dict[Key, float] = {}

    def wait(
        self,
        targets: Iterable[Target],
        *,
        deadline: float,
        wave: str = "",
        final: bool = True,
        known: Mapping[Key, Assessment] | None = None,
        changed: Callable[[Target, Assessment], None] = lambda _t, _a: None,
    ) -> dict[Key, Assessment]:
        """Wait until all objects are ready, one has failed for good, or the time is over.

        Args:
            targets: The objects.
            deadline: On the monotonic clock, in seconds.
            wave: Its name, for events.
            final: Nothing is applied afterwards, so that claims which pods mount must be bound.
            known: What is known already.
            changed: Hears of each new assessment.

        Returns:
            The last assessment of each object.
        """
        wanted = {target.key: target for target in targets}
        state: dict[Key, Assessment] = {
            key: (known or {}).get(key, Assessment(State.PROGRESSING, "not seen yet")) for key in wanted
        }
        open_ones = {key for key in wanted if not state[key].ready}
        if not open_ones:
            return state
        groups = {
            (wanted[key].resource, wanted[key].ref.namespace)
            for key in open_ones
            if wanted[key].ref.kind not in _WEBHOOKS
        }
        source: Source
        if self._polling or len(groups) > _MOST_WATCHES:
            source = Lists(self._api, groups, self._selector)
        else:
            source = Watches(self._api, groups, self._selector)
        told = -1
        try:
            while open_ones:
                self._api.stop.check()
                self._give_up(state, open_ones)
                left = deadline - self._api.clock.monotonic()
                if left <= 0 or not open_ones:
                    break
                if len(open_ones) != told:
                    told = len(open_ones)
                    slowest = wanted[min(open_ones)].ref
                    self._api.listener(
                        events.Waiting(wave=wave, ready=len(wanted) - told, total=len(wanted), slowest=str(slowest))
                    )
                news = source.news(min(left, 0.5)) if groups else self._pause(min(left, _INTERVAL))
                for group, seen in news:
                    self._take(group, seen, wanted, state, open_ones, final=final, changed=changed)
                for key in [key for key in open_ones if wanted[key].ref.kind in _WEBHOOKS]:
                    self._note(
                        wanted[key], webhook_ready(self._api, wanted[key].object or {}), state, open_ones, changed
                    )
        finally:
            source.close()
        return state

    def _pause(self, seconds: float) -> list[tuple[Group, Seen]]:
        self._api.clock.sleep(seconds)
        return []

    def _take(
        self,
        group: Group,
        seen: Seen,
        wanted: dict[Key, Target],
        state: dict[Key, Assessment],
        open_ones: set[Key],
        *,
        final: bool,
        changed: Callable[[Target, Assessment], None],
    ) -> None:
        objects = seen.listed if seen.listed is not None else (seen.object,) if seen.object is not None else ()
        present: set[Key] = set()
        for obj in objects:
            meta = metadata(obj)
            key = (group[0].group, group[0].kind, as_text(meta.get("namespace")), as_text(meta.get("name")))
            present.add(key)
            if key not in open_ones:
                continue
            judged = Assessment(State.MISSING, "was deleted") if seen.gone else self._judge(obj, final=final)
            self._note(wanted[key], judged, state, open_ones, changed)
        if seen.listed is not None:
            resource, namespace = group
            for key in list(open_ones):
                target = wanted[key]
                if (target.resource, target.ref.namespace) == (resource, namespace) and key not in present:
                    self._note(
                        target,
                        Assessment(State.MISSING, "is not on the cluster, or has lost our label"),
                        state,
                        open_ones,
                        changed,
                    )

    def _note(
        self,
        target: Target,
        judged: Assessment,
        state: dict[Key, Assessment],
        open_ones: set[Key],
        changed: Callable[[Target, Assessment], None],
    ) -> None:
        if judged != state[target.key]:
            state[target.key] = judged
            changed(target, judged)
        if judged.state is not State.FAILED:
            self._failed_since.pop(target.key, None)
        if judged.ready:
            open_ones.discard(target.key)

    def _give_up(self, state: Mapping[Key, Assessment], open_ones: set[Key]) -> None:
        """Stop waiting for what has failed and stays so; a Job that failed never gets better."""
        now = self._api.clock.monotonic()
        for key in [key for key in open_ones if state[key].state is State.FAILED]:
            since = self._failed_since.setdefault(key, now)
            if key[1] == "Job" or now - since >= _GRACE:
                open_ones.discard(key)

    def _judge(self, obj: KubernetesObject, *, final: bool) -> Assessment:
        judged = assess(obj)
        if obj.get("kind") == "PersistentVolumeClaim" and judged.state is State.PROGRESSING:
            meta = metadata(obj)
            mounted = (as_text(meta.get("namespace")), as_text(meta.get("name"))) in self._mounted
            if (not final or not mounted) and self.binds_late(obj):
                return Assessment(State.READY, "binds when a pod mounts it", judged.rule)
        return judged

    def judge(self, obj: KubernetesObject, *, final: bool = True) -> Assessment:
        """Judge one object, with what the set and the cluster say about claims."""
        return self._judge(obj, final=final)

    def binds_late(self, claim: Mapping[str, Any]) -> bool:
        """Tell whether a claim's class waits for the first pod that mounts it."""
        name = as_text(as_map(claim.get("spec")).get("storageClassName"))
        if name not in self._late_binding:
            self._late_binding[name] = self._ask_class(name)
        return self._late_binding[name]

    def _ask_class(self, name: str) -> bool:
        if name:
            answer = self._api.get(STORAGE_CLASSES, "", name)
            return answer.ok and answer.value.get("volumeBindingMode") == "WaitForFirstConsumer"
        answer = self._api.list(STORAGE_CLASSES)
        if not answer.ok:
            return False
        for entry in as_list(answer.value.get("items")):
            annotations = as_map(metadata(entry).get("annotations"))
            if annotations.get("storageclass.kubernetes.io/is-default-class") == "true":
                return bool(entry.get("volumeBindingMode") == "WaitForFirstConsumer")
        return False


_WEBHOOKS = frozenset({"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"})


def is_webhook(kind: str) -> bool:
    """Tell whether a kind is a webhook configuration."""
    return kind in _WEBHOOKS


def webhook_services(configuration: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Give namespace and name of the Services that a webhook configuration calls."""
    found: dict[tuple[str, str], None] = {}
    for webhook in as_list(configuration.get("webhooks")):
        service = as_map(as_map(as_map(webhook).get("clientConfig")).get("service"))
        if service:
            found[as_text(service.get("namespace")), as_text(service.get("name"))] = None
    return list(found)


def webhook_ready(api: Api, configuration: Mapping[str, Any]) -> Assessment:
    """Judge a webhook configuration: each of its Services has an endpoint that is ready.

    That it really answers shows when the first object of its kinds is applied; until then that is tried again.
    """
    for namespace, name in webhook_services(configuration):
        answer = api.list(ENDPOINT_SLICES, namespace, selector=f"kubernetes.io/service-name={name}")
        if not answer.ok:
            # Without the right to look, the apply of an object will tell.
            continue
        slices = as_list(answer.value.get("items"))
        ready = any(
            as_map(endpoint.get("conditions")).get("ready") is not False
            for entry in slices
            for endpoint in as_list(entry.get("endpoints"))
        )
        if not ready:
            return Assessment(State.PROGRESSING, f"its Service {namespace}/{name} has no ready endpoint", "webhook")
    return Assessment(State.READY, "", "webhook")
