"""Reference pages and JSON Schemas of every builder, from what the library says about itself.

Nix gives one JSON value with all builders (``reference``) and one with their JSON Schemas (``schemas``); here they become
Markdown and files. The same data give the same bytes.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import msgspec

from mlops_nix.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mlops_nix.findings import Check

_WIDEST_VALUE = 60
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_'-]*")
# Groups in the order of the ML life cycle; others follow by name.
_GROUPS = (
    "platform",
    "tracking",
    "pipelines",
    "features",
    "training",
    "tuning",
    "registry",
    "serving",
    "monitoring",
    "notebooks",
    "data",
    "delivery",
    "scheduling",
    "tenancy",
)
# Nix knows no other escapes; every other character stands for itself.
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_KEYWORDS = frozenset({"assert", "else", "if", "in", "inherit", "let", "or", "rec", "then", "with"})
_UNSET: Any = msgspec.UNSET


class Option(msgspec.Struct, frozen=True, rename="camel"):
    """An option of a builder.

    Attributes:
        path: Such as ``ui.replicas``.
        type: Words that say what is accepted.
        required: Whether it must be given.
        default: The value that is taken otherwise.
        default_text: Words for a default that depends on something.
        description: What it does.
        example: A value.
    """

    path: str
    type: str
    required: bool = False
    default: Any = _UNSET
    default_text: str | None = None
    description: str = ""
    example: Any = _UNSET


class Version(msgspec.Struct, frozen=True, rename="camel"):
    """A version that a builder renders, and its images."""

    version: str
    default: bool = False
    images: dict[str, Any] = {}


class Line(msgspec.Struct, frozen=True, rename="camel"):
    """A version that is accepted and rendered as another."""

    version: str
    reason: str = ""


class Deviation(msgspec.Struct, frozen=True, rename="camel"):
    """A place where a module departs from the hardening rules."""

    rule: str = ""
    workload: str | None = None
    reason: str = ""


class NamedEndpoint(msgspec.Struct, frozen=True, rename="camel"):
    """An endpoint that a component has."""

    description: str = ""


class Builder(msgspec.Struct, frozen=True, rename="camel"):
    """All that the library says about a builder."""

    builder: str
    module: str
    summary: str
    group: str = "other"
    description: str = ""
    kind: str = "component"
    options: tuple[Option, ...] = ()
    versions: tuple[Version, ...] = ()
    lines: dict[str, Line] = {}
    withdrawn: dict[str, str] = {}
    deviations: tuple[Deviation, ...] = ()
    provides: tuple[str, ...] = ()
    endpoints: dict[str, NamedEndpoint] = {}


def read_reference(data: bytes) -> list[Builder]:
    """Read the library's ``reference``.

    Args:
        data: JSON.

    Raises:
        InputError: It is not of the shape that this command knows.
    """
    try:
        builders = msgspec.json.decode(data, type=dict[str, Builder])
    except msgspec.DecodeError as error:
        raise InputError(
            f"the library's reference cannot be read: {error}", hint="the library and the command differ in version"
        ) from None
    return sorted(builders.values(), key=lambda builder: (_rank(builder.group), builder.builder))


def reference_pages(builders: Sequence[Builder], checks: Iterable[Check] = ()) -> dict[str, bytes]:
    """Write the reference: an index by group, a page per builder, and a page of all checks.

    Args:
        builders: As `read_reference` gives them.
        checks: The checks of ``mlops-nix validate``.
    """
    from mlops_nix.templates import environment

    templates = environment(nix=nix_value, cell=cell, code=code, by_reason=by_reason)
    groups: dict[str, list[Builder]] = {}
    for builder in builders:
        groups.setdefault(builder.group, []).append(builder)
    all_checks = sorted(checks, key=lambda check: (check.family, check.id))
    pages = {"README.md": templates.get_template("reference/index.md").render(groups=groups, checks=all_checks)}
    for builder in builders:
        pages[f"{builder.builder}.md"] = templates.get_template("reference/builder.md").render(
            builder=builder, sections=sections(builder.options), unset=_UNSET, example=example(builder)
        )
    if all_checks:
        families: dict[str, list[Check]] = {}
        for check in all_checks:
            families.setdefault(check.family, []).append(check)
        pages["checks.md"] = templates.get_template("reference/checks.md").render(families=families)
    return {path: _tidy(text).encode() for path, text in sorted(pages.items())}


def schema_files(data: bytes) -> dict[str, bytes]:
    """Write the JSON Schema of each builder to a file of its own.

    Args:
        data: The library's ``schemas``, as JSON.

    Raises:
        InputError: It is not of the shape that this command knows.
    """
    try:
        schemas = msgspec.json.decode(data, type=dict[str, dict[str, Any]])
    except msgspec.DecodeError as error:
        raise InputError(f"the library's schemas cannot be read: {error}") from None
    return {
        f"{builder}.schema.json": (json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True) + "\n").encode()
        for builder, schema in sorted(schemas.items())
    }


def sections(options: Sequence[Option]) -> list[tuple[str, list[Option]]]:
    """Divide options into those at the top and those of each set, required ones first.

    Args:
        options: All of a builder.
    """
    sets = {option.path.partition(".")[0] for option in options if "." in option.path}
    groups: dict[str, list[Option]] = {"": []}
    for option in sorted(options, key=lambda option: (not option.required, option.path)):
        head = option.path.partition(".")[0]
        groups.setdefault(head if head in sets else "", []).append(option)
    return [(head, groups[head]) for head in sorted(groups) if groups[head]]


def example(builder: Builder) -> str:
    """Give the shortest call: the required options with values that show their form.

    Args:
        builder: The builder.
    """
    lines = [f"mlops.{builder.builder} {{"]
    for option in builder.options:
        if option.required:
            value = nix_value(option.example) if option.example is not _UNSET else _form(option)
            lines.append(f"  {option.path} = {value};")
    return "\n".join([*lines, "}"]) if len(lines) > 1 else f"mlops.{builder.builder} {{ }}"


def _form(option: Option) -> str:
    """Give a value that shows the form of an option by its type; a comment where only the user knows one."""
    name = option.path.rpartition(".")[2]
    words = option.type
    if name == "components":
        return "{ inherit mlflow; }"
    if re.match(r"(?:DNS|Kubernetes)?\s*(?:label|name)", words) or words.startswith("DNS"):
        return '"production"' if name == "name" else f'"{name if name != "namespace" else "ml-platform"}"'
    if words.startswith("one of "):
        choice = re.search(r"[\w.-]+", words.removeprefix("one of "))
        return f'"{choice[0]}"' if choice else "…"
    if "URL" in words:
        return '"https://example.com"'
    if "integer" in words:
        return "1"
    if words.startswith("list"):
        return "[ … ]"
    return "{ … }" if words.startswith("attribute set") or "{" in words else '"…"'


def by_reason(texts: Mapping[str, Any]) -> list[tuple[list[str], Any]]:
    """Put versions together that are spoken of in the same words.

    Args:
        texts: What is said of each version.
    """
    groups: list[tuple[list[str], Any]] = []
    for version, said in texts.items():
        for versions, other in groups:
            if other == said:
                versions.append(version)
                break
        else:
            groups.append(([version], said))
    return groups


def nix_value(value: Any) -> str:
    """Write a JSON value in Nix, on one line.

    Args:
        value: The value.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + "".join(_ESCAPES.get(character, character) for character in value).replace("${", "\\${") + '"'
    if isinstance(value, list):
        return "[ " + " ".join(_nix_item(item) for item in value) + " ]" if value else "[ ]"
    if isinstance(value, dict):
        pairs = [f"{_nix_name(str(name))} = {nix_value(item)};" for name, item in value.items()]
        return "{ " + " ".join(pairs) + " }" if pairs else "{ }"
    return json.dumps(value)


def _nix_item(value: Any) -> str:
    """Write an element of a list, where a minus would be an operator."""
    text = nix_value(value)
    return f"({text})" if text.startswith("-") else text


def _nix_name(name: str) -> str:
    return name if _WORD.fullmatch(name) and name not in _KEYWORDS else nix_value(name)


def cell(text: str) -> str:
    """Write prose so that it stays one cell of a Markdown table.

    Args:
        text: The prose.
    """
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def code(text: str) -> str:
    """Write code so that it stays one cell of a Markdown table; long code is cut.

    Args:
        text: The code.
    """
    text = re.sub(r"\s+", " ", text)
    if len(text) > _WIDEST_VALUE:
        text = text[: _WIDEST_VALUE - 1] + "…"
    fence = "``" if "`" in text else "`"
    space = " " if "`" in text else ""
    return f"{fence}{space}{text}{space}{fence}".replace("|", "\\|")


def _rank(group: str) -> tuple[int, str]:
    return (_GROUPS.index(group), "") if group in _GROUPS else (len(_GROUPS), group)


def _tidy(text: str) -> str:
    """Give Markdown without the gaps that template lines leave: one empty line at most, one newline at the end."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in text.split("\n"))).strip("\n") + "\n"
