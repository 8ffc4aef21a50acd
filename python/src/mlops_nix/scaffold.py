"""Start a platform or a module of one's own from templates; nothing that exists is ever overwritten."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from mlops_nix.docs import nix_value
from mlops_nix.errors import InputError
from mlops_nix.files import replace_file
from mlops_nix.nixeval import library_path

_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?")


@dataclass(frozen=True)
class Kind:
    """A kind of scaffold.

    Attributes:
        name: As on the command line.
        summary: What it is, in a line.
        files: The template of each file.
        next: What to do then; ``{place}`` and ``{library}`` are filled in.
    """

    name: str
    summary: str
    files: dict[str, str]
    next: tuple[str, ...]


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "platform",
            "a platform: MLflow on PostgreSQL and an object store, as a file and as a flake",
            {
                "platform.nix": "init/platform/platform.nix.jinja",
                "flake.nix": "init/platform/flake.nix.jinja",
                "README.md": "init/platform/README.md.jinja",
                ".gitignore": "init/platform/gitignore.jinja",
            },
            ("mlops-nix render {place} --out {place}/rendered",),
        ),
        Kind(
            "module",
            "a module of your own with a test and a platform of it alone",
            {
                "default.nix": "init/module/default.nix.jinja",
                "platform.nix": "init/module/platform.nix.jinja",
                "test.nix": "init/module/test.nix.jinja",
                "README.md": "init/module/README.md.jinja",
            },
            (
                "mlops-nix render {place}/platform.nix --out {place}/rendered",
                "nix-instantiate --eval --strict {place}/test.nix --argstr library {library}",
            ),
        ),
    )
}


def create(kind: Kind, place: Path, *, flake_url: str | None = None) -> list[str]:
    """Write a scaffold.

    Args:
        kind: What to write.
        place: The folder; its name is the name of the platform or module.
        flake_url: Where the flake of a platform finds the library; its place on this machine by default.

    Returns:
        The files.

    Raises:
        InputError: The name cannot be one, or one of the files exists.
    """
    name = place.absolute().name if place.name in {"", ".", ".."} else place.name
    if not _NAME.fullmatch(name):
        near = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")[:40]
        suggestion = f"; did you mean {near}?" if near else ""
        raise InputError(
            f"{name!r} is no name for a {kind.name}: expected lower-case letters, digits and '-', starting with a letter"
            f"{suggestion}"
        )
    texts = _texts(kind, name, flake_url)
    for path in texts:
        if os.path.lexists(place / path):
            raise InputError(
                "exists already; nothing was written", path=str(place / path), hint="choose another folder"
            )
    for path, content in texts.items():
        replace_file(place / path, content)
    return list(texts)


def builder_name(name: str) -> str:
    """Give the name that the library gives to the builder of a module: ``label-studio`` is built by ``mkLabelStudio``.

    Args:
        name: The module's.
    """
    return "mk" + "".join(word[:1].upper() + word[1:] for word in name.split("-"))


def library_url() -> str:
    """Give the flake reference of the library on this machine."""
    library = library_path()
    root = library.resolve().parent if library else Path("/")
    # A Git checkout is taken as Git sees it, without what builds leave behind.
    return f"git+file://{root}" if (root / ".git").exists() else f"path:{root}"


def _texts(kind: Kind, name: str, flake_url: str | None) -> dict[str, bytes]:
    from mlops_nix.templates import environment

    templates = environment(nix=nix_value)
    library = library_path()
    values = {
        "name": name,
        "builder": builder_name(name),
        "title": f"{name.replace('-', ' ').capitalize()}, a system of your own",
        "url": flake_url or library_url(),
        "is_flake": flake_url is not None or bool(library and (library.parent / "flake.nix").is_file()),
        "library": str(library or "PATH/TO/lib"),
    }
    return {path: templates.get_template(template).render(values).encode() for path, template in kind.files.items()}
