"""What a rendered platform is, on one screen: components, objects, apply order, images, what the user must bring, what is next.

The same facts are data (`facts`, for ``--output json``) and text (`lines`, for people).
"""

from __future__ import annotations

import shutil
import textwrap
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from mlops_nix.render import waves_with_crds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlops_nix.console import Console
    from mlops_nix.setdocument import SecretKey, SetDocument

_NARROWEST, _WIDEST = 60, 120
_SHORTEST = 24  # a summary that is cut to less says nothing
_GAP = "  "


def facts(document: SetDocument) -> dict[str, Any]:
    """Give the summary of a set as data.

    Args:
        document: The set.
    """
    value: dict[str, Any] = msgspec.to_builtins(document)
    kinds = Counter(str(entry.object.get("kind")) for entry in document.entries)
    return {
        "name": document.name,
        "kubernetesVersion": document.kubernetes_version,
        "objects": len(document.entries),
        "kinds": dict(sorted(kinds.items(), key=lambda item: (-item[1], item[0]))),
        "waves": [
            {"name": wave.name, "number": wave.number, "objects": objects, "crdFiles": crds}
            for wave, objects, crds in waves_with_crds(document)
        ],
        **{key: value[key] for key in ("components", "crds", "external", "images", "secrets", "endpoints", "warnings")},
    }


def origin_of(key: SecretKey) -> str:
    """Say where the value of a Secret's key comes from."""
    if key.copy_of:
        return f"copied from {key.copy_of.namespace}/{key.copy_of.name} {key.copy_of.key}"
    if key.generate:
        return "generated"
    return "fixed" if key.value is not None else "from you"


def lines(document: SetDocument, console: Console) -> Iterator[str]:
    """Yield the summary of a set as text, line by line.

    Args:
        document: The set.
        console: Decides about colours.
    """
    width = max(_NARROWEST, min(shutil.get_terminal_size((100, 24)).columns, _WIDEST))

    def title(text: str) -> str:
        return console.style(text, bold=True)

    def dim(text: str) -> str:
        return console.style(text, "bright_black")

    waves = waves_with_crds(document)
    version = f" for Kubernetes {document.kubernetes_version}" if document.kubernetes_version else ""
    yield f"{title(document.name)}{version}: {_count(len(document.entries), 'object')} in {_count(len(waves), 'wave')}"

    if document.components:
        yield ""
        yield title(f"Components ({len(document.components)})")
        rows = [
            (item.name, _versioned(item.module, item.version), item.namespace or "-", _count(item.objects, "object"))
            for item in document.components
        ]
        facts_of = table(rows)
        start = max(map(len, facts_of)) + 2 * len(_GAP)
        for text, item in zip(facts_of, document.components, strict=True):
            shown = item.summary if width - start > _SHORTEST else ""
            yield f"  {text}{' ' * (start - len(text) - 2) + dim(_cut(shown, width - start)) if shown else ''}"

    kinds = Counter(str(entry.object.get("kind")) for entry in document.entries)
    if kinds:
        yield ""
        yield title("Objects")
        words = [f"{count} {kind}" for kind, count in sorted(kinds.items(), key=lambda item: (-item[1], item[0]))]
        yield from _filled(words, width, " · ")

    if waves:
        yield ""
        yield title("Apply order")
        yield from (f"  {row}" for row in table([_wave_row(*wave) for wave in waves], right=(0,)))

    if document.images:
        yield ""
        yield title(f"Images ({len(document.images)})")
        yield from (
            f"  {row}" for row in table([(image.image, _users(image.components, width)) for image in document.images])
        )

    if document.external:
        yield ""
        yield title("You bring")
        for need in document.external:
            needs = f"  for {', '.join(need.required_by)}" if need.required_by else ""
            yield f"  {_versioned(need.name, need.version)}{dim(needs)}"
            if need.url:
                yield f"    kubectl apply --server-side -f {need.url}"

    if document.secrets:
        yield ""
        yield title(f"Secrets to create ({len(document.secrets)})")
        needed = [(f"{secret.namespace}/{secret.name}", _keys(secret.keys)) for secret in document.secrets]
        yield from (f"  {row}" for row in table(needed))

    addresses = [endpoint for endpoint in document.endpoints if endpoint.url]
    if addresses:
        yield ""
        yield title("Endpoints")
        yield from (f"  {row}" for row in table([(item.component, item.name, item.url or "") for item in addresses]))

    if document.warnings:
        yield ""
        yield console.style(f"Warnings ({len(document.warnings)})", "yellow", bold=True)
        for warning in document.warnings:
            text = f"{warning.component}: {warning.text}" if warning.component else warning.text
            yield from textwrap.wrap(
                text,
                width,
                initial_indent="  ",
                subsequent_indent="    ",
                break_on_hyphens=False,
                break_long_words=False,
            )


def _keys(keys: Sequence[SecretKey]) -> str:
    """Name keys with where their values come from, those of one origin together."""
    by_origin: dict[str, list[str]] = {}
    for key in keys:
        copied = key.copy_of
        # Where a copy keeps its name, the name is said once.
        same = copied is not None and copied.key == key.key
        origin = f"copied from {copied.namespace}/{copied.name}" if copied and same else origin_of(key)
        by_origin.setdefault(origin, []).append(key.key)
    return ", ".join(f"{', '.join(names)} ({origin})" for origin, names in by_origin.items())


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Align rows in columns.

    Args:
        rows: Cells; all rows have as many.
        right: The columns that are aligned to the right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        _GAP.join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _wave_row(wave: Any, objects: int, crds: int) -> tuple[str, str, str]:
    what = [_count(objects, "object")] if objects else []
    if crds:
        what.append(f"{_count(crds, 'CRD file')} of upstream's")
    return str(wave.number), wave.name, " and ".join(what)


def _versioned(name: str, version: str | None) -> str:
    return f"{name} {version}" if version else name


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def _users(components: Sequence[str], width: int) -> str:
    return _cut(", ".join(components), max(20, width // 3))


def _filled(words: Sequence[str], width: int, separator: str) -> Iterator[str]:
    """Fill lines with words that are not broken."""
    line = ""
    for word in words:
        if line and len(line) + len(separator) + len(word) + 2 > width:
            yield f"  {line}"
            line = word
        else:
            line = f"{line}{separator}{word}" if line else word
    if line:
        yield f"  {line}"
