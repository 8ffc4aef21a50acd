"""``mlops-nix init``: start a platform or a module of one's own."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from mlops_nix.cli._command import DescribedCommand
from mlops_nix.console import Console
from mlops_nix.errors import ExitCode
from mlops_nix.scaffold import KINDS


@click.command(
    "init",
    cls=DescribedCommand,
    groups={"What": ["listed", "flake_url"]},
    examples=[
        "mlops-nix init platform my-platform",
        "mlops-nix init module label-studio",
        "mlops-nix init --list",
    ],
    exit_codes={ExitCode.INVALID: "the name cannot be one, or a file exists; nothing was written"},
)
@click.argument("words", nargs=-1, metavar="[platform|module] DIR")
@click.option("--list", "listed", is_flag=True, help="List what can be started.")
@click.option(
    "--flake-url",
    metavar="URL",
    help="Where the flake of a platform finds the library.  [default: its place on this machine]",
)
def command(words: tuple[str, ...], listed: bool, flake_url: str | None) -> None:
    """Start a platform (the default) or a module in a new folder whose name becomes its name. Nothing is overwritten."""
    from mlops_nix.nixeval import library_path
    from mlops_nix.scaffold import create
    from mlops_nix.summary import table

    console = Console()
    if listed:
        for line in table([(kind.name, kind.summary) for kind in KINDS.values()]):
            console.answer(line)
        return
    match words:
        case (name, place) if name in KINDS:
            kind = KINDS[name]
        case (place,) if place not in KINDS:
            kind = KINDS["platform"]
        case (name, _):
            raise click.UsageError(f"{name}: expected one of {', '.join(KINDS)}")
        case _:
            raise click.UsageError("expected what to start and where: `mlops-nix init platform my-platform`")
    files = create(kind, Path(place), flake_url=flake_url)
    for path in files:
        console.answer(str(Path(place) / path))
    console.answer("")
    console.answer(console.style("Next", bold=True))
    for line in kind.next:
        console.answer(
            "  " + line.format(place=shlex.quote(place.rstrip("/")), library=library_path() or "PATH/TO/lib")
        )
