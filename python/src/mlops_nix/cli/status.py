"""``mlops-nix status``: how a set is."""

from __future__ import annotations

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
    set_options,
)
from mlops_nix.cli._progress import streams
from mlops_nix.cli._stored import load_or_stored
from mlops_nix.console import output_option
from mlops_nix.errors import ExitCode


@click.command(
    "status",
    cls=ClusterCommand,
    groups={"What": ["problems"], "Set": SET_OPTIONS, "Cluster": CLUSTER_OPTIONS, "Output": ["output"]},
    examples=[
        "mlops-nix status platform.nix",
        "mlops-nix status --set acme --problems",
        "mlops-nix status --set acme --output json | jq '.objects[] | select(.status != \"ready\")'",
    ],
    exit_codes={**EXIT_CODES, ExitCode.NOT_READY: "something is not ready"},
)
@set_options(required=False)
@click.option("--problems", is_flag=True, help="Only what is not ready.")
@cluster_options
@output_option
def command(problems: bool, output: Any, **values: Any) -> int:
    """Show a set as a tree: components, objects, whether each is ready, and why not."""
    from mlops_nix.cluster.status import status

    set_choice, cluster_choice = chosen(values)
    console = streams(output)
    with connected(cluster_choice, console) as session:
        desired = load_or_stored(set_choice, session)
        found = status(session.cluster, desired)
        if console.json:
            console.answer_json(found.to_json())
        else:
            for line in found.lines(console, problems_only=problems):
                console.answer(line)
            console.answer(f"{found.set}: {found.ready} of {found.total} ready")
        return ExitCode.OK if found.all_ready else ExitCode.NOT_READY
