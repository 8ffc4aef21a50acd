"""What a command is pointed at: a Nix file, a folder, a flake output, a rendered folder, or plain manifests.

Whatever it is, it becomes a set document. Only Nix files and flakes need Nix; a rendered folder carries its document, and
plain YAML or JSON gives one that knows no more than its objects say.
"""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from mlops_nix import nixeval, setdocument
from mlops_nix.errors import InputError
from mlops_nix.files import sha256
from mlops_nix.objects import as_text, containers, metadata, pod_template, reference
from mlops_nix.setdocument import Component, Entry, Image, SetDocument, Wave

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mlops_nix.crds import CrdStore, FetchedCrd
    from mlops_nix.objects import KubernetesObject

SET_FILE = "mlops-nix.json"
"""The set document of a rendered folder."""

NIX_FILES = ("default.nix", "platform.nix")
"""Which file of a folder is evaluated, the first that exists."""

_FLAKE_SCHEME = re.compile(r"(?:github|gitlab|sourcehut|git\+\w+|path|flake|tarball\+\w+|hg\+\w+|https?):")
_MAX_SET_FILE = 200 * 1024 * 1024
_SHOWN = 5


@dataclass(frozen=True)
class Target:
    """A loaded target.

    Attributes:
        document: What it is.
        origin: How the user named it.
        kind: Where the document comes from: ``nix``, a rendered ``folder``, or plain ``manifests``.
        folder: The rendered folder, where there is one.
        messages: What the expression said while it was evaluated.
    """

    document: SetDocument
    origin: str
    kind: Literal["nix", "folder", "manifests"]
    folder: Path | None = None
    messages: tuple[str, ...] = ()

    def fetch_crds(self, store: CrdStore, progress: Callable[[FetchedCrd], None] = lambda _: None) -> list[FetchedCrd]:
        """Get the CRD files of the set: from the rendered folder where they lie in it, else from the store.

        Args:
            store: Where the rest comes from.
            progress: Called with each file.

        Raises:
            CrdUnavailable: One cannot be had.
        """
        from mlops_nix.crds import FetchedCrd

        found: dict[str, FetchedCrd] = {}
        for crd in self.document.crds if self.folder else ():
            place = Path(self.folder or ".") / crd.file
            if place.is_file() and not place.is_symlink():
                content = place.read_bytes()
                if sha256(content) == crd.sha256:
                    found[crd.file] = FetchedCrd(crd, content, "folder")
        missing = [crd for crd in self.document.crds if crd.file not in found]
        found |= {fetched.file.file: fetched for fetched in store.get_all(missing, progress)}
        return [found[crd.file] for crd in self.document.crds]


def load(
    text: str,
    *,
    timeout: float = nixeval.DEFAULT_TIMEOUT,
    show_trace: bool = False,
    stdin: BinaryIO | None = None,
) -> Target:
    """Load what a command is pointed at.

    Args:
        text: ``platform.nix``, ``platform.nix#clusters.forge``, a folder, ``.#name``, manifests, or ``-`` for stdin.
        timeout: Seconds that an evaluation may take.
        show_trace: Keep Nix's own trace in errors.
        stdin: Read for ``-``.

    Raises:
        InputError: There is no such target, or it cannot be read.
        ToolMissing: It needs Nix, and there is none.
        EvaluationError: Nix refused it.
    """
    if text != "-" and not os.path.lexists(text):
        path, hash_sign, attribute = text.partition("#")
        if hash_sign and (file := _nix_file(Path(path or "."))) and not _is_flake(Path(path or ".")):
            return _from_nix(text, nixeval.evaluate_file(file, attribute, timeout=timeout, show_trace=show_trace))
        if hash_sign or _FLAKE_SCHEME.match(text):
            return _from_nix(text, nixeval.evaluate_flake(text, timeout=timeout, show_trace=show_trace))
        raise InputError("no such file or folder", path=text, hint=_near(text))
    path_given = Path(text)
    if text != "-" and path_given.is_dir():
        if (path_given / SET_FILE).is_file():
            return _from_folder(path_given, text)
        if file := _nix_file(path_given):
            return _from_nix(text, nixeval.evaluate_file(file, timeout=timeout, show_trace=show_trace))
        if _is_flake(path_given):
            reference = str(path_given.absolute())
            return _from_nix(text, nixeval.evaluate_flake(reference, timeout=timeout, show_trace=show_trace))
    elif path_given.suffix == ".nix":
        return _from_nix(text, nixeval.evaluate_file(path_given, timeout=timeout, show_trace=show_trace))
    elif path_given.suffix == ".json" and (document := _set_in_file(path_given)):
        return Target(document, text, "nix" if document.files is None else "folder")
    return _from_manifests(text, stdin)


