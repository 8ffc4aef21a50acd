"""``mlops-nix validate``: check manifests against schemas and policies."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from mlops_nix.errors import ExitCode

if TYPE_CHECKING:
    from mlops_nix.console import Console
    from mlops_nix.findings import Check
    from mlops_nix.schema import Schemas
    from mlops_nix.validation import Report


@click.command("validate", short_help="Check manifests against schemas and policies.")
@click.argument("targets", metavar="[TARGET]...", nargs=-1)
@click.option(
    "-k", "--kubernetes-version", metavar="VERSION", help="Kubernetes that the objects shall run on, such as 1.36."
)
@click.option(
    "-s",
    "--schema",
    "schema_targets",
    metavar="PATH",
    multiple=True,
    help="File or folder with the CustomResourceDefinitions of own kinds.  [repeatable]",
)
@click.option("--strict", is_flag=True, help="Let warnings fail, too.")
@click.option(
    "--ignore",
    "ignored",
    metavar="ID[:KIND/NS/NAME]=REASON",
    multiple=True,
    help="Accept the findings of a check, everywhere or of one object.  [repeatable]",
)
@click.option("--enable", metavar="ID", multiple=True, help="Run a check that is off by default.  [repeatable]")
@click.option("--only", metavar="ID", multiple=True, help="Run these checks and no others.  [repeatable]")
@click.option(
    "--kubeconform",
    "with_kubeconform",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Ask kubeconform as well: if it is installed, always, or never.",
)
@click.option("--all", "everything", is_flag=True, help="Show infos and silenced findings, too.")
@click.option("--list-checks", is_flag=True, help="Show all checks and end.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "junit", "sarif"]),
    default="text",
    show_default=True,
    help="Text for people; JSON, JUnit XML or SARIF for machines, on stdout.",
)
def command(
    targets: tuple[str, ...],
    kubernetes_version: str | None,
    schema_targets: tuple[str, ...],
    strict: bool,
    ignored: tuple[str, ...],
    enable: tuple[str, ...],
    only: tuple[str, ...],
    with_kubeconform: str,
    everything: bool,
    list_checks: bool,
    output: str,
) -> int:
    """Check Kubernetes objects, whoever wrote them.

    TARGET is a file or folder of YAML or JSON, or - for stdin. A folder that mlops-nix rendered is checked with what its
    mlops-nix.json tells. All objects of one call are one set: references, selectors and ports are followed between them.

    \b
    Accept a finding in the object itself, with a reason:
      metadata:
        annotations:
          mlops-nix.dev/ignore: "host-path=reads the node's logs; missing-limits=..."

    \b
    Examples:
      mlops-nix validate rendered/
      helm template loki grafana/loki | mlops-nix validate - --kubernetes-version 1.34
      mlops-nix validate app.yaml --schema crds/ --strict --output junit

    Exit codes: 0 valid, 3 invalid or unreadable, 64 wrong usage.
    """  # noqa: D301 (\b keeps click from re-wrapping)
    from mlops_nix import kubeconform
    from mlops_nix.console import Console
    from mlops_nix.findings import all_checks, parse_ignore
    from mlops_nix.validation import validate
    from mlops_nix.yamlio import read

    console = Console("text" if output == "text" else "json", quiet=output != "text")
    if list_checks:
        return _list_checks(console, list(all_checks().values()))
    if not targets:
        raise click.UsageError("expected a file, a folder, or - for stdin", ctx=click.get_current_context())
    for name in (*enable, *only):
        if name not in all_checks():
            from mlops_nix.nearest import suggest

            raise click.UsageError(
                f"{name}: unknown check{suggest(name, all_checks())}", ctx=click.get_current_context()
            )
    ignores = [parse_ignore(text) for text in ignored]
    start = time.perf_counter()
    reading = read(targets)
    wanted = kubernetes_version or (reading.set_document or {}).get("kubernetesVersion")
    schemas = _schemas(wanted, schema_targets)
    loaded = time.perf_counter()
    report = validate(
        reading,
        schemas=schemas,
        ignores=ignores,
        enable=enable,
        only=only or None,
        with_kubeconform=with_kubeconform == "always"
        or (with_kubeconform == "auto" and kubeconform.available() is not None),
    )
    _print(console, report, output=output, everything=everything, strict=strict)
    if console.live:
        end = time.perf_counter()
        console.done(f"read in {loaded - start:.2f} s, checked in {end - loaded:.2f} s")
    return ExitCode.OK if report.valid(strict=strict) else ExitCode.INVALID


def _schemas(version: str | None, targets: tuple[str, ...]) -> Schemas:
    """Load the schemas of a version, and the CRDs that the user brings."""
    from mlops_nix.errors import InputError
    from mlops_nix.schema import Schemas
    from mlops_nix.yamlio import read_objects

    schemas = Schemas(version)
    for target in targets:
        if not schemas.add_crds(read_objects([target])):
            raise InputError("no CustomResourceDefinition with a schema in it", path=target)
    return schemas


def _print(console: Console, report: Report, *, output: str, everything: bool, strict: bool) -> None:
    from mlops_nix import reports

    match output:
        case "json":
            console.answer_json(report.to_json(strict=strict))
        case "junit":
            console.answer(reports.junit(report, strict=strict))
        case "sarif":
            console.answer_json(reports.sarif(report))
        case _:
            reports.text(report, console, everything=everything, strict=strict)


def _list_checks(console: Console, checks: list[Check]) -> int:
    if console.json:
        console.answer_json([check.to_json() for check in checks])
        return ExitCode.OK
    width = max(len(check.id) for check in checks)
    family = ""
    for check in checks:
        if check.family != family:
            family = check.family
            console.answer(console.style(family.replace("_", " "), bold=True))
        off = "" if check.on else " (off by default)"
        console.answer(f"  {check.id:<{width}}  {check.severity.value:<7}  {check.summary}{off}")
    return ExitCode.OK
