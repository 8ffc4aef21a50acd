"""``mlops-nix wait``: wait until a set is ready."""

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
    "wait",
    cls=ClusterCommand,
    groups={"What": ["timeout"], "Set": SET_OPTIONS, "Cluster": CLUSTER_OPTIONS, "Output": ["output", "quiet"]},
    examples=[
        "mlops-nix wait platform.nix",
        "mlops-nix wait --set acme --timeout 1800",
        "mlops-nix wait rendered/ --output json",
    ],
    exit_codes={**EXIT_CODES, ExitCode.NOT_READY: "not ready within --timeout"},
)
@set_options(required=False)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait.",
)
@cluster_options
@click.option("-q", "--quiet", is_flag=True, help="Leave out progress; warnings and errors stay.")
@output_option
def command(timeout: float, quiet: bool, output: Any, **values: Any) -> int:
    """Wait until every object of a set is ready, and say of those that are not why."""
    from mlops_nix.cluster.status import wait

    set_choice, cluster_choice = chosen(values)
    console = streams(output, quiet=quiet)
    with connected(cluster_choice, console) as session:
        desired = load_or_stored(set_choice, session)
        status = wait(session.cluster, desired, timeout=timeout)
        if console.json:
            session.line({"type": "summary", **status.to_json()})
        else:
            for line in status.lines(console, problems_only=True):
                console.answer(line)
            text = f"{desired.name}: {status.ready} of {status.total} ready"
            console.done(text) if status.all_ready else console.failed(text)
        return ExitCode.OK if status.all_ready else ExitCode.NOT_READY
