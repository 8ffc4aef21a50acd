"""``mlops-nix crds vendor``."""

from __future__ import annotations

from pathlib import Path

import click

from mlops_nix.cli._command import (
    TARGET_OPTIONS,
    DescribedCommand,
    crd_options,
    load_target,
    output_path,
    target_argument,
)
from mlops_nix.console import Console, OutputFormat, output_option
from mlops_nix.errors import ExitCode


@click.command(
    "vendor",
    cls=DescribedCommand,
    groups={"Where": ["out", "force"], "CRD files": ["source", "offline"], "Evaluation": TARGET_OPTIONS},
    examples=[
        "mlops-nix crds vendor platform.nix --out vendor/crds",
        "kubectl apply --server-side -k vendor/crds",
        "mlops-nix render platform.nix --out rendered/ --source vendor/crds --offline",
    ],
    exit_codes={ExitCode.INVALID: "a file cannot be had or written; files of others are never touched"},
)
@target_argument
@click.option(
    "-O", "--out", type=output_path, metavar="DIR", required=True, help="The folder that the files are written to."
)
@click.option("--force", is_flag=True, help="Overwrite files of the folder that were edited by hand.")
@crd_options
@output_option
def command(
    target: str,
    out: str,
    force: bool,
    source: str | None,
    offline: bool,
    timeout: float,
    show_trace: bool,
    output: OutputFormat,
) -> None:
    """Write the CRD files of a platform, byte for byte, with a kustomization: for clusters without the internet."""
    from mlops_nix.crds import CrdStore
    from mlops_nix.files import OutputFolder
    from mlops_nix.render import KUSTOMIZATION, kustomization

    console = Console(output)
    loaded = load_target(target, console, timeout=timeout, show_trace=show_trace)
    store = CrdStore.from_environment(source, offline=offline, warn=console.warning)
    fetched = loaded.fetch_crds(store, lambda crd: console.done(f"{crd.file.name}: verified"))
    files = {crd.file.file.rpartition("/")[2]: crd.content for crd in fetched}
    if len(files) < len(fetched):  # two folders have a file of one name
        files = {crd.file.file.replace("/", "-"): crd.content for crd in fetched}
    comments = [f"CRDs of upstream's for {loaded.document.name}, written and verified by mlops-nix."]
    contents = {**files, KUSTOMIZATION: kustomization(list(files), comments).encode()}
    plan = OutputFolder(Path(out)).write(contents, force=force)
    if console.json:
        console.answer_json({"folder": out, "files": list(files), "written": len(plan.new) + len(plan.changed)})
    else:
        console.answer(f"{len(files)} CRD files are in {out}")