def _nix_file(path: Path) -> Path | None:
    if path.is_dir():
        return next((path / name for name in NIX_FILES if (path / name).is_file()), None)
    return path if path.suffix == ".nix" and path.is_file() else None


def _is_flake(path: Path) -> bool:
    return (path / "flake.nix").is_file()


def _near(text: str) -> str | None:
    path = Path(text)
    try:
        names = [entry.name for entry in os.scandir(path.parent)]
    except OSError:
        return None
    near = difflib.get_close_matches(path.name, names, n=1)
    return f"did you mean {path.parent / near[0]}?" if near else None


def _from_nix(text: str, evaluation: nixeval.Evaluation) -> Target:
    return Target(setdocument.decode(evaluation.json, origin=text), text, "nix", messages=evaluation.messages)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MAX_SET_FILE:
            raise InputError(f"larger than {_MAX_SET_FILE // 1024 // 1024} MiB", path=str(path))
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {(error.strerror or str(error)).lower()}", path=str(path)) from None


def _set_in_file(path: Path) -> SetDocument | None:
    """Read a file that holds a set document (`nix eval --json` into a file); nothing if it holds something else."""
    content = _read(path)
    return setdocument.decode(content, origin=str(path)) if b'"mlops-nix/set/' in content[:4096] else None


def _from_folder(folder: Path, text: str) -> Target:
    """Read a rendered folder; its files must still be what was rendered, since commands work with the document."""
    document = setdocument.decode(_read(folder / SET_FILE), origin=str(folder / SET_FILE))
    changed = []
    for name, digest in sorted((document.files or {}).items()):
        place = folder / name
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise InputError(f"names a file outside the folder: {name}", path=str(folder / SET_FILE))
        if not place.is_file():
            changed.append(f"{name} is missing")
        elif sha256(_read(place)) != digest:
            changed.append(f"{name} was edited")
    if changed:
        shown = changed[:_SHOWN] + ([f"and {len(changed) - _SHOWN} more"] if len(changed) > _SHOWN else [])
        raise InputError(
            "the files are no longer what was rendered\n" + "\n".join(shown),
            path=text,
            hint="put the change into the Nix expression (`patches`) and render again; "
            f"without {SET_FILE} the folder counts as plain manifests",
        )
    return Target(document, text, "folder", folder=folder)


# --- plain manifests -------------------------------------------------------------------------------------------------------------

# The order that kubectl users expect: what others need comes first. Kinds that are not listed (custom resources, Jobs, Ingress)
# come last, because operators and webhooks must answer before them.
_WAVES = {
    "namespaces": (0, ("Namespace",)),
    "crds": (10, ("CustomResourceDefinition",)),
    "config": (
        20,
        [
            "PriorityClass",
            "StorageClass",
            "RuntimeClass",
            "IngressClass",
            "ResourceQuota",
            "LimitRange",
            "NetworkPolicy",
            "ServiceAccount",
            "Secret",
            "ConfigMap",
            "PersistentVolume",
            "PersistentVolumeClaim",
            "ClusterRole",
            "ClusterRoleBinding",
            "Role",
            "RoleBinding",
            "Service",
        ],
    ),
    "workloads": (
        30,
        ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "PodDisruptionBudget", "HorizontalPodAutoscaler"],
    ),
    "webhooks": (
        40,
        [
            "MutatingWebhookConfiguration",
            "ValidatingWebhookConfiguration",
            "APIService",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
        ],
    ),
    "resources": (50, ()),
}
_LAST_WAVE = "resources"
_KIND_WAVE = {kind: wave for wave, (_, kinds) in _WAVES.items() for kind in kinds}
_CORE_GROUP = re.compile(r"(?:[a-z]+|[a-z0-9.-]+\.k8s\.io)?")


