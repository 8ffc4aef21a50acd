"""``mlops-nix crds kustomization``."""

from __future__ import annotations

import click

from mlops_nix.cli._command import TARGET_OPTIONS, DescribedCommand, load_target, target_argument
from mlops_nix.console import Console
from mlops_nix.errors import ExitCode


@click.command(
    "kustomization",
    cls=DescribedCommand,
    groups={"Evaluation": TARGET_OPTIONS},
    examples=[
        "mlops-nix crds kustomization platform.nix > crds/kustomization.yaml",
        "kubectl apply --server-side -k crds/",
        "mlops-nix crds kustomization .#acme | grep kserve",
    ],
    exit_codes={ExitCode.INVALID: "the target cannot be used"},
)
@target_argument
def command(target: str, timeout: float, show_trace: bool) -> None:
    """Print a kustomization that names the CRD files of a platform by commit-pinned URL."""
    from mlops_nix.render import kustomization

    console = Console()
    document = load_target(target, console, timeout=timeout, show_trace=show_trace).document
    for crd in document.crds:
        if not crd.url:
            console.warning(
                f"{crd.name} is left out: upstream publishes it only inside an archive; `crds vendor` has it"
            )
    comments = [
        f"CRDs of upstream's for {document.name}, at pinned commits. Apply with: kubectl apply --server-side -k ."
    ]
    console.answer(kustomization([crd.url for crd in document.crds if crd.url], comments), end="")
