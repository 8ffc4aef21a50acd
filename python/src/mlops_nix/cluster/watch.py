"""Following the objects of one kind: list, watch from there, and again when the watch ends.

A watch that is too old ends with an event, not with an HTTP error: ``{"type":"ERROR","object":{"code":410,"reason":"Expired"}}``
under HTTP 200. Then, as after a 410 to the request itself, everything is listed again. Source: kube-apiserver 1.36.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_nix.cluster.answer import Outcome, classify
from mlops_nix.cluster.pace import backoff
from mlops_nix.cluster.transport import Disconnected, Response
from mlops_nix.objects import as_list, as_map, as_text, metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlops_nix.cluster.api import Api
    from mlops_nix.cluster.discovery import Resource
    from mlops_nix.cluster.transport import Stream
    from mlops_nix.objects import KubernetesObject

# Seconds of one watch; the API server ends it sooner where it is told to.
_SECONDS = 290


@dataclass(frozen=True, slots=True)
class Seen:
    """A state of the world.

    Args:
        object: An object as it is now; for a list, nothing.
        gone: The object was deleted.
        listed: All objects, after a list: what is not in it is gone.
    """

    object: KubernetesObject | None = None
    gone: bool = False
    listed: tuple[KubernetesObject, ...] | None = None


class Refused(Exception):
    """The kind may not be listed or watched, or is not served."""


def follow(
    api: Api,
    resource: Resource,
    namespace: str,
    selector: str,
    *,
    ended: Callable[[], bool],
    opened: Callable[[Stream], None] = lambda _: None,
) -> Iterator[Seen]:
    """Yield what happens to objects, without end.

    Args:
        api: The server.
        resource: The kind.
        namespace: Where; empty for everywhere.
        selector: Label selector.
        ended: Asked between two events; ends the iteration.
        opened: Hears of each stream, so that another thread can close it.

    Raises:
        Refused: The kind cannot be followed.
        ClusterError: The server cannot be reached within the patience of the `Api`.
    """
    version = ""
    failures = 0
    while not ended():
        if not version:
            answer = api.list(resource, namespace, selector=selector)
            if not answer.ok:
                raise Refused(answer.message or answer.outcome.value)
            items = as_list(answer.value.get("items"))
            for item in items:
                item.setdefault("apiVersion", resource.api_version)
                item.setdefault("kind", resource.kind)
            version = as_text(metadata(answer.value).get("resourceVersion"))
            yield Seen(listed=tuple(items))
            if ended():
                return
        try:
            stream = api.watch(resource, namespace, selector=selector, version=version or "0", seconds=_SECONDS)
        except Disconnected:
            failures += 1
            api.clock.sleep(backoff(failures, api.jitter()))
            continue
        opened(stream)
        if stream.status != 200:  # noqa: PLR2004
            version, failures = _after_refusal(api, stream, version, failures)
            continue
        try:
            for event in _events(stream):
                failures = 0
                kind, obj = as_text(event.get("type")), as_map(event.get("object"))
                if kind == "ERROR":
                    # 410 Expired, or the server's trouble (500): what we know may be incomplete in both cases.
                    version = ""
                    break
                version = as_text(metadata(obj).get("resourceVersion")) or version
                if kind in {"ADDED", "MODIFIED", "DELETED"}:
                    yield Seen(object=dict(obj), gone=kind == "DELETED")
                if ended():
                    return
        except Disconnected:
            failures += 1
            if not ended():
                api.clock.sleep(backoff(failures, api.jitter()))
        finally:
            stream.close()


def _after_refusal(api: Api, stream: Stream, version: str, failures: int) -> tuple[str, int]:
    """Decide what to do when a watch is answered by an error."""
    try:
        body = b"".join(stream.chunks)
    except Disconnected:
        body = b""
    finally:
        stream.close()
    answer = classify(Response(stream.status, stream.headers, body))
    if answer.outcome is Outcome.EXPIRED:
        return "", failures
    if answer.outcome in {Outcome.THROTTLED, Outcome.TRANSIENT, Outcome.NOT_YET, Outcome.SERVER_ERROR}:
        api.clock.sleep(answer.retry_after or backoff(failures + 1, api.jitter()))
        return version, failures + 1
    if answer.outcome is Outcome.UNAUTHORIZED and failures == 0 and api.transport.renew_credentials():
        return version, failures + 1
    raise Refused(answer.message or answer.outcome.value)


def _events(stream: Stream) -> Iterator[Any]:
    import orjson

    rest = b""
    for chunk in stream.chunks:
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        for line in lines:
            if not line.strip():
                continue
            try:
                yield orjson.loads(line)
            except orjson.JSONDecodeError as error:
                # Half an event: the connection broke within a line.
                raise Disconnected(f"a broken event in a watch: {error}") from error
