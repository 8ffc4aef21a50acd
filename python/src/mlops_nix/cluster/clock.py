"""Time, as something that is passed in: a test turns the hands itself."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the cluster layer wants to know about time; all values are seconds."""

    def now(self) -> float:
        """Give the time of day, in seconds since 1970."""

    def monotonic(self) -> float:
        """Give a time that never goes back and also runs while the machine sleeps."""

    def sleep(self, seconds: float) -> None:
        """Let that much time pass."""


class SystemClock:
    """The clock of the machine."""

    def now(self) -> float:
        """Give the time of day, in seconds since 1970."""
        return time.time()

    def monotonic(self) -> float:
        """Give the time since boot. A suspended machine must notice that its lock ran out, hence not CLOCK_MONOTONIC."""
        if hasattr(time, "CLOCK_BOOTTIME"):
            return time.clock_gettime(time.CLOCK_BOOTTIME)
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)


def timestamp(seconds: float) -> str:
    """Write a time as Kubernetes does in ``metav1.Time``: ``2026-01-31T12:00:00Z``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_timestamp(seconds: float) -> str:
    """Write a time as ``metav1.MicroTime``, which a Lease wants."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_timestamp(text: str) -> float | None:
    """Read a time that Kubernetes wrote, or nothing where it is no time."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
