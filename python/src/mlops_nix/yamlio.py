"""Read Kubernetes objects from files, folders and stdin, in YAML or JSON.

A file holds one object, several documents, a ``List``, a JSON list of objects, or a set document of mlops-nix. Reading never
stops at the first problem: a `Reading` keeps what could be read and one `InputError` for each thing that could not.
"""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

from mlops_nix.documents import Position, Surprise, parse_documents, type_name
from mlops_nix.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mlops_nix.objects import KubernetesObject

MAX_BYTES = 50 * 1024 * 1024
"""Largest file that is read, in bytes. An API server takes 3 MiB per object; a stream of all examples is 2 MB."""

MAX_FILES = 20_000
"""Most manifest files that are read below one folder."""

MAX_LOOKED_AT = 200_000
"""Most files and folders that are looked at below one folder."""

SET_FORMAT = "mlops-nix/set/v1"
SET_FILE = "mlops-nix.json"

_SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object and where it was read."""

    object: KubernetesObject
    position: Position


@dataclass(slots=True)
class Reading:
    """What was read from all targets, and what could not be."""

    manifests: list[Manifest] = field(default_factory=list)
    problems: list[InputError] = field(default_factory=list)
    surprises: list[Surprise] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    set_document: dict[str, Any] | None = None

    @property
    def objects(self) -> list[KubernetesObject]:
        """The objects alone, in the order of reading."""
        return [manifest.object for manifest in self.manifests]


def read_objects(targets: Iterable[str | os.PathLike[str]], *, stdin: BinaryIO | None = None) -> list[KubernetesObject]:
    """Read every object of the targets.

    Args:
        targets: Files, folders, and ``-`` for stdin.
        stdin: Read for ``-``; the process's own by default.

    Raises:
        InputError: A target can't be read, is broken, or holds no object.
    """
    reading = read(targets, stdin=stdin)
    if reading.problems:
        raise reading.problems[0]
    return reading.objects


def read(
    targets: Iterable[str | os.PathLike[str]], *, stdin: BinaryIO | None = None, into: Reading | None = None
) -> Reading:
    """Read every object of the targets and keep every problem, so that one broken file does not hide the next.

    Args:
        targets: Files, folders, and ``-`` for stdin.
        stdin: Read for ``-``; the process's own by default.
        into: A reading that is added to; a new one by default.
    """
    reading = Reading() if into is None else into
    for target in targets:
        name = os.fspath(target)
        before = len(reading.manifests), len(reading.problems)
        try:
            if name == "-":
                _read_bytes("<stdin>", _bounded((stdin or sys.stdin.buffer), "<stdin>"), reading)
            elif os.path.isdir(name):
                _read_folder(name, reading)
            else:
                _read_file(name, reading, named=True)
        except InputError as error:
            reading.problems.append(error)
        if before == (len(reading.manifests), len(reading.problems)):
            reading.problems.append(
                InputError(
                    "no Kubernetes object in it",
                    path="<stdin>" if name == "-" else name,
                    hint="give a file, a folder of *.yaml, *.yml or *.json files, or one with default.nix or platform.nix",
                )
            )
    return reading


def load_documents(content: bytes, file: str = "<text>") -> list[Any]:
    """Parse YAML or JSON text into its documents, whatever they are.

    Args:
        content: UTF-8 text.
        file: Its name in messages.

    Raises:
        InputError: The text is broken or out of bounds.
    """
    return [document for document, _, _ in parse_documents(file, content, [])]


def _read_folder(folder: str, reading: Reading) -> None:
    set_file = os.path.join(folder, SET_FILE)
    if os.path.isfile(set_file):
        reading.set_document = _load_set(set_file)

    def failed(error: OSError) -> None:
        reading.problems.append(InputError(f"cannot be read: {_reason(error)}", path=error.filename or folder))

    found: list[str] = []
    looked_at = 0
    for place, folders, files in os.walk(folder, onerror=failed):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        looked_at += 1 + len(files)
        found += [
            os.path.join(place, name)
            for name in sorted(files)
            if not name.startswith(".") and name != SET_FILE and name.endswith(_SUFFIXES)
        ]
        # Before any is read: somebody's home, or the root of the system, was not meant.
        if len(found) > MAX_FILES or looked_at > MAX_LOOKED_AT:
            raise InputError(
                f"more than {MAX_FILES:,} manifests or {MAX_LOOKED_AT:,} files below it",
                path=folder,
                hint="name the folder that holds the manifests",
            )
    for path in found:
        try:
            _read_file(path, reading, named=False)
        except InputError as error:
            reading.problems.append(error)


def _load_set(path: str) -> dict[str, Any]:
    documents = load_documents(_file_bytes(path, named=False), path)
    if len(documents) != 1 or not isinstance(documents[0], dict) or documents[0].get("format") != SET_FORMAT:
        raise InputError(
            f'expected a set document with "format": "{SET_FORMAT}"', path=path, hint="render the folder again"
        )
    document: dict[str, Any] = documents[0]
    return document


def _read_file(path: str, reading: Reading, *, named: bool) -> None:
    _read_bytes(path, _file_bytes(path, named=named), reading)


def _file_bytes(path: str, *, named: bool) -> bytes:
    """Read a regular file; of other kinds only a pipe that the shell handed over, because opening another may wait for ever."""
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode) and not (named and stat.S_ISFIFO(mode) and path.startswith(("/dev/", "/proc/"))):
            raise InputError(f"expected a file or folder, found {_file_kind(mode)}", path=path)
        with open(path, "rb") as stream:
            return _bounded(stream, path)
    except FileNotFoundError:
        hint = _near_file(path)
        raise InputError("no such file or folder", path=path, hint=hint) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise InputError(f"cannot be read: {_reason(error)}", path=path) from error


def _near_file(path: str) -> str | None:
    import difflib

    folder, name = os.path.split(path)
    try:
        near = difflib.get_close_matches(name, os.listdir(folder or "."), n=1)
    except OSError:
        return None
    return f"did you mean {os.path.join(folder, near[0])}?" if near else None


def _file_kind(mode: int) -> str:
    for test, word in (
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISBLK, "a block device"),
        (stat.S_ISCHR, "a character device"),
    ):
        if test(mode):
            return word
    return "something else"


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)


def _bounded(stream: BinaryIO, file: str) -> bytes:
    content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise InputError(
            f"larger than {MAX_BYTES // 1024 // 1024} MiB",
            path=file,
            hint="split it: an API server takes 3 MiB per object",
        )
    return content


def _read_bytes(file: str, content: bytes, reading: Reading) -> None:
    found = False
    for document, position, items in parse_documents(file, content, reading.surprises):
        if document is None:
            continue
        found = True
        if isinstance(document, dict) and document.get("format") == SET_FORMAT:
            reading.set_document = document
            entries = document.get("entries")
            for entry in entries if isinstance(entries, list) else ():
                obj = entry.get("object") if isinstance(entry, dict) else None
                if isinstance(obj, dict):
                    reading.manifests.append(Manifest(obj, position))
            continue
        for obj, place in _expand(document, position, items):
            problem = _not_an_object(obj)
            if problem is None:
                reading.manifests.append(Manifest(obj, place))
            elif problem:
                reading.problems.append(InputError(problem, path=str(place)))
    if not found:
        reading.empty.append(file)


def _expand(document: Any, position: Position, items: Mapping[int, Position]) -> Iterator[tuple[Any, Position]]:
    """Yield the objects of a document: itself, the items of a ``List`` kind, or the elements of a list."""
    if isinstance(document, list):
        for element in document:
            yield from _expand(element, items.get(id(element), position), {})
        return
    kind = document.get("kind") if isinstance(document, dict) else None
    members = document.get("items") if isinstance(kind, str) and kind.endswith("List") else None
    if not isinstance(members, list) or not isinstance(kind, str):
        yield document, position
        return
    for member in members:
        place = items.get(id(member), position)
        if isinstance(member, dict) and kind != "List":
            # The items of a typed list carry neither apiVersion nor kind.
            member = {"apiVersion": document.get("apiVersion"), "kind": kind.removesuffix("List"), **member}  # noqa: PLW2901
        yield from _expand(member, place, {})


def _not_an_object(document: Any) -> str | None:
    """Say why a document is no Kubernetes object; nothing if it is one, and "" for a file of a build tool that is passed over."""
    if not isinstance(document, dict):
        return f"expected a Kubernetes object, found {type_name(document)}"
    api_version, kind = document.get("apiVersion"), document.get("kind")
    if isinstance(api_version, str) and isinstance(kind, str) and api_version and kind:
        return "" if api_version.startswith("kustomize.config.k8s.io/") else None
    missing = [
        f"{name} ({'missing' if value is None else f'expected a string, found {type_name(value)}'})"
        for name, value in (("apiVersion", api_version), ("kind", kind))
        if not isinstance(value, str) or not value
    ]
    keys = ", ".join(str(key) for key in list(document)[:5]) or "nothing"
    return f"not a Kubernetes object: {' and '.join(missing)}; found the keys {keys}"
