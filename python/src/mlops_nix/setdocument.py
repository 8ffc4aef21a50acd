"""The set document: the one JSON value that passes from Nix to Python, as typed, frozen structs.

Nix evaluates a platform once to this document (objects with their YAML texts, waves, CRDs, images, secrets, wiring); every
command reads it, and a rendered folder carries it (without the texts) as ``mlops-nix.json``. Types are strict. Fields that
this version does not know are ignored, so that a library with one more fact still works with an older command; a change of
meaning changes `FORMAT`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from mlops_nix.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = "mlops-nix/set/v1"
_FORMAT_PATTERN = re.compile(r"mlops-nix/set/v(\d+)")


class _Record(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Base of all parts: immutable, camelCase in JSON."""


class Component(_Record, frozen=True):
    """One system of the platform, as its builder returned it.

    Attributes:
        name: Its name in the platform.
        module: The module that made it, such as ``mlflow``.
        builder: The function that the user calls, such as ``mkMLflowTracking``.
        version: The version of the system; none where it has none.
        namespace: Where its objects live; none where all are cluster-scoped.
        summary: What it is, in one line.
        kind: What it is to the others: a ``component``, an ``operator`` or a ``store``.
        requires: Operators and CRDs that it needs, by name.
        objects: How many objects it has in the set.
    """

    name: str
    module: str
    builder: str | None = None
    version: str | None = None
    namespace: str | None = None
    summary: str = ""
    kind: str = "component"
    requires: tuple[str, ...] = ()
    objects: int = 0


class Wave(_Record, frozen=True):
    """A step of the apply order: objects of one wave may be applied together, waves follow one another by number."""

    name: str
    number: int


class Entry(_Record, frozen=True):
    """One object of the set.

    Attributes:
        object: The complete Kubernetes object.
        wave: The number of its wave.
        component: The component that it belongs to; none for what the platform itself makes (namespaces, network policies).
        file: Where it is written below the output folder, with forward slashes.
        yaml: Its text as Nix rendered it; absent in a ``mlops-nix.json`` that was read back.
    """

    object: dict[str, Any]
    wave: int
    file: str
    component: str | None = None
    yaml: str | None = None


class CrdFile(_Record, frozen=True):
    """A file of upstream's with one or more CustomResourceDefinitions; Nix names it by hash and never holds it.

    Attributes:
        name: The name of the CRD (or of the bundle) for people.
        file: Where it is written below the output folder.
        url: Its commit-pinned address; none where upstream publishes it only inside an archive.
        sha256: 64 hexadecimal digits over the bytes at that address.
        bytes: Its size, where known.
        names: The CRDs in it.
        required_by: The components that need it.
    """

    name: str
    file: str
    sha256: str
    url: str | None = None
    bytes: int | None = None
    names: tuple[str, ...] = ()
    required_by: tuple[str, ...] = ()


class External(_Record, frozen=True):
    """What the user brings: an operator that the platform relies on but does not install."""

    name: str
    summary: str = ""
    version: str | None = None
    url: str | None = None
    required_by: tuple[str, ...] = ()
    crds: tuple[str, ...] = ()


class Image(_Record, frozen=True):
    """A container image that some object of the set names anywhere, also inside arguments and ConfigMaps."""

    image: str
    components: tuple[str, ...] = ()


class Generate(_Record, frozen=True):
    """A value that ``secrets create`` makes up: so many random characters."""

    length: int


class CopyOf(_Record, frozen=True):
    """Another Secret's key whose value this key shares."""

    namespace: str
    name: str
    key: str


class SecretKey(_Record, frozen=True):
    """One key of a Secret: generated, fixed, copied, or (none of these) from the user.

    Attributes:
        key: Its name in the Secret.
        purpose: What it is for.
        generate: How to make it up.
        value: A fixed value that is no secret, such as a user name.
        copy_of: Where to copy it from.
    """

    key: str
    purpose: str = ""
    generate: Generate | None = None
    value: str | None = None
    copy_of: CopyOf | None = None


class SecretRequirement(_Record, frozen=True):
    """A Secret that the set refers to and that must exist; its values are in no document."""

    namespace: str
    name: str
    keys: tuple[SecretKey, ...] = ()
    type: str = "Opaque"
    component: str | None = None
    purpose: str = ""
    annotations: dict[str, str] = {}


class Endpoint(_Record, frozen=True):
    """An address inside the cluster at which a component can be reached."""

    component: str
    name: str
    url: str | None = None
    namespace: str | None = None
    service: str | None = None
    port: int | None = None


class Warning(_Record, frozen=True):  # noqa: A001 (the document's own word)
    """Something that was accepted but deserves attention."""

    text: str
    component: str | None = None


class GraphNode(_Record, frozen=True):
    """A node of the wiring."""

    id: str
    label: str
    kind: Literal["component", "operator", "external", "store"] = "component"
    module: str | None = None
    namespace: str | None = None


