"""Recognising a rename: many objects leave the set while as many of the same kinds come, under a name or namespace that differs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlops_nix.objects import ObjectRef

# Pairs beyond which looking costs more than it tells: nobody renames thousands of objects of one kind.
_MOST_PAIRS = 40_000
# Fewer objects than this may look alike by chance.
_FEWEST = 2


def renames(created: Iterable[ObjectRef], leaving: Iterable[ObjectRef]) -> list[str]:
    """Describe renames among objects that come and go.

    Args:
        created: Objects that are new.
        leaving: Objects that left the set.

    Returns:
        One text per rename, such as ``rename: mlflow is now tracking (12 objects)``.
    """
    by_kind: dict[tuple[str, str], list[ObjectRef]] = {}
    for ref in leaving:
        by_kind.setdefault((ref.group, ref.kind), []).append(ref)
    coming = list(created)
    if sum(len(by_kind.get((new.group, new.kind), ())) for new in coming) > _MOST_PAIRS:
        return []
    pairs: list[tuple[tuple[str, str, str], ObjectRef, ObjectRef]] = []
    for new in coming:
        for old in by_kind.get((new.group, new.kind), []):
            if old.name == new.name and old.namespace != new.namespace:
                pairs.append((("namespace", old.namespace, new.namespace), new, old))
            elif old.namespace == new.namespace and (parts := _difference(old.name, new.name)):
                pairs.append((("name", *parts), new, old))
    found: list[str] = []
    while pairs:
        # The commonest change explains its objects; what is left is looked at again without them.
        (change, number), *_ = Counter(pair[0] for pair in pairs).most_common(1)
        if number < _FEWEST:
            break
        sort, before, after = change
        what = (
            f"what was in the namespace {before} is now in {after}"
            if sort == "namespace"
            else f"{before} is now {after}"
        )
        found.append(f"rename: {what} ({number} objects)")
        explained = {ref for pair in pairs if pair[0] == change for ref in pair[1:]}
        pairs = [pair for pair in pairs if pair[1] not in explained and pair[2] not in explained]
    return found


def _difference(old: str, new: str) -> tuple[str, str] | None:
    """Give the one part, between dashes, in which two names differ; nothing where they differ in more."""
    first, second = old.split("-"), new.split("-")
    start = 0
    while start < min(len(first), len(second)) and first[start] == second[start]:
        start += 1
    end = 0
    while end < min(len(first), len(second)) - start and first[-1 - end] == second[-1 - end]:
        end += 1
    before, after = first[start : len(first) - end], second[start : len(second) - end]
    # With nothing in common but the kind, any two objects would be a rename; a whole name that changed is one all the same.
    return ("-".join(before), "-".join(after)) if before and after else None
