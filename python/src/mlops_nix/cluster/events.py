"""What happens during a run, as data: the engine tells, printers and programs listen.

An event never holds the value of a Secret: the changes that it carries come from `redact.Mask`, and its texts go through the
mask's `text` where an object of kind Secret is concerned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from mlops_nix.objects import ObjectRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events; `type` is the word in the JSON Lines."""

    type: ClassVar[str] = "event"

    def to_json(self) -> dict[str, Any]:
        """Give the event as one line of ``--output json`` has it (without time and run)."""
        document: dict[str, Any] = {"type": self.type}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if value is None or value in ((), ""):
                continue
            document[entry.name] = _plain(value)
        return document


def _plain(value: Any) -> Any:
    if isinstance(value, ObjectRef):
        return value.to_json()
    if isinstance(value, tuple | list):
        return [_plain(element) for element in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(element) for key, element in value.items()}
    if hasattr(value, "to_json"):
        return value.to_json()
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Event):
    """A run began."""

    type: ClassVar[str] = "started"
    set: str
    operation: str
    server: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned(Event):
    """The plan is known; `counts` maps actions to numbers of objects."""

    type: ClassVar[str] = "planned"
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveStarted(Event):
    """A wave begins."""

    type: ClassVar[str] = "wave"
    wave: str
    number: int
    objects: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied(Event):
    """An object was written, or found to be as it should; `action` is created, changed, unchanged, replaced or pruned."""

    type: ClassVar[str] = "object"
    object: ObjectRef
    action: str
    component: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Event):
    """An object could not be written; `code` is the class of the answer."""

    type: ClassVar[str] = "failed"
    object: ObjectRef
    code: str
    reason: str
    hint: str | None = None
    component: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped(Event):
    """An object was left out because of another that failed, or because something guards it."""

    type: ClassVar[str] = "skipped"
    object: ObjectRef
    reason: str
    component: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness(Event):
    """What is known about an object's readiness has changed."""

    type: ClassVar[str] = "readiness"
    object: ObjectRef
    status: str
    reason: str = ""
    component: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting(Event):
    """The run waits for objects; sent when their number changes."""

    type: ClassVar[str] = "waiting"
    wave: str
    ready: int
    total: int
    slowest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttled(Event):
    """The server asked to wait."""

    type: ClassVar[str] = "throttled"
    seconds: float
    in_flight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrying(Event):
    """A request did not go through and is sent again after `seconds`."""

    type: ClassVar[str] = "retrying"
    request: str
    reason: str
    attempt: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned(Event):
    """The server, or we, warn about something; each text is told once in a run."""

    type: ClassVar[str] = "warning"
    text: str
    object: ObjectRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed(Event):
    """Something worth knowing: the lock was taken, the inventory was rebuilt, credentials were renewed."""

    type: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(Event):
    """The run ended; `outcome` is ok, unchanged, incomplete, not-ready or interrupted."""

    type: ClassVar[str] = "finished"
    outcome: str
    counts: Mapping[str, int]
    seconds: float
    requests: int = 0


Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Listen to nothing."""
    del event
