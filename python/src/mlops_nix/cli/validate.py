"""``mlops-nix validate``: check manifests against schemas and policies."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from mlops_nix.cli._command import DescribedCommand, load_target
from mlops_nix.errors import ExitCode
from mlops_nix.nixeval import DEFAULT_TIMEOUT

if TYPE_CHECKING:
    from mlops_nix.console import Console
    from mlops_nix.findings import Check
    from mlops_nix.schema import Schemas
    from mlops_nix.validation import Report
    from mlops_nix.yamlio import Reading


@click.command(
    "validate",
    cls=DescribedCommand,
    short_help="Check manifests against schemas and policies.",
    groups={
        "Schemas": ["kubernetes_version", "schema_targets", "with_kubeconform"],
        "Checks": ["strict", "ignored", "enable", "only", "list_checks"],
        "Output": ["everything", "output"],
        "Evaluation": ["timeout", "show_trace"],
    },
    examples=[
        "mlops-nix validate rendered/",
        "helm template loki grafana/loki | mlops-nix validate - --kubernetes-version 1.34",
        "mlops-nix validate app.yaml --schema crds/ --strict --output junit",
    ],
    exit_codes={ExitCode.OK: "valid", ExitCode.INVALID: "invalid, or a target cannot be read"},
)
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
@click.option("--show-trace", is_flag=True, help="Show Nix's own trace of an evaluation error.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=DEFAULT_TIMEOUT,
    show_default=True,
    metavar="SECONDS",
    help="How long an evaluation may take.",
)
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
    show_trace: bool,
    timeout: float,
    output: str,
) -> int:
    """Check Kubernetes objects, whoever wrote them.

    TARGET is a file or folder of YAML or JSON, - for stdin, or a platform in Nix. A folder that mlops-nix rendered is checked
    with what its mlops-nix.json tells. All objects of one call are one set: references, selectors and ports are followed
    between them.

    A finding is accepted in the object itself, with a reason, by the annotation mlops-nix.dev/ignore:
    "host-path=reads the node's logs; missing-limits=...", or by --ignore.
    """
    from mlops_nix import kubeconform
    from mlops_nix.console import Console
    from mlops_nix.findings import all_checks, parse_ignore
    from mlops_nix.validation import validate
    from mlops_nix.yamlio import Reading

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
    reading = Reading()
    for target in targets:
        _read(target, reading, console, timeout=timeout, show_trace=show_trace)
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


def _read(target: str, reading: Reading, console: Console, *, timeout: float, show_trace: bool) -> None:
    """Add the objects of a target: of a platform in Nix as it is evaluated, of everything else as it is read."""
    from mlops_nix import yamlio

    if not _needs_nix(target):
        yamlio.read([target], into=reading)
        return
    import orjson

    from mlops_nix import setdocument
    from mlops_nix.documents import Position

    document = load_target(target, console, timeout=timeout, show_trace=show_trace).document
    reading.set_document = orjson.loads(setdocument.encode(document))
    reading.manifests += [yamlio.Manifest(entry.object, Position(entry.file)) for entry in document.entries]


def _needs_nix(target: str) -> bool:
    """Tell whether a target has to be evaluated."""
    import os

    from mlops_nix.target import NIX_FILES
    from mlops_nix.yamlio import SET_FILE

    if target == "-":
        return False
    if os.path.isdir(target):
        return not os.path.isfile(os.path.join(target, SET_FILE)) and any(
            os.path.isfile(os.path.join(target, name)) for name in NIX_FILES
        )
    return target.endswith(".nix") or ("#" in target and not os.path.lexists(target))


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
