"""Requests to the API server as verbs, with the retries that each class of answer deserves.

What can get better is sent again until the deadline: 429 after the time that the server asks for, 503 and time-outs and broken
connections with back-off, 401 once with fresh credentials. Everything else comes back at once as an `Answer`.
"""

from __future__ import annotations

import random
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from mlops_nix.cluster import events
from mlops_nix.cluster.answer import RETRYABLE, Answer, Outcome, classify
from mlops_nix.cluster.clock import SystemClock
from mlops_nix.cluster.pace import Pace, backoff
from mlops_nix.cluster.transport import Disconnected
from mlops_nix.errors import ApiError, ClusterError, Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_nix.cluster.clock import Clock
    from mlops_nix.cluster.discovery import Resource
    from mlops_nix.cluster.transport import Query, Stream, Transport

MANAGER = "mlops-nix"
_JSON = "application/json"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
# Seconds for one request. An API server gives up after 60 s by itself, and its answer 504 can take 34 s.
_TIMEOUT = 40.0


class Stop:
    """The wish of the user to end the run; looked at before each request."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.signal = ""

    def set(self, signal: str = "SIGINT") -> None:
        """Ask the run to end after the requests that are in flight."""
        self.signal = self.signal or signal
        self._event.set()

    @property
    def requested(self) -> bool:
        """Whether the run should end."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise `Interrupted` where the run should end."""
        if self._event.is_set():
            raise Interrupted(f"stopped by {self.signal}")


class Fence(Protocol):
    """What stands before each write: the lock of the set."""

    def check(self) -> None:
        """Make sure that the lock is ours, renewing it where needed; raise `Locked` where it is not."""

    def valid(self) -> bool:
        """Tell, without a request, whether the lock is surely ours now."""


