"""The jinja2 templates: reference pages and the scaffolds of ``mlops-nix init``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from jinja2 import Environment


def environment(**filters: Callable[..., Any]) -> Environment:
    """Make an environment whose templates fail on names that do not exist, and write text, not HTML.

    Args:
        filters: Filters by name.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("mlops_nix", "templates"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 (Markdown and Nix, no HTML)
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(filters)
    return made
