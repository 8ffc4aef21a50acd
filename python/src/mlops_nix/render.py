"""From a set document to the files of a folder: layouts, kustomization, and the document itself.

The YAML texts are Nix's, byte for byte, in the order of the document; nothing is rendered or ordered here.
"""

from __future__ import annotations

import json
import re
from itertools import groupby
from typing import TYPE_CHECKING, Literal, get_args

import msgspec

from mlops_nix.errors import InputError
from mlops_nix.files import check_paths, sha256
from mlops_nix.setdocument import encode
from mlops_nix.target import SET_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mlops_nix.setdocument import CrdFile, Entry, SetDocument, Wave

Layout = Literal["objects", "components", "single"]
CrdMode = Literal["files", "urls", "none"]

LAYOUTS: tuple[Layout, ...] = get_args(Layout)
CRD_MODES: tuple[CrdMode, ...] = get_args(CrdMode)

KUSTOMIZATION = "kustomization.yaml"
_CRD_WAVE = 10  # upstream's CRD files belong to this wave, also where the set has no entry in it
# A marker before the first document, perhaps after comments, or after the last one: each would make an empty document.
_FIRST_MARKER = re.compile(r"\A((?:[ \t]*(?:#[^\n]*)?\n)*)---[ \t]*\n")
_LAST_MARKER = re.compile(r"\n---\s*\Z")
_PLAIN_SCALAR = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@%+-]*[A-Za-z0-9]")


def contents(
    document: SetDocument,
    crds: Mapping[str, bytes],
    *,
    layout: Layout = "objects",
    crd_mode: CrdMode = "files",
) -> dict[str, bytes]:
    """Give the bytes of every file of the rendered folder, by path, in apply order.

    Args:
        document: A set with the texts of its entries.
        crds: The bytes of the CRD files by their path; needed for the mode ``files``.
        layout: A file per object, per component (and wave), or one for all.
        crd_mode: CRDs as files, by URL in the kustomization, or not at all.

    Raises:
        InputError: The set has no texts, or paths in it are unsafe or clash.
    """
    files: dict[str, bytes] = {}
    resources: list[str] = []
    owner: dict[str, str] = {}

    def add(path: str, content: bytes, what: str) -> None:
        if path in files or path in {KUSTOMIZATION, SET_FILE}:
            other = owner.get(path, "mlops-nix itself")
            raise InputError(f"{path}: two things are written to one file: {other} and {what}")
        files[path] = content
        owner[path] = what
        resources.append(path)

    if layout == "single":
        included = crds if crd_mode == "files" else {}
        add(f"{document.name}.yaml", stream(document, included).encode(), "the set")
    before, after = _around_crds(document)
    for entries, crd_files in ((before, document.crds if layout != "single" else ()), (after, ())):
        if layout != "single":
            for path, texts, what in _divided(entries, layout):
                add(path, _join(texts).encode(), what)
        for crd in crd_files if crd_mode == "files" else ():
            add(crd.file, crds[crd.file], f"the CRD {crd.name}")
        if crd_mode == "urls":
            resources += [crd.url for crd in crd_files if crd.url]
    if layout == "single" and crd_mode == "urls":
        # The one file has all other objects; kustomize orders CRDs before them by itself.
        resources = [*(crd.url for crd in document.crds if crd.url), *resources]
    files[KUSTOMIZATION] = kustomization(resources, _comments(document.crds, crd_mode)).encode()
    check_paths({**files, SET_FILE: b""})
    listed = msgspec.structs.replace(
        document, layout=layout, files={path: sha256(content) for path, content in sorted(files.items())}
    )
    files[SET_FILE] = encode(listed)
    return files


def stream(document: SetDocument, crds: Mapping[str, bytes]) -> str:
    """Give the whole set as one YAML stream in apply order.

    Args:
        document: A set with the texts of its entries.
        crds: The bytes of the CRD files by their path; those that are absent are left out.

    Raises:
        InputError: The set has no texts.
    """
    before, after = _around_crds(document)
    texts = [_text(entry) for entry in before]
    texts += [_plain(crds[crd.file]) for crd in document.crds if crd.file in crds]
    texts += [_text(entry) for entry in after]
    return _join(texts)


