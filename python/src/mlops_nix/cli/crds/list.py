"""``mlops-nix crds list``."""

from __future__ import annotations

import click
import msgspec

from mlops_nix.cli._command import TARGET_OPTIONS, DescribedCommand, load_target, target_argument
from mlops_nix.console import Console, OutputFormat, output_option
from mlops_nix.errors import ExitCode


@click.command(
    "list",
    cls=DescribedCommand,
    groups={"Evaluation": TARGET_OPTIONS},
    examples=[
        "mlops-nix crds list platform.nix",
        "mlops-nix crds list .#acme --output json",
        "mlops-nix crds list rendered/",
    ],
    exit_codes={ExitCode.INVALID: "the target cannot be used"},
)
@target_argument
@output_option
def command(target: str, timeout: float, show_trace: bool, output: OutputFormat) -> None:
    """List the CRD files of a platform: URL, sha256, size, who needs them, and whether they are in the cache."""
    from mlops_nix.crds import CrdStore

    console = Console(output)
    document = load_target(target, console, timeout=timeout, show_trace=show_trace).document
    store = CrdStore(warn=console.warning)
    cached = {crd.file: store.cached(crd) is not None for crd in document.crds}
    if console.json:
        console.answer_json([{**msgspec.to_builtins(crd), "cached": cached[crd.file]} for crd in document.crds])
        return
    for crd in document.crds:
        size = f"{crd.bytes / 1024:.0f} KiB, " if crd.bytes is not None else ""
        console.answer(
            console.style(crd.name, bold=True) + f"  ({size}{'cached' if cached[crd.file] else 'not cached'})"
        )
        console.answer(f"  {crd.url or 'only inside an archive of upstream: give it with --source'}")
        console.answer(f"  sha256 {crd.sha256}")
        if len(crd.names) > 1:
            console.answer(f"  holds {', '.join(crd.names)}")
        if crd.required_by:
            console.answer(f"  for {', '.join(crd.required_by)}")
    if not document.crds:
        console.done("the platform needs no CRDs of upstream's")
