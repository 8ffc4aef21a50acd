"""Container images of a set: their names taken apart, where a mirror has them, and the input of copying tools."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_nix.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DOCKER_HUB = "docker.io"
_DOCKER_HUB_SERVER = "registry-1.docker.io"
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::\d+)?")
# Source: github.com/distribution/reference, regexp.go.
_REFERENCE = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._/:\[\]-]*?)(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>[A-Za-z][A-Za-z0-9]*(?:[+._-][A-Za-z0-9]+)*:[0-9a-fA-F]{32,}))?"
)


@dataclass(frozen=True)
class ImageName:
    """The parts of an image reference, with what Docker Hub leaves out filled in.

    Attributes:
        registry: ``docker.io`` where the reference names none.
        repository: ``library/postgres`` for ``postgres``.
        tag: None where the reference has none; then ``latest`` is meant, unless there is a digest.
        digest: ``sha256:…``.
    """

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    def __str__(self) -> str:
        return self.at(f"{self.registry}/{self.repository}")

    def at(self, name: str, *, digest: bool = True, tag: bool = True) -> str:
        """Write the reference with another name.

        Args:
            name: Registry and repository.
            digest: Keep the digest.
            tag: Keep the tag.
        """
        tagged = f":{self.tag}" if tag and self.tag else ""
        pinned = f"@{self.digest}" if digest and self.digest else ""
        return f"{name}{tagged}{pinned}" if tagged or pinned else f"{name}:latest"


def parse(text: str) -> ImageName:
    """Take an image reference apart, as container runtimes do.

    Raises:
        InputError: It is none.
    """
    match = _REFERENCE.fullmatch(text)
    if not match:
        raise InputError(f"{text!r} is not an image reference; expected [registry/]repository[:tag][@digest]")
    name = match["name"]
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        registry, repository = first, rest
    else:
        registry, repository = DOCKER_HUB, name if slash else f"library/{name}"
    if registry == "index.docker.io":
        registry = DOCKER_HUB
    if not re.fullmatch(r"[a-z0-9]+(?:(?:[._/]|__|-+)[a-z0-9]+)*", repository):
        raise InputError(f"{text!r} is not an image reference: the repository {repository!r} is not valid")
    return ImageName(registry, repository, match["tag"], match["digest"])


def parse_mirrors(texts: Sequence[str]) -> dict[str, str]:
    """Read ``registry=prefix`` arguments.

    Args:
        texts: Such as ``ghcr.io=registry.local/ghcr``; ``*=registry.local`` stands for all other registries, which then keep
            their name as the first part of the path.

    Raises:
        InputError: One is not of that form, or two are about one registry.
    """
    mirrors: dict[str, str] = {}
    for text in texts:
        registry, sign, prefix = text.partition("=")
        prefix = prefix.rstrip("/")
        host, slash, path = prefix.partition("/")
        good = sign and (registry == "*" or _HOST.fullmatch(registry)) and _HOST.fullmatch(host)
        if not good or (slash and not re.fullmatch(r"[a-z0-9._/-]+", path)):
            raise InputError(f"--mirror {text}: expected registry=prefix, such as ghcr.io=registry.local/ghcr")
        if registry in mirrors:
            raise InputError(f"--mirror {text}: {registry} is mirrored to {mirrors[registry]} already")
        mirrors[registry] = prefix
    return mirrors


def mirrored(image: ImageName, mirrors: Mapping[str, str]) -> str | None:
    """Say where a mirror has an image: registry and repository; nothing where no mirror is about it.

    Args:
        image: The image.
        mirrors: As `parse_mirrors` gives them.
    """
    if image.registry in mirrors:
        return f"{mirrors[image.registry]}/{image.repository}"
    if "*" in mirrors:
        return f"{mirrors['*']}/{image.registry}/{image.repository}"
    return None


def copy_script(images: Sequence[str], mirrors: Mapping[str, str], tool: str) -> Iterator[str]:
    """Yield the lines of a shell script that copies images to a mirror with skopeo or crane.

    Where no mirror is given, the script takes the target registry from ``$MIRROR``.

    Args:
        images: References.
        mirrors: As `parse_mirrors` gives them.
        tool: ``skopeo`` or ``crane``.
    """
    yield "#!/bin/sh"
    if any(mirrored(parse(text), mirrors) is None for text in images):
        yield "# The registry that the images are copied to, such as registry.local:5000"
        yield ': "${MIRROR:?set MIRROR to the registry that the images are copied to}"'
    yield "set -e"
    for text in images:
        image = parse(text)
        place = mirrored(image, mirrors)
        # skopeo takes a tag or a digest, not both; what is pinned is copied by its digest and keeps it.
        source = str(image) if not image.digest else image.at(f"{image.registry}/{image.repository}", tag=False)
        if place is None:
            goal = f'"$MIRROR"/{shlex.quote(_goal(image, f"{image.registry}/{image.repository}"))}'
        else:
            goal = shlex.quote(_goal(image, place))
        if tool == "skopeo":
            yield f"skopeo copy --all --preserve-digests docker://{shlex.quote(source)} docker://{goal}"
        else:
            yield f"crane copy {shlex.quote(source)} {goal}"


def _goal(image: ImageName, name: str) -> str:
    return image.at(name, digest=image.tag is None, tag=True)


def containerd_hosts(images: Sequence[str], mirrors: Mapping[str, str]) -> dict[str, str]:
    """Give the ``hosts.toml`` of each registry that has a mirror, by path below ``/etc/containerd/certs.d``.

    Source: github.com/containerd/containerd, docs/hosts.md.

    Args:
        images: References; only registries that occur in them are mentioned.
        mirrors: As `parse_mirrors` gives them.

    Raises:
        InputError: No mirror is about any of the images.
    """
    files: dict[str, str] = {}
    for registry in sorted({parse(text).registry for text in images}):
        prefix = mirrors.get(registry) or (f"{mirrors['*']}/{registry}" if "*" in mirrors else None)
        if prefix is None:
            continue
        host, _, path = prefix.partition("/")
        server = _DOCKER_HUB_SERVER if registry == DOCKER_HUB else registry
        override = ["  override_path = true"] if path else []
        url = f"https://{host}/v2/{path}" if path else f"https://{host}"
        files[f"{registry}/hosts.toml"] = "\n".join(
            [
                f"server = {json.dumps(f'https://{server}')}",
                "",
                f"[host.{json.dumps(url)}]",
                '  capabilities = ["pull", "resolve"]',
                *override,
                "",
            ]
        )
    if not files:
        raise InputError(
            "no image is from a registry that has a mirror",
            hint="give --mirror registry=prefix, such as --mirror ghcr.io=registry.local/ghcr",
        )
    return files
