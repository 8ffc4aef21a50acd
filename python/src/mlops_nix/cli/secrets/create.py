"""``mlops-nix secrets create``."""

from __future__ import annotations

import sys
from typing import Any

import click

from mlops_nix.cli._cluster import (
    CLUSTER_OPTIONS,
    EXIT_CODES,
    SET_OPTIONS,
    ClusterCommand,
    chosen,
    cluster_options,
    connected,
    load_set,
    set_options,
)
from mlops_nix.cli._progress import streams
from mlops_nix.console import is_terminal, output_option
from mlops_nix.errors import ExitCode, InputError


@click.command(
    "create",
    cls=ClusterCommand,
    groups={
        "Values": ["from_file", "from_env", "only"],
        "External store": ["external_store", "store_kind", "prefix"],
        "Set": SET_OPTIONS,
        "Cluster": CLUSTER_OPTIONS,
        "Output": ["dry_run", "output"],
    },
    examples=[
        "mlops-nix secrets create platform.nix",
        "mlops-nix secrets create platform.nix --from-file ml/hf-token/token=./token.txt",
        "mlops-nix secrets create platform.nix --external-store vault | kubectl apply -f -",
    ],
    exit_codes={**EXIT_CODES, ExitCode.INVALID: "a value is missing, or cannot be used"},
)
@set_options()
@click.option(
    "--from-file",
    multiple=True,
    metavar="NAMESPACE/NAME/KEY=PATH",
    help="Read a value from a file; - is stdin. May be repeated.",
)
@click.option(
    "--from-env",
    multiple=True,
    metavar="NAMESPACE/NAME/KEY=VARIABLE",
    help="Read a value from the environment. May be repeated.",
)
@click.option("--only", multiple=True, metavar="NAME", help="Only this Secret. May be repeated.")
@click.option("--external-store", metavar="NAME", help="Make nothing; print ExternalSecrets that refer to this store.")
@click.option(
    "--store-kind",
    type=click.Choice(["ClusterSecretStore", "SecretStore"]),
    default="ClusterSecretStore",
    show_default=True,
    help="Kind of the store.",
)
@click.option("--prefix", default="", metavar="TEXT", help="Put before NAMESPACE/NAME, the key in the store.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@cluster_options
@output_option
def command(
    from_file: tuple[str, ...],
    from_env: tuple[str, ...],
    only: tuple[str, ...],
    external_store: str | None,
    store_kind: str,
    prefix: str,
    dry_run: bool,
    output: Any,
    **values: Any,
) -> int:
    """Make the Secrets of a set that are missing: generated, copied, or from you. Nothing is overwritten, no value is printed."""
    from mlops_nix.cluster.credentials import Values, create_missing, external

    set_choice, cluster_choice = chosen(values)
    console = streams(output)
    given = Values()
    given.add_files(from_file, sys.stdin.buffer)
    given.add_environment(from_env)
    if external_store:
        desired = load_set(set_choice, console, None)
        documents = external(desired, external_store, store_kind=store_kind, prefix=prefix)
        if console.json:
            console.answer_json({"apiVersion": "v1", "kind": "List", "items": documents})
        else:
            import yaml

            console.answer(yaml.safe_dump_all(documents, sort_keys=False), end="")
        return ExitCode.OK
    with connected(cluster_choice, console) as session:
        desired = load_set(set_choice, console, session.cluster)
        made = create_missing(session.cluster, desired, given, only=only, dry_run=dry_run)
        missing = [entry for entry in made if entry.action == "missing-values"]
        if missing and not dry_run and not console.json and is_terminal(sys.stdin) and is_terminal(sys.stderr):
            from mlops_nix.cluster.credentials import Place

            for entry in missing:
                for key in entry.keys:
                    # getpass behind it: what is typed is not shown.
                    text = click.prompt(f"{entry.namespace}/{entry.name} {key}", hide_input=True, err=True)
                    given.given[Place(entry.namespace, entry.name, key)] = text.encode()
            made = create_missing(session.cluster, desired, given, only=only)
            missing = [entry for entry in made if entry.action == "missing-values"]
        if console.json:
            session.line(
                {
                    "type": "summary",
                    "set": desired.name,
                    "dryRun": dry_run,
                    "secrets": [entry.to_json() for entry in made],
                }
            )
        else:
            for entry in made:
                keys = f" ({', '.join(entry.keys)})" if entry.keys else ""
                console.answer(f"{entry.namespace}/{entry.name}: {entry.action}{keys}")
            if not made:
                console.done("the set needs no Secrets")
        if missing:
            place = f"{missing[0].namespace}/{missing[0].name}/{missing[0].keys[0]}"
            raise InputError(
                "values are missing: "
                + ", ".join(f"{entry.namespace}/{entry.name} {', '.join(entry.keys)}" for entry in missing),
                hint=f"--from-file {place}=PATH, or --from-env {place}=VARIABLE",
            )
        return ExitCode.OK
