"""``mlops-nix crds``: the CRD files of upstream's that a platform needs."""

from __future__ import annotations

import click

from mlops_nix.cli._command import SubcommandsByPlace


@click.group("crds", cls=SubcommandsByPlace, package=__name__)
def command() -> None:
    """List, fetch and vendor the CRDs that a platform needs.

    The library names every file by commit-pinned URL and sha256 and holds no copy. Fetched files are kept in a cache
    (MLOPS_NIX_CACHE, else ~/.cache/mlops-nix) and verified at every use.
    """
