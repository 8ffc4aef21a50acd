"""``mlops-nix docs``: reference pages and JSON Schemas of the library."""

from __future__ import annotations

from pathlib import Path

import click

from mlops_nix.cli._command import DescribedCommand, output_path
from mlops_nix.console import Console, OutputFormat, output_option
from mlops_nix.errors import ExitCode
from mlops_nix.nixeval import DEFAULT_TIMEOUT

_SHOWN = 20


@click.command(
    "docs",
    cls=DescribedCommand,
    groups={"Where": ["out", "schemas", "check", "force"], "Evaluation": ["timeout", "show_trace"]},
    examples=[
        "mlops-nix docs --out generated/reference --schemas generated/schemas",
        "mlops-nix docs --out generated/reference --check",
        "MLOPS_NIX_LIB=my-library/lib mlops-nix docs --out docs/reference",
    ],
    exit_codes={
        ExitCode.DIFFERENCES: "--check: a file is out of date",
        ExitCode.INVALID: "the library or a folder cannot be used; nothing was changed",
    },
)
@click.option(
    "-O", "--out", type=output_path, metavar="DIR", help="Write the reference pages (Markdown) into this folder."
)
@click.option(
    "--schemas",
    type=output_path,
    metavar="DIR",
    help="Write the JSON Schema of each builder's arguments into this folder.",
)
@click.option("--check", is_flag=True, help="Write nothing; name the files that are out of date.")
@click.option("--force", is_flag=True, help="Overwrite files of the folders that were edited by hand.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=DEFAULT_TIMEOUT,
    metavar="SECONDS",
    help=f"How long the evaluation may take.  [default: {DEFAULT_TIMEOUT:g}]",
)
@click.option("--show-trace", is_flag=True, help="Show Nix's own trace of an evaluation error.")
@output_option
def command(
    out: str | None,
    schemas: str | None,
    check: bool,
    force: bool,
    timeout: float,
    show_trace: bool,
    output: OutputFormat,
) -> int:
    """Write the reference: a page per builder with its options and versions, the checks, and JSON Schemas for editors."""
    from mlops_nix.docs import read_reference, reference_pages, schema_files
    from mlops_nix.files import OutputFolder
    from mlops_nix.findings import all_checks
    from mlops_nix.nixeval import evaluate_library

    if not out and not schemas:
        raise click.UsageError("give --out DIR for the pages, --schemas DIR for the schemas, or both")
    console = Console(output)
    wanted: list[tuple[str, dict[str, bytes]]] = []
    if out:
        builders = read_reference(evaluate_library("reference", timeout=timeout, show_trace=show_trace).json)
        wanted.append((out, reference_pages(builders, all_checks().values())))
    if schemas:
        wanted.append((schemas, schema_files(evaluate_library("schemas", timeout=timeout, show_trace=show_trace).json)))
    differences: dict[str, str] = {}
    for folder, files in wanted:
        target = OutputFolder(Path(folder))
        plan = target.plan(files) if check else target.write(files, force=force)
        found = {str(Path(folder) / path): why for path, why in plan.differences.items()}
        differences |= found
        changed = [path for path in (*plan.new, *plan.changed, *plan.edited) if path in files]
        if not console.json and not check:
            console.done(f"{folder}: {len(files)} files, {len(changed)} of them new or changed")
    if console.json:
        console.answer_json({"files": differences, "current": not differences})
    elif check:
        for path, why in list(differences.items())[:_SHOWN]:
            console.answer(f"{path}: {why}")
        if len(differences) > _SHOWN:
            console.answer(f"and {len(differences) - _SHOWN} more")
        if not differences:
            console.done("the reference is up to date")
    return ExitCode.DIFFERENCES if check and differences else ExitCode.OK
