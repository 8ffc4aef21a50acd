"""Quantities of Kubernetes: ``500m``, ``2Gi``, ``1e3``."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache

# Source: apimachinery resource.Quantity 1.36.
_QUANTITY = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?\Z")
_SUFFIX = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "P": Decimal(10) ** 15,
    "E": Decimal(10) ** 18,
    "Ki": Decimal(2) ** 10,
    "Mi": Decimal(2) ** 20,
    "Gi": Decimal(2) ** 30,
    "Ti": Decimal(2) ** 40,
    "Pi": Decimal(2) ** 50,
    "Ei": Decimal(2) ** 60,
}
_EXPONENT_DIGITS = 3


def parse_quantity(value: object) -> Decimal | None:
    """Read a quantity, written as a string or a number; nothing if it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return _parse(str(value))


@cache
def _parse(text: str) -> Decimal | None:
    match = _QUANTITY.match(text)
    if match is None:
        return None
    number, suffix = match.group(1), match.group(2) or ""
    factor = _SUFFIX.get(suffix)
    if factor is None:
        if len(suffix.lstrip("eE+-")) > _EXPONENT_DIGITS:
            return None
        factor = Decimal(10) ** int(suffix[1:])
    return Decimal(number) * factor


def suggest_quantity(text: str) -> str:
    """Say which quantity may have been meant: ``10GB`` is 10G or 10Gi."""
    match = re.match(r"\s*([0-9.]+)\s*([kKmMgGtTpP])i?[bB]?\s*\Z", text)
    if match is None:
        return ""
    number, unit = match.group(1), match.group(2).upper()
    return f"; did you mean {number}{'k' if unit == 'K' else unit} or {number}{unit}i?"
