"""Quantities of Kubernetes: ``500m`` and ``0.5`` are one amount, and the API server stores the canonical form.

Source: k8s.io/apimachinery ``resource.Quantity``: a decimal number with a suffix of n u m k M G T P E, Ki Mi Gi Ti Pi Ei or an exponent.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

_QUANTITY = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+))(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d+))?$")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}

# Fields whose value, or whose map's values, are quantities in the core API.
_FIELDS = frozenset({"sizeLimit", "averageValue", "divisor", "storage", "value"})
_PARENTS = frozenset(
    {
        "limits",
        "requests",
        "hard",
        "capacity",
        "allocatable",
        "min",
        "max",
        "default",
        "defaultRequest",
        "maxLimitRequestRatio",
    }
)
_RESOURCES = frozenset({"cpu", "memory", "storage", "ephemeral-storage", "pods"})


def parse(value: Any) -> Decimal | None:
    """Read a quantity; nothing where it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return Decimal(str(value))
    if not isinstance(value, str):
        return None
    found = _QUANTITY.match(value)
    if not found:
        return None
    number, suffix, exponent = found.groups()
    try:
        amount = Decimal(number)
    except InvalidOperation:
        return None
    if exponent:
        return amount.scaleb(int(exponent))
    if suffix in _BINARY:
        return amount * Decimal(1024) ** _BINARY[suffix]
    return amount.scaleb(_DECIMAL[suffix or ""])


def same_amount(field: str, first: Any, second: Any) -> bool:
    """Tell whether two different spellings in a field that holds a quantity are one amount.

    Args:
        field: Name of the field; in others, ``1`` and ``1000m`` are simply two strings.
        first: One value.
        second: The other.
    """
    if not (
        field in _FIELDS
        or field in _RESOURCES
        or "/" in field
        or field in _PARENTS
        or field.startswith(("requests.", "limits.", "hugepages-"))
    ):
        return False
    one = parse(first)
    return one is not None and one == parse(second)
