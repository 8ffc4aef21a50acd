"""Did you mean: the nearest of some names, found cheaply."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST = 50
_SHORT = 5


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Give the name that was probably meant; nothing if none is near.

    A name that differs only in case, ``-`` or ``_`` wins.
    """
    candidates = list(names)
    plain = _plain(name)
    for candidate in candidates:
        if _plain(candidate) == plain:
            return candidate
    import difflib

    # The ratio is expensive: only names of like length that begin or end alike, and few of them.
    lower = name.lower()
    near = [
        candidate
        for candidate in candidates
        if abs(len(candidate) - len(name)) <= max(3, len(name) // 3)
        and (candidate[:2].lower() == lower[:2] or candidate[-2:].lower() == lower[-2:])
    ][:_MOST]
    found = difflib.get_close_matches(
        lower, [candidate.lower() for candidate in near], n=1, cutoff=0.6 if len(name) <= _SHORT else 0.75
    )
    return next((candidate for candidate in near if candidate.lower() == found[0]), None) if found else None


def suggest(name: str, names: Iterable[str]) -> str:
    """Give ``; did you mean X?``, or nothing."""
    found = nearest(name, names)
    return f"; did you mean {found}?" if found else ""


def _plain(name: str) -> str:
    return name.replace("-", "").replace("_", "").lower()
