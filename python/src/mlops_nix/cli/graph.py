"""``mlops-nix graph``: a picture of how a platform is wired."""

from __future__ import annotations

from pathlib import Path

import click

from mlops_nix.cli._command import TARGET_OPTIONS, DescribedCommand, load_target, output_path, target_argument
from mlops_nix.console import Console
from mlops_nix.errors import ExitCode


@click.command(
    "graph",
    cls=DescribedCommand,
    groups={"Output": ["form", "out", "check"], "Evaluation": TARGET_OPTIONS},
    examples=[
        "mlops-nix graph platform.nix --out docs/platform.svg",
        "mlops-nix graph .#acme --format mermaid",
        "mlops-nix graph rendered/ --format dot | dot -Tpdf > platform.pdf",
    ],
    exit_codes={
        ExitCode.DIFFERENCES: "--check: the file is out of date",
        ExitCode.INVALID: "the target cannot be used, or the file cannot be written",
    },
)
@target_argument
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(["svg", "mermaid", "dot", "json"]),
    help="SVG for people, Mermaid for Markdown, dot for Graphviz.  [default: by the name of --out, else svg]",
)
@click.option("-O", "--out", type=output_path, metavar="FILE", help="Write a file instead of stdout.")
@click.option("--check", is_flag=True, help="Write nothing; exit 2 when FILE is not what would be written.")
def command(target: str, form: str | None, out: str | None, check: bool, timeout: float, show_trace: bool) -> int:
    """Draw the wiring of a platform: components by namespace, what they talk to and on which port, and what they require."""
    from mlops_nix.graph import as_json, dot, mermaid

    if check and not out:
        raise click.UsageError("--check compares with the file that --out names")
    form = form or {".mmd": "mermaid", ".mermaid": "mermaid", ".dot": "dot", ".gv": "dot", ".json": "json"}.get(
        Path(out or "").suffix, "svg"
    )
    console = Console()
    loaded = load_target(target, console, timeout=timeout, show_trace=show_trace)
    document = loaded.document
    if not document.graph.nodes and loaded.kind == "manifests":
        console.warning("plain manifests do not say how they are wired; give the Nix expression or a rendered folder")
    if form == "svg":
        from mlops_nix.picture import svg

        text = svg(document)
    elif form == "json":
        import json

        text = json.dumps(as_json(document), indent=2, ensure_ascii=False) + "\n"
    else:
        text = mermaid(document) if form == "mermaid" else dot(document)
    if out is None:
        console.answer(text, end="")
        return ExitCode.OK
    return _write(Path(out), text, console, check=check)


def _write(path: Path, text: str, console: Console, *, check: bool) -> int:
    from mlops_nix.files import replace_file

    if check:
        current = path.is_file() and path.read_bytes() == text.encode()
        console.answer(f"{path} is {'up to date' if current else 'out of date'}")
        return ExitCode.OK if current else ExitCode.DIFFERENCES
    changed = replace_file(path, text.encode())
    console.done(f"{path} {'is written' if changed else 'is up to date'}")
    return ExitCode.OK
