"""``mlops-nix secrets``: the Secrets that a platform refers to. A module of this folder with `command` is a subcommand."""

from __future__ import annotations

import click

from mlops_nix.cli._command import SubcommandsByPlace


@click.group("secrets", cls=SubcommandsByPlace, package=__name__)
def command() -> None:
    """Look after the Secrets that a platform needs.

    No secret value is ever in Nix or in what is rendered: a platform names Secrets, keys and what each is for.
    """