class GraphEdge(_Record, frozen=True):
    """A connection: ``flow`` is traffic (its label a port), ``requires`` a need without traffic of its own."""

    source: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")
    label: str | None = None
    kind: Literal["flow", "requires"] = "flow"


class Graph(_Record, frozen=True):
    """The wiring of the platform."""

    nodes: tuple[GraphNode, ...] = ()
    edges: tuple[GraphEdge, ...] = ()


class SetDocument(_Record, frozen=True):
    """A whole platform; entries stand in apply order.

    Attributes:
        layout: In a rendered folder: how its files are divided.
        files: In a rendered folder: the sha256 of each file that was written, by path.
    """

    format: str
    name: str
    kubernetes_version: str | None = None
    components: tuple[Component, ...] = ()
    waves: tuple[Wave, ...] = ()
    entries: tuple[Entry, ...] = ()
    crds: tuple[CrdFile, ...] = ()
    external: tuple[External, ...] = ()
    images: tuple[Image, ...] = ()
    secrets: tuple[SecretRequirement, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    warnings: tuple[Warning, ...] = ()
    graph: Graph = msgspec.field(default_factory=Graph)
    layout: str | None = None
    files: dict[str, str] | None = None

    def in_waves(self) -> Iterator[tuple[Wave, tuple[Entry, ...]]]:
        """Yield each wave with its entries, in apply order."""
        by_number: dict[int, list[Entry]] = {wave.number: [] for wave in self.waves}
        for entry in self.entries:
            by_number[entry.wave].append(entry)
        for wave in self.waves:
            yield wave, tuple(by_number[wave.number])


class _Head(msgspec.Struct):
    format: Any = None


def decode(data: bytes, *, origin: str) -> SetDocument:
    """Read a set document.

    Args:
        data: JSON.
        origin: What the data came from, for messages: a target or a file.

    Raises:
        InputError: It is no JSON, of a foreign or newer format, or some part has the wrong type (with its path).
    """
    try:
        head = msgspec.json.decode(data, type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"not a set document: {error}", path=origin) from None
    _check_format(head.format, origin)
    try:
        document = msgspec.json.decode(data, type=SetDocument)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$")
        where = place.rstrip("`").lstrip(".") or "the document"
        message = message[:1].lower() + message[1:]
        raise InputError(
            f"the set document is not of format {FORMAT}: {where}: {message}",
            hint="the library and the command differ in version; use the mlops-nix that belongs to the library",
            path=origin,
        ) from None
    except RecursionError:
        raise InputError("the set document is nested too deeply", path=origin) from None
    _check_sense(document, origin)
    return document


def _check_format(found: Any, origin: str) -> None:
    if found == FORMAT:
        return
    version = _FORMAT_PATTERN.fullmatch(found) if isinstance(found, str) else None
    if version and int(version[1]) > int(FORMAT.rpartition("/v")[2]):
        raise InputError(
            f"the set document has the format {found}, this mlops-nix reads {FORMAT}",
            hint="upgrade mlops-nix to the version of the library",
            path=origin,
        )
    seen = "no field `format`" if found is None else f"the format {found!r}"
    raise InputError(f"not a set document of mlops-nix: expected the format {FORMAT!r}, found {seen}", path=origin)


def _check_sense(document: SetDocument, origin: str) -> None:
    """Check what the types cannot say: waves ascend, and entries are in their order."""
    numbers = [wave.number for wave in document.waves]
    if numbers != sorted(set(numbers)):
        raise InputError(f"the set document's waves do not ascend: {numbers}", path=origin)
    known = set(numbers)
    previous = numbers[0] if numbers else 0
    for index, entry in enumerate(document.entries):
        if entry.wave not in known:
            raise InputError(
                f"the set document's entries[{index}] names the wave {entry.wave}, which is not listed", path=origin
            )
        if entry.wave < previous:
            raise InputError(
                f"the set document's entries[{index}] ({entry.file}) is out of the order of waves", path=origin
            )
        previous = entry.wave
    for index, crd in enumerate(document.crds):
        if not re.fullmatch(r"[0-9a-f]{64}", crd.sha256):
            raise InputError(
                f"the set document's crds[{index}] ({crd.name}): sha256: expected 64 hexadecimal digits, found {crd.sha256!r}",
                path=origin,
            )


def encode(document: SetDocument, *, texts: bool = False) -> bytes:
    """Write a set document as JSON that people can diff: indented, one line per value, ending in a newline.

    Args:
        document: The set.
        texts: Keep the YAML text of each entry; a rendered folder has it in its files already.
    """
    value = msgspec.to_builtins(document)
    if not texts:
        for entry in value["entries"]:
            entry.pop("yaml", None)
    for key in ("layout", "files"):
        if value[key] is None:
            del value[key]
    encoded: bytes = msgspec.json.format(msgspec.json.encode(value), indent=2)
    return encoded + b"\n"
