"""What is stored: objects, a revision that counts every write, and the events that watches replay."""

from __future__ import annotations

import copy
import threading
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .kinds import Kind

Item = dict[str, Any]
Name = tuple[str, str]
"""Namespace ("" for cluster-scoped) and name."""


@dataclass(frozen=True)
class Event:
    """One change: ADDED, MODIFIED or DELETED."""

    revision: int
    kind: str
    key: tuple[str, str]
    item: Item
    before: Item | None


def now() -> str:
    """Return the time as metadata has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Store:
    """Objects by (group, plural) and name; thread-safe under `lock`.

    Attributes:
        revision: the last write's number.
        history: all events since `floor`, for watches.
        floor: the oldest revision that a watch may start from.
        changed: notified at each write.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.objects: dict[tuple[str, str], dict[Name, Item]] = {}
        self.revision = 1
        self.history: list[Event] = []
        self.floor = 0
        self.observers: list[Callable[[Event], None]] = []

    def get(self, key: tuple[str, str], namespace: str, name: str) -> Item | None:
        """Return the stored object itself: callers must not change it."""
        return self.objects.get(key, {}).get((namespace, name))

    def items(self, key: tuple[str, str], namespace: str | None = None) -> Iterator[Item]:
        """Return the objects of a kind, sorted as the server's lists are."""
        found = self.objects.get(key, {})
        for where in sorted(found):
            if namespace is None or where[0] == namespace:
                yield found[where]

    def put(self, kind: Kind, item: Item) -> Item:
        """Store `item`, new or changed, and return the stored copy."""
        with self.lock:
            metadata = item["metadata"]
            where = (metadata.get("namespace", ""), metadata["name"])
            before = self.objects.get(kind.key, {}).get(where)
            self.revision += 1
            stored = copy.deepcopy(item)
            stored["metadata"]["resourceVersion"] = str(self.revision)
            if before is None:
                stored["metadata"].setdefault("uid", str(uuid.uuid4()))
                stored["metadata"].setdefault("creationTimestamp", now())
            self.objects.setdefault(kind.key, {})[where] = stored
            self._emit(Event(self.revision, "MODIFIED" if before else "ADDED", kind.key, stored, before))
            return stored

    def remove(self, kind_key: tuple[str, str], namespace: str, name: str) -> Item | None:
        """Remove an object for good."""
        with self.lock:
            before = self.objects.get(kind_key, {}).pop((namespace, name), None)
            if before is None:
                return None
            self.revision += 1
            last = copy.deepcopy(before)
            last["metadata"]["resourceVersion"] = str(self.revision)
            self._emit(Event(self.revision, "DELETED", kind_key, last, before))
            return last

    def compact(self) -> None:
        """Forget the history: watches from older revisions get 410 Expired."""
        with self.lock:
            self.history.clear()
            self.floor = self.revision
            self.changed.notify_all()

    def _emit(self, event: Event) -> None:
        self.history.append(event)
        self.changed.notify_all()
        for observer in self.observers:
            observer(event)
