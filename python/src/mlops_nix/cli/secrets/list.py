"""``mlops-nix secrets list``."""

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
        "mlops-nix secrets list platform.nix",
        "mlops-nix secrets list rendered/",
        "mlops-nix secrets list .#acme --output json | jq -r '.[].name'",
    ],
    exit_codes={ExitCode.INVALID: "the target cannot be used"},
)
@target_argument
@output_option
def command(target: str, timeout: float, show_trace: bool, output: OutputFormat) -> None:
    """List the Secrets of a platform: keys, what each is for, and whether it is generated, copied or comes from you."""
    from mlops_nix.summary import origin_of, table

    console = Console(output)
    loaded = load_target(target, console, timeout=timeout, show_trace=show_trace)
    secrets = loaded.document.secrets
    if console.json:
        rows = msgspec.to_builtins(secrets)
        for row, secret in zip(rows, secrets, strict=True):
            for value, key in zip(row["keys"], secret.keys, strict=True):
                value["origin"] = origin_of(key)
        console.answer_json(rows)
        return
    for number, secret in enumerate(secrets):
        if number:
            console.answer("")
        kind = f"  ({secret.type})" if secret.type != "Opaque" else ""
        console.answer(console.style(f"{secret.namespace}/{secret.name}", bold=True) + kind)
        about = ": ".join(part for part in (secret.component, secret.purpose) if part)
        if about:
            console.answer(f"  {about}")
        rows = [(key.key, origin_of(key), key.purpose) for key in secret.keys]
        for line in table(rows) if rows else []:
            console.answer(f"    {line}")
    if not secrets:
        if loaded.kind == "manifests":
            console.warning(
                "plain manifests do not say which Secrets they need; give the Nix expression or a rendered folder"
            )
        else:
            console.done("the platform needs no Secrets")
