"""Faults by schedule: `at request 17: reset after the write`.

A schedule is a list of `Fault`s, so that a property test can generate and shrink it. The same
schedule drives the fake server and the proxy before the real one.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from . import status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .serving import Request

Action = Literal["reset", "reset-after", "half-body", "answer", "delay", "call", "call-after"]


@dataclass
class Fault:
    """One fault, and when it strikes.

    Args:
        action: `reset`: the connection is reset, nothing is done. `reset-after`: the request is
            done, then the connection is reset. `half-body`: the answer breaks off in the middle.
            `answer`: `refusal` is answered, nothing is done. `delay`: it is done `seconds` later.
            `call`, `call-after`: `function` is called before or after it is done; the
            connection is reset where it returns True.
        at: number of the request, from 1 over all requests; None is any.
        matching: which requests; None is any.
        times: how often it strikes.
    """

    action: Action
    at: int | None = None
    matching: Callable[[Request], bool] | None = None
    times: float = 1
    seconds: float = 0.0
    refusal: status.Refusal | None = None
    function: Callable[[Request], bool | None] | None = None
    struck: int = 0

    def strikes(self, request: Request) -> bool:
        """Return whether it strikes this request."""
        if self.struck >= self.times or (self.at is not None and request.number != self.at):
            return False
        if self.matching is not None and not self.matching(request):
            return False
        self.struck += 1
        return True


@dataclass
class Schedule:
    """The faults of a run; empty at first."""

    faults: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, *faults: Fault) -> None:
        """Add faults, while the server runs."""
        with self._lock:
            self.faults.extend(faults)

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self.faults.clear()

    def strike(self, request: Request) -> list[Fault]:
        """Return the faults that strike this request."""
        with self._lock:
            return [fault for fault in self.faults if fault.strikes(request)]


def writes(request: Request) -> bool:
    """Whether a request changes what is stored."""
    return request.method in ("POST", "PUT", "PATCH", "DELETE") and "dryRun" not in request.query


def on(
    method: str | Iterable[str] = (), path: str = "", *, dry: bool | None = None, user: str | None = None
) -> Callable[[Request], bool]:
    """Return a predicate: one of the methods, `path` in the path, dry runs only (or none), by a user."""
    methods = {method} if isinstance(method, str) else set(method)

    def matches(request: Request) -> bool:
        return (
            (not methods or request.method in methods)
            and path in request.path
            and (dry is None or dry == ("dryRun" in request.query))
            and (user is None or request.user == user)
        )

    return matches


def throttled(seconds: int = 1, *, times: float = 1, matching: Callable[[Request], bool] | None = None) -> Fault:
    """429 with Retry-After and a plain body."""
    return Fault("answer", matching=matching, times=times, refusal=status.throttled(seconds))


def answered(
    refusal: status.Refusal,
    *,
    at: int | None = None,
    times: float = 1,
    matching: Callable[[Request], bool] | None = None,
) -> Fault:
    """Answer `refusal` in place of doing the request."""
    return Fault("answer", at=at, matching=matching, times=times, refusal=refusal)


def dropping(share: float, *, seed: int) -> list[Fault]:
    """Reset that share of all connections, half of them after the request was done."""
    chance = random.Random(seed)

    def before(_: Request) -> bool:
        return chance.random() < share / 2

    return [
        Fault("reset", matching=before, times=float("inf")),
        Fault("reset-after", matching=before, times=float("inf")),
    ]
