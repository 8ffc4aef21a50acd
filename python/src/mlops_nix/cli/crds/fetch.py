"""``mlops-nix crds fetch``."""

from __future__ import annotations

import click

from mlops_nix.cli._command import TARGET_OPTIONS, DescribedCommand, crd_options, load_target, target_argument
from mlops_nix.console import Console, OutputFormat, output_option
from mlops_nix.errors import ExitCode


@click.command(
    "fetch",
    cls=DescribedCommand,
    groups={"CRD files": ["source", "offline"], "Evaluation": TARGET_OPTIONS},
    examples=[
        "mlops-nix crds fetch platform.nix",
        "mlops-nix crds fetch platform.nix --source /media/crds     # without the network",
        "HTTPS_PROXY=http://proxy:3128 mlops-nix crds fetch .#acme",
    ],
    exit_codes={ExitCode.INVALID: "a file cannot be had, or has another sha256 than the library names"},
)
@target_argument
@crd_options
@output_option
def command(
    target: str, source: str | None, offline: bool, timeout: float, show_trace: bool, output: OutputFormat
) -> None:
    """Fetch the CRD files of a platform into the cache, verified by sha256, so that later commands need no network."""
    from mlops_nix.crds import CrdStore

    console = Console(output)
    loaded = load_target(target, console, timeout=timeout, show_trace=show_trace)
    store = CrdStore.from_environment(source, offline=offline, warn=console.warning)
    words = {"cache": "in the cache", "folder": "copied", "network": "fetched"}
    fetched = store.get_all(loaded.document.crds, lambda crd: console.done(f"{crd.file.name}: {words[crd.origin]}"))
    if console.json:
        console.answer_json(
            [
                {"name": crd.file.name, "sha256": crd.file.sha256, "bytes": len(crd.content), "origin": crd.origin,
                 "place": str(store.place(crd.file))}
                for crd in fetched
            ]
        )  # fmt: skip
    else:
        console.answer(f"{len(fetched)} CRD files are in {store.cache}")
