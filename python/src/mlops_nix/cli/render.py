"""``mlops-nix render``: from a Nix description to a folder of manifests."""

from __future__ import annotations

import importlib.util
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

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
from mlops_nix.errors import ExitCode, InputError
from mlops_nix.render import CRD_MODES, LAYOUTS, CrdMode, Layout

if TYPE_CHECKING:
    from mlops_nix.files import Plan
    from mlops_nix.target import Target

_SHOWN = 20


@click.command(
    "render",
    cls=DescribedCommand,
    groups={
        "Where": ["out", "stdout", "check"],
        "What": ["layout", "crds", "no_crds"],
        "CRD files": ["source", "offline"],
        "Evaluation": TARGET_OPTIONS,
        "Output": ["output", "quiet", "force"],
    },
    examples=[
        "mlops-nix render platform.nix --out rendered/",
        "mlops-nix render .#acme --out clusters/acme --check   # exit 2 when out of date",
        "mlops-nix render platform.nix --stdout | kubectl diff -f -",
    ],
    exit_codes={
        ExitCode.DIFFERENCES: "--check: the folder is out of date",
        ExitCode.INVALID: "the expression, a CRD file or the folder cannot be used; nothing was changed",
    },
)
@target_argument
@click.option("-O", "--out", type=output_path, metavar="DIR", help="The folder that is made equal to the platform.")
@click.option("--stdout", is_flag=True, help="Print one YAML stream in apply order instead of writing a folder.")
@click.option("--check", is_flag=True, help="Write nothing; name the files that are out of date.")
@click.option(
    "--layout",
    type=click.Choice(LAYOUTS),
    default=None,
    help="A file per object (default), per component and wave, or one for all.",
)
@click.option(
    "--crds",
    type=click.Choice(CRD_MODES),
    default="files",
    show_default=True,
    help="Upstream's CRDs as verified files, by pinned URL in kustomization.yaml, or not at all.",
)
@click.option("--no-crds", is_flag=True, help="The same as --crds=none.")
@crd_options
@click.option("--force", is_flag=True, help="Overwrite files of the folder that were edited by hand.")
@click.option("-q", "--quiet", is_flag=True, help="Leave out the summary and the progress.")
@output_option
def command(
    target: str,
    out: str | None,
    stdout: bool,
    check: bool,
    layout: str | None,
    crds: str,
    no_crds: bool,
    source: str | None,
    offline: bool,
    force: bool,
    quiet: bool,
    timeout: float,
    show_trace: bool,
    output: OutputFormat,
) -> int:
    """Render a platform: evaluate it once and write its manifests.

    Only files that this command wrote are ever replaced or deleted, each appears whole or not at all, and files that do not
    change keep their time.
    """
    if (out is None) == (not stdout):
        raise click.UsageError("give either --out DIR or --stdout")
    if stdout and (check or layout or output == "json"):
        raise click.UsageError(
            "--stdout prints the stream alone; it goes with neither --check, --layout nor --output json"
        )
    mode = cast("CrdMode", "none" if no_crds else crds)
    console = Console(output, quiet=quiet)
    loaded = load_target(target, console, timeout=timeout, show_trace=show_trace)
    if loaded.kind != "nix":
        raise InputError(
            "it is rendered already", path=target, hint="give the Nix expression; `mlops-nix validate` reads manifests"
        )
    files = _crd_files(loaded, console, source, offline=offline) if mode == "files" else {}
    if out is None:
        from mlops_nix.render import stream

        console.answer(stream(loaded.document, files), end="")
        return ExitCode.OK
    return _folder(
        loaded, Path(out), files, cast("Layout", layout or "objects"), mode, console, check=check, force=force
    )


def _crd_files(target: Target, console: Console, source: str | None, *, offline: bool) -> dict[str, bytes]:
    from mlops_nix.crds import CrdStore

    if not target.document.crds:
        return {}
    store = CrdStore.from_environment(source, offline=offline, warn=console.warning)
    fetched = target.fetch_crds(
        store, lambda crd: console.done(f"fetched {crd.file.name}") if crd.origin == "network" else None
    )
    return {crd.file.file: crd.content for crd in fetched}


def _folder(
    target: Target,
    out: Path,
    files: dict[str, bytes],
    layout: Layout,
    mode: CrdMode,
    console: Console,
    *,
    check: bool,
    force: bool,
) -> int:
    from mlops_nix.files import OutputFolder
    from mlops_nix.render import contents
    from mlops_nix.target import SET_FILE

    wanted = contents(target.document, files, layout=layout, crd_mode=mode)
    folder = OutputFolder(out, list_name=SET_FILE)
    if check:
        return _checked(folder.plan(wanted), target, out, console)
    plan = folder.write(wanted, force=force)
    if console.json:
        from mlops_nix.summary import facts

        console.answer_json({**facts(target.document), "folder": str(out), "files": _counts(plan)})
    elif not console.quiet:
        _tell(target, out, plan, len(wanted), mode, console)
    return ExitCode.OK


def _counts(plan: Plan) -> dict[str, Any]:
    return {
        "new": list(plan.new),
        "changed": [*plan.changed, *plan.edited],
        "deleted": list(plan.stale),
        "unchanged": len(plan.unchanged),
    }


def _checked(plan: Plan, target: Target, out: Path, console: Console) -> int:
    differences = plan.differences
    if console.json:
        console.answer_json(
            {"name": target.document.name, "folder": str(out), "current": plan.is_current, "files": differences}
        )
    elif differences:
        for path, why in list(differences.items())[:_SHOWN]:
            console.answer(f"{out / path}: {why}")
        if len(differences) > _SHOWN:
            console.answer(f"and {len(differences) - _SHOWN} more")
        console.answer(
            f"{out} is out of date; `mlops-nix render {shlex.quote(target.origin)} --out {shlex.quote(str(out))}` renders it"
        )
    else:
        console.done(f"{out} is up to date ({len(plan.unchanged)} files)")
    return ExitCode.OK if plan.is_current else ExitCode.DIFFERENCES


def _tell(target: Target, out: Path, plan: Plan, total: int, mode: CrdMode, console: Console) -> None:
    from mlops_nix.summary import lines

    for line in lines(target.document, console):
        console.answer(line)
    changed = len(plan.changed) + len(plan.edited)
    words = [
        f"{number} {word}"
        for number, word in (
            (len(plan.new), "new"),
            (changed, "changed"),
            (len(plan.stale), "deleted"),
            (len(plan.unchanged), "unchanged"),
        )
        if number
    ]
    console.answer("")
    console.answer(f"{console.style('Written', bold=True)} {out} ({total} files: {', '.join(words)})")
    console.answer("")
    console.answer(console.style("Next", bold=True))
    place = shlex.quote(os.path.normpath(out))
    console.answer(f"  mlops-nix validate {place}")
    if target.document.secrets and _exists("mlops_nix.cli.secrets.create"):
        console.answer(f"  mlops-nix secrets create {place}")
    if _exists("mlops_nix.cli.apply"):
        console.answer(f"  mlops-nix apply {place}")
    else:
        console.answer(f"  kubectl apply --server-side -k {place}")
    if mode == "none" and target.document.crds:
        console.answer(f"  the CRDs first: mlops-nix crds vendor {shlex.quote(target.origin)} --out DIR")


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
