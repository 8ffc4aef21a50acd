"""How fast to ask, and how long to wait before asking again: one pace for all threads of a run.

When the server says 429, everybody waits for as long as it asked, and fewer requests are in flight afterwards; each success
lets their number grow again slowly. So a server that takes one request at a time is served one at a time, without storms.
"""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_nix.cluster.clock import Clock

# Successes in a row after which one more request may be in flight.
_GROWTH = 16


class Pace:
    """Bounds requests in flight, and holds them back after a refusal.

    Args:
        clock: Time.
        limit: Requests in flight at most.
        jitter: Gives a number from 0 to 1; spreads the waiting of several clients.
    """

    def __init__(self, clock: Clock, *, limit: int = 8, jitter: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._most = limit
        self._limit = limit
        self._jitter = jitter
        self._in_flight = 0
        self._successes = 0
        self._not_before = 0.0
        self._condition = threading.Condition()

    @property
    def limit(self) -> int:
        """Requests that may be in flight now."""
        return self._limit

    def enter(self) -> None:
        """Wait for a place among the requests in flight, and until the server wants to hear from us again."""
        while True:
            with self._condition:
                delay = self._not_before - self._clock.monotonic()
                if delay <= 0:
                    if self._in_flight < self._limit:
                        self._in_flight += 1
                        return
                    self._condition.wait()
                    continue
            self._clock.sleep(delay)

    def leave(self, *, throttled: bool = False, retry_after: float | None = None) -> None:
        """Give the place back.

        Args:
            throttled: The answer was 429 (or 503 with a time to wait).
            retry_after: Seconds that the server asked to wait.
        """
        with self._condition:
            self._in_flight -= 1
            if throttled:
                self._limit = max(1, self._limit // 2)
                self._successes = 0
                wait = (1.0 if retry_after is None else retry_after) * (1 + 0.1 * self._jitter())
                self._not_before = max(self._not_before, self._clock.monotonic() + wait)
            else:
                self._successes += 1
                if self._successes >= _GROWTH and self._limit < self._most:
                    self._limit += 1
                    self._successes = 0
            self._condition.notify_all()


def backoff(attempt: int, jitter: float, *, base: float = 0.2, cap: float = 8.0) -> float:
    """Give the seconds to wait before the next try: exponential, with full jitter.

    Args:
        attempt: Tries so far, from 1.
        jitter: A number from 0 to 1.
        base: Seconds of the first step.
        cap: Most seconds of a step.
    """
    # A floor of a tenth: full jitter near 0 would be no waiting at all.
    return float(min(cap, base * 2 ** min(attempt - 1, 16)) * max(0.1, jitter))