def kustomization(resources: Sequence[str], comments: Sequence[str] = ()) -> str:
    """Write a kustomization that lists resources in apply order and keeps it.

    Args:
        resources: Paths and URLs.
        comments: Lines that stand at its top.
    """
    lines = [f"# {comment}" for comment in comments]
    lines += [
        "apiVersion: kustomize.config.k8s.io/v1beta1",
        "kind: Kustomization",
        "sortOptions:",
        "  order: fifo",
        "resources:" if resources else "resources: []",
        *(f"  - {_scalar(resource)}" for resource in resources),
    ]
    return "\n".join(lines) + "\n"


def _scalar(text: str) -> str:
    """Quote what YAML could read as something else than this text; JSON's strings are YAML's."""
    return text if _PLAIN_SCALAR.fullmatch(text) and ("/" in text or text.endswith(".yaml")) else json.dumps(text)


def _comments(crds: Sequence[CrdFile], mode: CrdMode) -> list[str]:
    comments = ["Written by mlops-nix. Apply with: kubectl apply --server-side -k ."]
    if mode == "urls":
        comments += [
            f"Not listed, because upstream publishes it only inside an archive: CRD {crd.name}"
            for crd in crds
            if not crd.url
        ]
    if mode == "none" and crds:
        comments.append(f"Not listed: {len(crds)} files of CRDs, which must be installed first.")
    return comments


def _around_crds(document: SetDocument) -> tuple[list[Entry], list[Entry]]:
    """Divide the entries into those before upstream's CRD files and those after them."""
    before = [entry for entry in document.entries if entry.wave <= _CRD_WAVE]
    return before, list(document.entries[len(before) :])


def _divided(entries: Sequence[Entry], layout: Layout) -> Iterator[tuple[str, list[str], str]]:
    """Yield path, texts and a description of each file."""
    if layout == "objects":
        for entry in entries:
            metadata = entry.object.get("metadata", {})
            yield entry.file, [_text(entry)], f"{entry.object.get('kind')} {metadata.get('name')}"
        return
    for _, in_wave in groupby(entries, key=lambda entry: entry.wave):
        by_component: dict[str | None, list[Entry]] = {}
        for entry in in_wave:
            by_component.setdefault(entry.component, []).append(entry)
        for component, owned in by_component.items():
            folder = owned[0].file.partition("/")[0]
            name = component or "platform"
            yield f"{folder}/{name}.yaml", [_text(entry) for entry in owned], f"component {name}"


def _text(entry: Entry) -> str:
    if entry.yaml is None:
        raise InputError(
            f"{entry.file}: the set document has no text for it",
            hint="render needs the Nix expression itself, not what was rendered from it",
        )
    return entry.yaml


def _plain(content: bytes) -> str:
    """Make a file of upstream's one part of a stream: without a marker at its ends, ending in a newline."""
    text = content.decode("utf-8-sig")
    text = _FIRST_MARKER.sub(r"\1", text, count=1)
    return _LAST_MARKER.sub("", text).strip("\n") + "\n"


def _join(texts: Sequence[str]) -> str:
    return "---\n".join(texts)


def waves_with_crds(document: SetDocument) -> list[tuple[Wave, int, int]]:
    """Give each wave with its number of objects and of CRD files, the wave of CRDs also where only files are in it."""
    from mlops_nix.setdocument import Wave

    found = [
        (wave, len(entries), len(document.crds) if wave.number == _CRD_WAVE else 0)
        for wave, entries in document.in_waves()
    ]
    if document.crds and all(wave.number != _CRD_WAVE for wave, _, _ in found):
        found.append((Wave(name="crds", number=_CRD_WAVE), 0, len(document.crds)))
    return sorted(found, key=lambda item: item[0].number)