def _from_manifests(text: str, stdin: BinaryIO | None) -> Target:
    from mlops_nix import yamlio

    objects = yamlio.read_objects([text], stdin=stdin)
    name = "stdin" if text == "-" else Path(text).absolute().name.partition(".")[0] or "manifests"
    return Target(from_objects(objects, name), text, "manifests")


def from_objects(objects: Iterable[KubernetesObject], name: str) -> SetDocument:
    """Make a set document of plain objects: waves by kind, images of their pods, components by their labels.

    Args:
        objects: In any order; within a wave their order stays.
        name: The name of the set.
    """
    placed = sorted(((_wave(obj), obj) for obj in objects), key=lambda item: _WAVES[item[0]][0])
    entries: list[Entry] = []
    taken: set[str] = set()
    images: dict[str, dict[str, None]] = {}
    members: dict[str, list[KubernetesObject]] = {}
    for wave, obj in placed:
        component = _instance(obj)
        number = _WAVES[wave][0]
        file = _file_name(f"{number:02}-{wave}", obj, taken)
        entries.append(Entry(object=obj, wave=number, component=component, file=file))
        if component:
            members.setdefault(component, []).append(obj)
        for image in _images(obj):
            images.setdefault(image, {}).update({component: None} if component else {})
    present = {entry.wave for entry in entries}
    return SetDocument(
        format=setdocument.FORMAT,
        name=name,
        components=tuple(_component(component, owned) for component, owned in members.items()),
        waves=tuple(Wave(name=wave, number=number) for wave, (number, _) in _WAVES.items() if number in present),
        entries=tuple(entries),
        images=tuple(Image(image=image, components=tuple(users)) for image, users in sorted(images.items())),
    )


def _wave(obj: KubernetesObject) -> str:
    ref = reference(obj)
    return _KIND_WAVE.get(ref.kind, _LAST_WAVE) if _CORE_GROUP.fullmatch(ref.group) else _LAST_WAVE


def _file_name(folder: str, obj: KubernetesObject, taken: set[str]) -> str:
    ref = reference(obj)
    words = [ref.kind.lower(), ref.namespace, ref.name]
    stem = f"{folder}/" + re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(word for word in words if word))
    file, number = f"{stem}.yaml", 2
    while file in taken:
        file, number = f"{stem}-{number}.yaml", number + 1
    taken.add(file)
    return file


def _labels(obj: KubernetesObject) -> dict[str, str]:
    labels = metadata(obj).get("labels")
    return labels if isinstance(labels, dict) else {}


def _instance(obj: KubernetesObject) -> str | None:
    labels = _labels(obj)
    return as_text(labels.get("app.kubernetes.io/instance")) or as_text(labels.get("app.kubernetes.io/name")) or None


def _component(name: str, objects: Sequence[KubernetesObject]) -> Component:
    labels = _labels(objects[0])
    namespaces = [ref.namespace for ref in map(reference, objects) if ref.namespace]
    return Component(
        name=name,
        module=as_text(labels.get("app.kubernetes.io/name")) or name,
        version=as_text(labels.get("app.kubernetes.io/version")) or None,
        namespace=namespaces[0] if namespaces else None,
        objects=len(objects),
    )


def _images(obj: KubernetesObject) -> list[str]:
    template = pod_template(obj)
    spec = template[1].get("spec") if template else None
    if not isinstance(spec, dict):
        return []
    return [image for _, container in containers(spec) if (image := as_text(container.get("image")))]
