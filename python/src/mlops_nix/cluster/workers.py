"""Doing many things at once, bounded, with the first serious trouble ending all of it."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")
R = TypeVar("R")


def each(work: Callable[[T], R], items: Iterable[T], *, limit: int = 8) -> list[R]:
    """Call `work` for each item and give the results in their order.

    An error of one call ends the others: what runs is finished, what has not begun is left out, and the first error is raised.

    Args:
        work: Called in several threads.
        items: What to call it with.
        limit: Calls at the same time; 1 calls in this thread.
    """
    listed = list(items)
    if limit <= 1 or len(listed) <= 1:
        return [work(item) for item in listed]
    ended = threading.Event()

    def guarded(item: T) -> R | None:
        if ended.is_set():
            return None
        try:
            return work(item)
        except BaseException:
            ended.set()
            raise

    with ThreadPoolExecutor(max_workers=min(limit, len(listed)), thread_name_prefix="mlops-nix") as pool:
        futures = [pool.submit(guarded, item) for item in listed]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        except BaseException:
            ended.set()
            raise
    # The first error by time, not by place, is lost here; any of them says why everything ended.
    for future in futures:
        error = future.exception()
        if error is not None:
            raise error
    return [future.result() for future in futures]  # type: ignore[misc]
