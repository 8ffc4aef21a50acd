"""``mlops-nix drift``: what somebody else changed."""

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
    "drift",
    cls=ClusterCommand,
    groups={"Set": SET_OPTIONS, "Cluster": CLUSTER_OPTIONS, "Output": ["output"]},
    examples=[
        "mlops-nix drift --set acme",
        "mlops-nix drift platform.nix",
        "mlops-nix drift --set acme --output json | jq '.drift[].fields[].manager'",
    ],
    exit_codes={ExitCode.OK: "nothing drifted", ExitCode.DIFFERENCES: "something drifted", **EXIT_CODES},
)
@set_options(required=False)
@cluster_options
@output_option
def command(output: Any, **values: Any) -> int:
    """Show what somebody else changed since a set was applied: which field, by whom, since when. Secrets are masked.

    Exit code 0: nothing, 2: something.
    """
    from mlops_nix.cluster.drift import drift

    set_choice, cluster_choice = chosen(values)
    console = streams(output)
    with connected(cluster_choice, console) as session:
        desired = load_or_stored(set_choice, session)
        found = drift(session.cluster, desired)
        if console.json:
            console.answer_json({"set": desired.name, "drift": [entry.to_json() for entry in found]})
        else:
            for entry in found:
                reason = f": {entry.reason}" if entry.reason else ""
                console.answer(f"{console.style(entry.kind, 'yellow')} {entry.ref}{reason}")
                for field in entry.fields:
                    console.answer(f"    {field}")
            if found:
                console.answer(
                    f"{len(found)} of {len(desired.items)} objects drifted; `mlops-nix apply` sets back what the set names"
                )
            else:
                console.done(f"{desired.name}: nothing drifted ({len(desired.items)} objects)")
        return ExitCode.DIFFERENCES if found else ExitCode.OK