class Api:
    """One API server, as the rest of the package talks to it. Used by several threads.

    Args:
        transport: The way to the server.
        clock: Time.
        listener: Hears of retries, throttling and warnings.
        stop: Ends the run between two requests.
        limit: Requests in flight at most.
        patience: Seconds for which a request that can get better is tried again, where no deadline is set.
        first_patience: The same before the server has answered at all: a wrong address should not take minutes.
        jitter: Gives a number from 0 to 1.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        clock: Clock | None = None,
        listener: events.Listener = events.ignore,
        stop: Stop | None = None,
        limit: int = 8,
        patience: float = 600.0,
        first_patience: float = 30.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.transport = transport
        self.clock = clock or SystemClock()
        self.listener = listener
        self.stop = stop or Stop()
        self.limit = limit
        self.pace = Pace(self.clock, limit=limit, jitter=jitter)
        self.deadline: float | None = None
        self.requests = 0
        self.server_time_offset = 0.0
        self._patience = patience
        self._first_patience = first_patience
        self.jitter = jitter
        self._answered = False
        self._warned: set[str] = set()
        self._lock = threading.Lock()
        self._renewals = 0
        self.fence: Fence | None = None

    def server_now(self) -> float:
        """Give the time of day as the server's ``Date`` headers have it: all clients of one cluster agree on it."""
        return self.clock.now() + self.server_time_offset

    def warn(self, text: str) -> None:
        """Pass a warning on, once per text."""
        with self._lock:
            if text in self._warned:
                return
            self._warned.add(text)
        self.listener(events.Warned(text=text))

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: Any = None,
        content_type: str = _JSON,
        accept: str = _JSON,
        patience: float | None = None,
        timeout: float = _TIMEOUT,
        unstoppable: bool = False,
    ) -> Answer:
        """Send a request until it has an answer that trying again would not better.

        Args:
            method: HTTP method.
            path: Absolute path.
            query: Pairs of the query string.
            body: A JSON value, or bytes.
            content_type: Of the body.
            accept: Wanted form of the answer.
            patience: Seconds for which to try again; by default until the deadline of the run.
            timeout: Seconds for one try.
            unstoppable: Also sent after the user asked to stop (giving back the lock).

        Raises:
            ClusterError: No answer in that time.
            Interrupted: The user asked to stop.
        """
        data = _encode(body)
        headers = {"accept": accept, **({"content-type": content_type} if data is not None else {})}
        # A write after the lock was lost could overwrite the work of whoever has it now.
        writes = method != "GET" and ("dryRun", "All") not in query
        begun = self.clock.monotonic()
        until = self._until(begun, patience)
        attempt = 0
        credentials, fresh = self._renewals, False
        while True:
            attempt += 1
            if not unstoppable:
                self.stop.check()
            answer, trouble = self._try(method, path, query, headers, data, timeout, fenced=writes and not unstoppable)
            if answer is not None:
                if answer.outcome is Outcome.UNAUTHORIZED and not fresh:
                    fresh = True
                    if self._renew(credentials):
                        continue
                if answer.outcome not in RETRYABLE:
                    return answer
            delay = backoff(attempt, self.jitter())
            if answer is not None and answer.retry_after is not None:
                delay = max(answer.retry_after, delay)
            if self.clock.monotonic() + delay > until:
                if answer is not None:
                    return answer
                raise ClusterError(
                    f"the API server cannot be reached: {trouble}",
                    hint="check the address of the context, the network and proxies; run the command again to go on",
                )
            reason = trouble if answer is None else (answer.message or answer.outcome.value)
            self.listener(
                events.Retrying(request=f"{method} {path}", reason=reason, attempt=attempt, seconds=round(delay, 3))
            )
            if answer is None or answer.outcome is not Outcome.THROTTLED:
                self._sleep(delay, unstoppable=unstoppable)
            # After a 429 the shared pace holds back everybody, this request included.

    def _sleep(self, seconds: float, *, unstoppable: bool) -> None:
        """Sleep in pieces, so that an interrupt is felt within half a second."""
        end = self.clock.monotonic() + seconds
        while (left := end - self.clock.monotonic()) > 0:
            if not unstoppable:
                self.stop.check()
            self.clock.sleep(min(left, 0.5))

    def _until(self, begun: float, patience: float | None) -> float:
        if patience is not None:
            until = begun + patience
            return min(until, self.deadline) if self.deadline is not None and patience > 0 else until
        if not self._answered:
            return begun + self._first_patience
        return self.deadline if self.deadline is not None else begun + self._patience

    def _try(
        self,
        method: str,
        path: str,
        query: Query,
        headers: dict[str, str],
        data: bytes | None,
        timeout: float,
        *,
        fenced: bool,
    ) -> tuple[Answer | None, str]:
        self._enter(fenced=fenced)
        throttled, retry_after = False, None
        try:
            with self._lock:
                self.requests += 1
            response = self.transport.request(method, path, query=query, headers=headers, body=data, timeout=timeout)
            self._answered = True
            answer = classify(response, path=path)
            throttled = answer.outcome is Outcome.THROTTLED
            if throttled:
                retry_after = answer.retry_after if answer.retry_after is not None else 1.0
                answer = replace(answer, retry_after=retry_after)
        except Disconnected as error:
            if error.final:
                raise ClusterError(
                    f"the API server cannot be reached: {error.message}",
                    hint="check the address and the certificate authority of the context",
                ) from error
            return None, error.message
        finally:
            self.pace.leave(throttled=throttled, retry_after=retry_after)
        if throttled:
            self.listener(events.Throttled(seconds=retry_after or 0.0, in_flight=self.pace.limit))
        if answer.date:
            self._note_time(answer.date)
        for text in answer.warnings:
            self.warn(text)
        return answer, ""

    def _enter(self, *, fenced: bool) -> None:
        """Take a place among the requests in flight; for a write, only with the lock surely held at that moment."""
        while True:
            fence = self.fence if fenced else None
            if fence is not None:
                # Not while a place is held: renewing the lock needs one itself.
                fence.check()
            self.pace.enter()
            if fence is None or fence.valid():
                return
            self.pace.leave()

    def _note_time(self, date: str) -> None:
        from email.utils import parsedate_to_datetime

        try:
            self.server_time_offset = parsedate_to_datetime(date).timestamp() - self.clock.now()
        except ValueError:
            return

    def _renew(self, seen: int) -> bool:
        """Fetch fresh credentials after a 401; a thread that comes later uses what another fetched."""
        with self._lock:
            if self._renewals != seen:
                return True
            self._renewals += 1
            renewed = self.transport.renew_credentials()
        if renewed:
            self.listener(events.Noticed(text="credentials were refused (401) and fetched again"))
        return renewed

    # Verbs on objects ------------------------------------------------------------------------------------------------------

    def get(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        metadata_only: bool = False,
        patience: float | None = None,
    ) -> Answer:
        """Read an object."""
        return self.send(
            "GET", resource.path(namespace, name), accept=_METADATA if metadata_only else _JSON, patience=patience
        )

    def list(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        selector: str = "",
        fields: str = "",
        metadata_only: bool = False,
        patience: float | None = None,
        page: int | None = None,
    ) -> Answer:
        """Read a list; the answer's value is the list object with all items.

        Args:
            resource: What to list.
            namespace: Where; empty for all namespaces.
            selector: Label selector.
            fields: Field selector.
            metadata_only: Ask for ``PartialObjectMetadata``: a third of the bytes.
            patience: As in `send`.
            page: Objects per request; by default all in one.
        """
        query = [("labelSelector", selector)] if selector else []
        if fields:
            query.append(("fieldSelector", fields))
        if page:
            query.append(("limit", str(page)))
        accept = _METADATA_LIST if metadata_only else _JSON
        path = resource.path(namespace)
        answer = self.send("GET", path, query=query, accept=accept, patience=patience)
        items = answer.value.get("items") or [] if answer.ok else []
        last = answer
        while last.ok and (token := (last.value.get("metadata") or {}).get("continue")):
            last = self.send("GET", path, query=[*query, ("continue", token)], accept=accept, patience=patience)
            if last.outcome is Outcome.EXPIRED:
                return self.list(
                    resource,
                    namespace,
                    selector=selector,
                    fields=fields,
                    metadata_only=metadata_only,
                    patience=patience,
                )
            if not last.ok:
                return last
            items += last.value.get("items") or []
        if answer.ok:
            answer.value["items"] = items
        return answer

    def apply(
        self,
        resource: Resource,
        obj: Any,
        namespace: str,
        name: str,
        *,
        dry_run: bool = False,
        force: bool = False,
        manager: str = MANAGER,
        patience: float | None = None,
    ) -> Answer:
        """Apply an object server-side.

        Args:
            resource: Kind of the object.
            obj: The object, or its JSON as bytes.
            namespace: Its namespace.
            name: Its name.
            dry_run: Ask only what would come out.
            force: Take fields from other managers.
            manager: Field manager.
            patience: As in `send`.
        """
        query = [("fieldManager", manager), ("force", "true" if force else "false")]
        if dry_run:
            query.append(("dryRun", "All"))
        return self.send(
            "PATCH",
            resource.path(namespace, name),
            query=query,
            body=obj,
            content_type="application/apply-patch+yaml",
            patience=patience,
        )

    def create(self, resource: Resource, obj: Any, namespace: str, *, patience: float | None = None) -> Answer:
        """Create an object with POST; ``exists`` where there is one."""
        return self.send(
            "POST", resource.path(namespace), query=[("fieldManager", MANAGER)], body=obj, patience=patience
        )

    def replace(
        self,
        resource: Resource,
        obj: Any,
        namespace: str,
        name: str,
        *,
        unstoppable: bool = False,
        patience: float | None = None,
    ) -> Answer:
        """Write an object with PUT; its ``resourceVersion`` makes sure that nobody wrote in between."""
        return self.send(
            "PUT",
            resource.path(namespace, name),
            query=[("fieldManager", MANAGER)],
            body=obj,
            unstoppable=unstoppable,
            patience=patience,
        )

    def patch(
        self,
        resource: Resource,
        body: Any,
        namespace: str,
        name: str,
        *,
        kind: str = "merge",
        manager: str = MANAGER,
        dry_run: bool = False,
    ) -> Answer:
        """Change an object with a merge patch or a JSON patch.

        Args:
            resource: Kind of the object.
            body: The patch.
            namespace: Its namespace.
            name: Its name.
            kind: ``merge`` or ``json``.
            manager: Field manager.
            dry_run: Ask only what would come out.
        """
        query = [("fieldManager", manager)]
        if dry_run:
            query.append(("dryRun", "All"))
        content_type = "application/merge-patch+json" if kind == "merge" else "application/json-patch+json"
        return self.send("PATCH", resource.path(namespace, name), query=query, body=body, content_type=content_type)

    def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: str = "Background",
        unstoppable: bool = False,
    ) -> Answer:
        """Delete an object, only if it is still the one that was seen.

        Args:
            resource: Kind of the object.
            namespace: Its namespace.
            name: Its name.
            uid: Its UID as seen; another UID means that somebody made it anew.
            resource_version: Its version as seen.
            propagation: ``Background``, ``Foreground`` or ``Orphan``; always sent, as a Job would orphan its pods by default.
            unstoppable: As in `send`.
        """
        body: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        preconditions = {key: value for key, value in (("uid", uid), ("resourceVersion", resource_version)) if value}
        if preconditions:
            body["preconditions"] = preconditions
        return self.send("DELETE", resource.path(namespace, name), body=body, unstoppable=unstoppable)

    def watch(self, resource: Resource, namespace: str, *, selector: str, version: str, seconds: int = 290) -> Stream:
        """Begin a watch from a resource version; see `watch.follow` for what its lines mean."""
        with self._lock:
            self.requests += 1
        return self.transport.stream(
            resource.path(namespace),
            query=[
                ("watch", "true"),
                ("labelSelector", selector),
                ("resourceVersion", version),
                ("allowWatchBookmarks", "true"),
                ("timeoutSeconds", str(seconds)),
            ],
            headers={"accept": _JSON},
            timeout=float(seconds + 10),
        )


def _encode(body: Any) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    import orjson

    return orjson.dumps(body)


def object_path(prefix: str, plural: str, namespace: str, name: str) -> str:
    """Give the path of an object or, without a name, of its collection."""
    path = f"{prefix}/namespaces/{quote(namespace, safe='')}/{plural}" if namespace else f"{prefix}/{plural}"
    return f"{path}/{quote(name, safe='')}" if name else path


def error_of(answer: Answer, subject: str) -> ApiError:
    """Make the error for an answer that ends a step which has no object of the set to report it for.

    Args:
        answer: The answer.
        subject: What was done: ``read the inventory ml/mlops-nix-acme``.
    """
    forbidden = answer.outcome is Outcome.FORBIDDEN
    return ApiError(
        f"cannot {subject}: {answer.message or answer.outcome.value}",
        status=answer.status,
        http_status=answer.http_status,
        hint="`mlops-nix doctor --rbac` prints the Role that a set needs" if forbidden else None,
    )
