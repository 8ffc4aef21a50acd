"""``mlops-nix secrets rotate``."""

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
from mlops_nix.console import output_option


@click.command(
    "rotate",
    cls=ClusterCommand,
    groups={
        "What": ["key", "from_file", "from_env", "restart"],
        "Set": SET_OPTIONS,
        "Cluster": CLUSTER_OPTIONS,
        "Output": ["output"],
    },
    examples=[
        "mlops-nix secrets rotate platform.nix mlflow-db",
        "mlops-nix secrets rotate platform.nix ml/hf-token --from-env ml/hf-token/token=HF_TOKEN",
        "mlops-nix secrets rotate platform.nix mlflow-db --key password --no-restart",
    ],
    exit_codes=EXIT_CODES,
)
@set_options()
@click.argument("secret", metavar="SECRET")
@click.option(
    "--key",
    multiple=True,
    metavar="KEY",
    help="Only this key; by default all that are generated or given. May be repeated.",
)
@click.option(
    "--from-file", multiple=True, metavar="NAMESPACE/NAME/KEY=PATH", help="Read the new value from a file; - is stdin."
)
@click.option(
    "--from-env", multiple=True, metavar="NAMESPACE/NAME/KEY=VARIABLE", help="Read the new value from the environment."
)
@click.option("--restart/--no-restart", default=True, help="Replace the pods that read it.  [default: restart]")
@cluster_options
@output_option
def command(
    secret: str,
    key: tuple[str, ...],
    from_file: tuple[str, ...],
    from_env: tuple[str, ...],
    restart: bool,
    output: Any,
    **values: Any,
) -> None:
    """Give a Secret new values, its copies too, and replace the pods that read it. No value is printed.

    A server that keeps a password itself (a database that is initialised once) has to be told the new one.
    """
    from mlops_nix.cluster.credentials import Values
    from mlops_nix.cluster.rotation import rotate

    set_choice, cluster_choice = chosen(values)
    console = streams(output)
    given = Values()
    given.add_files(from_file, sys.stdin.buffer)
    given.add_environment(from_env)
    with connected(cluster_choice, console) as session:
        desired = load_set(set_choice, console, session.cluster)
        done = rotate(session.cluster, desired, secret, given, keys=key, restart=restart)
        if console.json:
            session.line({"type": "summary", "set": desired.name, **done.to_json()})
            return
        for entry in done.secrets:
            console.answer(f"{entry.namespace}/{entry.name}: rotated ({', '.join(entry.keys)})")
        for ref in done.restarted:
            console.answer(f"{ref}: restarting")
