"""A transport that answers by a script, and a clock whose hands the test turns: for what needs no server at all."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_nix.cluster.api import Api
from mlops_nix.cluster.transport import Disconnected, Response, Stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mlops_nix.cluster.events import Event


class ManualClock:
    """Time passes only where somebody sleeps, or the test says so."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self.time = start
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self.time += seconds

    def advance(self, seconds: float) -> None:
        self.time += seconds


@dataclass(frozen=True)
class Sent:
    """A request as the transport saw it."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes | None

    @property
    def object(self) -> Any:
        return json.loads(self.body or b"null")


def answer(status: int, body: Any = None, **headers: str) -> Response:
    """An answer with a JSON body, or with text where the body is a string."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode() if body is not None else b""
    return Response(
        status, {"content-type": "text/plain" if isinstance(body, str) else "application/json", **named}, raw
    )


def refusal(code: int, reason: str, message: str, **details: Any) -> Response:
    """An answer with a Status."""
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}
    if reason:
        status["reason"] = reason
    if details:
        status["details"] = details
    return answer(code, status)


@dataclass
class ScriptedTransport:
    """Answers requests one after the other; the last answer is given for ever."""

    script: Sequence[Any]
    streams: Sequence[Any] = ()
    sent: list[Sent] = field(default_factory=list)
    renewals: int = 0
    renewable: bool = True

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = 30.0,
    ) -> Response:
        del timeout
        sent = Sent(method, path, tuple(query), dict(headers or {}), body)
        self.sent.append(sent)
        given = self.script[min(len(self.sent), len(self.script)) - 1]
        if isinstance(given, Disconnected):
            raise given
        response: Response = given(sent) if callable(given) else given
        return response

    def stream(
        self,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        timeout: float = 300.0,
    ) -> Stream:
        del timeout
        self.sent.append(Sent("WATCH", path, tuple(query), dict(headers or {}), None))
        number = sum(1 for sent in self.sent if sent.method == "WATCH")
        given = self.streams[min(number, len(self.streams)) - 1]
        if isinstance(given, Disconnected):
            raise given
        status, chunks = given

        def arriving() -> Iterator[bytes]:
            for chunk in chunks:
                if isinstance(chunk, Disconnected):
                    raise chunk
                yield chunk

        return Stream(status, {}, arriving(), lambda: None)

    def renew_credentials(self) -> bool:
        self.renewals += 1
        return self.renewable


def scripted(
    *script: Any, streams: Sequence[Any] = (), **options: Any
) -> tuple[Api, ScriptedTransport, ManualClock, list[Event]]:
    """An `Api` over a script, with its transport, its clock and the events that it sends."""
    transport = ScriptedTransport(script, streams)
    clock = ManualClock()
    heard: list[Event] = []
    api = Api(transport, clock=clock, listener=heard.append, jitter=lambda: 1.0, **options)
    return api, transport, clock, heard
