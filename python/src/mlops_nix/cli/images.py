"""``mlops-nix images``: every image of a platform, and how to mirror them."""

from __future__ import annotations

from pathlib import Path

import click

from mlops_nix.cli._command import TARGET_OPTIONS, DescribedCommand, load_target, output_path, target_argument
from mlops_nix.console import Console
from mlops_nix.errors import ExitCode


@click.command(
    "images",
    cls=DescribedCommand,
    groups={"Output": ["form", "output", "out"], "Mirror": ["mirror"], "Evaluation": TARGET_OPTIONS},
    examples=[
        "mlops-nix images platform.nix",
        "mlops-nix images . -f skopeo --mirror '*=registry.local' > mirror.sh",
        "mlops-nix images . -f containerd-hosts --mirror ghcr.io=r.local -O certs.d",
    ],
    exit_codes={ExitCode.INVALID: "the target or a mirror cannot be used"},
)
@target_argument
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(["text", "json", "skopeo", "crane", "containerd-hosts"]),
    default=None,
    help="A list, JSON, a shell script that copies the images, or containerd's mirror configuration.  [default: text]",
)
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", help="--output json is --format json."
)
@click.option(
    "-O", "--out", type=output_path, metavar="DIR", help="containerd-hosts: write REGISTRY/hosts.toml into this folder."
)
@click.option(
    "--mirror",
    multiple=True,
    metavar="REGISTRY=PREFIX",
    help="Where a registry is mirrored; * stands for every other registry. May be repeated.",
)
def command(
    target: str,
    form: str | None,
    output: str,
    out: str | None,
    mirror: tuple[str, ...],
    timeout: float,
    show_trace: bool,
) -> None:
    """List every container image of a platform, also those inside arguments, ConfigMaps and custom resources."""
    from mlops_nix.files import OutputFolder
    from mlops_nix.images import containerd_hosts, copy_script, mirrored, parse, parse_mirrors
    from mlops_nix.summary import table

    form = form or output
    if out and form != "containerd-hosts":
        raise click.UsageError("--out goes with --format containerd-hosts")
    console = Console("json" if form == "json" else "text")
    mirrors = parse_mirrors(mirror)
    document = load_target(target, console, timeout=timeout, show_trace=show_trace).document
    names = [image.image for image in document.images]
    if form in {"skopeo", "crane"}:
        for line in copy_script(names, mirrors, form):
            console.answer(line)
    elif form == "containerd-hosts":
        files = containerd_hosts(names, mirrors)
        if out:
            OutputFolder(Path(out)).write({path: text.encode() for path, text in files.items()})
            console.answer(
                f"{len(files)} registries are configured in {out}; copy it to /etc/containerd/certs.d of every node"
            )
            return
        for path, text in files.items():
            console.answer(f"# /etc/containerd/certs.d/{path}\n{text}")
    elif console.json:
        console.answer_json([_described(image.image, image.components, mirrors) for image in document.images])
    elif mirrors:
        pairs = [(parse(name), name) for name in names]
        rows = [
            (name, image.at(place) if (place := mirrored(image, mirrors)) else "(no mirror)") for image, name in pairs
        ]
        for line in table([(source, "->", goal) for source, goal in rows]) if rows else []:
            console.answer(line)
    else:
        for name in names:
            console.answer(name)


def _described(text: str, components: tuple[str, ...], mirrors: dict[str, str]) -> dict[str, object]:
    from mlops_nix.images import mirrored, parse

    image = parse(text)
    place = mirrored(image, mirrors)
    return {
        "image": text,
        "registry": image.registry,
        "repository": image.repository,
        "tag": image.tag,
        "digest": image.digest,
        "components": list(components),
        "mirror": image.at(place) if place else None,
    }
